"""The lake's books: one row in `ops.runs` per job run, one in `ops.expectation_results` per judged expectation.

Written by delta-rs, not by Spark, so that a run whose session failed is still recorded, and read without a JVM. The
data commit is the truth: a row that is missing because the process died after its commit is put back from the log.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import write_deltalake

from lakehouse import ops
from lakehouse.errors import Locked, StorageError
from lakehouse.job import Graph, Job
from lakehouse.lake import Commit, Lake
from lakehouse.lock import Holder, hold
from lakehouse.table import Table

SUCCESS = ("published", "unchanged")
LOCK_SECONDS = 60.0  # an append takes milliseconds; a minute means that something is stuck


def new_run_id() -> str:
    """Unique, and sorts by time: UTC to the microsecond, then the process."""
    now = datetime.now(UTC)
    return f"{now:%Y%m%dT%H%M%S}.{now.microsecond:06d}-{os.getpid():x}"


def append(lake: Lake, table: Table, rows: Sequence[Mapping[str, Any]], *, once: str | None = None) -> int:
    """Add rows under the table's lock; how many were added. `once`: a column; rows whose value is there already are left out.

    Raises StorageError when the lake cannot be written.
    """
    if not rows:
        return 0
    data = pa.Table.from_pylist([dict(row) for row in rows], schema=table.arrow_schema)
    holder = Holder.me("-", f"writing {table.name}", datetime.now(UTC).isoformat(timespec="seconds"))
    try:
        with hold(lake.folder, table.name, holder, wait_seconds=LOCK_SECONDS):
            lake.create(table)
            if once is not None:
                data = data.filter(pc.invert(pc.is_in(data[once], pc.unique(read(lake, table, [once])[once]))))
            if data.num_rows:
                write_deltalake(lake.location(table), data, mode="append")
    except OSError as error:
        raise StorageError(f"{lake.location(table)}: {error}. Check free space and write permission.") from error
    return int(data.num_rows)


def read(lake: Lake, table: Table, columns: Sequence[str] | None = None) -> pa.Table:
    """All rows of a small table; no rows where it does not exist."""
    opened = lake.open(table)
    if opened is None:
        schema = table.arrow_schema
        return schema.empty_table() if columns is None else schema.empty_table().select(list(columns))
    # One thread: with Arrow's pool still at work when Python ends, half of the runs ended with an abort (134).
    return opened.to_pyarrow_dataset().to_table(columns=None if columns is None else list(columns), use_threads=False)


def runs(lake: Lake, job: str | None = None) -> list[dict[str, Any]]:
    """Every run in the ledger, or those of one job; oldest first."""
    found = read(lake, ops.runs)
    rows: list[dict[str, Any]] = (found if job is None else found.filter(pc.equal(found["job"], job))).to_pylist()
    return sorted(rows, key=lambda row: row["run_id"])


def latest(lake: Lake, job: Job, known: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The facts of the job's last success: from the ledger, or from the table's own log where that is newer."""
    rows = [row for row in known if row["job"] == job.name and row["status"] in SUCCESS]
    row = rows[-1] if rows else None
    commit = lake.last_publish(job.writes[-1])
    if commit is not None and (row is None or row["run_id"] < commit.run_id):
        return {**commit.facts, "outputs": _output(job.writes[-1], commit)}
    if commit is None and not lake.exists(job.writes[-1]):
        return None  # the table was removed: whatever the ledger says, its rows are gone
    return row


def reconcile(lake: Lake, graph: Graph) -> list[str]:
    """Put back the ledger rows of runs that died between their commit and their row; return their run ids."""
    known, restored = _known(lake), []
    for job in graph.jobs:
        if _unrecorded(lake, job, known) is None:
            continue
        holder = Holder.me("-", f"recording a run of {job.name}", datetime.now(UTC).isoformat(timespec="seconds"))
        # A run that is alive holds the lock until its row is written: leave that to it.
        died = partial(killed, lake, job)
        with suppress(Locked), hold(lake.folder, job.writes[-1].name, holder, wait_seconds=0, died=died):
            commit = _unrecorded(lake, job, _known(lake))
            if commit is not None:
                append(lake, ops.runs, [_from_commit(job, commit)])
                restored.append(commit.run_id)
    return restored


