"""The loop over a small web: what the first classifier cannot know, the second learns from a URL pattern.

codelake build --conf my.yaml web.*
codelake sql "SELECT round, recalled, precision, recall FROM silver.web_rounds ORDER BY round"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.web import recall, seeds
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
    assert second["ended"] == "no URL label corrects it: the next seed would learn nothing new"
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
    assert (pattern["pattern"], pattern["label"], pattern["author"]) == ("qa.test/questions%", True, "Ada")
    assert (pattern["statements"], pattern["conflict"]) == (2, True)  # a model said later that it is not wanted


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
        return recall.Round(seed, seed.limit(0), scores, threshold, domains, recalled, {})


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


def test_topics_run_through_one_loop_and_one_without_labels_says_what_it_waits_for(
    tmp_path: Path, spark: SparkSession, settings: Mapping[str, Any]
) -> None:
    lake = WebLake(tmp_path / "lake", spark)
    rules = {
        "stories": {"topic": "math", "label": True, "url": "story.test/%"},
        "programs": {"topic": "math", "label": False, "code_share_above": 0.3},
    }
    topics = {"web.recall.topics": ["code", "math"], "web.label.rules": rules, "web.annotations.files": []}
    lake.build({**settings, **topics})
    code, math = sorted(lake.rows("silver.web_rounds"), key=lambda row: row["topic"])
    assert (code["model_id"], code["recalled"], code["pages"]) == (None, 0, 226)
    assert code["ended"].startswith("0 pages labelled yes and 0 labelled no: label some")
    assert (math["topic"], math["seed_yes"], math["seed_no"], math["recalled"] > 60) == ("math", 60, 40, True)
    assert {row["topic"] for row in lake.rows("silver.web_recalled")} == {"math"}
    assert {tuple(row["topics"]) for row in lake.rows("silver.web_documents")} == {("math",)}


def test_a_round_tunes_its_threshold_to_the_precision_asked_for_by_pages_that_no_figure_is_counted_on(
    built: WebLake, spark: SparkSession, settings: Mapping[str, Any]
) -> None:
    params = built.config({**settings, "web.recall.least_precision": 0.9}).jobs["web.recall"]
    assert isinstance(params, recall.RecallParams)
    loop = recall.Loop(Stored(built, spark), params, "code")
    apart = {row["page_id"]: row["label"] for row in built.rows("silver.web_labels") if row["held_out"]}

    def scored(yes: float, no: float) -> Any:
        rows = [(page_id, yes if label else no) for page_id, label in apart.items()]
        return spark.createDataFrame(rows, "page_id string, score double")

    raised = loop.limit(scored(yes=0.9, no=0.7))
    assert (raised.threshold, raised.by) == (0.7, "tuned")
    lowered = loop.limit(scored(yes=0.9, no=0.2))
    assert (lowered.threshold, lowered.by) == (0.2, "tuned")
    assert loop.limit(scored(yes=0.9, no=0.01)).threshold == params.least_threshold > 0.01
    assert loop.limit(scored(yes=0.6, no=0.7)) == recall.Limit(0.5, "unmet", raised.tuned_on)
    assert 0 < raised.tuned_on < len(apart)
    assert len(loop._apart(scored(1.0, 0.0), measured=True)) == len(apart) - raised.tuned_on


def test_rounds_end_when_one_gains_little(built: WebLake, spark: SparkSession, settings: Mapping[str, Any]) -> None:
    params = built.config({**settings, "web.recall.least_gain": 0.2}).jobs["web.recall"]
    assert isinstance(params, recall.RecallParams)
    stored = Stored(built, spark)
    loop = recall.Loop(stored, params, "code")
    loop.matched = recall.matched(loop.pages, loop.patterns)
    first = stored.round(1, params.threshold)
    said = loop._why_end(2, {"gained": 1, "recalled": 10}, first, first)
    assert said == "it gained 0.1000 of what it recalled, less than 0.2 (least_gain)"
    assert loop._why_end(2, {"gained": 2, "recalled": 10}, first, first) is None
    assert loop._why_end(1, {"gained": 0, "recalled": 10}, first, None) is None  # nothing to compare the first with
    assert loop._why_end(3, {"gained": 9, "recalled": 10}, first, first) == "round 3 of 3 (rounds)"


def test_the_pages_that_their_authors_are_surest_of_become_the_seed(spark: SparkSession) -> None:
    said = [
        ("sure", True, 0.9, True, False), ("surer", True, 0.95, True, False), ("unsure", True, 0.6, True, False),
        ("no", False, 0.4, True, False), ("never", False, 0.1, True, False), ("hardly", False, 0.2, True, False),
        ("apart", True, 1.0, True, True), ("overruled", True, 1.0, False, False),
    ]  # fmt: skip
    labels = spark.createDataFrame(
        said, "page_id string, label boolean, score double, in_force boolean, held_out boolean"
    )
    found = {(row["page_id"], row["label"]) for row in seeds.labelled(labels, 2).collect()}
    assert found == {("sure", True), ("surer", True), ("never", False), ("hardly", False)}


@dataclass(frozen=True)
class Before:
    domains: Any
    recalled: Any


def test_unwanted_pages_are_refused_ones_of_related_domains_and_low_ones_of_unrelated_half_and_half(
    spark: SparkSession,
) -> None:
    def frame(schema: str, *rows: tuple[Any, ...]) -> Any:
        return spark.createDataFrame(list(rows), schema)

    refused, low = {f"refused{n}" for n in range(4)}, {f"low{n}" for n in range(4)}
    pages = [
        *((page, "forum") for page in refused), ("unlabelled", "forum"), ("elsewhere", "shop"), *((page, "blog") for page in low),
        ("recalled", "blog"), ("apart", "blog"), ("wanted by its address", "blog"),
    ]  # fmt: skip
    patterns = [
        *((page, "forum", False) for page in refused),
        ("elsewhere", "shop", False),
        ("wanted by its address", "blog", True),
    ]
    before = Before(
        frame("domain string, related boolean", ("docs", True), ("forum", True), ("shop", False), ("blog", False)),
        frame("page_id string", ("recalled",)),
    )

    def drawn(per_yes: float, before: Before | None = before, no: int = 0) -> dict[str, str]:
        seed = [(f"wanted{n}", True, "label") for n in range(2)] + [(f"no{n}", False, "label") for n in range(no)]
        found = seeds.unwanted(
            frame("page_id string, label boolean, why string", *seed),
            frame("page_id string, domain string", *pages),
            frame("page_id string", ("apart",)),
            frame("page_id string, domain string, label boolean", *patterns),
            before,
            per_yes=per_yes,
            hash_seed=1,
        )
        rows = found.collect()
        assert not any(row["label"] for row in rows)
        return {row["page_id"]: row["why"] for row in rows}

    assert sorted(drawn(2.0).values()) == ["assumed", "assumed", "url", "url"]
    # Never `unlabelled`, whose domain is related; `elsewhere` is refused in a domain at which nobody had to look.
    assert drawn(9.0) == dict.fromkeys(refused, "url") | dict.fromkeys({*low, "elsewhere"}, "assumed")
    assert drawn(1.0, no=2) == {}
    first = drawn(9.0, before=None)
    assert set(first) == low | refused | {"unlabelled", "recalled", "elsewhere"}
    assert set(first.values()) == {"assumed"}
    assert drawn(9.0, before=None, no=1) == {}
