"""What is in the lake: every table with its version, rows, sizes and last change, from the tables' logs alone.

Cost: one log read per table, one walk over the lake's folder; no data file is opened unless a writer left out its row count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from lakehouse.ask import names
from lakehouse.lake import Lake


@dataclass(frozen=True)
class Holding:
    """One table. `size`: bytes of this version's `files`; `on_disk`: bytes of all versions and the log, None off this machine.

    `job`, `run_id`: who published last, None for the lake's books, which runs write beside their tables.
    """

    table: str
    version: int
    rows: int
    size: int
    on_disk: int | None
    files: int
    changed: datetime
    job: str | None
    run_id: str | None
    meaning: str


def holdings(lake: Lake) -> list[Holding]:
    """Every table that is there, bronze first."""
    return [holding(lake, name) for name in names.found(lake)]


def holding(lake: Lake, name: str) -> Holding:
    table = names.opened(lake, name)
    files = pa.table(table.get_add_actions(flatten=True))
    last = lake.last_publish(names.named(name))
    return Holding(
        table=name,
        version=table.version(),
        rows=_rows(table, files),
        size=pc.sum(files["size_bytes"]).as_py() or 0,
        on_disk=_on_disk(lake.location(names.named(name))) if lake.is_local else None,
        files=files.num_rows,
        changed=commits(table, 1)[0]["when"],
        job=str(last.facts.get("job", "")) or None if last else None,
        run_id=last.run_id if last else None,
        meaning=(table.metadata().description or "").removeprefix("One row is ").removesuffix("."),
    )


def commits(table: DeltaTable, count: int) -> list[dict[str, Any]]:
    """The newest commits: version, when, what was done, and by which run where one of ours did it."""
    from lakehouse.lake import facts_of

    found = []
    for entry in table.history(count):
        facts: Mapping[str, Any] = facts_of(entry.get("userMetadata")) or {}
        found.append(
            {
                "version": int(entry["version"]),
                "when": datetime.fromtimestamp(int(entry["timestamp"]) / 1000, UTC),
                "operation": str(entry.get("operation", "")),
                "job": facts.get("job"),
                "run_id": facts.get("run_id"),
            }
        )
    return found


def _rows(table: DeltaTable, files: pa.Table) -> int:
    if files.num_rows == 0:
        return 0
    counted = files["num_records"] if "num_records" in files.column_names else None
    if counted is None or counted.null_count:
        return int(table.to_pyarrow_dataset().count_rows(use_threads=False))
    return int(pc.sum(counted).as_py())


def _on_disk(location: str) -> int:
    return sum(path.stat().st_size for path in Path(location).rglob("*") if path.is_file())
