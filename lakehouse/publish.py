"""Publish: one atomic, idempotent, fenced Delta commit per table.

Every publish carries a transaction number one above the highest that the table has seen. An identical second write is
skipped by Delta, a writer that was paused and overtaken has a lower number and is skipped too; because a skip raises
nothing, the log is read back afterwards. The run's key and inputs travel in the commit, so the commit is the truth
and `ops.runs` can be rebuilt from it. Small changes are committed on the driver, the others by Spark.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession

from lakehouse import small
from lakehouse.errors import ConfigError, JobFailed
from lakehouse.lake import APP_ID, Lake
from lakehouse.stage import OP, Staged
from lakehouse.table import Column, Table, arrow_type


def create(spark: SparkSession, lake: Lake, table: Table) -> int:
    """Make the table where it does not exist, add the columns that its declaration has gained; return its version.

    Raises ConfigError when the table has a column that the declaration lacks or calls something else: taking columns
    away is nothing to do by the way.
    """
    opened = lake.open(table)
    if opened is not None:
        if missing := _missing(table, pa.schema(opened.schema().to_arrow())):
            lake.add_columns(table, missing)
    elif table.cluster_by:
        spark.sql(table.ddl(lake.location(table)))
    else:
        lake.create(table)
    version = lake.version(table)
    assert version is not None
    return version


def _missing(table: Table, found: pa.Schema) -> list[Column]:
    """Declared columns that the table does not have yet."""
    declared = {column.name: column for column in table.columns}
    for name in found.names:
        if name not in declared:
            raise ConfigError(
                f"{table.name} has a column {name!r} that its declaration lacks. Move the table's folder away and build it"
                " again, or give the column back."
            )
        kind = _plain(found.field(name).type)
        if kind != arrow_type(declared[name].type):
            raise ConfigError(
                f"{table.name}.{name} is {kind} in the table and {declared[name].type} in the declaration. Move the table's"
                " folder away and build it again."
            )
    return [column for column in table.columns if column.name not in found.names]


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type without what delta-rs adds: nullability and names of list elements."""
    if pa.types.is_list(kind):
        return pa.list_(_plain(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(kind.field(i).name, _plain(kind.field(i).type)) for i in range(kind.num_fields)])
    return kind


def publish(spark: SparkSession, lake: Lake, table: Table, staged: Staged, facts: Mapping[str, Any]) -> int:
    """Commit the staged changes; return the version they have. The table's lock must be held.

    Raises JobFailed when another writer was faster, which the lock rules out unless it was taken by force.
    """
    if staged.empty:
        return staged.base
    number = lake.epoch(table) + 1
    said = json.dumps(dict(facts), sort_keys=True)
    if small.fits(lake, table, staged):
        small.commit(lake, table, staged, number, said)
    else:
        _by_spark(spark, lake, table, staged, number, said)
    last = lake.last_publish(table)
    if last is None or last.run_id != facts["run_id"]:
        raise JobFailed(
            f"{table.name}: the commit of run {facts['run_id']} was skipped, because run"
            f" {last.run_id if last else 'unknown'} wrote the table in between. Run the same command again."
        )
    return last.version


def _by_spark(spark: SparkSession, lake: Lake, table: Table, staged: Staged, number: int, said: str) -> None:
    own = spark.newSession()  # what is set for this commit must not stay
    if table.row_group_bytes is not None:
        own.conf.set("parquet.block.size", str(table.row_group_bytes))
    if staged.updated or staged.deleted:
        _merge(own, lake, table, staged, number, said)
    else:
        _append(own, lake, table, staged, number, said)


def _append(spark: SparkSession, lake: Lake, table: Table, staged: Staged, number: int, said: str) -> None:
    writer = staged.changes(spark, table).drop(OP).write.format("delta").mode("append")
    options = {"txnAppId": APP_ID, "txnVersion": str(number), "userMetadata": said}
    writer.options(**options).save(lake.location(table))


def _merge(own: SparkSession, lake: Lake, table: Table, staged: Staged, number: int, said: str) -> None:
    """MERGE takes its transaction number from session settings: `own` serves this commit alone."""
    own.conf.set("spark.databricks.delta.write.txnAppId", APP_ID)
    own.conf.set("spark.databricks.delta.write.txnVersion", str(number))
    own.conf.set("spark.databricks.delta.commitInfo.userMetadata", said)
    staged.changes(own, table).createOrReplaceTempView("staged")
    columns = [f"`{name}`" for name in table.column_names]
    sets = ", ".join(f"t.{name} = s.{name}" for name in columns)
    own.sql(
        f"MERGE INTO delta.`{lake.location(table)}` t USING staged s ON {table.merge_condition('t', 's')}"
        f" WHEN MATCHED AND s.{OP} = 'delete' THEN DELETE WHEN MATCHED THEN UPDATE SET {sets}"
        f" WHEN NOT MATCHED AND s.{OP} <> 'delete' THEN INSERT ({', '.join(columns)})"
        f" VALUES ({', '.join('s.' + name for name in columns)})"
    )
