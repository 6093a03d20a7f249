"""Programs run under limits that fit the machine and the problem, so that a slow machine makes no wrong answers.

    with Executor(Limits.default(), workers=2) as executor:
        faults = executor.calibrate(problems)       # authors' solutions that do not pass here, and why
        report = score(problems, answers, execute=executor.run, ks=(1, 10), chat=False)

Two scales. Of the machine: the CPU time of one fixed program, as a multiple of what it took where the limits of
`conf/sandbox.yaml` were chosen; a faster machine keeps those limits. Of the problem: the authors' solution is run first,
and the limits are doubled until it needs at most a quarter of them (EvalPlus gives four times the reference, too).
Cost: one run of every authors' solution.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from lakehouse.errors import MachineError
from lakehouse.sandbox import Limits, Pool, Program, Sandbox, Verdict, languages
from training.evaluate import multipl_e
from training.evaluate.problems import Problem

REFERENCE = "total = 0\nfor n in range(6_000_000):\n    total += n * n % 7\n"
# CPU time of it at which the limits of conf are right. An AMD EPYC at a load of 4.5 took 1.2 to 1.6 s (CPython 3.11): such load
# widens them.
REFERENCE_SECONDS = 1.0
MARGIN = 4  # limits are at least so many times what the authors' solution needs
SCALES = (1, 2, 4, 8, 16)  # of the limits
SCARCE = ("timeout", "cpu_limit", "memory_limit")  # ends that wider limits may change


@dataclass(frozen=True)
class Run:
    """One program that judges an answer to a problem."""

    problem: Problem
    program: Program


class Executor:
    """Sandboxes for every scale that is needed. Raises MachineError where there is no sandbox."""

    def __init__(self, limits: Limits, workers: int, *, machine: float | None = None) -> None:
        self.base, self._workers = limits, workers
        self.machine = machine_scale(limits) if machine is None else machine
        self._scales: dict[str, int] = {}
        self._pools: dict[int, Pool] = {}
        self._starting = threading.Lock()
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="evaluate")

    def scale(self, problem: Problem) -> float:
        """Limits of a problem as a multiple of those given."""
        return self.machine * self._scales.get(problem.name, 1)

    def run(self, runs: Iterable[Run]) -> Iterator[Verdict]:
        """Verdicts in the order of the programs; a window of them runs ahead of what is consumed."""
        waiting: deque[Future[Verdict]] = deque()
        for one in runs:
            waiting.append(self._threads.submit(self._one, one, self._scales.get(one.problem.name, 1)))
            if len(waiting) >= 4 * self._workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def calibrate(self, runs: Sequence[Run]) -> dict[str, str]:
        """Find every problem's scale from the runs of its authors' solution; by name what does not pass at any, and why."""
        faults: dict[str, str] = {}
        left = list(runs)
        for scale in SCALES:
            again: set[str] = set()
            ended = [self._threads.submit(self._one, one, scale) for one in left]
            for one, verdict in zip(left, [future.result() for future in ended], strict=True):
                roomy = verdict.passed and self._roomy(verdict, scale)
                if not roomy and (verdict.passed or verdict.end in SCARCE):
                    again.add(one.problem.name)
                if not verdict.passed and (scale == SCALES[-1] or verdict.end not in SCARCE):
                    faults.setdefault(one.problem.name, f"{verdict.end}: {verdict.detail}")
                self._scales[one.problem.name] = max(scale, self._scales.get(one.problem.name, 1))
            left = [one for one in left if one.problem.name in again - faults.keys()]
        return faults

    def _roomy(self, verdict: Verdict, scale: int) -> bool:
        limits = scaled(self.base, self.machine * scale)
        return verdict.cpu * MARGIN <= limits.cpu_seconds and verdict.wall * MARGIN <= limits.wall_seconds

    def _one(self, one: Run, scale: int) -> Verdict:
        if one.problem.language == "python":
            return next(self._pool(scale).run([one.program]))
        limits = scaled(self.base, self.machine * scale)
        return languages.run(
            multipl_e.toolchain(one.problem.language), one.program.solution, stdin=one.program.stdin, limits=limits
        )

    def _pool(self, scale: int) -> Pool:
        with self._starting:
            if scale not in self._pools:
                self._pools[scale] = Pool(scaled(self.base, self.machine * scale), self._workers)
            return self._pools[scale]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._threads.shutdown()
        for pool in self._pools.values():
            pool.__exit__(kind, error, at)


def machine_scale(limits: Limits) -> float:
    """CPU time of the reference program as a multiple of REFERENCE_SECONDS, 1 at least."""
    with Sandbox(scaled(limits, SCALES[-1])) as sandbox:
        verdict = sandbox.run(Program(REFERENCE))
    if not verdict.passed:
        raise MachineError(
            f"the reference program ended with {verdict.end}: {verdict.detail}. The machine is too busy or too slow to judge"
            " programs by their time: try again when it is quiet."
        )
    return max(1.0, verdict.cpu / REFERENCE_SECONDS)


def scaled(limits: Limits, scale: float) -> Limits:
    """Time and memory times `scale`; what a program may write and start stays."""
    return limits.model_copy(
        update={
            "wall_seconds": limits.wall_seconds * scale,
            "cpu_seconds": math.ceil(limits.cpu_seconds * scale),
            "memory": int(limits.memory * max(1, round(scale))),
        }
    )
