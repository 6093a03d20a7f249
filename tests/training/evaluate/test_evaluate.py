"""Right programs score 100, wrong ones 0, and the estimates are those of counting.

score(problems, answers, execute=executor.run, ks=(1, 10), chat=False).pass_at[1]
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.errors import ConfigError, InputError, JobFailed, MachineError
from lakehouse.sandbox import Limits, Verdict
from training.evaluate.answers import program, prompted, until
from training.evaluate.execute import Executor, Run
from training.evaluate.problems import Problem, load
from training.evaluate.score import TIMED_OUT, references, score
from training.evaluate.scores import bits_per_byte, pass_at_k

ADD = Problem(
    "add/0", "python", "Add two numbers.", "def add(a, b):\n", "add", "def add(a, b):\n    return a + b\n",
    "assert add(1, 2) == 3\nassert add(-1, 1) == 0\n", ("\ndef ", "\nprint"),
)  # fmt: skip


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    try:
        with Executor(Limits.default(), 2) as made:
            yield made
    except MachineError as error:
        pytest.skip(f"no sandbox here: {error}")


@given(st.integers(1, 7), st.data())
def test_pass_at_k_is_the_share_of_draws_that_hold_a_pass(samples: int, data: st.DataObject) -> None:
    passed, k = data.draw(st.integers(0, samples)), data.draw(st.integers(1, samples))
    draws = list(itertools.combinations(range(samples), k))
    right = sum(any(one < passed for one in draw) for draw in draws)
    assert pass_at_k(samples, passed, k) == pytest.approx(right / len(draws))


def test_pass_at_k_stays_exact_for_many_samples_and_refuses_nonsense() -> None:
    assert pass_at_k(10_000, 1, 100) == pytest.approx(0.01)
    with pytest.raises(ValueError, match=r"pass@3 of 1 among 2"):
        pass_at_k(2, 1, 3)


def test_bits_per_byte_of_a_uniform_guess_over_bytes_is_eight() -> None:
    assert bits_per_byte(1000 * math.log(256), 1000) == pytest.approx(8)
    with pytest.raises(ValueError, match="0 bytes"):
        bits_per_byte(1.0, 0)


def test_known_programs_end_as_they_must(executor: Executor) -> None:
    said = {
        "    return a + b\n\ndef other(): pass": "passed",
        "    return a - b": "failed",
        "    return undefined": "error",
        "    return (": "syntax_error",
        "    while True: pass": "timed out",  # by CPU time, on a busy machine by wall time
        "    import sys; sys.exit(0)": "error",
    }
    report = score([ADD], {"add/0": list(said)}, execute=executor.run, ks=(1, 2), chat=False)
    ends = ["timed out" if one.end in TIMED_OUT else one.end for one in report.answers]
    assert ends == list(said.values())
    assert report.pass_at == {1: pytest.approx(1 / 6), 2: pytest.approx(pass_at_k(6, 1, 2))}
    assert report.timed_out == 1


def test_a_timeout_counts_when_it_comes_twice_and_a_broken_sandbox_never() -> None:
    def sandbox(*ends: str) -> tuple[list[str], object]:
        waiting = list(ends)

        def execute(runs: Iterable[Run]) -> Iterator[Verdict]:
            return iter([Verdict.of(waiting.pop(0)) for _ in runs])  # type: ignore[arg-type]

        return waiting, execute

    for ends, expected in (
        (("timeout", "passed"), "passed"),
        (("timeout", "timeout"), "timeout"),
        (("failed",), "failed"),
    ):
        left, execute = sandbox(*ends)
        report = score([ADD], {"add/0": ["x"]}, execute=execute, ks=(1,), chat=False)
        assert ([one.end for one in report.answers], left) == ([expected], [])
    with pytest.raises(JobFailed, match="the sandbox broke"):
        score([ADD], {"add/0": ["x"]}, execute=sandbox("broken")[1], ks=(1,), chat=False)
    with pytest.raises(InputError, match="1 problems have fewer than 2 answers, the first is add/0"):
        score([ADD], {"add/0": ["x"]}, execute=sandbox("passed")[1], ks=(2,), chat=False)


def test_base_models_continue_and_chat_models_answer() -> None:
    assert prompted(ADD, chat=False) == "def add(a, b):\n"
    assert prompted(ADD, chat=True).endswith("Add two numbers.\n")
    assert until("a\nprint(b)\ndef c", ADD.stops) == "a"
    said = "Sure:\n```python\nimport os\n\ndef add(a, b):\n    return a + b\n\nprint(add(1, 2))\nassert add(0, 0)\n```\nDone."
    assert program(ADD, said, chat=True) == "import os\ndef add(a, b):\n    return a + b\n"
    assert program(ADD, "```\nnot python(\n", chat=True) == "not python(\n"
    assert program(ADD, "    return 1\nprint(2)", chat=False) == "def add(a, b):\n    return 1"


def test_files_of_another_layout_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text('{"a": 1}\n')
    with pytest.raises(InputError, match=r"no field 'task_id' in a row of humaneval"):
        load("humaneval", file)
    with pytest.raises(ConfigError, match=r"Did you mean 'mbpp_plus'"):
        load("mbpp_pls", file)
    file.write_text("{")
    with pytest.raises(InputError, match="not a JSON Lines file"):
        load("humaneval", file)


def test_programs_that_read_stdin_are_compared_by_what_they_print(tmp_path: Path, executor: Executor) -> None:
    file = tmp_path / "apps.jsonl"
    file.write_text(
        '{"id": 7, "question": "Double it.", "solutions": "[\\"print(2 * int(input()))\\"]",'
        ' "input_output": "{\\"inputs\\": [\\"2\\", \\"5\\"], \\"outputs\\": [\\"4\\\\n\\", \\"10\\"]}"}\n'
    )
    problems = load("apps", file)
    answers = {"APPS/7": ["```\nprint(2 * int(input()))\n```", "```\nprint(4)\n```"]}
    report = score(problems, answers, execute=executor.run, ks=(1,), chat=True)
    assert [one.end for one in report.answers] == ["passed", "failed"]


FILES = {
    "humaneval": ("humaneval/HumanEval.jsonl.gz", 164),
    "mbpp_3shot": ("mbpp/mbpp.jsonl", 500),
    "mbpp_plus": ("mbppplus/MbppPlus.jsonl.gz", 378),
    "cruxeval_output": ("cruxeval/cruxeval.jsonl", 800),
    "cruxeval_input": ("cruxeval/cruxeval.jsonl", 800),
}
# One input of it has a list of combinations as its answer that takes gigabytes, more than a sandbox hands over.
TOO_LARGE = {"Mbpp/255"}
EVERY = 8  # a sample in the quick test; all of it in the slow one


def canonical(kind: str, shared: Path, executor: Executor, every: int) -> dict[str, str]:
    """The authors' solutions, said as a base model would: how the ones that did not pass ended."""
    file, count = FILES[kind]
    problems = load(kind, shared / "benchmarks" / file)
    assert len(problems) == count
    chosen = problems[::every]
    faults = executor.calibrate(references(chosen))
    said = {p.name: [_as_said(p)] for p in chosen}
    report = score(chosen, said, execute=executor.run, ks=(1,), chat=False)
    assert report.timed_out == sum(fault.split(":")[0] in TIMED_OUT for fault in faults.values())
    return {one.problem: f"{one.end}: {one.detail}" for one in report.answers if not one.passed}


def _as_said(p: Problem) -> str:
    """What a base model that knows the solution would say after the prompt."""
    if p.name.endswith("/input"):
        return p.solution.split("_found = lambda: f(")[1].rstrip("\n")
    if p.prompt.endswith("[BEGIN]\n"):
        return p.solution + "\n[DONE]"
    return p.solution.removeprefix(p.prompt)


@pytest.mark.parametrize("kind", FILES)
def test_the_authors_solutions_pass(kind: str, shared: Path, executor: Executor) -> None:
    assert canonical(kind, shared, executor, EVERY) == {}


@pytest.mark.slow
@pytest.mark.timeout(3000)  # one program computes for minutes before it is given up
@pytest.mark.parametrize("kind", FILES)
def test_all_of_the_authors_solutions_pass(kind: str, shared: Path, executor: Executor) -> None:
    assert set(canonical(kind, shared, executor, 1)) <= TOO_LARGE
