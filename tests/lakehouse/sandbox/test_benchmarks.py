"""Reference solutions of the public benchmarks pass in the sandbox, on the benchmarks' own tests and larger inputs; broken ones fail.

The benchmarks are not part of the project: without their files these tests skip.
"""

from __future__ import annotations

import ast
import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lakehouse.errors import MachineError
from lakehouse.sandbox import Limits, Pool, Program
from lakehouse.sandbox.stub import stub

FILES = {"HumanEval+": "humanevalplus/HumanEvalPlus.jsonl.gz", "MBPP+": "mbppplus/MbppPlus.jsonl.gz"}
INPUTS = 15  # of the larger inputs, evenly taken
SCARCE = ("timeout", "cpu_limit", "exited")  # a solution may be right and slow: Mbpp/599 counts to 10^8, twice an input
WIDE = {"wall_seconds": 600.0, "cpu_seconds": 240}

# The reference runs beside the tests, in their process; an input that it does not take is skipped.
LARGER = """
from math import inf, nan
def _compare():
    space = {{}}
    exec({reference!r}, space)
    import copy
    def close(a, b):
        if type(b).__module__ == 're':  # a match: of objects that stay with the solution only the truth is compared
            return bool(a) == bool(b)
        if isinstance(a, float) or isinstance(b, float):
            return a == b or a != a and b != b or abs(a - b) <= max({atol}, 1e-6)
        if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
            return len(a) == len(b) and all(map(close, a, b))
        return a == b
    for given in {inputs!r}:
        try:
            expected = space[{name!r}](*copy.deepcopy(given))
        except Exception:
            continue
        # Of a million characters says nothing more, and takes seconds to compare; a number may be too long to be printed.
        if not isinstance(expected, int) and len(repr(expected)) > 1_000_000:
            continue
        assert close({name}(*given), expected), given
_compare()
"""


@dataclass(frozen=True)
class Task:
    id: str
    solution: str
    name: str
    tests: str


def tasks(shared: Path, benchmark: str) -> Iterator[Task]:
    with gzip.open(shared / "benchmarks" / FILES[benchmark], "rt") as lines:
        for line in lines:
            row: dict[str, Any] = json.loads(line)
            name = row["entry_point"]
            solution = row["prompt"] + row["canonical_solution"]
            # Some of MBPP's own assertions use math without importing it.
            own = f"{row['test']}\ncheck({name})\n" if "test" in row else f"import math\n{row['assertion']}"
            plus = row["plus_input"] if isinstance(row["plus_input"], list) else []
            inputs = plus[:: max(1, len(plus) // INPUTS)]
            larger = LARGER.format(reference=solution, atol=row["atol"], inputs=inputs, name=name)
            yield Task(row["task_id"], solution, name, own + larger)


OTHER = {
    ast.Lt: ast.GtE, ast.LtE: ast.Gt, ast.Gt: ast.LtE, ast.GtE: ast.Lt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.And: ast.Or,
    ast.Or: ast.And, ast.Mod: ast.Mult, ast.FloorDiv: ast.Mult, ast.Div: ast.Mult,
}  # fmt: skip


class _Break(ast.NodeTransformer):
    """Changes the nth place that can be changed: a comparison, an operator or a number."""

    def __init__(self, nth: int) -> None:
        self.left = nth

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if type(node) in OTHER or (isinstance(node, ast.Constant) and type(node.value) is int):
            self.left -= 1
            if self.left == -1:
                return ast.Constant(node.value + 1) if isinstance(node, ast.Constant) else OTHER[type(node)]()
        return super().generic_visit(node)


def mutants(solution: str, most: int) -> list[str]:
    found: list[str] = []
    while len(found) < most:
        change = _Break(len(found))
        tree = ast.fix_missing_locations(change.visit(ast.parse(solution)))
        if change.left >= 0:
            break
        found.append(ast.unparse(tree))
    return found


def check(shared: Path, benchmark: str, step: int, most: int) -> None:
    chosen = list(tasks(shared, benchmark))[::step]
    limits = Limits.default().model_copy(update={"wall_seconds": 60.0, "cpu_seconds": 10})
    try:
        pool = Pool(limits, 2)
    except MachineError as error:
        pytest.skip(f"no sandbox on this machine: {error}")
    with pool:
        verdicts = list(pool.run(Program(t.solution, t.tests) for t in chosen))
        wrong = {t.id: (t, v) for t, v in zip(chosen, verdicts, strict=True) if not v.passed}
        slow = [t for t, verdict in wrong.values() if verdict.end in SCARCE]
        with Pool(limits.model_copy(update=WIDE), 1) as wide:
            again = wide.run(Program(t.solution, t.tests) for t in slow)
            wrong |= {t.id: (t, verdict) for t, verdict in zip(slow, again, strict=True)}
        assert {name: verdict for name, (_, verdict) in wrong.items() if not verdict.passed} == {}
        stubs = pool.run(Program(stub(t.solution), t.tests) for t in chosen)
        assert [t.id for t, verdict in zip(chosen, stubs, strict=True) if verdict.passed] == []
        broken = [(task, mutant) for task in chosen if task not in slow for mutant in mutants(task.solution, most)]
        verdicts = list(pool.run(Program(mutant, task.tests) for task, mutant in broken))
    changed = {task.id for task, _ in broken}
    caught = {task.id for (task, _), verdict in zip(broken, verdicts, strict=True) if not verdict.passed}
    survivors = sum(verdict.passed for verdict in verdicts)
    print(
        f"{benchmark}: {len(chosen)} references, {len(slow)} of them slow, {len(broken)} mutants, {survivors} survive, not caught: {changed - caught}"
    )
    # A change may be harmless (`<` for `<=` where both are equal): of all, nine in ten are caught.
    assert survivors <= len(broken) / 10
    assert len(caught) >= 0.9 * len(changed)


@pytest.mark.parametrize("benchmark", FILES)
def test_a_part_of_the_references_pass_and_broken_ones_fail(shared: Path, benchmark: str) -> None:
    check(shared, benchmark, 12, 2)


@pytest.mark.slow
@pytest.mark.parametrize("benchmark", FILES)
def test_all_references_pass_and_broken_ones_fail(shared: Path, benchmark: str) -> None:
    check(shared, benchmark, 1, 4)
