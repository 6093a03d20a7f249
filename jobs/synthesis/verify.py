"""Is a draft what it claims to be? Its tests must pass twice and fail on a stub of its code."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from jobs.synthesis.kinds.base import Draft, Kind
from lakehouse.sandbox import Limits, Pool, Program, Verdict
from lakehouse.sandbox.stub import stub


@dataclass(frozen=True)
class Verified:
    """`accepted` with the reason why not: `not_passed`, `flaky`, `tests_prove_nothing`, `no_verdict`, or empty."""

    accepted: bool
    reason: str
    verdict: Verdict | None
    control: str = ""  # how the tests ended on the stub


class Sandboxes:
    """A sandbox without packages and one with those that are installed here, each from its first program on."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self._open = limits, ExitStack()
        self._made: dict[bool, Pool] = {}

    def verify(self, drafts: Iterable[Draft], kind: Kind) -> list[Verified]:
        """One result per draft, in order. Raises MachineError where there is something to run and no isolation."""
        given = list(drafts)
        return list(verify(given, self._of(kind) if any(draft.code for draft in given) else None))

    def _of(self, kind: Kind) -> Pool:
        if kind.uses_packages not in self._made:
            folder = Path(sysconfig.get_path("purelib")) if kind.uses_packages else None
            pool = Pool(self._limits, 1, packages=folder)
            self._made[kind.uses_packages] = self._open.enter_context(pool)
        return self._made[kind.uses_packages]

    def close(self) -> None:
        self._open.close()


def verify(drafts: Iterable[Draft], pool: Pool | None) -> Iterator[Verified]:
    """One result per draft, in order. Cost: three programs for a draft whose tests pass, one for another.

    Without a pool no draft may have code.
    """
    given = list(drafts)
    runnable = [draft for draft in given if draft.code]
    if pool is None:
        assert not runnable
        yield from (Verified(True, "", None) for _ in given)
        return
    first = list(pool.run(_program(draft) for draft in runnable))
    passed = [draft for draft, verdict in zip(runnable, first, strict=True) if verdict.passed]
    again = pool.run(_program(draft, seed=1) for draft in passed)
    second = {id(draft): verdict for draft, verdict in zip(passed, again, strict=True)}
    stubs = pool.run(Program(stub(draft.code), "\n".join(draft.tests)) for draft in passed)
    control = {id(draft): verdict for draft, verdict in zip(passed, stubs, strict=True)}
    verdicts = {id(draft): verdict for draft, verdict in zip(runnable, first, strict=True)}
    for draft in given:
        verdict = verdicts.get(id(draft))
        yield _judged(verdict, second.get(id(draft)), control.get(id(draft)))


def _judged(verdict: Verdict | None, second: Verdict | None, control: Verdict | None) -> Verified:
    if verdict is None:
        return Verified(True, "", None)
    if "broken" in {v.end for v in (verdict, second, control) if v is not None}:
        return Verified(False, "no_verdict", verdict)
    if second is None or control is None:
        return Verified(False, "not_passed", verdict)
    if not second.passed:
        return Verified(False, "flaky", verdict, control.end)
    return Verified(not control.passed, "tests_prove_nothing" if control.passed else "", verdict, control.end)


def _program(draft: Draft, seed: int = 0) -> Program:
    return Program(draft.code, "\n".join(draft.tests), seed=seed)