def _known(lake: Lake) -> set[str]:
    return {row["run_id"] for row in read(lake, ops.runs, ["run_id"]).to_pylist()}


def _unrecorded(lake: Lake, job: Job, known: set[str]) -> Commit | None:
    """The newest publish of the job, where the ledger does not know its run."""
    commit = lake.last_publish(job.writes[-1])
    ours = commit is not None and commit.run_id not in known and commit.facts.get("job") == job.name
    return commit if ours else None


def _output(table: Table, commit: Commit) -> list[dict[str, Any]]:
    counts = commit.facts.get("counts", {}).get(table.name, [0, 0, 0])
    names = ("inserted", "updated", "deleted")
    return [{"name": table.name, "version": commit.version, **dict(zip(names, counts, strict=True))}]


def _from_commit(job: Job, commit: Commit) -> dict[str, Any]:
    now = datetime.now(UTC)
    outputs = _output(job.writes[-1], commit)
    facts = {name: commit.facts.get(name, "") for name in ("code", "params", "params_json", "lock")}
    return {
        "run_id": commit.run_id,
        "job": job.name,
        "status": "published",
        "run_key": commit.run_key,
        **facts,
        "inputs": commit.facts.get("inputs", []),
        "outputs": outputs,
        "rows_out": sum(o["inserted"] + o["updated"] + o["deleted"] for o in outputs),
        "bytes_in": 0,
        "seconds": 0.0,
        "cpu_seconds": 0.0,
        "peak_mb": 0.0,
        "started_at": now,
        "ended_at": now,
        "host": os.uname().nodename,
        "error": "recovered from the table's log: the process ended between its commit and this row",
    }


def killed(lake: Lake, job: Job, holder: Holder) -> None:
    """Record a run whose process died, or was interrupted, while it held the lock of the job's tables."""
    known = _known(lake)
    if holder.run_id in known or holder.doing != f"running {job.name}":
        return
    commit = _unrecorded(lake, job, known)
    if commit is not None and commit.run_id == holder.run_id:
        append(lake, ops.runs, [_from_commit(job, commit)])
        return
    started = datetime.fromisoformat(holder.since)
    row = _blank(job, holder.run_id, "killed", started)
    said = f"process {holder.pid} was killed or interrupted; the next run of the job finishes or undoes what it began"
    row |= {"host": holder.host, "error": said}
    append(lake, ops.runs, [row])


def _blank(job: Job, run_id: str, status: str, started: datetime) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "run_id": run_id,
        "job": job.name,
        "status": status,
        "run_key": "0" * 64,
        "code": "",
        "params": "",
        "params_json": "",
        "lock": "",
        "inputs": [],
        "outputs": [],
        "rows_out": 0,
        "bytes_in": 0,
        "seconds": (now - started).total_seconds(),
        "cpu_seconds": 0.0,
        "peak_mb": 0.0,
        "started_at": started,
        "ended_at": now,
        "host": os.uname().nodename,
        "error": "",
    }


class Clock:
    """Wall time, CPU time and peak memory of this process and all it started, between `start` and `stop`."""

    INTERVAL_SECONDS = 0.5

    def __init__(self) -> None:
        import threading

        self.started = datetime.now(UTC)
        self._begin, self._cpu, self._peak = time.monotonic(), _usage()[0], 0.0
        self._spent = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(self.INTERVAL_SECONDS):
            self._look()

    def _look(self) -> None:
        cpu, resident = _usage()
        self._spent = max(self._spent, cpu - self._cpu)
        self._peak = max(self._peak, resident)

    def stop(self) -> dict[str, Any]:
        self._stop.set()
        self._thread.join()
        self._look()
        return {
            "started_at": self.started,
            "ended_at": datetime.now(UTC),
            "seconds": time.monotonic() - self._begin,
            "cpu_seconds": self._spent,
            "peak_mb": self._peak,
        }


def _usage() -> tuple[float, float]:
    """CPU seconds and resident MB (10^6 bytes) of the process tree. Shared pages count once per process."""
    import psutil

    cpu = resident = 0.0
    me = psutil.Process()
    for process in [me, *me.children(recursive=True)]:
        try:
            times, memory = process.cpu_times(), process.memory_info()
        except psutil.NoSuchProcess:
            continue  # ended between the listing and the look
        cpu += times.user + times.system
        resident += memory.rss / 1e6
    return cpu, resident
