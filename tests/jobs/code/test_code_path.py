"""The whole code path over planted files: each reason to drop, keep or change a file shows up where it should.

codelake build --profile quickstart       the same jobs, over more sources
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from lakehouse import digest, ledger, ops, planted, release
from lakehouse.ask.why import why
from lakehouse.config import Config, load
from lakehouse.lake import Lake
from lakehouse.registry import graph, table
from lakehouse.report.funnel import funnel
from lakehouse.runner import Report, Runner

pytestmark = pytest.mark.spark


class CodeLake:
    """A lake over sources given as plain dictionaries."""

    def __init__(self, root: Path, spark: SparkSession) -> None:
        self.lake, self._spark = Lake(str(root)), spark

    def config(self, sources: list[dict[str, Any]], *overrides: str) -> Config:
        import json

        said = [f"lake.root={self.lake.root}", f"code.ingest.sources={json.dumps(sources)}", "lake.docs=false"]
        return load(graph(), overrides=[*said, *overrides])

    def build(self, sources: list[dict[str, Any]], *overrides: str) -> dict[str, Report]:
        runner = Runner(self.lake, graph(), self.config(sources, *overrides), lambda: self._spark)
        return {report.job: report for report in runner.build(graph().jobs)}

    def rows(self, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = ledger.read(self.lake, table(name)).to_pylist()
        return found

    def by_path(self, name: str) -> dict[str, dict[str, Any]]:
        """Rows of a table with the path of the surviving occurrence."""
        paths = {row["content_id"]: row["path"] for row in self.rows("silver.code_files")}
        return {paths[row["content_id"]]: row for row in self.rows(name)}

    def digests(self) -> dict[str, str]:
        return {t.name: digest.of_version(self.lake, t)[0] for t in graph().tables}


def planted_source(folder: Path) -> dict[str, Any]:
    return {"name": "planted", "kind": "git", "location": str(planted.make(folder / "planted")), "stars": 3}


def key_reader(folder: Path) -> dict[str, Any]:
    """Code that names the first line of a private key: no secret to redact, but the gate of gold lets none through."""
    lines = [f"MARK = '{'-' * 5}BEGIN PRIVATE KEY{'-' * 5}'", "", "", "def is_key(line):"]
    lines += [
        f"    # {word} of the lines of a file are looked at" for word in ("some", "many", "most", "all", "none", "few")
    ]
    lines += ["    return line.strip() == MARK", ""]
    (folder / "keys").mkdir()
    (folder / "keys" / "reader.py").write_text("\n".join(lines))
    return {"name": "keys", "kind": "folder", "location": str(folder / "keys")}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> CodeLake:
    folder = tmp_path_factory.mktemp("code_path")
    lake = CodeLake(folder / "lake", spark)
    click = {"name": "click", "kind": "distribution", "location": "click"}
    lake.build([planted_source(folder), click, key_reader(folder)])
    return lake


def reasons(lake: CodeLake, path: str) -> set[str]:
    return {hit["rule"] for hit in lake.by_path("silver.code_decisions")[path]["hits"]}


def test_a_file_over_the_cap_is_in_quarantine_with_its_size(built: CodeLake) -> None:
    (row,) = [r for r in built.rows("ops.quarantine") if r["path"] == "data/readings.sql"]
    assert (row["reason"], row["job"]) == ("over_cap", "code.ingest")
    assert row["size"] > 8_000_000
    assert "8000000" in row["detail"].replace(",", "")


def test_exact_copies_become_one_content_that_counts_them(built: CodeLake) -> None:
    survivor = built.by_path("silver.code_files")["planted/copies/queue_again.py"]
    assert survivor["copies"] == 3
    assert survivor["commit"]
    assert "planted/queue.py" not in built.by_path("silver.code_files")


def test_a_near_copy_is_dropped_and_names_its_survivor(built: CodeLake) -> None:
    duplicates = built.by_path("silver.code_duplicates")
    pair = [duplicates["planted/queue_near.py"], duplicates["planted/copies/queue_again.py"]]
    assert [row["kept"] for row in pair].count(True) == 1
    (lost,) = [row for row in pair if not row["kept"]]
    (kept,) = [row for row in pair if row["kept"]]
    assert lost["duplicate_of"] == kept["content_id"]
    assert 0.7 <= lost["jaccard"] < 1
    decision = {r["content_id"]: r for r in built.rows("silver.code_decisions")}[lost["content_id"]]
    assert "near_duplicate" in {hit["rule"] for hit in decision["hits"]}


def test_notices_go_and_secrets_become_placeholders(built: CodeLake) -> None:
    texts = built.by_path("silver.code_texts")
    queue = texts["planted/copies/queue_again.py"]
    assert "Copyright" in queue["notice"]
    assert queue["text"].startswith('"""A queue that forgets')
    client = texts["planted/client.py"]
    assert {r["kind"] for r in client["redactions"]} == {"email", "ip_address", "password", "key"}
    originals = planted.files()["planted/client.py"].decode()
    for secret in ("planted-collector.io", "81.2.69.142", "t7QzQz", "ghp_"):
        assert secret in originals
        assert secret not in client["text"]


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("static/app.min.js", "long_line"),
        ("bin/program", "unreadable"),
        ("data/table.csv", "file_type"),
        ("empty.py", "too_few_words"),
        ("docs/old_names.txt", "repeated_lines"),
    ],
)
def test_each_planted_reason_is_recorded(built: CodeLake, path: str, rule: str) -> None:
    assert rule in reasons(built, path)


