"""Programs of other languages: compiled and run behind the same wall, judged by their output.

run(find("shell"), "read a b; echo $((a + b))", stdin="3 4\\n", limits=Limits.default()).output == "7\\n"
"""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from lakehouse.errors import MachineError
from lakehouse.sandbox import Limits, Verdict
from lakehouse.sandbox.languages import LANGUAGES, find, run

SUMS = {
    "python": "a, b = map(int, input().split())\nprint(a + b)\n",
    "javascript": "const [a, b] = require('fs').readFileSync(0, 'utf8').split(' ').map(Number);\nconsole.log(a + b);\n",
    "go": 'package main\n\nimport "fmt"\n\nfunc main() {\n\tvar a, b int\n\tfmt.Scan(&a, &b)\n\tfmt.Println(a + b)\n}\n',
    "java": (
        "import java.util.Scanner;\npublic class Main {\n  public static void main(String[] args) {\n"
        "    Scanner in = new Scanner(System.in);\n    System.out.println(in.nextInt() + in.nextInt());\n  }\n}\n"
    ),
    "cpp": "#include <iostream>\nint main() { int a, b; std::cin >> a >> b; std::cout << a + b << std::endl; }\n",
    "rust": (
        "use std::io;\nfn main() {\n    let mut line = String::new();\n    io::stdin().read_line(&mut line).unwrap();\n"
        '    let sum: i32 = line.split_whitespace().map(|x| x.parse::<i32>().unwrap()).sum();\n    println!("{}", sum);\n}\n'
    ),
    "shell": "read a b\necho $((a + b))\n",
}
LOOPS = {
    "java": "public class Main { public static void main(String[] a) { for (;;) {} } }",
    "shell": "while :; do :; done",
}


@pytest.fixture(scope="module")
def limits() -> Limits:
    return Limits.default().model_copy(update={"wall_seconds": 240.0, "cpu_seconds": 3})


def ran(name: str, source: str, limits: Limits, stdin: str = "") -> Verdict:
    try:
        return run(find(name), source, stdin=stdin, limits=limits)
    except MachineError as error:
        pytest.skip(f"not on this machine: {error}")


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n == "go" else n for n in LANGUAGES])
def test_a_program_reads_its_input_and_its_output_is_kept(name: str, limits: Limits) -> None:
    verdict = ran(name, SUMS[name], limits, "3 4\n")
    assert (verdict.end, verdict.output) == ("passed", "7\n"), verdict
    assert verdict.cpu > 0


@pytest.mark.parametrize("name", ["java", "cpp", "rust"])
def test_what_does_not_compile_is_told_from_what_fails(name: str, limits: Limits) -> None:
    verdict = ran(name, "this is no program", limits)
    assert verdict.end == "syntax_error"
    assert "error" in verdict.detail


@pytest.mark.parametrize("name", LOOPS)
def test_an_endless_loop_ends_by_its_cpu_time(name: str, limits: Limits) -> None:
    assert ran(name, LOOPS[name], limits.model_copy(update={"cpu_seconds": 1})).end == "cpu_limit"


@pytest.mark.parametrize(
    ("name", "source", "end"),
    [
        ("shell", "exit 3", "error"),
        ("shell", "kill -9 0; kill -9 -1; kill -9 1; kill -9 2; echo still; exit 1", "error"),
        ("shell", "yes", "output_limit"),
        ("python", "x = []\nwhile True: x.append(bytearray(1 << 24))", "memory_limit"),
        ("javascript", "const x = []; for (;;) x.push(new Array(1e6).fill(1.5));", "error"),
        ("shell", "f() { f | f & }; f; wait; exit 1", "error"),
        ("cpp", "int main() { int *p = 0; *p = 1; }", "error"),
    ],
)
def test_abuse_ends_in_a_verdict(name: str, source: str, end: str, limits: Limits) -> None:
    assert ran(name, source, limits).end in (end, "cpu_limit", "process_limit")


def test_a_program_sees_neither_network_nor_files_nor_processes_of_the_machine(tmp_path: Path, limits: Limits) -> None:
    (tmp_path / "secret").write_text("4711")
    bystander = subprocess.Popen(["sleep", "600"])
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        source = f"""
cat {tmp_path}/secret && echo read
echo x > {tmp_path}/new && echo wrote
echo x > /usr/bin/planted && echo planted
(echo hello > /dev/tcp/127.0.0.1/{server.getsockname()[1]}) && echo connected
kill -9 {bystander.pid} && echo killed
cat /etc/passwd && echo users
mount -t tmpfs x /tmp && echo mounted
unshare -U true && echo namespaces
for p in /proc/[0-9]*; do cat $p/environ > /dev/null && [ $p != /proc/$$ ] && [ $p != /proc/self ] && echo $p; done
env | grep -c . > /tmp/count
exit 0
"""
        verdict = ran("shell", source, limits)
        server.settimeout(0.1)
        with pytest.raises(TimeoutError):
            server.accept()
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()
    said = {line for line in verdict.output.splitlines() if ":" not in line}
    assert said & {"read", "wrote", "planted", "connected", "killed", "users", "mounted", "namespaces"} == set(), (
        verdict
    )
    assert "4711" not in verdict.output
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_an_unknown_language_and_a_missing_toolchain_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from lakehouse.sandbox import languages

    with pytest.raises(ValueError, match=r"no language 'pyhton'; allowed: python.*Did you mean 'python'"):
        find("pyhton")
    monkeypatch.setattr(languages.shutil, "which", lambda _: None)
    with pytest.raises(MachineError, match="bash is not on this machine"):
        languages._shell()
