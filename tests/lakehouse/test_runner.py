"""The runner over a toy pipeline: what runs, what is skipped, what a change costs, what a failure leaves behind.

runner.build(GRAPH.jobs)        # ingest, words, long
runner.build(GRAPH.jobs)        # nothing: no commit, no Spark
"""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from lakehouse import digest, ledger, ops
from lakehouse.errors import ConfigError, GateFailed, Locked, StorageError
from lakehouse.lake import Lake
from lakehouse.lock import Holder, hold
from lakehouse.runner import Report, Runner
from tests.lakehouse import toy

pytestmark = pytest.mark.spark


class Toy:
    """A lake and its files in a temporary folder."""

    def __init__(self, folder: Path, spark: SparkSession) -> None:
        self.texts, self.lake, self._spark, self.sessions = folder / "texts", Lake(str(folder / "lake")), spark, 0
        self.texts.mkdir()

    def write(self, **texts: str) -> None:
        for name, text in texts.items():
            (self.texts / f"{name}.txt").write_text(text)

    def build(self, *, least: int = 4, wait: float = 5, force: bool = False) -> dict[str, Report]:
        config = toy.config(Path(self.lake.root), self.texts, least=least, wait=wait)
        reports = Runner(self.lake, toy.GRAPH, config, self._session).build(toy.GRAPH.jobs, force=force)
        return {report.job: report for report in reports}

    def _session(self) -> SparkSession:
        self.sessions += 1
        return self._spark

    def rows(self, table: toy.Table) -> list[tuple[object, ...]]:
        return sorted(tuple(row.values()) for row in ledger.read(self.lake, table).to_pylist())

    def versions(self) -> dict[str, int | None]:
        return {table.name: self.lake.version(table) for table in toy.GRAPH.tables}

    def digests(self) -> dict[str, str]:
        return {table.name: digest.of_version(self.lake, table)[0] for table in toy.GRAPH.tables}


@pytest.fixture
def lake(tmp_path: Path, spark: SparkSession) -> Toy:
    made = Toy(tmp_path, spark)
    made.write(a="alpha beta beta", b="gamma up")
    return made


def test_the_graph_orders_jobs_by_what_they_read_and_write() -> None:
    assert [job.name for job in toy.GRAPH.jobs] == ["toy.ingest", "toy.words", "toy.long"]


def test_a_build_fills_every_table_and_a_second_one_does_nothing(lake: Toy) -> None:
    first = lake.build()
    assert [report.status for report in first.values()] == ["published"] * 3
    assert lake.rows(toy.words) == [("alpha", 1), ("beta", 2), ("gamma", 1), ("up", 1)]
    assert lake.rows(toy.long) == [("alpha", 5), ("beta", 4), ("gamma", 5)]
    before, lake.sessions = lake.versions(), 0
    second = lake.build()
    assert {report.status for report in second.values()} == {"skipped"}
    assert lake.versions() == before
    assert lake.sessions == 0


def test_a_changed_parameter_runs_only_its_job(lake: Toy) -> None:
    lake.build()
    reports = lake.build(least=5)
    assert {name: report.status for name, report in reports.items()} == {
        "toy.ingest": "skipped",
        "toy.words": "skipped",
        "toy.long": "published",
    }
    assert reports["toy.long"].reasons == ("parameters changed: least 4 → 5",)
    assert lake.rows(toy.long) == [("alpha", 5), ("gamma", 5)]


def test_a_new_source_changes_only_what_it_touches(lake: Toy) -> None:
    lake.build()
    lake.write(c="beta delta")
    reports = lake.build()
    assert reports["toy.words"].outputs[0] | {"version": 0} == {
        "name": "silver.words",
        "version": 0,
        "inserted": 1,
        "updated": 1,
        "deleted": 0,
    }
    assert dict(lake.rows(toy.words))["beta"] == 3


def test_an_incremental_lake_equals_one_built_at_once(lake: Toy, tmp_path: Path, spark: SparkSession) -> None:
    lake.build()
    lake.write(a="omega beta", c="delta delta alpha")
    lake.build()
    (lake.texts / "b.txt").unlink()
    lake.build()
    (tmp_path / "other").mkdir()
    whole = Toy(tmp_path / "other", spark)
    whole.write(a="omega beta", c="delta delta alpha")
    whole.build()
    assert lake.digests() == whole.digests()
    assert "gamma" not in dict(lake.rows(toy.words))


