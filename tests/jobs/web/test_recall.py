"""The loop over a small web: what the first classifier cannot know, the second learns from a URL pattern.

codelake build --conf my.yaml web.*
codelake sql "SELECT round, recalled, precision, recall FROM silver.web_rounds ORDER BY round"
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.web import recall
from tests.jobs.web import corpus
from tests.jobs.web.lakes import WebLake

pytestmark = pytest.mark.spark

ROUNDS = ("silver.web_seeds", "silver.web_models", "silver.web_scores", "silver.web_domains", "silver.web_rounds")
RESULTS = (*ROUNDS, "silver.web_recalled", "silver.web_labels", "silver.url_labels", "silver.web_text")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return corpus.write(tmp_path_factory.mktemp("web"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession, settings: Mapping[str, Any]) -> WebLake:
    lake = WebLake(tmp_path_factory.mktemp("lake") / "lake", spark)
    lake.build(settings)
    return lake


def by_round(lake: WebLake) -> list[dict[str, Any]]:
    return sorted(lake.rows("silver.web_rounds"), key=lambda row: row["round"])


def urls(lake: WebLake) -> dict[str, str]:
    return {row["page_id"]: row["url"] for row in lake.rows("silver.web_text")}


def test_recall_rises_from_the_first_round_and_a_report_says_so(built: WebLake) -> None:
    first, second, *_ = by_round(built)
    assert (first["recall"], second["recall"]) == (8 / 33, 1.0)
    assert first["precision"] == second["precision"] == 1.0
    assert second["precision_low"] < 1.0 == second["precision_high"]
    assert (first["seed_yes"], first["seed_no"], second["seed_yes"]) == (40, 60, 60)
    assert (first["missed"], second["missed"]) == (20, 0)
    assert second["gained"] == 20 + 25
    assert second["ended"] == "no URL label corrects it: the next seed would be the same"
    assert {point["threshold"]: point["recall"] for point in second["curve"]}[0.5] == 1.0


def test_a_domain_at_the_limit_is_out_and_shares_are_kept_per_round(built: WebLake) -> None:
    found = {(row["round"], row["domain"]): row for row in built.rows("silver.web_domains")}
    edge, qa = found[1, "edge.test"], found[1, "qa.test"]
    assert (edge["recalled"], edge["pages"], edge["share"], edge["related"]) == (1, 10, 0.1, False)
    assert (qa["recalled"], qa["pages"], qa["share"], qa["related"]) == (20, 50, 0.4, True)
    assert found[2, "qa.test"]["recalled"] == 40


def test_misses_under_a_pattern_join_the_next_seed_and_held_out_pages_never_do(built: WebLake) -> None:
    named = urls(built)
    seeds = {(row["round"], named[row["page_id"]]): row for row in built.rows("silver.web_seeds")}
    joined = {url for (n, url), row in seeds.items() if n == 2 and row["why"] == "url"}
    assert joined == {f"https://qa.test/questions/{n}" for n in range(1, 40, 2)}
    assert not any("zh.test" in url or "other.test" in url for _, url in seeds)


def test_every_label_names_its_author_and_score(built: WebLake) -> None:
    named = urls(built)
    labels = {(named[row["page_id"]], row["author"]): row for row in built.rows("silver.web_labels")}
    assert labels["https://docs.test/1", "rule:much_code"]["label"] is True
    assert labels["https://zh.test/1", "Grace"] | {"said_at": None} == {
        "topic": "code", "page_id": labels["https://zh.test/1", "Grace"]["page_id"], "label": False, "author": "Grace",
        "how": "person", "said_at": None, "note": None, "score": 0.0, "in_force": True, "held_out": True,
    }  # fmt: skip
    (pattern,) = built.rows("silver.url_labels")
    assert (pattern["pattern"], pattern["author"], pattern["conflict"]) == ("qa.test/questions%", "Ada", False)


def test_each_round_can_be_made_again_from_the_tables_of_the_one_before(
    built: WebLake, spark: SparkSession, settings: Mapping[str, Any]
) -> None:
    """Handed the stored tables and nothing of the first round, the loop gives the second one's rows."""
    params = built.config(settings).jobs["web.recall"]
    assert isinstance(params, recall.RecallParams)
    stored = Stored(built, spark)
    loop = recall.Loop(stored, params, "code")
    loop.matched = recall.matched(loop.pages, loop.patterns)
    before = stored.round(1, params.threshold)
    seed = loop.seed(before)
    assert {(r["page_id"], r["label"], r["why"]) for r in seed.collect()} == {
        (r["page_id"], r["label"], r["why"]) for r in built.rows("silver.web_seeds") if r["round"] == 2
    }
    model = loop._held("again", lambda: loop.model(seed))
    (again,) = model.select("model_id").collect()
    assert again["model_id"] == {r["round"]: r["model_id"] for r in built.rows("silver.web_models")}[2]
    scores = {r["page_id"]: r["score"] for r in loop.scores(2, model, again["model_id"]).collect()}
    assert scores == {r["page_id"]: r["score"] for r in built.rows("silver.web_scores") if r["round"] == 2}


