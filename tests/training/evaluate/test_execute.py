"""Limits follow the machine and the problem, so that a right program is not called wrong for being slow.

with Executor(Limits.default(), workers=2) as executor:
    faults = executor.calibrate(references(problems))
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from lakehouse.errors import MachineError
from lakehouse.sandbox import Limits, Program, Verdict
from training.evaluate import multipl_e
from training.evaluate.answers import program
from training.evaluate.execute import MARGIN, SCALES, Executor, Run, scaled
from training.evaluate.problems import LAYOUTS, Problem
from training.evaluate.score import references, score

ADD = Problem(
    "add", "python", "", "def add(a, b):\n", "add", "def add(a, b):\n    return a + b\n", "assert add(1, 2) == 3", ()
)


class Measured(Executor):
    """Programs that say how many CPU seconds they need; the limits are those of the executor."""

    def _one(self, one: Run, scale: int) -> Verdict:
        need, limit = float(one.program.solution), scaled(self.base, self.machine * scale).cpu_seconds
        passed = Verdict("passed", "", "", need, need, "", 0)
        return passed if need <= limit else replace(passed, end="cpu_limit", cpu=limit)


def runs(**needs: float) -> list[Run]:
    return [Run(replace(ADD, name=name), Program(str(need))) for name, need in needs.items()]


def test_limits_are_doubled_until_the_authors_solution_needs_a_quarter_of_them() -> None:
    limits = Limits.default().model_copy(update={"cpu_seconds": 8, "wall_seconds": 8.0})
    with Measured(limits, 1, machine=1.0) as executor:
        faults = executor.calibrate(runs(quick=1, fits=2, tight=2.1, over=9, long=30, endless=1000))
        scales = {
            name: executor.scale(replace(ADD, name=name)) for name in ("quick", "fits", "tight", "over", "long", "new")
        }
    assert scales == {"quick": 1, "fits": 1, "tight": 2, "over": 8, "long": 16, "new": 1}
    assert faults == {"endless": "cpu_limit: "}
    assert (MARGIN, SCALES[-1]) == (4, 16)


def test_a_slow_machine_widens_every_limit_and_a_fast_one_none() -> None:
    limits = Limits.default().model_copy(update={"cpu_seconds": 8, "wall_seconds": 8.0})
    with Measured(limits, 1, machine=2.5) as executor:
        assert executor.calibrate(runs(tight=5, over=5.1)) == {}
        assert [executor.scale(replace(ADD, name=name)) for name in ("tight", "over")] == [2.5, 5.0]
    wide = scaled(limits, 2.5)
    assert (wide.cpu_seconds, wide.wall_seconds, wide.memory) == (20, 20.0, 2 * limits.memory)
    assert (wide.output_bytes, wide.processes) == (limits.output_bytes, limits.processes)
    assert scaled(limits, 1.0) == limits


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    try:
        with Executor(Limits.default(), 1) as made:
            yield made
    except MachineError as error:
        pytest.skip(f"no sandbox here: {error}")


def test_a_wrong_solution_of_the_authors_is_told(executor: Executor) -> None:
    """What does not pass for its authors says nothing of a model."""
    assert executor.machine >= 1
    wrong = replace(ADD, name="wrong", solution="def add(a, b):\n    return a\n")
    faults = executor.calibrate(references([ADD, wrong, replace(ADD, name="none", solution="")]))
    assert list(faults) == ["wrong"]
    assert faults["wrong"].startswith("failed")


# A line of the layout for each language, written for this test: prompt, what continues it, stops, tests.
JAVA = "import java.util.*;\nimport org.javatuples.*;\nclass Problem {\n    public static long add(long a, long b) {\n"
FILES = {
    "py": (
        "def add(a: int, b: int) -> int:\n", "    return a + b\n", ["\ndef", "\n#"],
        "def check(candidate):\n    assert candidate(1, 2) == 3\n\ncheck(add)\n",
    ),
    "js": (
        "//Adds.\nfunction add(a, b){\n", "    return a + b;\n}\n", ["\nfunction ", "\n//"],
        "const assert = require('node:assert');\nassert.deepEqual(add(1, 2), 3);\n",
    ),
    "sh": (
        "#!/bin/bash\nadd() {\n", "    echo $(( $1 + $2 ))\n}\n", ["\n}"],
        "}\n\nset -e\n[[ $(add 1 2) = '3' ]]\n",
    ),
    "cpp": (
        "#include<assert.h>\nlong add(long a, long b) {\n", "    return a + b;\n}\n", ["\n}"],
        "}\nint main() {\n    assert(add(1, 2) == 3);\n}\n",
    ),
    "rs": (
        "fn add(a: i64, b: i64) -> i64 {\n", "    a + b\n}\n", ["\n}"],
        "}\nfn main() {\n    assert_eq!(add(1, 2), 3);\n}\n",
    ),
    "java": (
        JAVA, "        return a + b;\n    }\n}\n", ["\n    }\n"],
        "    }\n    public static void main(String[] args) {\n        assert(add(1L, 2L) == 3L);\n    }\n}\n",
    ),
    "go_test.go": (
        'package add_test\nimport (\n    "testing"\n)\nfunc add(a int, b int) int {\n', "    return a + b\n}\n", ["\n}"],
        '}\nfunc TestAdd(t *testing.T) {\n    if add(1, 2) != 3 { t.Errorf("no") }\n}\n',
    ),
}  # fmt: skip


def problem(language: str) -> tuple[Problem, str]:
    """The problem, and what continues its prompt rightly."""
    prompt, right, stops, tests = FILES[language]
    row = {"name": f"add_{language}", "language": language, "prompt": prompt, "tests": tests, "stop_tokens": stops}
    return LAYOUTS["multipl_e"]([row])[0], right


@pytest.mark.parametrize("language", FILES)
def test_programs_of_other_languages_pass_and_fail_as_they_must(language: str, executor: Executor) -> None:
    one, right = problem(language)
    if (why := multipl_e.missing(one)) is not None:
        pytest.skip(why)
    assert "+" in right
    said = {one.name: [right, right.replace("+", "-"), "    )("]}
    base = score([one], said, execute=executor.run, ks=(1,), chat=False)
    assert [answer.passed for answer in base.answers] == [True, False, False]
    whole = f"Here it is:\n```{one.language}\n{one.prompt}{right}```\n"
    chat = score([one], {one.name: [whole, whole.replace(" + ", " - ")]}, execute=executor.run, ks=(1,), chat=True)
    assert [answer.end == "passed" for answer in chat.answers] == [True, False], chat.answers


def test_what_cannot_be_run_is_left_out_by_name() -> None:
    python, _ = problem("py")
    php, tuples = replace(python, language="php"), replace(python, language="java", prompt="Pair<Long, Long> f() {")
    kept, skipped = multipl_e.runnable([python, php, tuples])
    assert kept == [python]
    assert skipped["php"] == "the sandbox has no php"
    assert set(skipped) == {"php", "java"}


def test_a_function_is_cut_where_the_tests_close_it() -> None:
    one, right = problem("cpp")
    said = f"```cpp\n{one.prompt}{right}```"
    assert program(one, said, chat=True) == (one.prompt + right).removesuffix("\n}\n")
    assert program(one, right + "int other() {\n}", chat=False) == one.prompt + "    return a + b;"
