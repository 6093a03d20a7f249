"""What a transform sees: inputs at fixed versions, cut down to the keys that changed since the job's last run.

Changed keys come from Delta's change feed between the version that was read last and the version read now. Where the
key of the job is the key of the table, the changed rows themselves come from the feed too, so that a large table is
not scanned to find a few new rows in it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType
from pyspark.sql.window import Window

from lakehouse.feed import CHANGE, COMMIT, PLAIN_FILES, feed
from lakehouse.job import Job
from lakehouse.lake import Lake, Span
from lakehouse.table import Table


class VersionedInputs:
    """Implements `lakehouse.job.Inputs` over Delta tables.

    `work`: a folder for what is computed once; it belongs to one step of one run key, so what an attempt that died had
    finished there is used by the next.
    """

    def __init__(
        self,
        spark: SparkSession,
        lake: Lake,
        job: Job,
        spans: Mapping[Table, Span],
        work: Path,
        *,
        incremental: bool,
        same_recipe: bool = False,
        changed_values: Sequence[str] | None = None,
    ) -> None:
        self.spark, self._lake, self._job, self._spans, self._work = spark, lake, job, spans, work
        self._same_recipe = same_recipe
        self.held: dict[str, DataFrame] = {}
        self._told: dict[Table, bool] = {}  # whether the feed of a table tells of every changed key
        self._changed: DataFrame | None = None
        if job.fingerprints:
            self._changed = self._keys_given(changed_values)
        elif incremental and job.scope:
            self._changed = self._keys_moved()

    @property
    def changed(self) -> DataFrame | None:
        return self._changed

    @property
    def nothing_changed(self) -> bool:
        """True when the job is incremental and no key changed, so that there is nothing to compute."""
        return self._changed is not None and self._changed.isEmpty()

    def __getitem__(self, table: Table) -> DataFrame:
        scope = list(self._job.scope)
        if self._changed is None or not set(scope) <= set(table.column_names):
            return self.whole(table)
        if tuple(scope) != table.key or not self._spans[table].moved:
            return self.whole(table).join(self._changed, scope, "left_semi").select(*table.column_names)
        latest = self._latest(table)
        rows = latest.where(F.col(CHANGE) != "delete").select(*table.column_names)
        missing = self._changed.join(latest.select(*scope), scope, "left_anti")
        if table not in self._told:  # where the changed keys are those of this feed alone, it tells of all of them
            self._told[table] = (self._moved == [table] and not self._job.fingerprints) or missing.isEmpty()
        if self._told[table]:
            return rows
        return rows.unionByName(self.whole(table).join(missing, scope, "left_semi").select(*table.column_names))

    def whole(self, table: Table) -> DataFrame:
        now = self._spans[table].now
        if now is None:
            return self.spark.createDataFrame([], table.spark_schema)
        return read(self.spark, self._lake, table, now)

    def current(self, table: Table) -> DataFrame:
        version = self._lake.version(table) if self._same_recipe else None
        if version is None:
            return self.spark.createDataFrame([], table.spark_schema)
        return read(self.spark, self._lake, table, version)

    def before(self, table: Table) -> DataFrame:
        version = self._lake.version(table)
        if version is None:
            return self.spark.createDataFrame([], table.spark_schema)
        return read(self.spark, self._lake, table, version)

    @property
    def folder(self) -> Path:
        found = self._lake.folder.absolute() / "_kept" / self._job.name
        found.mkdir(parents=True, exist_ok=True)
        return found

    def hold(self, name: str, rows: DataFrame | Callable[[], DataFrame]) -> DataFrame:
        path = self._work / name
        done = path / "_SUCCESS"  # Spark's own mark, written when all files are in place
        schema = path.with_name(f"{name}.schema")
        if not (done.exists() and schema.exists()):
            computed = rows if isinstance(rows, DataFrame) else rows()
            schema.write_text(computed.schema.json())  # first: a kill between the two must not leave a mark without it
            computed.write.mode("overwrite").parquet(str(path))
        kept = StructType.fromJson(json.loads(schema.read_text()))
        self.held[name] = self.spark.read.schema(kept).parquet(str(path))
        return self.held[name]

    def _keys_given(self, values: Sequence[str] | None) -> DataFrame:
        (column,) = self._job.scope
        return self.spark.createDataFrame([(value,) for value in values or ()], f"`{column}` string")

    @property
    def _moved(self) -> list[Table]:
        """The inputs that say which keys changed."""
        scope = set(self._job.scope)
        return [table for table, span in self._spans.items() if span.moved and scope <= set(table.column_names)]

    def _keys_moved(self) -> DataFrame:
        """Distinct scope keys that any input's change feed names; held, because every input is cut down by it."""
        scope = list(self._job.scope)
        feeds = [feed(self.spark, self._lake, table, self._spans[table]).select(*scope) for table in self._moved]
        if not feeds:
            return self.spark.createDataFrame([], ", ".join(f"`{name}` string" for name in scope))
        return self.hold("_changed", reduce(DataFrame.unionByName, feeds).distinct())

    def _latest(self, table: Table) -> DataFrame:
        """The last thing that happened to each key in the feed: its new row, or its deletion."""
        span = self._spans[table]
        assert span.seen is not None
        assert span.now is not None
        rows = feed(self.spark, self._lake, table, span).where(F.col(CHANGE) != "update_preimage")
        if span.now == span.seen + 1:
            return rows  # one commit names a key once
        latest = Window.partitionBy(*table.key).orderBy(F.desc(COMMIT))
        return rows.withColumn("_nth", F.row_number().over(latest)).where("_nth = 1").drop("_nth")


def read(spark: SparkSession, lake: Lake, table: Table, version: int) -> DataFrame:
    """The table at this version.

    A table of few files is read as the Parquet files that the log names: without deletion vectors and column mapping
    they hold the same rows, and Spark need not rebuild the table's state, which takes it a second each time.
    """
    if files := lake.files(table, version, at_most=PLAIN_FILES):
        return spark.read.schema(table.spark_schema).parquet(*files)
    return spark.read.format("delta").option("versionAsOf", version).load(lake.location(table))