def test_a_full_refresh_that_finds_the_same_makes_no_commit(lake: Toy) -> None:
    lake.build()
    before = lake.versions()
    assert {report.status for report in lake.build(force=True).values()} == {"unchanged"}
    assert lake.versions() == before


def test_settings_without_any_source_leave_what_was_read_until_a_full_refresh(lake: Toy) -> None:
    lake.build()
    before = lake.versions()
    for path in lake.texts.glob("*.txt"):
        path.unlink()
    report = lake.build()["toy.ingest"]
    assert report.status == "skipped"
    assert "no source is configured; the 2 that were read stay" in report.reasons[0]
    assert lake.versions() == before
    lake.build(force=True)
    assert lake.rows(toy.lines) == []


def test_going_back_to_old_parameters_runs_again(lake: Toy) -> None:
    lake.build()
    lake.build(least=5)
    assert lake.build(least=4)["toy.long"].status == "published"
    assert len(lake.rows(toy.long)) == 3


def test_a_refused_batch_leaves_the_table_untouched_and_says_why(lake: Toy) -> None:
    lake.build()
    before = lake.rows(toy.long)
    lake.write(c="x" * 41)
    with pytest.raises(GateFailed, match=r"gold\.long: the batch of 1 rows .* was refused") as refused:
        lake.build()
    assert "x" * 41 in str(refused.value)
    assert refused.value.exit_code == 3
    assert lake.rows(toy.long) == before
    last = ledger.runs(lake.lake)[-1]
    assert (last["job"], last["status"]) == ("toy.long", "gate_failed")
    failed = [r for r in ledger.read(lake.lake, ops.expectation_results).to_pylist() if not r["success"]]
    assert [(r["table"], r["unexpected"]) for r in failed] == [("gold.long", 1)]
    (lake.texts / "c.txt").unlink()
    assert lake.build()["toy.long"].status in ("published", "unchanged")


def test_a_table_that_was_removed_is_made_again(lake: Toy) -> None:
    import shutil

    lake.build()
    shutil.rmtree(lake.lake.location(toy.words))
    lake.build()
    assert len(lake.rows(toy.words)) == 4


def test_a_lost_ledger_is_put_back_from_the_tables(lake: Toy) -> None:
    import shutil

    lake.build()
    keys = {run["job"]: run["run_key"] for run in ledger.runs(lake.lake)}
    shutil.rmtree(lake.lake.location(ops.runs))
    assert {report.status for report in lake.build().values()} == {"skipped"}
    assert {run["job"]: run["run_key"] for run in ledger.runs(lake.lake)} == keys


def test_a_held_lock_ends_the_build_and_names_the_holder(lake: Toy) -> None:
    me = Holder("elsewhere", 4711, "run", "running toy.words", "2026-01-01T00:00:00")
    with (
        hold(lake.lake.folder, "silver.words", me, wait_seconds=0),
        pytest.raises(Locked, match=r"silver\.words is being written by process 4711 on elsewhere"),
    ):
        lake.build(wait=0.1)
    assert lake.build()["toy.words"].status == "published"


def test_a_lake_that_cannot_be_written_is_refused_before_work(tmp_path: Path, spark: SparkSession) -> None:
    made = Toy(tmp_path, spark)
    (tmp_path / "lake").write_text("a file where the lake should be")
    with pytest.raises(StorageError, match="needs write permission"):
        made.build()
    assert made.sessions == 0


def test_selectors_choose_jobs_by_name_layer_and_neighbourhood() -> None:
    def names(*selectors: str) -> list[str]:
        return [job.name for job in toy.GRAPH.select(selectors)]

    assert names("toy.words") == ["toy.words"]
    assert names("gold.long") == ["toy.long"]
    assert names("+toy.long") == ["toy.ingest", "toy.words", "toy.long"]
    assert names("bronze.lines+") == ["toy.ingest", "toy.words", "toy.long"]
    assert names("silver.*") == ["toy.words"]
    with pytest.raises(ConfigError, match=r"'toy\.wrds' selects nothing.*Did you mean 'toy\.words'"):
        names("toy.wrds")


def test_where_the_work_is_never_enters_the_run_key() -> None:
    here = toy.FolderParams(folder="/a")
    assert here.digest == toy.FolderParams(folder="/b").digest
