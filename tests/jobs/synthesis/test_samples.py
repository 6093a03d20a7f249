"""From documents of gold to verified samples: every answer traceable, nothing asked twice, a gone document takes all along.

codelake build --profile synthesis
codelake sql "SELECT reason, count(*) FROM silver.synthetic_samples GROUP BY 1"
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from pyspark.sql import SparkSession

from jobs.synthesis.cli import synthesis
from jobs.synthesis.journal import Journal
from jobs.synthesis.teacher import Answer, Request
from lakehouse.ask.why import why
from lakehouse.errors import InputError, MachineError
from lakehouse.sandbox import Limits, Program, Sandbox
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


def told(*arguments: object) -> Any:
    result = CliRunner().invoke(synthesis, [*map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_person_asks_for_reasons_costs_and_the_story_of_one_sample(built: lakes.SynthesisLake) -> None:
    root = built.lake.root
    report = told("report", "--lake", root, "--json")
    snippets = Counter[str]()
    for row in report["samples"]:
        snippets[row["outcome"]] += row["samples"] if row["kind"] == "snippets" else 0
    assert +snippets == {
        "accepted": 4, "not_passed": 2, "tests_prove_nothing": 1, "flaky": 1, "code_blocks": 1, "too_few_tests": 1,
    }  # fmt: skip
    (paid,) = report["requests"]
    assert (paid["model"], paid["status"]) == ("m", "ok")
    samples = [row for row in built.rows(SAMPLES) if row["kind"] == "snippets"]
    for row in samples:
        story = told("why", row["sample_id"][:20], "--lake", root, "--json")
        assert story["silver.synthesis_seeds"][0]["repo"] == row["repo"]
        assert [step["request_id"] for step in story["bronze.teacher_requests"]] == row["request_ids"]
        if row["reason"]:
            assert story["verdict"].startswith(f"rejected: {row['reason']}")
    verdicts = Counter(told("why", r["sample_id"], "--lake", root, "--json")["verdict"].split(":")[0] for r in samples)
    assert verdicts["dropped"] + verdicts["kept"] == 4
    with pytest.raises(InputError, match=f"`codelake synthesis why {samples[0]['sample_id']}` tells its story"):
        why(built.lake, samples[0]["sample_id"])
    with pytest.raises(InputError, match="no sample has this id"):
        told("why", "0" * 64, "--lake", root)


def test_gold_is_written_in_the_released_layouts(built: lakes.SynthesisLake, tmp_path: Path) -> None:
    written = {row["layout"]: row["rows"] for row in told("export", tmp_path, "--lake", built.lake.root, "--json")}
    kinds = Counter(row["kind"] for row in built.rows(GOLD))
    assert written == {
        "opc-sft-stage2/educational_instruct": kinds["educational"],
        "opc-annealing-corpus/synthetic_code_snippet": kinds["snippets"],
        "opc-annealing-corpus/synthetic_qa": kinds["textbooks"],
    }
    educational = pq.read_table(tmp_path / "opc-sft-stage2/educational_instruct/train-00000-of-00001.parquet")
    assert {field.name: str(field.type) for field in educational.schema} == {
        "seq_id": "int64", "instruction": "string", "output": "string", "code": "string", "entry_point": "string",
        "testcase": "list<element: string>",
    }  # fmt: skip
    with Sandbox(Limits.default().model_copy(update=lakes.LIMITS)) as sandbox:  # what is exported proves itself again
        for number, row in enumerate(educational.to_pylist()):
            assert (row["seq_id"], row["entry_point"], len(row["testcase"])) == (number, "plus", 10)
            assert sandbox.run(Program(row["code"], "\n".join(row["testcase"]))).passed


def test_a_run_stops_asking_when_enough_is_accepted_and_a_higher_number_asks_for_the_rest(
    tmp_path: Path, spark: SparkSession, built: lakes.SynthesisLake
) -> None:
    accepted = {row["seed_id"] for row in built.rows(SAMPLES) if row["kind"] == "snippets" and row["accepted"]}
    in_order = [r["seed_id"] for r in sorted(built.rows(SEEDS), key=lambda r: r["rank"]) if r["kind"] == "snippets"]
    lake = lakes.SynthesisLake(tmp_path / "lake", spark)
    with Server(reply=reply) as server:
        settings = lakes.settings(server.url) | {"synthesis.answers.wave": 1}
        for wanted in (2, 4):
            kind = settings["synthesis.seeds.kinds"]["snippets"] | {"accepted": wanted}
            lake.build(settings | {"synthesis.seeds.kinds": {"snippets": kind}}, "+synthesis.answers")
            asked = [row["seed_id"] for row in lake.rows(REQUESTS)]
            assert set(asked) == set(in_order[: len(asked)])
            assert len(accepted & set(asked)) == wanted
            assert in_order[len(asked) - 1] in accepted  # the last one was still needed
            assert len(server.bodies) == len(asked)  # each was asked for once


def test_seeds_are_the_documents_that_a_keyword_chooses_in_the_wanted_ratios(
    tmp_path: Path, spark: SparkSession
) -> None:
    lake = lakes.SynthesisLake(tmp_path / "lake", spark)
    wanted = lakes.settings("")["synthesis.seeds.kinds"]["snippets"]
    wanted |= {"algorithmic": True, "licences": ["MIT"], "languages": {"python": 1, "java": 1}}
    settings = {
        "synthesis.algorithmic.keywords": ["SOLUTION", "number: 3"],
        "synthesis.algorithmic.ignore_case": True,
        "synthesis.seeds.kinds": {"snippets": wanted | {"seeds": 4}},
    }
    lake.build(settings, "synthesis.seeds")
    lake.build(settings, "synthesis.algorithmic")
    assert lake.rows(SEEDS) == []  # nothing was chosen yet
    lake.build(settings, "synthesis.seeds")
    chosen = by(lake.rows("silver.algorithmic"), "doc_id")
    texts = {row["doc_id"]: row["text"] for row in lakes.documents()}
    assert {key: row["keywords"] for key, row in chosen.items()} == {
        key: [*(["SOLUTION"] if "solution" in text else []), *(["number: 3"] if "number: 3" in text else [])]
        for key, text in texts.items()
        if "solution" in text or "number: 3" in text
    }
    seeds = lake.rows(SEEDS)
    assert len(seeds) == 4
    assert {row["content_id"] for row in seeds} <= chosen.keys()
    assert {row["seed_licence"] for row in seeds} == {"MIT"}
    assert Counter(row["language"] for row in seeds) == {"python": 2, "java": 2}
    more = {"synthesis.seeds.kinds": {"snippets": wanted | {"seeds": 6}}}
    lake.build(settings | more, "synthesis.seeds")
    assert {row["seed_id"] for row in seeds} < {row["seed_id"] for row in lake.rows(SEEDS)}  # a larger number adds
    lakes.erase(lake.lake, seeds[0]["repo"])
    lake.build({}, "synthesis.algorithmic")  # without keywords what was chosen stays, but for documents that are gone
    assert {row["doc_id"] for row in lake.rows("silver.algorithmic")} == chosen.keys() - {seeds[0]["content_id"]}


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


def test_recorded_answers_make_the_same_tables(tmp_path: Path, spark: SparkSession, built: lakes.SynthesisLake) -> None:
    file = tmp_path / "answers.jsonl"
    CliRunner().invoke(synthesis, ["record", str(file), "--lake", built.lake.root], catch_exceptions=False)
    lake = lakes.SynthesisLake(tmp_path / "lake", spark)
    lake.build(lakes.settings("", how="recorded", path=str(file)), "+synthesis.samples")
    assert lake.digests(SEEDS, REQUESTS, RESPONSES, SAMPLES) == built.digests(SEEDS, REQUESTS, RESPONSES, SAMPLES)


def test_a_document_that_goes_takes_its_samples_along(
    tmp_path: Path, spark: SparkSession, built: lakes.SynthesisLake
) -> None:
    shutil.copytree(built.lake.folder, tmp_path / "lake")
    lake = lakes.SynthesisLake(tmp_path / "lake", spark)
    seed_ids = {row["seed_id"] for row in lake.rows(SEEDS) if row["repo"] == "acme/good"}
    lakes.erase(lake.lake, "acme/good")
    # A build that knows neither kinds nor teachers: nothing that is paid for goes, and nothing of what was erased stays.
    lake.build({}, "synthesis.*")
    for name in (SEEDS, REQUESTS, RESPONSES, SAMPLES):
        before, now = built.rows(name), lake.rows(name)
        assert len(now) == sum(row["seed_id"] not in seed_ids for row in before) < len(before)
        assert not seed_ids & {row["seed_id"] for row in now}
    gold = {row["repo"] for row in lake.rows(GOLD)}
    assert "acme/twin" in gold  # its twin stands in for it
    assert "acme/good" not in gold
    with Journal(lake.lake.folder / "_kept" / "synthesis.answers") as journal:
        assert journal.seed_ids() == set()
