"""From documents of gold to verified samples: every answer traceable, nothing asked twice, a gone document takes all along.

codelake build --profile synthesis
codelake sql "SELECT reason, count(*) FROM silver.synthetic_samples GROUP BY 1"
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.synthesis.journal import Journal
from jobs.synthesis.teacher import Answer, Request
from lakehouse.errors import MachineError
from lakehouse.sandbox import Limits, Sandbox
from tests.jobs.synthesis import lakes
from tests.jobs.synthesis.servers import Server
from tests.jobs.synthesis.writer import reply

pytestmark = pytest.mark.spark

SEEDS, REQUESTS, RESPONSES = "silver.synthesis_seeds", "bronze.teacher_requests", "bronze.teacher_responses"
SAMPLES, DECISIONS, GOLD = "silver.synthetic_samples", "silver.synthetic_decisions", "gold.synthetic"
TABLES = (SEEDS, REQUESTS, RESPONSES, SAMPLES, DECISIONS, GOLD)


@pytest.fixture(scope="module", autouse=True)
def sandbox() -> None:
    try:
        Sandbox(Limits.default()).close()
    except MachineError as error:
        pytest.skip(f"no sandbox on this machine: {error}")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(reply=reply) as started:
        yield started


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession, server: Server) -> lakes.SynthesisLake:
    lake = lakes.SynthesisLake(tmp_path_factory.mktemp("synthesis") / "lake", spark)
    lake.build(lakes.settings(server.url), "synthesis.*")
    return lake


def by(rows: list[dict[str, Any]], *names: str) -> dict[Any, dict[str, Any]]:
    return {tuple(row[n] for n in names) if len(names) > 1 else row[names[0]]: row for row in rows}


def test_what_a_program_shows_is_accepted_and_everything_else_says_why_not(built: lakes.SynthesisLake) -> None:
    found = {row["repo"].removeprefix("acme/"): row for row in built.rows(SAMPLES) if row["kind"] == "snippets"}
    reasons = {name: row["reason"] for name, row in found.items()}
    assert reasons == {
        "good": "", "twin": "", "low score": "", "schema": "",
        "wrong": "not_passed", "exit": "not_passed", "proves nothing": "tests_prove_nothing", "flaky": "flaky",
        "chatter": "code_blocks", "few tests": "too_few_tests",
    }  # fmt: skip
    assert all(row["accepted"] == (row["reason"] == "") for row in found.values())
    good, wrong = found["good"], found["wrong"]
    assert (good["sandbox"], good["ended"], good["control"]) == ("bwrap", "passed", "failed")
    assert json.loads(good["limits"])["cpu_seconds"] == 1
    assert good["cpu_seconds"] > 0
    assert (wrong["ended"], wrong["ended_in"], wrong["control"]) == ("failed", "tests", None)
    assert (found["chatter"]["ended"], found["chatter"]["detail"]) == (None, "0: expected two")
    assert found["exit"]["ended"] == "exited"
    chapters = [row for row in built.rows(SAMPLES) if row["kind"] == "textbooks"]
    assert [(row["accepted"], row["sandbox"], len(row["request_ids"])) for row in chapters] == [(True, None, 2)] * 2


def test_a_sample_leads_to_its_requests_answers_seed_file_and_licence(built: lakes.SynthesisLake) -> None:
    seeds, documents = by(built.rows(SEEDS), "seed_id"), by(lakes.documents(), "doc_id")
    requests = by(built.rows(REQUESTS), "seed_id", "request_id")
    responses = by(built.rows(RESPONSES), "seed_id", "request_id")
    samples = built.rows(SAMPLES)
    assert len(samples) == 10 + 3 * 2 + 2
    for row in samples:
        document = documents[row["content_id"]]
        assert seeds[row["seed_id"]]["text"] == document["text"]
        assert (row["repo"], row["path"], row["seed_licence"]) == tuple(
            document[c] for c in ("repo", "path", "licence")
        )
        assert row["terms"] == "Some-Terms"
        for request_id in row["request_ids"]:
            request = Request.parse(requests[row["seed_id"], request_id]["request"])
            assert request.id == request_id
            assert responses[row["seed_id"], request_id]["status"] == "ok"
    used = {(row["seed_id"], request_id) for row in samples for request_id in row["request_ids"]}
    assert used == requests.keys() == responses.keys()
    assert {row["answers"] for row in requests.values()} == {1}
    assert next(row for row in samples if row["kind"] == "educational")["tests"].__len__() in (0, 10)


def test_gold_holds_what_was_accepted_once_and_decisions_say_why_not_the_rest(built: lakes.SynthesisLake) -> None:
    samples, decisions = by(built.rows(SAMPLES), "sample_id"), by(built.rows(DECISIONS), "sample_id")
    gold = by(built.rows(GOLD), "doc_id")
    assert decisions.keys() == samples.keys()
    assert gold.keys() == {key for key, row in decisions.items() if row["keep"]}
    hits = Counter(hit["rule"] for row in decisions.values() for hit in row["hits"])
    assert hits["rejected"] == sum(not row["accepted"] for row in samples.values()) > 5
    snippets = [r for r in gold.values() if r["kind"] == "snippets" and r["repo"] in ("acme/good", "acme/twin")]
    assert len(snippets) == 1
    assert "near_duplicate" in hits


def test_a_second_build_asks_nothing_and_changes_nothing(built: lakes.SynthesisLake, server: Server) -> None:
    before, asked = built.digests(*TABLES), len(server.bodies)
    assert asked == len(built.rows(REQUESTS))
    reports = built.build(lakes.settings(server.url), "synthesis.*")
    assert {report.status for report in reports.values()} == {"skipped"}
    # Another way of working, the same results: recomputed whole, in other waves, from what is stored.
    settings = lakes.settings(server.url) | {
        "synthesis.answers.wave": 100,
        "synthesis.answers.teachers.m.tokens": 10**7,
    }
    assert built.build(settings, "synthesis.answers")["synthesis.answers"].status == "unchanged"
    assert len(server.bodies) == asked
    assert built.digests(*TABLES) == before


def test_a_run_that_dies_while_asking_goes_on_where_it_was(
    tmp_path: Path, spark: SparkSession, built: lakes.SynthesisLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, kept, keep = lakes.SynthesisLake(tmp_path / "lake", spark), list[str](), Journal.keep

    def dies(journal: Journal, seed_id: str, answer: Answer, model: str = "") -> None:
        if len(kept) == 7:
            raise KeyboardInterrupt
        kept.append(answer.request_id)
        keep(journal, seed_id, answer, model)

    with Server(reply=reply) as server:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(Journal, "keep", dies)
            lake.build(lakes.settings(server.url, most_at_once=1), "+synthesis.answers")
        before = len(server.bodies)
        lake.build(lakes.settings(server.url, most_at_once=1), "synthesis.answers")
        again = len(server.bodies) - before
    assert before <= 9  # one was on its way, one more was sent while the run died
    assert again == len(built.rows(REQUESTS)) - len(kept)
    assert lake.digests(SEEDS, REQUESTS, RESPONSES) == built.digests(SEEDS, REQUESTS, RESPONSES)


def test_recorded_answers_make_the_same_tables_and_a_document_that_goes_takes_its_samples_along(
    tmp_path: Path, spark: SparkSession, built: lakes.SynthesisLake
) -> None:
    names, file = [field.name for field in fields(Answer)], tmp_path / "answers.jsonl"
    answers = [{name: row[name] for name in names} for row in built.rows(RESPONSES)]
    file.write_text("".join(json.dumps(answer) + "\n" for answer in answers))
    lake = lakes.SynthesisLake(tmp_path / "lake", spark)
    lake.build(lakes.settings("", how="recorded", path=str(file)), "synthesis.*")
    assert lake.digests(*TABLES) == built.digests(*TABLES)
    seed_ids = {row["seed_id"] for row in lake.rows(SEEDS) if row["repo"] == "acme/good"}
    lakes.erase(lake.lake, "acme/good")
    # A build that knows neither kinds nor teachers: nothing that is paid for goes, and nothing of what was erased stays.
    reports = lake.build({}, "synthesis.*")
    assert reports["synthesis.samples"].status == "published"
    for name in (SEEDS, REQUESTS, RESPONSES, SAMPLES):
        before, now = built.rows(name), lake.rows(name)
        assert len(now) == sum(row["seed_id"] not in seed_ids for row in before) < len(before)
        assert not seed_ids & {row["seed_id"] for row in now}
    assert {row["repo"] for row in lake.rows(GOLD)} >= {"acme/twin"}  # its twin stands in for it
    assert b"acme/good" not in (lake.lake.folder / "_kept" / "synthesis.answers" / "answers.sqlite").read_bytes()
