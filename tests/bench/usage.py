"""What one command uses with everything it starts: wall seconds, CPU seconds, peak memory.

Any tool that is compared is measured by this, in a process of its own, so that start-up counts for all.
"""

from __future__ import annotations

import resource
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

INTERVAL_SECONDS = 0.25  # reading the proportional memory of a JVM with 4 GB takes about 10 ms


@dataclass(frozen=True)
class Sample:
    """Proportional memory (PSS) of the process tree at one moment, MB: shared pages count once, not once per process.

    `worker_mb`: the largest Python process below the command itself; 0 where there is none.
    """

    at: datetime
    pss_mb: float
    worker_mb: float


@dataclass(frozen=True)
class Usage:
    """`output`: what the command wrote to stdout."""

    seconds: float
    cpu_seconds: float
    samples: tuple[Sample, ...]
    output: str

    @property
    def peak_mb(self) -> float:
        return max((sample.pss_mb for sample in self.samples), default=0.0)

    @property
    def worker_mb(self) -> float:
        """Highest memory of one Python process that the command started, MB."""
        return max((sample.worker_mb for sample in self.samples), default=0.0)

    def peak_between(self, start: datetime, end: datetime) -> float:
        """Highest memory that was seen in a span of time, MB; 0 where it is shorter than an interval."""
        return max((sample.pss_mb for sample in self.samples if start <= sample.at <= end), default=0.0)


def measure(command: Sequence[str], log: Path | None = None) -> Usage:
    """Run the command to its end; its stderr goes to `log`, or is passed on. Raises subprocess.CalledProcessError."""
    before, started = _of_ended_children(), time.monotonic()
    with ExitStack() as stack:
        errors = None if log is None else stack.enter_context(log.open("wb"))
        process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True))
        watch = _Watch(process.pid)
        watch.start()
        output, _ = process.communicate()
        watch.stop()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    # The tree as last seen lacks the last moments, the ended children lack whatever nobody waited for (the JVM).
    cpu = max(watch.cpu_seconds, _of_ended_children() - before)
    return Usage(time.monotonic() - started, cpu, tuple(watch.samples), output)


class _Watch(threading.Thread):
    """Looks at a process tree until it is stopped."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._root, self._end = psutil.Process(pid), threading.Event()
        self.cpu_seconds = 0.0
        self.samples: list[Sample] = []

    def run(self) -> None:
        while not self._end.wait(INTERVAL_SECONDS):
            try:
                tree = [self._root, *self._root.children(recursive=True)]
            except psutil.NoSuchProcess:
                return
            looked = [found for process in tree if (found := _look(process)) is not None]
            self.cpu_seconds = max(self.cpu_seconds, sum(seen.cpu for seen in looked))
            workers = [seen.memory_mb for seen in looked if seen.python and seen.pid != self._root.pid]
            memory = sum(seen.memory_mb for seen in looked)
            self.samples.append(Sample(datetime.now(UTC), memory, max(workers, default=0.0)))

    def stop(self) -> None:
        self._end.set()
        self.join()


@dataclass(frozen=True)
class _Seen:
    """One process at one moment."""

    pid: int
    python: bool
    cpu: float
    memory_mb: float


def _look(process: psutil.Process) -> _Seen | None:
    """None where the process has ended since it was listed."""
    try:
        times, memory, name = process.cpu_times(), process.memory_full_info(), process.name()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None
    # A parent inherits the CPU time of the children that it waited for, and those are in the tree no more.
    cpu = times.user + times.system + times.children_user + times.children_system
    return _Seen(process.pid, name.startswith("python"), cpu, memory.pss / 1e6)


def _of_ended_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