class Stored:
    """The tables of a lake as inputs of a transform that has never run."""

    def __init__(self, lake: WebLake, spark: SparkSession) -> None:
        self.lake, self.spark, self._held = lake.lake, spark, 0

    def __getitem__(self, table: Any) -> Any:
        return self.spark.read.format("delta").load(self.lake.location(table))

    def current(self, table: Any) -> Any:
        return self.spark.createDataFrame([], table.spark_schema)

    def hold(self, name: str, rows: Any) -> Any:
        path = f"{self.lake.root}/_again/{name}"
        rows().write.mode("overwrite").parquet(path)
        return self.spark.read.parquet(path)

    def round(self, n: int, threshold: float) -> recall.Round:
        seed, scores, domains = (
            self[table].where(f"round = {n}").drop("topic", "round")
            for table in (recall.web_seeds, recall.web_scores, recall.web_domains)
        )
        recalled = scores.where(f"score > {threshold}").select("page_id", "score")
        return recall.Round(seed, seed.limit(0), scores, domains, recalled, {})


@pytest.mark.slow
def test_another_lake_cut_another_way_has_the_same_models_and_pages(
    built: WebLake, tmp_path: Path, spark: SparkSession, settings: Mapping[str, Any]
) -> None:
    fresh = WebLake(tmp_path / "lake", spark)
    partitions = spark.conf.get("spark.sql.shuffle.partitions")
    spark.conf.set("spark.sql.shuffle.partitions", "7")
    try:
        fresh.build(settings)
    finally:
        spark.conf.set("spark.sql.shuffle.partitions", str(partitions))
    assert fresh.digests(*RESULTS) == built.digests(*RESULTS)


@pytest.mark.slow
def test_new_pages_are_scored_by_the_models_that_are_there(
    tmp_path: Path, built: WebLake, spark: SparkSession, settings: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    from tests.jobs.web.warcs import response, warc

    lake = WebLake(tmp_path / "lake", spark)
    shutil.copytree(built.lake.root, lake.lake.root)
    more = tmp_path / "more.warc.gz"
    more.write_bytes(warc([response("https://new.test/", b"<main><p>" + b"function compile thread " * 20)]))
    web = settings["web.ingest.sources"][0]
    grown = {**settings, "web.ingest.sources": [web, {**web, "name": "more", "location": str(more)}]}
    monkeypatch.setattr(recall, "train", None)  # nothing is trained again
    report = lake.build(grown)["web.recall"]
    assert {o["name"]: (o["inserted"], o["updated"]) for o in report.outputs}["silver.web_scores"] == (2, 0)
    assert lake.build(grown)["web.recall"].status == "skipped"
    monkeypatch.undo()
    fresh = WebLake(tmp_path / "fresh", spark)
    fresh.build(grown)
    assert fresh.digests(*RESULTS) == lake.digests(*RESULTS)


def test_a_topic_without_labels_says_what_it_waits_for(
    tmp_path: Path, spark: SparkSession, settings: Mapping[str, Any]
) -> None:
    lake = WebLake(tmp_path / "lake", spark)
    lake.build({**settings, "web.label.rules": {}, "web.annotations.files": []})
    (row,) = lake.rows("silver.web_rounds")
    assert (row["model_id"], row["recalled"], row["pages"]) == (None, 0, 226)
    assert row["ended"].startswith("0 pages labelled yes and 0 labelled no: label some")
