"""A release as SQL views: the gold tables at the versions that it pins, and the tables behind them at those they were made from.

    with Pinned(lake) as pinned:
        there = pinned.add("2026-11", "r")          # views r."gold.pretrain", r."silver.code_decisions", ...
        pinned.rows('SELECT count(*) AS n FROM r."gold.pretrain"')

What a release was made from stays readable as long as its tables do. A table that was made anew since, under another
identity, is left out: its old versions are gone.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import duckdb
import pyarrow as pa

from lakehouse import release
from lakehouse.ask import duck, names
from lakehouse.errors import InputError
from lakehouse.lake import Lake


def versions(rows: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, int]]:
    """Identity and version by table name: what a release pins, then what that was made from, the nearest run first."""
    found = {row["table"]: (str(row["table_id"]), int(row["version"])) for row in rows}
    for row in rows:
        for run in json.loads(row["made_from"]):
            for entry in run["inputs"]:
                if entry["version"] >= 0:
                    found.setdefault(entry["name"], (str(entry["id"]), int(entry["version"])))
    return found


class Pinned:
    """Views of one or more releases in one database; larger work spills to a scratch folder."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self._scratch = tempfile.TemporaryDirectory(prefix="codelake-")
        self._database = duck.connect(self._scratch.name)

    def add(self, name: str, schema: str) -> frozenset[str]:
        """Make the views of a release in `schema`; return the names of the tables that can be read."""
        self._database.execute(f"CREATE SCHEMA {duck.quoted(schema)}")
        there = set()
        for table, (identity, version) in versions(release.show(self.lake, name)).items():
            opened = self.lake.open(names.named(table))
            if opened is None or str(opened.metadata().id) != identity or opened.version() < version:
                continue
            opened = names.opened(self.lake, table, version)
            try:
                duck.view(self._database, table, opened, f"{duck.quoted(schema)}.{duck.quoted(table)}")
            except duckdb.IOException as error:
                raise duck.gone(error) from error
            there.add(table)
        return frozenset(there)

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Raises InputError for a query that the tables cannot answer, StorageError for a file that is gone."""
        try:
            answer = self._database.execute(query, list(parameters))
            found, rows = [column[0] for column in answer.description], answer.fetchall()
        except duckdb.IOException as error:
            raise duck.gone(error) from error
        except duckdb.Error as error:
            raise InputError(f"{self.lake.root}: {error}\nThe query was: {query}") from error
        return [dict(zip(found, row, strict=True)) for row in rows]

    def batches(self, query: str, rows: int) -> Iterator[pa.RecordBatch]:
        """The answer as Arrow record batches of at most so many rows. Raises as `rows` does."""
        try:
            yield from self._database.sql(query).to_arrow_reader(rows)
        except duckdb.IOException as error:
            raise duck.gone(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()
        self._scratch.cleanup()
