"""Rows that a suite takes out of a batch: they go to `ops.quarantine` with the rules they failed, and nothing is lost.

A rejected row is an item of its job, named by its key. When a later run computes the same key again and it passes, the
item leaves the quarantine.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from expectations.rules import Rule
from lakehouse.errors import ConfigError
from lakehouse.job import Job
from lakehouse.ops import quarantine
from lakehouse.table import Table

FIRST_CHARACTERS = 2000  # of the row as JSON; a document may be megabytes


def rejects(rules: Sequence[Rule]) -> bool:
    return any(rule.severity == "quarantine" for rule in rules)


def as_items(rejected: DataFrame, job: Job, table: Table) -> DataFrame:
    """Rejected rows (with their column `failed`) in the shape of the quarantine."""
    row = F.to_json(F.struct(*(name for name in table.column_names if name != "content")))
    columns: dict[str, Column] = {
        "job": F.lit(job.name),
        "item": _item(table.name, [F.col(name) for name in table.key], table.key),
        "reason": F.lit("failed_expectation"),
        "detail": F.concat_ws("; ", "failed", F.substring(row, 1, FIRST_CHARACTERS)),
    }
    for name in ("source", "repo", "path", "size"):
        columns[name] = F.col(name) if name in table.column_names else F.lit(None)
    columns["first_bytes"] = F.lit(None)
    return rejected.select(
        *(columns[column.name].cast(column.type).alias(column.name) for column in quarantine.columns)
    )


def scope_of(spark: SparkSession, job: Job, table: Table, scope: DataFrame | None) -> DataFrame:
    """The items that this run decides about: all of the job, or those of the keys or sources that it replaces."""
    if scope is None:
        return spark.createDataFrame([(job.name,)], "job string")
    if set(scope.columns) == set(table.key):
        item = _item(table.name, [F.col(name) for name in table.key], table.key)
        return scope.select(F.lit(job.name).alias("job"), item.alias("item"))
    if scope.columns == ["source"]:
        return scope.select(F.lit(job.name).alias("job"), "source")
    raise ConfigError(
        f"{job.name} replaces rows of {table.name} by {', '.join(scope.columns)}, but its key is {', '.join(table.key)}:"
        " which quarantined rows a run replaces cannot be told. Make the suite's rule an error or a warning."
    )


def _item(table: str, values: Sequence[Column], names: Sequence[str]) -> Column:
    return F.concat(F.lit(f"{table} "), F.to_json(F.struct(*(v.alias(n) for v, n in zip(values, names, strict=True)))))
