"""The change feed out of the log's own files, against Delta's reader.

feed(spark, lake, table, Span(seen=1, now=4))   # what commits 2, 3 and 4 changed
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from lakehouse import publish
from lakehouse.feed import PLAIN_COMMITS, by_delta, feed, plain_files
from lakehouse.lake import Lake, Span
from lakehouse.stage import stage
from tests.lakehouse import toy

pytestmark = pytest.mark.spark

TABLE = toy.words
COLUMNS = (*TABLE.column_names, "_change_type", "_commit_version")


class Words:
    """A table of words. Each method is a commit."""

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        self.spark, self._folder = spark, folder
        self.lake = Lake(str(folder / "a lake"))
        self.location = Path(self.lake.location(TABLE))
        publish.create(spark, self.lake, TABLE)

    def becomes(self, counts: dict[str, int]) -> None:
        """As a run of ours commits it: on the driver."""
        number = str(self.lake.version(TABLE))
        rows = self.spark.createDataFrame([*counts.items()], TABLE.spark_schema)
        base = publish.create(self.spark, self.lake, TABLE)
        change = stage(self.spark, self.lake, self._folder / number, TABLE, rows, None, base)
        publish.publish(self.spark, self.lake, TABLE, change, {"run_id": number, "run_key": number})

    def sql(self, text: str) -> None:
        """By Spark: `{table}` stands for the table."""
        self.spark.sql(text.format(table=f"delta.`{self.location}`"))

    def check(self, first: int) -> list[tuple[object, ...]]:
        """What the commits from `first` on changed, as both say it."""
        now = self.lake.version(TABLE)
        assert now is not None
        ours = told(feed(self.spark, self.lake, TABLE, Span(first - 1, now)))
        assert ours == told(by_delta(self.spark, self.lake, TABLE, first, now))
        return ours


def told(rows: DataFrame) -> list[tuple[object, ...]]:
    return sorted(tuple(row) for row in rows.select(*COLUMNS).collect())


@pytest.fixture
def words(tmp_path: Path, spark: SparkSession) -> Words:
    return Words(spark, tmp_path)


def plain(words: Words, versions: Iterable[int]) -> list[bool]:
    return [plain_files(words.location, version, version) is not None for version in versions]


def test_it_says_what_delta_says_of_every_kind_of_commit(words: Words) -> None:
    words.becomes({"a": 1, "b": 1, "c": 1})
    words.becomes({"a": 2, "b": 1, "d": 1})
    words.sql("INSERT INTO {table} VALUES ('e', 5), ('f', 6)")
    words.sql("UPDATE {table} SET count = 7 WHERE word = 'e'")
    words.sql("OPTIMIZE {table}")
    words.sql("DELETE FROM {table} WHERE count > 1")
    words.sql("DELETE FROM {table}")
    assert plain(words, range(1, 8)) == [True] * 7
    assert all(words.check(version) for version in (1, 2, 3, 4))
    assert ("a", 1, "update_preimage", 2) in words.check(2)
    assert {row[2] for row in words.check(7)} == {"delete"}
    assert {row[3] for row in words.check(1)} == {1, 2, 3, 4, 6, 7}  # moving rows to other files changes none


def test_a_commit_without_rows_says_nothing(words: Words) -> None:
    words.sql("ALTER TABLE {table} SET TBLPROPERTIES ('codelake.note' = 'x')")
    assert words.check(1) == []


def test_delta_is_asked_where_files_do_not_say_it(words: Words) -> None:
    words.sql("ALTER TABLE {table} SET TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')")
    words.becomes({"a": 1})
    words.sql("INSERT INTO {table} SELECT 'w' || id, id FROM range(200)")
    words.sql("DELETE FROM {table} WHERE word = 'w7'")
    assert plain(words, (3, 4)) == [True, False]
    assert ("w7", 7, "delete", 4) in words.check(2)


def test_delta_is_asked_where_commits_are_many_or_a_file_is_gone(words: Words) -> None:
    for count in range(1, PLAIN_COMMITS + 2):
        words.becomes({"a": count})
    last = words.lake.version(TABLE)
    assert last is not None
    assert plain_files(words.location, last - PLAIN_COMMITS + 1, last) is not None
    assert plain_files(words.location, last - PLAIN_COMMITS, last) is None
    assert len(words.check(1)) == 2 * PLAIN_COMMITS + 1
    next((words.location / "_change_data").glob("*.parquet")).unlink()
    assert not all(plain(words, range(1, last + 1)))
