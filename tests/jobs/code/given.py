"""Inputs of a transform given as rows: what a job computes, without a lake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from lakehouse.table import Table

Rows = Sequence[Mapping[str, Any]]


class GivenInputs:
    """`rows`: by table; a column that a row leaves out is null, a table that is not given is empty."""

    changed = None

    def __init__(self, spark: SparkSession, rows: Mapping[Table, Rows]) -> None:
        self.spark = spark
        self._rows = rows

    def __getitem__(self, table: Table) -> DataFrame:
        data = [tuple(row.get(name) for name in table.column_names) for row in self._rows.get(table, ())]
        return self.spark.createDataFrame(data, table.spark_schema)

    whole = __getitem__

    def hold(self, name: str, rows: DataFrame) -> DataFrame:  # noqa: ARG002  what it is called matters to a real run
        return rows.cache()


def computed(frame: DataFrame) -> list[dict[str, Any]]:
    return [row.asDict(recursive=True) for row in frame.collect()]
