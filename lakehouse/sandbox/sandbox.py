"""A sandbox for programs that nobody has read: start one, give it programs, get verdicts.

    with Sandbox(Limits.default()) as sandbox:
        verdict = sandbox.run(Program(solution="def add(a, b): return a + b", tests="assert add(2, 3) == 5"))
        assert verdict.passed

One sandbox runs one program at a time; as many sandboxes as cores run side by side (`Pool`).
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Self

from lakehouse.errors import MachineError
from lakehouse.sandbox.bwrap import MEND, PACKAGES, SANDBOX_ID, interpreter, wall
from lakehouse.sandbox.verdict import Limits, Program, Verdict, read_verdict

START_SECONDS = 60  # a cold disk and a busy machine; usually a tenth of a second
GRACE_SECONDS = 15  # beyond a program's wall limit until the sandbox itself counts as hung
ANSWER_BYTES = 1 << 20


class Sandbox:
    """A fork server behind the wall. Raises MachineError where the wall cannot be built or does not hold.

    `packages`: a folder of installed packages that programs may import, read-only; without it the standard library alone.
    """

    def __init__(self, limits: Limits, *, packages: Path | None = None) -> None:
        self.limits, self._packages = limits, packages
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  closed with the sandbox
        self._process: subprocess.Popen[bytes] | None = None
        self._start()

    def run(self, program: Program) -> Verdict:
        """Run one program to its verdict. Never raises for what the program does."""
        said = {"solution": program.solution, "stdin": program.stdin, "seed": program.seed}
        request = json.dumps(said | {"script": program.tests is None})
        tests = (program.tests or "").encode("utf-8", "replace")
        size = len(request) + len(tests)
        if size > self.limits.source_bytes:
            return Verdict.of("refused", detail=f"{size} bytes of source: at most {self.limits.source_bytes}")
        if self._process is None:
            self._start()
        answer = self._exchange(_frame(request.encode()) + _frame(tests), self.limits.wall_seconds + GRACE_SECONDS)
        if answer is None or "broken" in answer:
            why = (answer or {}).get("broken", "the sandbox did not answer")
            return Verdict.of("broken", detail=f"{why} ({self._said()})"[:500])
        return read_verdict(answer, self.limits)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._end()
        self._errors.close()

    def _start(self) -> None:
        given = {"id": SANDBOX_ID, "packages": PACKAGES if self._packages else ""}
        limits = json.dumps(self.limits.model_dump() | given)
        command = [*wall(self._packages), str(interpreter()), "-S", "-s", "-P", "-B", "-m", "inside.server", limits]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, env={}, start_new_session=True
        )
        if not (self._receive(START_SECONDS) or {}).get("ready"):
            raise MachineError(f"the sandbox did not start: {self._said()}. {MEND}")
        self._check()

    def _check(self) -> None:
        """Refuse a wall that does not hold here, whatever the reason."""
        solution = (Path(__file__).parent / "selfcheck.py").read_text()
        verdict = self.run(Program(solution, "wrong = held()\nassert wrong == [], '; '.join(wrong)"))
        if not verdict.passed:
            self._end()
            raise MachineError(f"the sandbox does not isolate on this machine: {verdict.end}: {verdict.detail}. {MEND}")

    def _said(self) -> str:
        self._end()
        self._errors.seek(0)
        return self._errors.read().decode("utf-8", "replace").strip()[-300:] or "no message"

    def _exchange(self, data: bytes, seconds: float) -> dict[str, object] | None:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(data)
            self._process.stdin.flush()
        except OSError:
            return None
        return self._receive(seconds)

    def _receive(self, seconds: float) -> dict[str, object] | None:
        """One frame, or None when the sandbox ends, stays silent or sends nonsense."""
        assert self._process is not None
        assert self._process.stdout is not None
        fd, end, data = self._process.stdout.fileno(), time.monotonic() + seconds, bytearray()
        while True:
            left = end - time.monotonic()
            if left <= 0 or not select.select([fd], [], [], left)[0]:
                return None
            more = os.read(fd, 1 << 16)
            if not more:
                return None
            data += more
            if len(data) >= 4:
                (length,) = struct.unpack_from("<I", data)
                if length > ANSWER_BYTES:
                    return None
                if len(data) >= 4 + length:
                    found = json.loads(data[4 : 4 + length])
                    return found if isinstance(found, dict) else None

    def _end(self) -> None:
        """End the sandbox and everything in it: its first process takes the whole PID namespace along."""
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            process.wait(0.5)  # it ends by itself when the pipe is closed, unless a program is running
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _frame(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data


class Pool:
    """Several sandboxes side by side, one thread each. Verdicts come in the order of the programs."""

    def __init__(self, limits: Limits, workers: int, *, packages: Path | None = None) -> None:
        self._idle: SimpleQueue[Sandbox] = SimpleQueue()
        self._all = [Sandbox(limits, packages=packages) for _ in range(workers)]
        for sandbox in self._all:
            self._idle.put(sandbox)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="sandbox")

    def run(self, programs: Iterable[Program]) -> Iterator[Verdict]:
        """A window of programs runs ahead of what is consumed, so that a long list is never held whole."""
        window = 4 * len(self._all)
        waiting: list[Callable[[], Verdict]] = []
        for program in programs:
            waiting.append(self._threads.submit(self._one, program).result)
            if len(waiting) >= window:
                yield waiting.pop(0)()
        for result in waiting:
            yield result()

    def _one(self, program: Program) -> Verdict:
        sandbox = self._idle.get()
        try:
            return sandbox.run(program)
        finally:
            self._idle.put(sandbox)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._threads.shutdown()
        for sandbox in self._all:
            sandbox.close()
