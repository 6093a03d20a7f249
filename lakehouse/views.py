"""The lake's tables as DuckDB views: no JVM, columns read when a query names them, every table at one version.

with Views(lake) as views:
    views.rows("SELECT language, count(*) AS files FROM silver.code_languages GROUP BY language")
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import duckdb
import pyarrow.dataset as ds
from deltalake import DeltaTable

from lakehouse import registry
from lakehouse.errors import InputError
from lakehouse.lake import Lake


class Views:
    """Each table is opened once, so that all answers are about the same versions. Larger work spills to a scratch folder."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self.tables: dict[str, DeltaTable] = {}
        self._scratch = tempfile.TemporaryDirectory(prefix="codelake-")
        self._database = duckdb.connect(
            config={
                "temp_directory": self._scratch.name,
                # Nothing here needs an extension, and reading a lake must not reach for the network.
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
            }
        )
        for table in registry.tables():
            opened = lake.open(table)
            if opened is not None:
                self._add(table.name, opened)

    def _add(self, name: str, opened: DeltaTable) -> None:
        self.tables[name] = opened
        layer, _, _ = name.partition(".")
        self._database.register(name, opened.to_pyarrow_dataset())
        self._database.execute(f'CREATE SCHEMA IF NOT EXISTS "{layer}"')
        self._database.execute(f'CREATE VIEW {name} AS SELECT * FROM "{name}"')

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()
        self._scratch.cleanup()

    def has(self, *names: str) -> bool:
        """Are all these tables there?"""
        return all(name in self.tables for name in names)

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """The query's rows; `?` stands for a parameter. Raises InputError when a table cannot be read that way."""
        try:
            answer = self._database.execute(query, list(parameters))
        except duckdb.Error as error:
            raise InputError(
                f"{self.lake.root}: {error}\nThe query was: {query}\nA table that an older version of codelake made lacks"
                " newer columns: `codelake build --full-refresh` makes it anew."
            ) from error
        names = [column[0] for column in answer.description]
        return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]

    def dataset(self, name: str) -> ds.Dataset:
        """The table's files, for a reader that wants a few rows of wide columns."""
        return self.tables[name].to_pyarrow_dataset()
