"""Content digest of a table version: equal for equal rows, whatever their order, files, engine or number of cores.

Each row is hashed over its columns in declared order (typed, null-marked, length-prefixed, volatile columns left out);
the digest covers the number of rows and the sum of the row hashes, so partial sums from any split of the table add up.
The same function runs over Arrow batches on the driver and inside `mapInArrow`. Good against accident; a sum of
hashes is no defence against somebody who may choose the rows.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse.errors import InputError
from lakehouse.lake import Lake
from lakehouse.table import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

MODULUS = 1 << 128


@dataclass(frozen=True)
class Sum:
    """Rows and the sum of their hashes modulo 2^128. Sums of disjoint parts of a table add up."""

    rows: int = 0
    total: int = 0

    def __add__(self, other: Sum) -> Sum:
        return Sum(self.rows + other.rows, (self.total + other.total) % MODULUS)

    def digest(self, table: Table) -> str:
        """SHA-256, hex, over the columns that count, the rows and their sum."""
        said = [[c.name, c.type] for c in table.columns if not c.volatile]
        return hashlib.sha256(json.dumps([said, self.rows, f"{self.total:032x}"]).encode()).hexdigest()


def of_version(lake: Lake, table: Table, version: int | None = None) -> tuple[str, Sum]:
    """The digest of a table version, read on this machine without a JVM: about 0.2 million small rows a second."""
    opened = lake.open(table, version)
    if opened is None:
        raise InputError(f"{lake.location(table)}: no such table. `codelake ls` shows what there is.")
    # One thread: see lakehouse.ledger.read.
    batches = opened.to_pyarrow_dataset().to_batches(columns=list(table.content_columns), use_threads=False)
    found = of_batches(batches, table)
    return found.digest(table), found


def of_frame(frame: DataFrame, table: Table) -> tuple[str, Sum]:
    """The same digest, computed by Spark: each task sends back one sum."""

    def sums(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        part = of_batches(batches, table)
        yield pa.RecordBatch.from_pydict({"rows": [part.rows], "total": [str(part.total)]})

    parts = frame.select(*table.content_columns).mapInArrow(sums, "rows bigint, total string").collect()
    found = sum((Sum(part["rows"], int(part["total"])) for part in parts), Sum())
    return found.digest(table), found


def of_batches(batches: Iterable[pa.RecordBatch], table: Table) -> Sum:
    rows = total = 0
    for batch in batches:
        columns = [_encoded(batch.column(name)) for name in table.content_columns]
        for parts in zip(*columns, strict=True):
            total += int.from_bytes(hashlib.blake2b(b"".join(parts), digest_size=16).digest(), "big")
        rows += batch.num_rows
    return Sum(rows, total % MODULUS)


def _encoded(column: pa.Array) -> list[bytes]:
    """Each value as bytes that no other value has: a mark for null, else its length and its bytes."""
    return [b"\x00" if value is None else b"\x01" + struct.pack(">Q", len(value)) + value for value in _values(column)]


def _values(column: pa.Array) -> Iterator[bytes | None]:
    kind = column.type
    if pa.types.is_timestamp(kind):
        column = column.cast(pa.timestamp("us", kind.tz)).cast(pa.int64())
    for value in column.to_pylist():
        yield None if value is None else _bytes(value)


def _bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, bytes):
        return value
    if isinstance(value, float):
        return struct.pack(">d", value)
    if isinstance(value, bool | int):
        return str(int(value)).encode()
    return json.dumps(value, sort_keys=True, default=str).encode()
