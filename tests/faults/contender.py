"""One of several processes that write the same table at once.

usage: python -m tests.faults.contender publish|append LAKE NAME COUNT GO

Makes COUNT writes once the file GO exists, and prints one JSON line for each that it was told had worked.
publish: what the runner does, by Spark and by delta-rs; rows of its own, and every tenth time an update of its first row.
append: rows of `ops.runs`, by delta-rs, without a JVM.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lakehouse import ledger, ops, publish, session, small
from lakehouse.lake import Lake
from lakehouse.lock import Holder, hold
from lakehouse.stage import OP, Staged
from tests.lakehouse import toy

WAIT_SECONDS = 600.0
TABLE = toy.words
UPDATE_EVERY = 10
MOST = small.STAGED_BYTES


def publishes(lake: Lake, name: str, count: int, go: Path) -> None:
    spark = session.build(toy.config(lake.folder, lake.folder).spark)
    jvm = session.jvm_pid(spark)
    assert jvm is not None
    _wait_for(go)
    for nth in range(count):
        rows = [{"word": f"{name}-{nth}-{i}", "count": 1, OP: "insert"} for i in range(1 + nth % 3)]
        if nth % UPDATE_EVERY == UPDATE_EVERY - 1:
            rows.append({"word": f"{name}-0-0", "count": nth, OP: "update"})
        path = lake.folder / f"{name}-{nth}.parquet"
        pq.write_table(pa.Table.from_pylist(rows), path)
        updated = sum(row[OP] == "update" for row in rows)
        holder = Holder.me(ledger.new_run_id(), "contending", datetime.now(UTC).isoformat())
        with hold(lake.folder, TABLE.name, holder, wait_seconds=WAIT_SECONDS) as lock:
            lock.started_jvm(jvm)
            base = publish.create(spark, lake, TABLE)
            staged = Staged(TABLE.name, str(path), base, len(rows) - updated, updated, 0)
            facts = {"run_id": holder.run_id, "run_key": f"{name}-{nth}", "job": "contending"}
            small.STAGED_BYTES = -1 if nth // 2 % 2 else MOST  # the JVM commits too
            version = publish.publish(spark, lake, TABLE, staged, facts)
        say(version=version, run_id=holder.run_id, rows=staged.inserted)
    spark.stop()


def appends(lake: Lake, name: str, count: int, go: Path) -> None:
    template = dict.fromkeys(ops.runs.column_names, "") | {"inputs": [], "outputs": [], "rows_out": 0, "bytes_in": 0}
    template |= {"seconds": 0.0, "cpu_seconds": 0.0, "peak_mb": 0.0}
    _wait_for(go)
    for nth in range(count):
        now = datetime.now(UTC)
        row: dict[str, Any] = template | {"run_id": f"{name}-{nth}", "started_at": now, "ended_at": now}
        ledger.append(lake, ops.runs, [row])
        say(run_id=row["run_id"], rows=1)


def say(**values: Any) -> None:
    print(json.dumps(values), flush=True)


def _wait_for(go: Path) -> None:
    print("ready", flush=True)
    while not go.exists():
        time.sleep(0.05)


if __name__ == "__main__":
    what, root, name, count, go = sys.argv[1:]
    {"publish": publishes, "append": appends}[what](Lake(root), name, int(count), Path(go))
