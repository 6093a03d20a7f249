"""A table at a pinned version, opened without Spark, and refused when plain Parquet readers would see other rows.

The bytes of a pinned version are read straight from its Parquet files. That skips what a Delta reader does for the
caller, so it is checked here: no reader feature that changes rows or names columns anew, and in every file as many rows
as the log says. Measured with delta-rs 1.6: a column-mapped table reads as NULL in every column, without an error.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError
from deltalake.fs import DeltaStorageHandler
from numpy.typing import NDArray
from pyarrow.fs import FileSystem, LocalFileSystem, PyFileSystem

from lakehouse import release
from lakehouse.errors import InputError
from lakehouse.lake import Lake

# Reader features that leave every row and column where a Parquet reader finds it.
HARMLESS = {"timestampNtz", "vacuumProtocolCheck", "v2Checkpoint"}
FOOTER_THREADS = 8  # a footer is a small read: what counts is how many are under way


@dataclass(frozen=True)
class Pin:
    """A version of a table. `rows`, `table_id`, `digest`: what the release says, None where no release is behind it."""

    location: str
    version: int
    table: str = ""
    release: str = ""
    rows: int | None = None
    table_id: str | None = None
    digest: str | None = None

    def __str__(self) -> str:
        behind = f" of release {self.release!r}" if self.release else ""
        return f"{self.table or self.location}@{self.version}{behind}"


@dataclass(frozen=True, eq=False)
class RowGroup:
    """One row group of one file. `chosen`: the rows that belong to the part, None for all."""

    path: str
    number: int
    rows: int
    chosen: NDArray[np.int64] | None = None


def of_release(root: str, name: str, table: str) -> Pin:
    """What the release pins, or the version of a table that it was made from.

    Raises ConfigError when there is no such release, InputError when it knows no such table.
    """
    rows = {row["table"]: row for row in release.show(Lake(root), name)}
    location = f"{root.rstrip('/')}/{table.replace('.', '/')}"
    if table in rows:
        row = rows[table]
        return Pin(location, row["version"], table, name, row["rows"], row["table_id"], row["digest"])
    behind = {
        entry["name"]: entry
        for row in rows.values()
        for run in json.loads(row["made_from"])
        for entry in run["inputs"]
        if entry["version"] >= 0
    }
    if table not in behind:
        raise InputError(
            f"release {name!r} has no {table}. It holds: {', '.join(rows)}."
            + (f" It was made from: {', '.join(sorted(behind))}." if behind else "")
        )
    return Pin(location, behind[table]["version"], table, name, table_id=behind[table]["id"] or None)


def opened(pin: Pin, columns: Sequence[str]) -> DeltaTable:
    """The pinned version. Raises InputError when it is gone, made anew, not readable by plain readers, or lacks a column."""
    try:
        table = DeltaTable(pin.location, version=pin.version)
    except TableNotFoundError as error:
        raise InputError(f"{pin.location}: no Delta table there. Name the lake's folder and a table in it.") from error
    except DeltaError as error:
        raise InputError(
            f"{pin.location}: cannot open version {pin.version}: {error}. Choose a version that exists."
        ) from error
    identity = str(table.metadata().id)
    if pin.table_id not in (None, identity):
        raise InputError(
            f"{pin.location}: is table {identity}, the release pins {pin.table_id}: it was removed and made anew."
            " Restore the released files, or make a new release."
        )
    _refuse_foreign(pin, table)
    names = [field.name for field in table.schema().fields]
    missing = [column for column in columns if column not in names]
    if missing:
        raise InputError(f"{pin.location}: no column {missing[0]!r}. Columns: {', '.join(names)}.")
    return table


def _refuse_foreign(pin: Pin, table: DeltaTable) -> None:
    foreign = set(table.protocol().reader_features or ()) - HARMLESS
    mode = (table.metadata().configuration or {}).get("delta.columnMapping.mode", "none")
    if mode != "none":
        foreign.add(f"columnMapping ({mode})")
    if foreign:
        raise InputError(
            f"{pin.location}: version {pin.version} uses {', '.join(sorted(foreign))}, which plain readers do not see."
            " Write it without."
        )


def row_groups(pin: Pin, columns: Sequence[str], source: str | None = None) -> list[RowGroup]:
    """The row groups of a pinned version in the order of what their files hold; with `source`, those rows alone.

    Reads the log and every file's footer; the column `source` only of row groups that hold more than one. Raises
    InputError when a file is missing or damaged or the rows are not those of the log or the release.
    """
    table = opened(pin, [*columns, *(["source"] if source is not None else [])])
    files = filesystem(pin)
    added: list[dict[str, Any]] = pa.table(table.get_add_actions(flatten=True)).to_pylist()
    added.sort(key=_content_first)

    def read(action: dict[str, Any]) -> tuple[list[RowGroup], int]:
        return _of_file(pin, files, action, source)

    with ThreadPoolExecutor(FOOTER_THREADS) as pool:
        found = list(pool.map(read, added))
    rows = sum(count for _, count in found)
    if pin.rows is not None and rows != pin.rows:
        raise InputError(f"{pin}: holds {rows} rows, the release pins {pin.rows}. Run `codelake release verify`.")
    groups = [group for inside, _ in found for group in inside if group.rows]
    if not groups:
        what = f"no row with source {source!r}" if source is not None else "no row"
        raise InputError(f"{pin}: {what}. Choose another version or part.")
    return groups


def _content_first(action: dict[str, Any]) -> tuple[list[tuple[str, str]], str]:
    """A file's place: by the least values it holds. Its name is drawn anew at each writing, so that a lake which was built
    again would show a model the same rows in another order."""
    return [(key, str(value)) for key, value in sorted(action.items()) if key.startswith("min.")], str(action["path"])


def filesystem(pin: Pin) -> FileSystem:
    """How the files of a table are reached: the disk, or the object store that delta-rs reaches."""
    if "://" not in pin.location:
        return LocalFileSystem()
    return PyFileSystem(DeltaStorageHandler(pin.location))


def _of_file(pin: Pin, files: FileSystem, action: dict[str, Any], source: str | None) -> tuple[list[RowGroup], int]:
    """The row groups of one file that have rows of the source, and how many rows the file has in all."""
    relative = unquote(str(action["path"]))
    path = relative if "://" in pin.location else str(Path(pin.location) / relative)
    try:
        with pq.ParquetFile(path, filesystem=files) as opened_file:
            footer = opened_file.metadata
            expected = action.get("num_records")
            if expected is not None and footer.num_rows != expected:
                raise InputError(f"{path}: holds {footer.num_rows} rows, the log says {expected}. Restore the file.")
            if source is None or action.get("partition.source") is not None:
                wanted = source is None or action["partition.source"] == source
                numbers = range(footer.num_row_groups if wanted else 0)
                return [RowGroup(path, n, footer.row_group(n).num_rows) for n in numbers], footer.num_rows
            groups = [_of_source(opened_file, path, n, source) for n in range(footer.num_row_groups)]
            return [group for group in groups if group is not None], footer.num_rows
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(
            f"{path}: {pin} is missing a file, or it is damaged: {error}. `codelake release verify` says which releases"
            " still hold."
        ) from error


def _of_source(file: pq.ParquetFile, path: str, number: int, source: str) -> RowGroup | None:
    footer = file.metadata.row_group(number)
    column = next(footer.column(n) for n in range(footer.num_columns) if footer.column(n).path_in_schema == "source")
    bounds = column.statistics
    if bounds is not None and bounds.has_min_max and not bounds.null_count:
        # Writers may cut long bounds short, so that only equal ones say that a group is pure.
        if bounds.min == bounds.max == source:
            return RowGroup(path, number, footer.num_rows)
        if not bounds.min <= source <= bounds.max:
            return None
    values = file.read_row_group(number, columns=["source"], use_threads=False)["source"]
    chosen = np.flatnonzero(np.array(values.to_pylist(), dtype=object) == source)
    return RowGroup(path, number, len(chosen), chosen) if len(chosen) else None
