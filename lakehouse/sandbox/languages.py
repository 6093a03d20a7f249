"""Programs of other languages behind the same wall, each where its toolchain is on the machine.

    verdict = run(find("go"), source, stdin="3 4\\n", limits=Limits.default())
    verdict.passed and verdict.output == "7\\n"

`passed` says that the program was compiled, ran and ended with status 0. That is for the program to say; whether it is
right is judged by its output, out here. Cost: a fresh wall and toolchain for each program, 50 ms for a script and a second
or more where something is compiled.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from lakehouse.errors import MachineError, nearest
from lakehouse.sandbox.bwrap import SANDBOX_ID, interpreter, wall
from lakehouse.sandbox.verdict import STOPPED, Limits, Verdict
from lakehouse.session import cache_dir

# Compilers are trusted more than programs and need more; what they build is still untrusted and stays behind the wall.
COMPILE = {"wall_seconds": 120, "cpu_seconds": 60, "memory": 2 << 30, "processes": 256, "file_bytes": 256 << 20}
SCRATCH_BYTES = 512 << 20
THREADS = 128  # a virtual machine starts dozens before the program begins
GRACE_SECONDS = 15


@dataclass(frozen=True)
class Language:
    """How programs of a language become running ones. `folders`: seen inside as they are, beside /usr."""

    name: str
    file: str
    compile: tuple[str, ...]
    run: tuple[str, ...]
    folders: tuple[Path, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)


def find(name: str) -> Language:
    """The language as it is installed here. Raises MachineError where its toolchain is missing, ValueError for an unknown name."""
    if name not in _FIND:
        raise ValueError(f"no language {name!r}; allowed: {', '.join(_FIND)}.{nearest(name, _FIND)}")
    return _FIND[name]()


def run(language: Language, source: str, *, stdin: str = "", limits: Limits) -> Verdict:
    """Compile and run one program. Never raises for what it does."""
    if len(source) + len(stdin) > limits.source_bytes:
        return Verdict.of("refused", detail=f"more than {limits.source_bytes} bytes of source")
    request = {"file": language.file, "source": source, "stdin": stdin, "env": _environment(language)}
    request |= {"compile": language.compile, "run": language.run}
    data = json.dumps(request).encode()
    processes = max(THREADS, limits.processes)
    steps = {"id": SANDBOX_ID, "compile": COMPILE, "run": limits.model_dump() | {"processes": processes}}
    behind = wall(folders=language.folders, scratch=SCRATCH_BYTES)
    command = [*behind, str(interpreter()), "-S", "-s", "-P", "-B", "-m", "inside.launch"]
    try:
        done = subprocess.run(
            [*command, json.dumps(steps)],
            input=len(data).to_bytes(4, "little") + data,
            capture_output=True,
            timeout=COMPILE["wall_seconds"] + limits.wall_seconds + GRACE_SECONDS,
            env={},
            check=False,
        )
        answer = json.loads(done.stdout[4:])
    except subprocess.TimeoutExpired:
        return Verdict.of("broken", detail="the sandbox did not answer")
    except ValueError:
        return Verdict.of("broken", detail=done.stderr.decode("utf-8", "replace").strip()[-300:])
    return _verdict(answer, limits)


def _environment(language: Language) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "TMPDIR": "/tmp", "LANG": "C.UTF-8", **language.env}


def _verdict(answer: Mapping[str, Any], limits: Limits) -> Verdict:
    code, stopped, output = int(answer["code"]), str(answer["stopped"]), str(answer["output"])
    where = "solution"
    if stopped:
        end: Any = stopped
        detail = STOPPED[stopped].format(limits=limits) if answer["step"] == "run" else f"the compiler: {stopped}"
    elif answer["step"] == "compile":
        end, detail = "syntax_error", output.strip()[-2000:]
    elif code == 0:
        end, where, detail = "passed", "", ""
    elif -code in (9, 24):  # SIGKILL past the hard limit, SIGXCPU past the soft one
        end, detail = "cpu_limit", f"more than {limits.cpu_seconds} s of CPU time"
    else:
        end, detail = "error", f"exit status {code}: {output.strip()[-500:]}"
    if answer["step"] == "run" and int(answer["output_bytes"]) > limits.output_bytes and not stopped:
        end, detail = "output_limit", f"more than {limits.output_bytes} bytes of output"
    return Verdict(end, where, detail, float(answer["wall"]), float(answer["cpu"]), output, int(answer["output_bytes"]))


def _tool(name: str) -> Path:
    found = shutil.which(name)
    if found is None:
        raise MachineError(f"{name} is not on this machine, so programs that need it cannot be run. Install it first.")
    return Path(found).resolve()


def _python() -> Language:
    return Language("python", "main.py", (), (str(interpreter()), "-I", "-S", "-B", "main.py"))


def _javascript() -> Language:
    return Language("javascript", "main.js", (), (str(_tool("node")), "--max-old-space-size=384", "main.js"))


def _shell() -> Language:
    return Language("shell", "main.sh", (), (str(_tool("bash")), "--norc", "--noprofile", "main.sh"))


def _cpp() -> Language:
    compiler = str(_tool("g++"))
    return Language("cpp", "main.cpp", (compiler, "-O1", "-std=c++17", "-o", "main", "main.cpp"), ("/tmp/main",))


def _java() -> Language:
    compiler, runtime = _tool("javac"), _tool("java")
    flags = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx384m", "-XX:-UsePerfData")
    folders = tuple(Path("/etc").glob("java-*-openjdk"))  # Debian keeps a runtime's configuration there
    javac = (str(compiler), *(f"-J{flag}" for flag in flags), "-d", "/tmp", "Main.java")
    return Language("java", "Main.java", javac, (str(runtime), *flags, "-cp", "/tmp", "Main"), folders)


def _rust() -> Language:
    said = subprocess.run(
        [str(shutil.which("rustc") or _tool("rustc")), "--print", "sysroot"], capture_output=True, text=True, check=True
    )
    root = Path(said.stdout.strip())
    linker = f"linker={_tool('gcc')}"
    build = (str(root / "bin" / "rustc"), "-C", "opt-level=1", "-C", linker, "-o", "main", "main.rs")
    return Language("rust", "main.rs", build, ("/tmp/main",), (root,))


def _go() -> Language:
    go = _tool("go")
    root, kept = go.parent.parent, _go_cache(go)
    env = {"GOROOT": str(root), "GOCACHE": str(kept or "/tmp/.cache"), "GOPATH": "/tmp/go", **GO}
    folders = (root, kept) if kept else (root,)
    return Language("go", "main.go", (str(go), "build", "-o", "main", "main.go"), ("/tmp/main",), folders, env)


GO = {"GO111MODULE": "off", "GOTOOLCHAIN": "local", "GOFLAGS": "-p=1", "CGO_ENABLED": "0", "GOTELEMETRY": "off"}
GO_PACKAGES = [
    "bufio",
    "bytes",
    "container/heap",
    "errors",
    "fmt",
    "math",
    "os",
    "sort",
    "strconv",
    "strings",
    "sync",
    "time",
    "unicode",
]


def _go_cache(go: Path) -> Path | None:
    """Go's standard library, compiled once: 10 CPU seconds that every program would cost otherwise. None where it cannot be kept."""
    said = subprocess.run([str(go), "version"], capture_output=True, text=True, check=True).stdout
    kept = cache_dir() / "go" / hashlib.sha256(said.encode()).hexdigest()[:16]
    if kept.is_relative_to("/tmp"):
        return None  # not seen inside
    if not kept.is_dir():
        new = kept.with_suffix(f".{os.getpid()}")
        env = {"PATH": "/usr/bin:/bin", "HOME": str(new), "GOCACHE": str(new), **GO}
        subprocess.run([str(go), "build", *GO_PACKAGES], env=env, check=True, capture_output=True, timeout=600)
        try:
            new.rename(kept)
        except OSError:  # another process was faster
            shutil.rmtree(new)
    return kept


_FIND: dict[str, Callable[[], Language]] = {
    "python": cache(_python),
    "javascript": cache(_javascript),
    "go": cache(_go),
    "java": cache(_java),
    "cpp": cache(_cpp),
    "rust": cache(_rust),
    "shell": cache(_shell),
}
LANGUAGES = tuple(_FIND)
