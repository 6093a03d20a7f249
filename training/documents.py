"""The documents of a release, streamed as Arrow batches from the version that it pins, without Spark.

    for batch in documents("lake", "quickstart", columns=("doc_id", "text"), batch_rows=1024):
        ...

What is read is what was released: the table must be the one that was pinned, its files must all be there, and the rows
must be as many as the release says. Order is that of the files in the log; shuffling and resuming belong to the stream
that is built on top of this. Memory: one batch and what the reader fetches ahead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable

from lakehouse import release
from lakehouse.errors import InputError
from lakehouse.lake import Lake

# What plain Parquet readers do not understand: rows that are in a file but deleted, columns under other names.
UNREADABLE_FEATURES = {"deletionVectors", "columnMapping"}


def documents(
    root: str, name: str, *, table: str = "gold.pretrain", columns: Sequence[str], batch_rows: int
) -> Iterator[pa.RecordBatch]:
    """Batches of at most `batch_rows` rows with these columns.

    Raises ConfigError when there is no such release, InputError when it lacks the table or column, when the table was
    made anew, or when the rows are not those that were pinned.
    """
    pinned = _pinned(root, name, table)
    opened = _opened(root, pinned, columns)
    rows = 0
    try:
        for batch in opened.to_pyarrow_dataset().to_batches(
            columns=list(columns), batch_size=batch_rows, use_threads=False
        ):
            rows += batch.num_rows
            yield batch
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(
            f"{table}@{pinned['version']} of release {name!r}: a file is missing or damaged: {error}."
            f" `codelake release verify {name} --lake {root}` says which releases still hold."
        ) from error
    if rows != pinned["rows"]:
        raise InputError(
            f"{table}@{pinned['version']} of release {name!r}: read {rows} rows, the release pins {pinned['rows']}."
            f" Run `codelake release verify {name} --lake {root}`."
        )


def _pinned(root: str, name: str, table: str) -> dict[str, Any]:
    rows = {row["table"]: row for row in release.show(Lake(root), name)}
    if table not in rows:
        raise InputError(f"release {name!r} has no {table}. It holds: {', '.join(rows)}.")
    return rows[table]


def _opened(root: str, pinned: dict[str, Any], columns: Sequence[str]) -> DeltaTable:
    location = Path(root) / pinned["table"].replace(".", "/")
    opened = DeltaTable(str(location), version=pinned["version"])
    identity = str(opened.metadata().id)
    if identity != pinned["table_id"]:
        raise InputError(
            f"{location}: is table {identity}, the release pins {pinned['table_id']}: it was removed and made anew."
            " Restore the released files, or make a new release."
        )
    foreign = UNREADABLE_FEATURES & set(opened.protocol().reader_features or ())
    if foreign:
        raise InputError(
            f"{location}: uses {', '.join(sorted(foreign))}, which plain readers do not see. Write it without."
        )
    names = [field.name for field in opened.schema().fields]
    missing = [column for column in columns if column not in names]
    if missing:
        raise InputError(f"{location}: no column {missing[0]!r}. Columns: {', '.join(names)}.")
    return opened
