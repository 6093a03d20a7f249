"""The content digest: equal for equal rows in any order and split, different for any other rows.

digest.of_version(lake, table)[0]
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from lakehouse.digest import Sum, of_batches, of_frame
from lakehouse.table import Column, Table

TABLE = Table(
    "silver.mixed",
    "one row",
    ("k",),
    (
        Column("k", "string", "key"),
        Column("n", "bigint", "number", nullable=True),
        Column("x", "double", "real", nullable=True),
        Column("b", "binary", "bytes", nullable=True),
        Column("at", "timestamp", "time", nullable=True),
        Column("hits", "array<struct<rule:string,value:double>>", "nested", nullable=True),
        Column("when_read", "string", "volatile", volatile=True, nullable=True),
    ),
)
ROW = st.fixed_dictionaries(
    {
        "k": st.text(max_size=5),
        "n": st.none() | st.integers(-(2**63), 2**63 - 1),
        "x": st.none() | st.floats(allow_nan=False),
        "b": st.none() | st.binary(max_size=5),
        "at": st.none() | st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1)).map(lambda d: d.replace(tzinfo=UTC)),
        "hits": st.none()
        | st.lists(st.fixed_dictionaries({"rule": st.text(max_size=3), "value": st.floats(0, 1)}), max_size=2),
    }
)


def batch(rows: list[dict[str, Any]]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(rows, schema=TABLE.arrow_schema)


@given(st.lists(ROW, max_size=8), st.randoms(use_true_random=False), st.integers(0, 8))
def test_order_and_split_do_not_matter(rows: list[dict[str, Any]], random: Any, cut: int) -> None:
    whole = of_batches([batch(rows)], TABLE)
    shuffled = random.sample(rows, len(rows))
    parts = of_batches([batch(shuffled[:cut])], TABLE) + of_batches([batch(shuffled[cut:])], TABLE)
    assert parts.digest(TABLE) == whole.digest(TABLE)


@given(ROW, ROW)
def test_different_rows_have_different_digests(left: dict[str, Any], right: dict[str, Any]) -> None:
    same = batch([left]).equals(batch([right]))
    assert (of_batches([batch([left])], TABLE) == of_batches([batch([right])], TABLE)) == same


def test_volatile_columns_do_not_enter_and_repeated_rows_count() -> None:
    row = {"k": "a", "when_read": "now"}
    assert of_batches([batch([row])], TABLE) == of_batches([batch([{**row, "when_read": "then"}])], TABLE)
    assert of_batches([batch([row, row])], TABLE) != of_batches([batch([row])], TABLE)
    assert of_batches([], TABLE) == Sum()


def test_values_cannot_slide_from_one_column_into_the_next() -> None:
    table = Table("silver.two", "one row", ("a",), (Column("a", "string", "a"), Column("b", "string", "b")))
    sums = {
        of_batches([pa.RecordBatch.from_pylist([{"a": a, "b": b}], schema=table.arrow_schema)], table).total
        for a, b in [("ab", "c"), ("a", "bc"), ("abc", "")]
    }
    assert len(sums) == 3


@pytest.mark.spark
def test_spark_computes_the_same_digest(spark: SparkSession) -> None:
    rows = [
        {
            "k": f"é{i}",
            "n": None if i % 3 == 0 else i,
            "x": i / 7,
            "b": bytes([i]),
            "at": datetime(2026, 1, 1, tzinfo=UTC),
            "hits": [{"rule": "r", "value": 0.5}],
        }
        for i in range(20)
    ]
    frame = spark.createDataFrame(pa.Table.from_batches([batch(rows)]))
    assert of_frame(frame.repartition(3), TABLE)[0] == of_batches([batch(rows)], TABLE).digest(TABLE)
