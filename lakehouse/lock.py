"""One writer per table: an OS lock on a file beside the lake.

Delta's log store for local disks locks inside one JVM only: of 1,500 commits contested by two JVMs, 19 were reported
as done by both and one of each pair was gone. So every write holds this lock. The kernel releases it when the holder
dies, however it dies. What the kernel cannot know is that the holder's JVM may outlive it by a moment with a commit
in flight; the holder therefore writes its JVM's process id into the file, and the next holder waits for that process.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from lakehouse.errors import Locked, StorageError

POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Holder:
    """Who holds a lock, as written into its file."""

    host: str
    pid: int
    run_id: str
    doing: str
    since: str  # UTC, ISO 8601
    jvm: int | None = None

    @staticmethod
    def me(run_id: str, doing: str, since: str) -> Holder:
        return Holder(socket.gethostname(), os.getpid(), run_id, doing, since)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} ({self.doing}, since {self.since})"


class TableLock:
    """A held lock. Made by `hold`."""

    def __init__(self, path: Path, fd: int, holder: Holder) -> None:
        self._path, self._fd, self._holder = path, fd, holder

    def started_jvm(self, pid: int) -> None:
        """Write down the JVM that commits on the holder's behalf."""
        self._holder = Holder(**{**asdict(self._holder), "jvm": pid})
        self.write(self._holder)

    def write(self, holder: Holder | None) -> None:
        data = json.dumps(asdict(holder)).encode() if holder else b""
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, data, 0)


@contextmanager
def hold(
    folder: Path,
    name: str,
    holder: Holder,
    *,
    wait_seconds: float,
    waiting: Callable[[str], None] = lambda _: None,
    died: Callable[[Holder], None] = lambda _: None,
) -> Iterator[TableLock]:
    """Hold the lock called `name`; wait up to `wait_seconds`, telling `waiting` once who has it.

    `died` is told of a holder that ended without releasing, before its name is overwritten.
    Raises Locked when the time is over, StorageError when the lock file cannot be written.
    """
    path = folder / "_locks" / f"{name}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        queue = os.open(path.with_suffix(".queue"), os.O_RDWR | os.O_CREAT, 0o664)
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o664)
        except OSError:
            os.close(queue)
            raise
    except OSError as error:
        raise StorageError(
            f"{path}: {error.strerror}. Writing to the lake needs write permission and free space below {folder}."
        ) from error
    try:
        try:
            _wait(path, (queue, fd), wait_seconds, waiting)
        finally:
            os.close(queue)
        before = _read(fd)
        if before is not None:
            if before.host == holder.host and before.pid != holder.pid:
                _outlive(before, path, os.fstat(fd).st_mtime, wait_seconds)
            died(before)
        lock = TableLock(path, fd, holder)
        try:
            lock.write(holder)
        except OSError as error:
            raise StorageError(
                f"{path}: {error.strerror}. Free space below {folder} and run the same command again."
            ) from error
        try:
            yield lock
        except Exception:
            lock.write(None)  # an interrupt leaves the name: its JVM may still be committing
            raise
        lock.write(None)
    finally:
        os.close(fd)


@contextmanager
def hold_all(
    folder: Path,
    names: Sequence[str],
    holder: Holder,
    *,
    wait_seconds: float,
    waiting: Callable[[str], None],
    died: Callable[[Holder], None],
) -> Iterator[list[TableLock]]:
    """Hold several locks, taken in sorted order so that two writers can never wait for each other."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(hold(folder, name, holder, wait_seconds=wait_seconds, waiting=waiting, died=died))
            for name in sorted(names)
        ]


def holder_of(folder: Path, name: str) -> Holder | None:
    """Who holds a lock now, or None. For people: the answer may be old when it arrives."""
    path = folder / "_locks" / f"{name}.lock"
    if not path.exists():
        return None
    fd = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(fd)
    finally:
        os.close(fd)
    return None


def _wait(path: Path, in_turn: tuple[int, int], seconds: float, waiting: Callable[[str], None]) -> None:
    """Take the queue, then the lock. Who waits for the lock holds the queue meanwhile: without it a process that writes
    again and again passed one that looks every 0.2 s, which once waited for 130 writes and 600 s in vain."""
    end = time.monotonic() + seconds
    told = False
    lock = in_turn[-1]
    for fd in in_turn:
        while not _taken(fd):
            who = _read(lock) or "a process that has not said its name yet"
            if time.monotonic() >= end:
                raise Locked(
                    f"{path.stem} is being written by {who}; waited {seconds:g} s. Run the same command again when it is"
                    " done, or raise lake.lock_wait_seconds."
                )
            if not told:
                waiting(f"{path.stem}: waiting for {who}")
                told = True
            time.sleep(POLL_SECONDS)


def _taken(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _outlive(died: Holder, path: Path, written: float, seconds: float) -> None:
    """Wait until the dead holder's JVM is gone too, so that its last commit cannot race with ours."""
    end = time.monotonic() + max(seconds, 30)  # a JVM that lost its parent ends within seconds
    while died.jvm is not None and _is_java(died.jvm, written):
        if time.monotonic() >= end:
            raise Locked(
                f"{path.stem}: {died} is gone, but its JVM (process {died.jvm}) still runs and may commit."
                f" Stop it with `kill {died.jvm}` and run the same command again."
            )
        time.sleep(POLL_SECONDS)


def _is_java(pid: int, written: float) -> bool:
    """Whether the JVM that was noted at the time `written` still runs. A younger process only has its number."""
    import psutil

    try:
        process = psutil.Process(pid)
        young = process.create_time() > written + 1  # both clocks tick in hundredths of a second
        return not young and process.status() != psutil.STATUS_ZOMBIE and "java" in " ".join(process.cmdline())
    except psutil.Error:
        return False  # gone, or none of ours


def _read(fd: int) -> Holder | None:
    data = os.pread(fd, 4096, 0)
    try:
        return Holder(**json.loads(data)) if data else None
    except (json.JSONDecodeError, TypeError):
        return None  # cut short by the holder's death while it wrote
