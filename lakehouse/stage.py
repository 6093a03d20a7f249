"""The stage: what a run would change in its target, computed once and written beside the lake before anybody sees it.

A staged row carries what is to be done with it (`_op`): insert, update or delete. Rows that are already in the target
as they are get dropped here, so a run that changes nothing makes no commit, and what depends on it sees only true
changes. A stage belongs to one run key and one target version; a later attempt at the same run finds and uses it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakehouse.inputs import read
from lakehouse.lake import Lake
from lakehouse.table import Table

OP = "_op"


@dataclass(frozen=True)
class Staged:
    """One table's staged changes: rows per operation, and the target version they were computed against."""

    table: str
    path: str
    base: int  # version of the target; it exists by then
    inserted: int
    updated: int
    deleted: int

    @property
    def empty(self) -> bool:
        return self.inserted + self.updated + self.deleted == 0

    def changes(self, spark: SparkSession, table: Table) -> DataFrame:
        return spark.read.schema(f"{table.spark_schema}, {OP} string").parquet(self.path)

    def batch(self, spark: SparkSession, table: Table) -> DataFrame:
        """The rows that would be new in the target: what the gate judges."""
        return self.changes(spark, table).where(F.col(OP) != "delete").drop(OP)


class Stage:
    """The folder of one run's stages and of what its transform holds."""

    def __init__(self, lake: Lake, job: str, run_key: str) -> None:
        self.folder = lake.folder.absolute() / "_stage" / job / run_key[:32]

    def finished(self) -> list[Staged] | None:
        """The stages of an earlier attempt that got as far as passing its gate, or None."""
        path = self.folder / "stage.json"
        return [Staged(**entry) for entry in json.loads(path.read_text())] if path.exists() else None

    def finish(self, staged: Sequence[Staged]) -> None:
        new = self.folder / f"stage.json.{os.getpid()}"
        new.write_text(json.dumps([asdict(entry) for entry in staged]))
        new.replace(self.folder / "stage.json")

    def clear(self) -> None:
        if self.folder.exists():
            shutil.rmtree(self.folder)

    def begin(self, identity: str) -> Path:
        """An empty folder, but for what an earlier attempt at this very step held; returns the folder for that.

        Stages of other run keys of the same job are left-overs of runs that were given up.
        """
        held = self.folder / "held" / identity[:32]
        for folder in (self.folder.parent, self.folder, self.folder / "held"):
            for entry in folder.iterdir() if folder.is_dir() else ():
                if entry not in (self.folder, self.folder / "held", held):
                    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        held.mkdir(parents=True, exist_ok=True)
        return held


def stage(
    spark: SparkSession, lake: Lake, folder: Path, table: Table, rows: DataFrame, scope: DataFrame | None, base: int
) -> Staged:
    """Write what would change. `scope`: keys whose other rows go away; None means all rows of the table.

    The target must exist at version `base`. Raises what Spark raises when the transform fails.
    """
    path = str(folder / table.name)
    rows = _shaped(rows, table)
    hit = None if lake.is_empty(table, base) else _rows_to_compare(read(spark, lake, table, base), scope, table)
    changes = rows.withColumn(OP, F.lit("insert")) if hit is None else _diff(rows, hit, scope, table)
    changes.write.mode("overwrite").parquet(path)
    if hit is None:
        return Staged(table.name, path, base, _count(path), 0, 0)
    counts = _count_by_op(path)
    return Staged(table.name, path, base, *(counts.get(op, 0) for op in ("insert", "update", "delete")))


def _shaped(rows: DataFrame, table: Table) -> DataFrame:
    return rows.select(*(F.col(c.name).cast(c.type).alias(c.name) for c in table.columns))


def _rows_to_compare(target: DataFrame, scope: DataFrame | None, table: Table) -> DataFrame | None:
    """The part of the target that can be hit, or None when no row of it can: then all rows are new."""
    if table.immutable:
        keys = target.select(*table.key)
        return None if keys.isEmpty() else keys
    if scope is None:
        return None if target.select(*table.key).isEmpty() else target
    inside = target.join(F.broadcast(scope), scope.columns, "left_semi") if scope.columns else target
    wanted = list(dict.fromkeys([*table.key, *scope.columns]))
    # Looking for hits reads the key columns only; the rows themselves are read only where there is one.
    return None if inside.select(*wanted).isEmpty() else inside


def _diff(rows: DataFrame, target: DataFrame, scope: DataFrame | None, table: Table) -> DataFrame:
    if table.immutable:
        return _diff_by_key(rows, target, scope, table)
    key = list(table.key)
    others = [name for name in table.column_names if name not in key]
    new = rows.select(*key, F.struct(*others).alias("_new"))
    old = target.select(*key, F.struct(*others).alias("_old"))
    op = (
        F.when(F.col("_new").isNull(), "delete")
        .when(F.col("_old").isNull(), "insert")
        .when(~F.col("_new").eqNullSafe(F.col("_old")), "update")
    )
    columns = [F.col(n) if n in key else F.col(f"_new.{n}").alias(n) for n in table.column_names]
    return new.join(old, key, "full_outer").withColumn(OP, op).where(F.col(OP).isNotNull()).select(*columns, OP)


def _diff_by_key(rows: DataFrame, keys: DataFrame, scope: DataFrame | None, table: Table) -> DataFrame:
    """Inserts are rows with a new key; deletes are the keys in scope that have no row. Nothing is ever updated."""
    key = list(table.key)
    inserts = rows.join(keys, key, "left_anti").withColumn(OP, F.lit("insert"))
    gone = (keys if scope is None else keys.join(scope, key, "left_semi")).join(rows.select(*key), key, "left_anti")
    columns = [F.col(c.name) if c.name in key else F.lit(None).cast(c.type).alias(c.name) for c in table.columns]
    return inserts.select(*table.column_names, OP).unionByName(gone.select(*columns, F.lit("delete").alias(OP)))


def _count(path: str) -> int:
    """Rows of a folder of Parquet files, from their footers."""
    import pyarrow.parquet as pq

    return sum(pq.read_metadata(file).num_rows for file in Path(path).glob("*.parquet"))


def _count_by_op(path: str) -> dict[str, int]:
    """Rows of each operation: of the one column that says it, a batch at a time, without a Spark job."""
    import pyarrow.dataset as ds

    counts: Counter[str] = Counter()
    for batch in ds.dataset(path, format="parquet").to_batches(columns=[OP]):
        counts.update({row["values"]: row["counts"] for row in batch[OP].value_counts().to_pylist()})
    return counts
