"""Tables follow their declarations: a new column is added, anything else is refused with what to do.

publish.create(spark, lake, table)
"""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from lakehouse import digest, inputs, publish, small
from lakehouse.errors import ConfigError, JobFailed
from lakehouse.lake import Lake
from lakehouse.registry import tables
from lakehouse.stage import Staged, stage
from lakehouse.table import Column, Table
from tests.lakehouse import toy

pytestmark = pytest.mark.spark


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "a lake"))  # a blank in the path is nothing special


def staged(spark: SparkSession, lake: Lake, table: Table, rows: list[tuple[object, ...]], folder: Path) -> Staged:
    base = publish.create(spark, lake, table)
    return stage(spark, lake, folder, table, spark.createDataFrame(rows, table.spark_schema), None, base)


def test_a_new_column_is_added_and_old_rows_have_none(lake: Lake, spark: SparkSession, tmp_path: Path) -> None:
    first = staged(spark, lake, toy.words, [("a", 1)], tmp_path / "s")
    publish.publish(spark, lake, toy.words, first, {"run_id": "1", "run_key": "k"})
    wider = dataclasses.replace(
        toy.words, columns=(*toy.words.columns, Column("seen", "array<struct<at:string>>", "where", nullable=True))
    )
    assert publish.create(spark, lake, wider) == 2
    opened = lake.open(wider)
    assert opened is not None
    assert opened.to_pyarrow_dataset().to_table().to_pylist() == [{"word": "a", "count": 1, "seen": None}]
    assert publish.create(spark, lake, wider) == 2
    (row,) = inputs.read(spark, lake, wider, 2).collect()
    assert row.asDict() == {"word": "a", "count": 1, "seen": None}


