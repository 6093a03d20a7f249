"""Is a draft what it claims to be? Its tests must pass twice and fail on a stub of its code.

Python is run by a pool of fork servers; other languages are compiled where their toolchain is on the machine. Where it is
not, nothing is run, and that is the reason against the draft.
"""

from __future__ import annotations

import sysconfig
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from jobs.synthesis.kinds.base import Draft, Kind
from lakehouse.errors import MachineError
from lakehouse.sandbox import Limits, Pool, Program, Verdict
from lakehouse.sandbox.languages import Language, find
from lakehouse.sandbox.stub import stub_of
from lakehouse.sandbox.tested import TESTED, run_tests

Runs = Callable[[Sequence[tuple[Draft, str]], int], Iterable[Verdict]]  # drafts with the code to run, and a seed


@dataclass(frozen=True)
class Verified:
    """`accepted` with the reason why not, or an empty one.

    `not_passed`, `flaky`, `tests_prove_nothing`, `no_control` (no stub could be made or compiled), `no_verdict`,
    `no_toolchain`.
    """

    accepted: bool
    reason: str
    verdict: Verdict | None
    control: str = ""  # how the tests ended on the stub
    detail: str = ""


class Sandboxes:
    """A sandbox without packages and one with those that are installed here, each from its first program on."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self._open = limits, ExitStack()
        self._made: dict[bool, Pool] = {}

    def verify(self, drafts: Iterable[Draft], kind: Kind) -> list[Verified]:
        """One result per draft, in order. Raises MachineError where there is something to run and no isolation."""
        given = list(drafts)
        found: dict[int, Verified] = {}
        for language in dict.fromkeys(draft.runs_as for draft in given if draft.code):
            places = [i for i, draft in enumerate(given) if draft.code and draft.runs_as == language]
            of_it = [given[i] for i in places]
            found |= dict(zip(places, self._of(language, of_it, kind), strict=True))
        return [found.get(i, Verified(True, "", None)) for i in range(len(given))]

    def _of(self, language: str, drafts: Sequence[Draft], kind: Kind) -> Iterable[Verified]:
        if language == "python":
            return verify(drafts, in_pool(self._pool(kind)))
        try:
            if language not in TESTED:
                raise MachineError(f"programs in {language} are not run; those in python, {', '.join(TESTED)} are")
            toolchain = find(language)
        except MachineError as error:
            return [Verified(False, "no_toolchain", None, detail=str(error)) for _ in drafts]
        return verify(drafts, compiled(toolchain, self._limits))

    def _pool(self, kind: Kind) -> Pool:
        if kind.uses_packages not in self._made:
            folder = Path(sysconfig.get_path("purelib")) if kind.uses_packages else None
            pool = Pool(self._limits, 1, packages=folder)
            self._made[kind.uses_packages] = self._open.enter_context(pool)
        return self._made[kind.uses_packages]

    def close(self) -> None:
        self._open.close()


def in_pool(pool: Pool) -> Runs:
    """Runs Python."""

    def run(programs: Sequence[tuple[Draft, str]], seed: int) -> Iterable[Verdict]:
        return pool.run(Program(code, "\n".join(draft.tests), seed=seed) for draft, code in programs)

    return run


def compiled(language: Language, limits: Limits) -> Runs:
    """Runs another language, one program after the other: a second or more where it is compiled."""

    def run(programs: Sequence[tuple[Draft, str]], seed: int) -> Iterable[Verdict]:
        return (run_tests(language, code, draft.tests, limits=limits, seed=seed) for draft, code in programs)

    return run


def verify(drafts: Sequence[Draft], run: Runs) -> Iterator[Verified]:
    """One result per draft of one language, in order. Cost: three programs for one whose tests pass, one for another."""
    first = list(run([(draft, draft.code) for draft in drafts], 0))
    passed = [draft for draft, verdict in zip(drafts, first, strict=True) if verdict.passed]
    second = {id(d): v for d, v in zip(passed, run([(d, d.code) for d in passed], 1), strict=True)}
    stubs = [(draft, stub) for draft in passed if (stub := stub_of(draft.runs_as, draft.code, draft.entry_point))]
    control = {id(draft): verdict for (draft, _), verdict in zip(stubs, run(stubs, 0), strict=True)}
    for draft, verdict in zip(drafts, first, strict=True):
        yield _judged(verdict, second.get(id(draft)), control.get(id(draft)))


def _judged(verdict: Verdict, second: Verdict | None, control: Verdict | None) -> Verified:
    if "broken" in {v.end for v in (verdict, second, control) if v is not None}:
        return Verified(False, "no_verdict", verdict)
    if second is None:
        return Verified(False, "not_passed", verdict)
    end = control.end if control else ""
    if not second.passed:
        return Verified(False, "flaky", verdict, end)
    if control is None or control.end == "syntax_error":
        return Verified(False, "no_control", verdict, end, "no stub of the solution could be made or compiled")
    return Verified(not control.passed, "tests_prove_nothing" if control.passed else "", verdict, control.end)
