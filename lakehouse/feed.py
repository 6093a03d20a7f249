"""What changed in a table between two versions: Delta's change feed, read as the Parquet files that the log names.

Spark's own reader plans each feed anew whenever a query is planned again, which adaptive execution does after every
shuffle: a decision that joins six inputs spent four seconds on it, whatever had changed. A commit that rewrote files says
in `cdc` files what it changed; one that only added or removed whole files changed just their rows.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakehouse.lake import Lake, Span
from lakehouse.table import Table

CHANGE, COMMIT = "_change_type", "_commit_version"
PLAIN_COMMITS = 8  # a plan grows with each
# Spark lists more paths than this by a job of its own (spark.sql.sources.parallelPartitionDiscovery.threshold).
PLAIN_FILES = 32


@dataclass(frozen=True)
class Files:
    """Files of one commit whose rows were all changed in one way; `change` None: a column of the files says how."""

    version: int
    change: str | None
    paths: tuple[str, ...]


def feed(spark: SparkSession, lake: Lake, table: Table, span: Span) -> DataFrame:
    """Columns of the table, `_change_type` and `_commit_version`, of all commits behind `seen` up to `now`."""
    assert span.seen is not None
    assert span.now is not None
    found = plain_files(Path(lake.location(table)), span.seen + 1, span.now) if lake.is_local else None
    if found is None:
        return by_delta(spark, lake, table, span.seen + 1, span.now)
    if not found:
        return spark.createDataFrame([], f"{table.spark_schema}, {CHANGE} string, {COMMIT} bigint")
    return reduce(DataFrame.unionByName, [_read(spark, table, files) for files in found])


def by_delta(spark: SparkSession, lake: Lake, table: Table, first: int, last: int) -> DataFrame:
    """The same by Delta's reader."""
    options = {"readChangeFeed": "true", "startingVersion": str(first), "endingVersion": str(last)}
    return (
        spark.read.format("delta")
        .options(**options)
        .load(lake.location(table))
        .select(*table.column_names, CHANGE, COMMIT)
    )


def _read(spark: SparkSession, table: Table, files: Files) -> DataFrame:
    told = "" if files.change else f", {CHANGE} string"
    rows = spark.read.schema(f"{table.spark_schema}{told}").parquet(*files.paths)
    rows = rows if files.change is None else rows.withColumn(CHANGE, F.lit(files.change))
    return rows.withColumn(COMMIT, F.lit(files.version).cast("bigint"))


def plain_files(folder: Path, first: int, last: int) -> list[Files] | None:
    """The files of these commits; None where Delta has to be asked: too many, gone, or with marks on single rows."""
    if last - first >= PLAIN_COMMITS:
        return None
    found: list[Files] = []
    for version in range(first, last + 1):
        log = folder / "_delta_log" / f"{version:020}.json"
        if not log.exists():  # old commits are kept in checkpoints alone
            return None
        actions = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
        if any((one.get("deletionVector"), one.get("partitionValues")) != (None, {}) for one in _data(actions)):
            return None
        found += _of_commit(folder, version, actions)
    paths = [path for files in found for path in files.paths]
    plain = len(paths) <= PLAIN_FILES and not any(set(path) & set("*?{}[]\\%") for path in paths)
    return found if plain and all(Path(path).exists() for path in paths) else None


def _data(actions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is said of data files whose rows changed."""
    named = [(kind, action[kind]) for action in actions for kind in ("add", "remove", "cdc") if kind in action]
    return [one for kind, one in named if kind == "cdc" or one["dataChange"]]


def _of_commit(folder: Path, version: int, actions: list[dict[str, Any]]) -> list[Files]:
    def paths(kind: str) -> tuple[str, ...]:
        said = [action[kind] for action in actions if kind in action]
        return tuple(str(folder / one["path"]) for one in said if kind == "cdc" or one["dataChange"])

    if changed := paths("cdc"):
        return [Files(version, None, changed)]
    named = (("insert", paths("add")), ("delete", paths("remove")))
    return [Files(version, change, found) for change, found in named if found]
