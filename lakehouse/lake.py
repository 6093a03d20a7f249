"""The lake on disk: where each table lies, which version it has, who wrote it last. No JVM.

The location is the truth. A table's log says by which run it was last published, so a lost ledger costs nothing but
its own rows.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, Schema
from deltalake.exceptions import TableNotFoundError

from lakehouse.errors import StorageError
from lakehouse.table import Column, Table

APP_ID = "codelake"


@dataclass(frozen=True)
class Commit:
    """What a publish wrote into the log beside the data: enough to rebuild its row in `ops.runs`."""

    version: int
    run_id: str
    run_key: str
    facts: dict[str, Any]


@dataclass(frozen=True)
class Span:
    """Versions of one input: `seen` was read by the last run (None: never), `now` is read by this one (None: no table yet)."""

    seen: int | None
    now: int | None

    @property
    def moved(self) -> bool:
        return self.now is not None and self.now != self.seen


@dataclass(frozen=True)
class Lake:
    """A lake at a root: a folder on this machine or a URI that Spark and delta-rs both understand."""

    root: str

    @property
    def is_local(self) -> bool:
        return "://" not in self.root

    @property
    def folder(self) -> Path:
        """The root as a folder. Raises StorageError for an object store, where locks need another service."""
        if not self.is_local:
            raise StorageError(
                f"{self.root}: locks and stages need a shared folder; object stores are read-only for now. Use a mounted path."
            )
        return Path(self.root)

    def location(self, table: Table) -> str:
        return (
            str(Path(self.root).absolute() / table.path) if self.is_local else f"{self.root.rstrip('/')}/{table.path}"
        )

    def exists(self, table: Table) -> bool:
        return DeltaTable.is_deltatable(self.location(table))

    def open(self, table: Table, version: int | None = None) -> DeltaTable | None:
        """The table at a version (the newest by default), or None where it was never created."""
        try:
            return DeltaTable(self.location(table), version=version)
        except TableNotFoundError:
            return None

    def create(self, table: Table) -> None:
        """An empty table with its comments and properties, where there is none yet. Clustering is not set: that is Spark's."""
        if self.exists(table):
            return
        DeltaTable.create(
            self.location(table),
            table.arrow_schema,
            mode="ignore",
            description=f"One row is {table.row}.",
            configuration=table.table_properties,
            raise_if_key_not_exists=False,  # codelake.schema is our own
        )

    def add_columns(self, table: Table, columns: Sequence[Column]) -> None:
        """Columns that the declaration has gained; rows that are there have none in them."""
        schema = pa.schema([table.arrow_schema.field(column.name) for column in columns])
        DeltaTable(self.location(table)).alter.add_columns(Schema.from_arrow(schema).fields)

    def version(self, table: Table) -> int | None:
        opened = self.open(table)
        return None if opened is None else opened.version()

    def is_empty(self, table: Table, version: int) -> bool:
        """Has the table no file at this version? From the log alone: Spark takes a second to say it."""
        opened = self.open(table, version)
        return opened is None or not opened.file_uris()

    def files(self, table: Table, version: int, *, at_most: int) -> list[str]:
        """The Parquet files of a version as paths that Spark takes as they are; none where there are more than `at_most`."""
        opened = self.open(table, version)
        paths = opened.file_uris() if opened else []
        return paths if len(paths) <= at_most and not any(set(path) & set("*?{}[]\\%") for path in paths) else []

    def last_publish(self, table: Table) -> Commit | None:
        """The newest commit that a run of ours made; maintenance commits carry no run key and are passed over."""
        opened = self.open(table)
        if opened is None:
            return None
        for limit in (5, None):  # nearly always among the newest; the whole log only when it is not
            for entry in opened.history(limit):
                facts = facts_of(entry.get("userMetadata"))
                if facts is not None:
                    return Commit(int(entry["version"]), facts["run_id"], facts["run_key"], facts)
        return None

    def epoch(self, table: Table) -> int:
        """The highest transaction number that a publish used; the next one takes one more, an older writer is fenced off."""
        opened = self.open(table)
        found = None if opened is None else opened.transaction_version(APP_ID)
        return 0 if found is None else int(found)


def facts_of(text: str | None) -> dict[str, Any] | None:
    if not text:
        return None
    try:
        facts = json.loads(text)
    except json.JSONDecodeError:
        return None  # another tool's metadata
    return facts if isinstance(facts, dict) and "run_key" in facts else None
