"""A solution and its tests in any language of the sandbox, as one program that says which test did not hold.

    verdict = run_tests(find("go"), SOLUTION, ["add(2, 3) == 5", "same(pair(1), []int{1, 1})"], limits=limits)

A test is a condition that holds when the solution is right; in shell a command that succeeds. `same` compares by content
where `==` does not (JavaScript, Go, Java). Cost: a fresh wall and toolchain for each program.

Unlike in Python, tests run in the process of the solution. That they were reached is told by a mark that is printed behind
the last one and follows from the whole program, so a solution that ends early, or prints that all is well, does not pass.
One that reads its own file and looks for the mark would: nobody who writes a function does so by accident.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lakehouse.sandbox.languages import Language, run
from lakehouse.sandbox.verdict import Limits, Verdict

FAILED = 3  # exit status of a program whose test did not hold
TESTED = ("javascript", "go", "java", "cpp", "rust", "shell")


def run_tests(language: Language, solution: str, tests: Sequence[str], *, limits: Limits, seed: int = 0) -> Verdict:
    """How the tests of a solution ended. Never raises for what it does. `seed`: another mark, so another program."""
    mark = mark_of(solution, tests, seed)
    verdict = run(language, assembled(language.name, solution, tests, mark), limits=limits)
    last = verdict.output.rstrip("\n").rpartition("\n")[2].strip()
    number = re.fullmatch(rf"{mark} (\d+)", last)
    if verdict.passed and not (number and int(number[1]) == len(tests)):
        return replace(
            verdict, end="exited", where="solution", detail="it ended with status 0 before its tests were done"
        )
    if verdict.end == "error" and number and int(number[1]) < len(tests):
        test = int(number[1])
        return replace(
            verdict, end="failed", where="tests", detail=f"does not hold: {tests[test]}"[:500], line=test + 1
        )
    return verdict


def mark_of(solution: str, tests: Sequence[str], seed: int) -> str:
    """What a program prints when its tests are done."""
    said = "\0".join((solution, *tests, str(seed)))
    return f"mark-{hashlib.sha256(said.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}"


def assembled(name: str, solution: str, tests: Sequence[str], mark: str) -> str:
    """The program: solution, then tests. Raises KeyError for a language that is not of TESTED."""
    made = _ASSEMBLED[name]
    body = "\n".join(made.one.format(test=test, number=i, mark=mark, failed=FAILED) for i, test in enumerate(tests))
    done = made.done.format(mark=mark, count=len(tests))
    if name == "go":  # a package may be imported under a second name, which cannot clash with the solution's imports
        head = re.search(r"^\s*package\s+\w+[^\n]*$", solution, re.MULTILINE)
        rest = solution[head.end() :] if head else solution
        return f"package main\n{_GO_IMPORTS}{rest}\n{made.before}{body}\n{done}\n{made.after}"
    if name == "java":  # a file has one public class, which is ours
        solution = re.sub(r"\bpublic\s+((?:final\s+|abstract\s+)*(?:class|record|enum|interface)\b)", r"\1", solution)
    return f"{solution}\n{made.before}{body}\n{done}\n{made.after}"


@dataclass(frozen=True)
class _Frame:
    """What stands before all tests, around each one, behind the last, and at the end."""

    before: str
    one: str
    done: str
    after: str


_GO_IMPORTS = 'import fmt_ "fmt"\nimport os_ "os"\nimport reflect_ "reflect"\n'
_ASSEMBLED = {
    "javascript": _Frame(
        "const same = require('util').isDeepStrictEqual;\n",
        "if (!({test})) {{ console.log('\\n{mark} {number}'); process.exit({failed}); }}",
        "console.log('\\n{mark} {count}');",
        "",
    ),
    "go": _Frame(
        "func same(a, b any) bool { return reflect_.DeepEqual(a, b) }\nfunc main() {\n",
        'if !({test}) {{ fmt_.Println("\\n{mark} {number}"); os_.Exit({failed}) }}',
        'fmt_.Println("\\n{mark} {count}")',
        "}\n",
    ),
    "java": _Frame(
        "public class Main {\n"
        "static boolean same(Object a, Object b) { return java.util.Objects.deepEquals(a, b); }\n"
        "public static void main(String[] arguments) throws Throwable {\n",
        'if (!({test})) {{ System.out.println("\\n{mark} {number}"); System.exit({failed}); }}',
        'System.out.println("\\n{mark} {count}");',
        "}\n}\n",
    ),
    "cpp": _Frame(
        "\n#include <cstdio>\n#include <cstdlib>\nint main() {\n",
        'if (!({test})) {{ std::fflush(nullptr); std::puts("\\n{mark} {number}"); std::exit({failed}); }}',
        'std::puts("\\n{mark} {count}");',
        "return 0; }\n",
    ),
    "rust": _Frame(
        "fn main() {\n",
        'if !({test}) {{ println!("\\n{mark} {number}"); std::process::exit({failed}); }}',
        'println!("\\n{mark} {count}");',
        "}\n",
    ),
    "shell": _Frame(
        "",
        "if ! {{ {test}\n}}; then printf '\\n%s\\n' '{mark} {number}'; exit {failed}; fi",
        "printf '\\n%s\\n' '{mark} {count}'",
        "",
    ),
}
