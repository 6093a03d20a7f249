"""Rows in, rows out, for `mapInArrow`: batches cast to the declared schema and bounded by bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame

from lakehouse.table import arrow_type

Rows = Iterable[Mapping[str, Any]]
Columns = Mapping[str, str]  # name -> SQL type

# Rows are gathered until they hold this much; a single row may be as large as the size cap.
BATCH_BYTES = 8 << 20
BATCH_ROWS = 2000


def spark_schema(columns: Columns) -> str:
    return ", ".join(f"`{name}` {kind}" for name, kind in columns.items())


def arrow_schema(columns: Columns) -> pa.Schema:
    return pa.schema([(name, arrow_type(kind)) for name, kind in columns.items()])


def map_rows(frame: DataFrame, columns: Columns, function: Callable[[Iterator[pa.RecordBatch]], Rows]) -> DataFrame:
    """`function` gets a partition's batches and yields dictionaries of `columns`.

    The Arrow types must equal the declared schema exactly, or the JVM fails without naming the column.
    """
    schema = arrow_schema(columns)

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from _batched(function(batches), schema)

    return frame.mapInArrow(run, spark_schema(columns))


def _weight(value: Any) -> int:
    """Bytes of a value as Python holds it, where it can be large."""
    if isinstance(value, str | bytes):
        return len(value)
    return 8 * len(value) if hasattr(value, "__len__") else 0


def _batched(rows: Rows, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    held: list[Mapping[str, Any]] = []
    weight = 0
    for row in rows:
        held.append(row)
        weight += sum(_weight(value) for value in row.values())
        if weight >= BATCH_BYTES or len(held) >= BATCH_ROWS:
            yield pa.RecordBatch.from_pylist(held, schema=schema)
            held, weight = [], 0
    if held:
        yield pa.RecordBatch.from_pylist(held, schema=schema)
