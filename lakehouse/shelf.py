"""The lake's tables as one reader sees them: each opened once, at one version, rows found by filters that Parquet applies.

Reads by name, so it works on a lake that another pipeline made, and on one that is half built.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from lakehouse import names, ops
from lakehouse.lake import Lake

Row = dict[str, Any]

SUCCESS = ("published", "unchanged")


class Shelf:
    """Opens a table when it is first asked for. `locations`: where each table is, by name."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self.locations = names.found(lake)
        self._open: dict[str, DeltaTable] = {}
        self._runs: dict[str, Row] | None = None

    def table(self, name: str) -> DeltaTable | None:
        """The table, or None where it does not exist."""
        if name not in self.locations:
            return None
        if name not in self._open:
            self._open[name] = names.opened(self.lake, name)
        return self._open[name]

    def columns(self, name: str) -> list[str]:
        table = self.table(name)
        return [] if table is None else [field.name for field in table.schema().fields]

    def rows(self, name: str, where: pc.Expression, columns: Sequence[str], limit: int | None = None) -> list[Row]:
        """The rows that fit; none where the table does not exist."""
        table = self.table(name)
        return [] if table is None else read(table, where, columns, limit)

    def documents(self) -> list[str]:
        """Gold tables whose rows are documents, so that a content can be looked up in them by `doc_id`."""
        return [name for name in self.locations if name.startswith("gold.") and "doc_id" in self.columns(name)]

    def releases(self) -> list[Row]:
        """What releases pin: release, table and version. Left out are versions of a table that was made anew since."""
        everything = pc.field("version") >= 0
        rows = self.rows(ops.releases.name, everything, ["release", "table", "table_id", "version"])
        return [row for row in sorted(rows, key=lambda row: (row["release"], row["table"])) if self._is_there(row)]

    def pinned(self, pin: Row) -> DeltaTable:
        return names.opened(self.lake, pin["table"], pin["version"])

    def _is_there(self, pin: Row) -> bool:
        table = self.table(pin["table"])
        return table is not None and str(table.metadata().id) == pin["table_id"] and pin["version"] <= table.version()

    def gap(self, name: str, job: str) -> str | None:
        """Why a table that `job` writes may lack a row: the job has not run, or not since its inputs moved. Else None."""
        last = self._last_runs().get(job)
        if self.table(name) is None or (last is None and self.lake.last_publish(names.named(name)) is None):
            return f"{job} has not run yet"
        moved = [f"{entry['name']} {entry['version']} → {now}" for entry, now in self._moved(last)]
        return f"{job} has not seen what is new: {', '.join(moved)}" if moved else None

    def _moved(self, last: Row | None) -> Iterable[tuple[Row, int]]:
        for entry in last["inputs"] if last else ():
            table = self.table(entry["name"])
            if table is not None and 0 <= entry["version"] < table.version():
                yield entry, table.version()

    def _last_runs(self) -> dict[str, Row]:
        """The last success of every job."""
        if self._runs is None:
            found = self.rows(ops.runs.name, pc.field("status").isin(SUCCESS), ["run_id", "job", "inputs"])
            self._runs = {row["job"]: row for row in sorted(found, key=lambda row: str(row["run_id"]))}
        return self._runs


def read(table: DeltaTable, where: pc.Expression, columns: Sequence[str], limit: int | None = None) -> list[Row]:
    """The rows that fit, at most `limit`. Columns that an older table lacks are left out."""
    dataset = table.to_pyarrow_dataset()
    there = [name for name in columns if name in dataset.schema.names]
    found: pa.Table = (
        dataset.to_table(columns=there, filter=where)
        if limit is None
        else dataset.head(limit, columns=there, filter=where)
    )
    rows: list[Row] = found.to_pylist()
    return rows
