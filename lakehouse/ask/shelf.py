"""The lake's tables as one reader sees them: each opened once, at one version, rows found by filters that Parquet applies.

Tables are found by name, so it works on a lake that another pipeline made, and on one that is half built.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import duckdb
from deltalake import DeltaTable

from lakehouse import ops
from lakehouse.ask import duck, names
from lakehouse.lake import Lake

Row = dict[str, Any]

SUCCESS = ("published", "unchanged")


class Shelf:
    """Opens a table when it is first asked for. `locations`: where each table is, by name."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self.locations = names.found(lake)
        self._open: dict[tuple[str, int | None], DeltaTable] = {}
        self._views: set[str] = set()
        self._db = duck.connect()
        self._runs: dict[str, Row] | None = None

    def table(self, name: str, version: int | None = None) -> DeltaTable | None:
        """The table at a version, the newest by default; None where the table does not exist."""
        if name not in self.locations:
            return None
        if (name, version) not in self._open:
            self._open[name, version] = names.opened(self.lake, name, version)
        return self._open[name, version]

    def columns(self, name: str, version: int | None = None) -> list[str]:
        table = self.table(name, version)
        return [] if table is None else [field.name for field in table.schema().fields]

    def rows(
        self,
        name: str,
        where: str,
        values: Sequence[Any],
        columns: Sequence[str],
        *,
        version: int | None = None,
        limit: int | None = None,
    ) -> list[Row]:
        """The rows for which `where` holds, `?` in it standing for `values`; none where the table does not exist.

        Columns that an older table lacks are left out.
        """
        table, there = self.table(name, version), self.columns(name, version)
        chosen = [duck.quoted(column) for column in columns if column in there]
        if table is None or not chosen:
            return []
        most = "" if limit is None else f" LIMIT {limit}"
        try:
            text = f"SELECT {', '.join(chosen)} FROM {self._view(name, table)} WHERE {where}{most}"
            found = self._db.execute(text, list(values))
            keys = [column[0] for column in found.description]
            return [dict(zip(keys, row, strict=True)) for row in found.fetchall()]
        except duckdb.IOException as error:
            raise duck.gone(error) from error

    def _view(self, name: str, table: DeltaTable) -> str:
        target = duck.quoted(f"{name}@{table.version()}")
        if target not in self._views:
            duck.view(self._db, name, table, target)
            self._views.add(target)
        return target

    def documents(self) -> list[str]:
        """Gold tables whose rows are documents, so that a content can be looked up in them by `doc_id`."""
        return [name for name in self.locations if name.startswith("gold.") and "doc_id" in self.columns(name)]

    def releases(self) -> list[Row]:
        """What releases pin: release, table and version. Left out are versions of a table that was made anew since."""
        rows = self.rows(ops.releases.name, "true", [], ["release", "table", "table_id", "version"])
        return [row for row in sorted(rows, key=lambda row: (row["release"], row["table"])) if self._is_there(row)]

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
            found = self.rows(ops.runs.name, "status IN (?, ?)", SUCCESS, ["run_id", "job", "inputs"])
            self._runs = {row["job"]: row for row in sorted(found, key=lambda row: str(row["run_id"]))}
        return self._runs
