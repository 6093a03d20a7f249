"""The lake's tables as DuckDB views: no JVM, columns read when a query names them, every table at one version.

with Views(lake) as views:
    views.rows("SELECT language, count(*) AS files FROM silver.code_languages GROUP BY language")
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Sequence
from types import TracebackType
from typing import Any, Self

import duckdb
from deltalake import DeltaTable

from lakehouse import registry
from lakehouse.ask import duck
from lakehouse.errors import InputError
from lakehouse.lake import Lake


class Views:
    """Each table is opened once, so that all answers are about the same versions. Larger work spills to a scratch folder.

    Cost: the footer of every data file of the tables in `only` (null: all), read once. Raises ConfigError for a table that
    plain Parquet readers misread.
    """

    def __init__(self, lake: Lake, only: Collection[str] | None = None) -> None:
        self.lake = lake
        self.tables: dict[str, DeltaTable] = {}
        self._scratch = tempfile.TemporaryDirectory(prefix="codelake-")
        self._database = duck.connect(self._scratch.name)
        for table in registry.tables():
            opened = lake.open(table) if only is None or table.name in only else None
            if opened is not None:
                self._add(table.name, opened)

    def _add(self, table: str, opened: DeltaTable) -> None:
        layer, _, name = table.partition(".")
        self._database.execute(f"CREATE SCHEMA IF NOT EXISTS {duck.quoted(layer)}")
        try:
            duck.view(self._database, table, opened, f"{duck.quoted(layer)}.{duck.quoted(name)}")
        except duckdb.IOException as error:
            raise duck.gone(error) from error
        self.tables[table] = opened

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
        """The query's rows; `?` stands for a parameter.

        Raises InputError for a column that is not there, StorageError for a file that is gone.
        """
        try:
            answer = self._database.execute(query, list(parameters))
            names, rows = [column[0] for column in answer.description], answer.fetchall()
        except duckdb.IOException as error:
            raise duck.gone(error) from error
        except duckdb.Error as error:
            raise InputError(
                f"{self.lake.root}: {error}\nThe query was: {query}\nA table that an older version of codelake made lacks"
                " newer columns: `codelake build --full-refresh` makes it anew."
            ) from error
        return [dict(zip(names, row, strict=True)) for row in rows]