def test_few_files_are_read_as_what_the_log_names_at_any_version(
    lake: Lake, spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rewritten and deleted rows lie in files that stay on disk, for older versions alone."""
    counts = ({"a": 1, "b": 1}, {"a": 2, "c": 1}, {"d": 5})
    for number, rows in enumerate(counts):
        change = staged(spark, lake, toy.words, [*rows.items()], tmp_path / f"{number}")
        publish.publish(spark, lake, toy.words, change, {"run_id": f"{number}", "run_key": f"{number}"})
    for version, rows in enumerate(({}, *counts)):
        plain = inputs.read(spark, lake, toy.words, version)
        monkeypatch.setattr(inputs, "PLAIN_FILES", 0)
        as_delta = inputs.read(spark, lake, toy.words, version)
        monkeypatch.undo()
        assert {row["word"]: row["count"] for row in plain.collect()} == rows
        assert sorted(plain.collect()) == sorted(as_delta.collect())
        assert plain.schema == as_delta.schema


def test_a_lost_or_changed_column_is_refused(lake: Lake, spark: SparkSession) -> None:
    publish.create(spark, lake, toy.words)
    narrower = dataclasses.replace(toy.words, columns=toy.words.columns[:1])
    with pytest.raises(ConfigError, match=r"silver\.words has a column 'count' that its declaration lacks"):
        publish.create(spark, lake, narrower)
    other = dataclasses.replace(toy.words, columns=(toy.words.columns[0], Column("count", "string", "x")))
    with pytest.raises(ConfigError, match=r"silver\.words\.count is int64 in the table and string in the declaration"):
        publish.create(spark, lake, other)


def test_a_writer_that_was_overtaken_is_fenced_off(lake: Lake, spark: SparkSession, tmp_path: Path) -> None:
    """Two writers stage against version 0; the second learns that its number was taken."""
    late = staged(spark, lake, toy.words, [("late", 1)], tmp_path / "late")
    number = lake.epoch(toy.words) + 1
    first = staged(spark, lake, toy.words, [("first", 1)], tmp_path / "first")
    publish.publish(spark, lake, toy.words, first, {"run_id": "first", "run_key": "a"})

    class Paused(Lake):
        def epoch(self, table: Table) -> int:  # noqa: ARG002  what it read before it was paused
            return number - 1

    with pytest.raises(JobFailed, match=r"the commit of run late was skipped, because run\s+first wrote"):
        publish.publish(spark, Paused(lake.root), toy.words, late, {"run_id": "late", "run_key": "b"})
    opened = lake.open(toy.words)
    assert opened is not None
    assert opened.to_pyarrow_dataset().to_table()["word"].to_pylist() == ["first"]


def test_merge_inserts_updates_and_deletes_in_one_commit(lake: Lake, spark: SparkSession, tmp_path: Path) -> None:
    publish.publish(
        spark,
        lake,
        toy.words,
        staged(spark, lake, toy.words, [("a", 1), ("b", 1), ("c", 1)], tmp_path / "1"),
        {"run_id": "1", "run_key": "a"},
    )
    second = staged(spark, lake, toy.words, [("a", 1), ("b", 2), ("d", 1)], tmp_path / "2")
    assert (second.inserted, second.updated, second.deleted) == (1, 1, 1)
    version = publish.publish(spark, lake, toy.words, second, {"run_id": "2", "run_key": "b"})
    assert version == second.base + 1
    opened = lake.open(toy.words)
    assert opened is not None
    rows = opened.to_pyarrow_dataset().to_table().to_pylist()
    assert sorted((r["word"], r["count"]) for r in rows) == [("a", 1), ("b", 2), ("d", 1)]


EVERY_TYPE = Table(
    "silver.every_type",
    row="a value of every type that tables use",
    key=("name", "nth"),
    columns=(
        Column("name", "string", "first part of the key"),
        Column("nth", "int", "second part"),
        Column("at", "timestamp", "when, far from today too"),
        Column("data", "binary", "bytes"),
        Column("hits", "array<struct<rule:string,value:double>>", "a list"),
        Column("place", "struct<path:string,lines:array<int>>", "a record", nullable=True),
        Column("flag", "boolean", "yes or no", nullable=True),
        Column("many", "bigint", "a count", nullable=True),
    ),
)
OLD, NEW = datetime(1677, 1, 2, 3, 4, 5, 678901, UTC), datetime(9999, 12, 31, tzinfo=UTC)
FIRST: list[tuple[object, ...]] = [
    ("a'b", 1, OLD, b"\x00\xff", [("r", 0.5), ("s", None)], ("p", [1, None]), True, 7),
    ("a'b", 2, NEW, b"", [], None, None, None),
    ("`c`", 1, NEW, b"c", [("r", -0.0)], ("", []), False, -(2**63)),
]
SECOND: list[tuple[object, ...]] = [
    FIRST[0],
    ("`c`", 1, OLD, b"d", [("t", 1e300)], (None, None), None, 2**63 - 1),
    ("\u00e9\n", 3, NEW, b"e", [("u", float("inf"))], ("q", [2]), True, 0),
]


def test_small_commits_leave_what_commits_by_spark_leave(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows, types, comments, every change in the feed, and what the log says of the run."""
    found = []
    for way, most in (("small", small.STAGED_BYTES), ("spark", -1)):
        monkeypatch.setattr(small, "STAGED_BYTES", most)
        lake = Lake(str(tmp_path / way))
        for number, rows in enumerate((FIRST, SECOND), 1):
            change = staged(spark, lake, EVERY_TYPE, rows, tmp_path / f"{way}-{number}")
            assert small.fits(lake, EVERY_TYPE, change) == (way == "small")
            facts = {"run_id": f"{number}", "run_key": "k"}
            assert publish.publish(spark, lake, EVERY_TYPE, change, facts) == number
            assert lake.epoch(EVERY_TYPE) == number
            commit = lake.last_publish(EVERY_TYPE)
            assert commit is not None
            assert (commit.version, commit.facts) == (number, facts)
        place = lake.location(EVERY_TYPE)
        feed = spark.read.format("delta").option("readChangeFeed", "true").option("startingVersion", 1).load(place)
        plain = inputs.read(spark, lake, EVERY_TYPE, 2)
        described = spark.sql(f"DESCRIBE TABLE delta.`{place}`").collect()
        found.append(
            {
                "schema": (plain.schema, spark.read.format("delta").load(place).schema),
                "rows": sorted(map(str, spark.read.format("delta").load(place).collect())),
                "plain": sorted(map(str, plain.collect())),
                "feed": sorted(map(str, feed.drop("_commit_timestamp").collect())),
                "described": [tuple(row) for row in described],
                "digest": digest.of_version(lake, EVERY_TYPE)[0],
            }
        )
    assert found[0] == found[1]
    assert len(found[0]["rows"]) == 3
    assert len(found[0]["feed"]) == 3 + 1 + 2 + 1


def test_a_batch_that_unpacks_to_more_than_the_driver_should_hold_is_left_to_spark(lake: Lake, tmp_path: Path) -> None:
    lake.create(EVERY_TYPE)
    texts = pa.table({"name": [f"{i}" + "x" * 1_000_000 for i in range(small.STAGED_BYTES // 1_000_000 + 1)]})
    file = tmp_path / "staged.parquet"
    pq.write_table(texts, file, compression="zstd")
    assert file.stat().st_size < small.STAGED_BYTES / 100
    assert not small.fits(lake, EVERY_TYPE, Staged(EVERY_TYPE.name, str(file), 0, len(texts), 0, 0))
    pq.write_table(texts[:100], file, compression="zstd")
    assert small.fits(lake, EVERY_TYPE, Staged(EVERY_TYPE.name, str(file), 0, 100, 0, 0))


@pytest.mark.parametrize(
    "table", [t for t in tables() if t.name.startswith(("bronze.", "gold.pretrain"))], ids=lambda t: t.name
)
def test_a_created_table_has_the_declared_types(lake: Lake, spark: SparkSession, table: Table) -> None:
    publish.create(spark, lake, table)
    opened = lake.open(table)
    assert opened is not None
    found = pa.schema(opened.schema().to_arrow())
    assert {f.name: publish._plain(f.type) for f in found} == {f.name: f.type for f in table.arrow_schema}