def test_every_hit_carries_the_value_and_the_limit_it_crossed(built: CodeLake) -> None:
    signals = built.by_path("silver.code_signals")["static/app.min.js"]
    (hit,) = [
        h for h in built.by_path("silver.code_decisions")["static/app.min.js"]["hits"] if h["rule"] == "long_line"
    ]
    assert hit["value"] == signals["line_length_max"] > hit["limit"] == 1000


def test_every_file_is_accounted_for(built: CodeLake) -> None:
    files, contents = built.rows("bronze.code_files"), built.rows("bronze.code_contents")
    assert {r["content_id"] for r in files} == {r["content_id"] for r in contents}
    assert sum(r["copies"] for r in built.rows("silver.code_files")) == len(files)
    decisions = {r["content_id"]: r["keep"] for r in built.rows("silver.code_decisions")}
    assert decisions.keys() == {r["content_id"] for r in contents}
    sampled = {r["content_id"]: r["taken"] for r in built.rows("silver.code_sample")}
    assert sampled.keys() == {content_id for content_id, keep in decisions.items() if keep}
    gold = {r["doc_id"] for r in built.rows("gold.pretrain")}
    refused = {c for c, taken in sampled.items() if taken} - gold
    assert gold <= sampled.keys()
    items = {r["item"] for r in built.rows("ops.quarantine") if r["job"] == "corpus.pretrain"}
    assert items == {f'gold.pretrain {{"doc_id":"{c}"}}' for c in refused}
    funnel(built.lake).check()
    sources = {r["source"]: r for r in built.rows("bronze.code_sources")}
    assert sources["planted"]["files"] + sources["planted"]["refused"] == len(planted.files())


def test_a_row_that_the_suite_takes_out_is_explained(built: CodeLake) -> None:
    (row,) = [r for r in built.rows("ops.quarantine") if r["path"] == "reader.py"]
    assert (row["job"], row["reason"], row["source"]) == ("corpus.pretrain", "failed_expectation", "keys")
    assert "expect_column_values_to_not_match_regex" in row["detail"]
    assert "refused by corpus.pretrain" in str(why(built.lake, "keys:reader.py").as_dict())


def test_the_metadata_of_a_package_reaches_gold(built: CodeLake) -> None:
    from importlib.metadata import version

    (row,) = {(r["licence"], r["version"]) for r in built.rows("gold.pretrain") if r["repo"] == "click"}
    assert row == ("BSD-3-Clause", version("click"))


def test_every_gate_was_run_and_recorded(built: CodeLake) -> None:
    results = built.rows("ops.expectation_results")
    assert {t.name for t in graph().tables} - {"ops.quarantine"} <= {r["table"] for r in results}
    assert all(r["success"] for r in results)


def test_a_release_pins_digest_and_origin_and_verifies(built: CodeLake) -> None:
    (row,) = release.create(built.lake, graph(), "first")
    assert release.create(built.lake, graph(), "first") == release.show(built.lake, "first")
    assert row["table"] == "gold.pretrain"
    assert row["rows"] == len(built.rows("gold.pretrain"))
    jobs = {run["job"] for run in __import__("json").loads(row["made_from"])}
    assert jobs == {job.name for job in graph().jobs}
    assert [check.equal for check in release.verify(built.lake, graph(), "first")] == [True]


def test_a_changed_threshold_decides_again_and_measures_nothing(
    built: CodeLake, tmp_path: Path, spark: SparkSession
) -> None:
    import shutil

    copy = CodeLake(tmp_path / "lake", spark)
    shutil.copytree(built.lake.root, copy.lake.root)
    sources = built_sources(built)
    reports = copy.build(sources, "code.decide.rules.too_few_words.below=120")
    ran = {name for name, report in reports.items() if report.status == "published"}
    assert ran == {"code.decide", "code.sample", "corpus.pretrain"}
    assert copy.build(sources, "code.decide.rules.too_few_words.below=120")["code.decide"].status == "skipped"
    only_mit = copy.build(sources, "code.decide.licences=[MIT]")
    assert only_mit["code.decide"].status == "published"
    assert {r["licence"] for r in copy.rows("gold.pretrain")} <= {"MIT"}


def test_growing_and_shrinking_ends_where_a_fresh_build_does(
    built: CodeLake, tmp_path: Path, spark: SparkSession
) -> None:
    """Add a source, take one away: equal, table by table, to a lake that never saw the other."""
    import shutil

    grown = CodeLake(tmp_path / "grown", spark)
    shutil.copytree(built.lake.root, grown.lake.root)
    sources = built_sources(built)
    more = {"name": "jinja2", "kind": "distribution", "location": "Jinja2"}
    added = grown.build([*sources, more])
    assert added["code.ingest"].bytes_in < 1_500_000
    assert added["code.redact"].bytes_in <= added["code.ingest"].bytes_in
    assert not any(o["updated"] or o["deleted"] for o in added["code.signals"].outputs)
    final = [s for s in sources if s["name"] == "planted"] + [more]
    grown.build(final)
    fresh = CodeLake(tmp_path / "fresh", spark)
    shuffled = spark.conf.get("spark.sql.shuffle.partitions")
    spark.conf.set("spark.sql.shuffle.partitions", "7")  # another way to cut the work: the same rows
    try:
        fresh.build(final)
    finally:
        spark.conf.set("spark.sql.shuffle.partitions", str(shuffled))
    assert grown.digests() == fresh.digests()
    assert "click" not in {r["repo"] for r in grown.rows("gold.pretrain")}


def built_sources(lake: CodeLake) -> list[dict[str, Any]]:
    """The sources that the lake was built from, as they stand in its own table."""

    def source(row: Mapping[str, Any]) -> dict[str, Any]:
        given = {"name": row["source"], "kind": row["kind"], "location": row["location"]}
        return given | ({"stars": 3} if row["source"] == "planted" else {})

    return [source(row) for row in lake.rows("bronze.code_sources")]


def test_the_ledger_knows_every_run(built: CodeLake) -> None:
    runs = ledger.runs(built.lake)
    assert {run["status"] for run in runs} == {"published"}
    assert [run["job"] for run in runs] == [job.name for job in graph().jobs]
    assert all(run["peak_mb"] > 0 for run in runs)
    assert ops.runs.name == "ops.runs"
