"""`codelake web`: look at rounds, fill in a sheet, let a model label.

codelake web rounds --out rounds.html
codelake web annotate urls.csv --topic code
codelake web label labels.jsonl --endpoint http://localhost:8000/v1 --model base
"""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from jobs.web import judge, sheet
from jobs.web.cli import KEY, web
from jobs.web.judge import JudgeError, Prompt, yes_share
from jobs.web.sources.labels import read_labels
from lakehouse.config import conf_dir
from lakehouse.errors import CodelakeError
from tests.jobs.web import written
from tests.jobs.web.endpoint import Endpoint, serving


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> str:
    return written.make(tmp_path_factory.mktemp("lake")).root


def run(*arguments: object) -> str:
    result = CliRunner().invoke(web, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def sheet_rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.open()))


def test_rounds_are_shown_with_why_they_ended(lake: str, tmp_path: Path) -> None:
    said = run("rounds", "--lake", lake, "--out", tmp_path / "rounds.html")
    assert "code ended after round 2: round 2 of 2 (rounds)" in said
    rows = json.loads(run("rounds", "--lake", lake, "--json"))
    assert [(row["round"], row["recalled"], row["recall"]) for row in rows] == [(1, 5, 0.4), (2, 8, 1.0)]


def test_the_page_has_a_picture_with_both_lines_and_escapes_what_pages_say(lake: str, tmp_path: Path) -> None:
    run("rounds", "--lake", lake, "--out", tmp_path / "rounds.html")
    page = (tmp_path / "rounds.html").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert len(re.findall("<polyline", page)) == 2
    assert (
        page.count("qa.test/&lt;script&gt;alert(1)&lt;/script&gt;%") == 1
    )  # authors disagree about this pattern alone
    assert "docs.test/%" not in page
    assert (
        'aria-label="Precision and recall on held-out pages per round: round 1: 100.0%, 40.0%; round 2: 100.0%, 100.0%"'
        in page
    )
    assert not re.search(r'(?:src|href)="http', page)


def test_a_fresh_sheet_lists_related_domains_and_prefixes_with_shares_and_samples(lake: str, tmp_path: Path) -> None:
    run("annotate", tmp_path / "urls.csv", "--lake", lake, "--least-pages", 2)
    rows = {row["pattern"]: row for row in sheet_rows(tmp_path / "urls.csv")}
    assert list(rows) == ["qa.test/%", "qa.test/questions/%", "qa.test/jobs/%", "docs.test/%"]
    questions, jobs = rows["qa.test/questions/%"], rows["qa.test/jobs/%"]
    assert (questions["pages"], questions["share"], questions["missed"]) == ("6", "1.0", "0")
    assert (jobs["recalled"], jobs["sample_1"], jobs["label"]) == ("0", "https://www.qa.test/jobs/0", "")


def test_a_filled_sheet_is_a_file_of_labels_and_keeps_its_answers(lake: str, tmp_path: Path) -> None:
    path = tmp_path / "urls.csv"
    run("annotate", path, "--lake", lake, "--least-pages", 2)
    rows: list[dict[str, Any]] = list(sheet_rows(path))
    rows[1] |= {"label": "yes", "author": "Ada", "pages": "1"}
    sheet.write_sheet(path, rows[1:])
    said = json.loads(run("annotate", path, "--lake", lake, "--least-pages", 2, "--json"))
    assert (said["rows"], said["new"], said["answered"]) == (4, 1, 1)
    again = sheet_rows(path)
    assert (again[0]["pattern"], again[0]["label"], again[0]["author"], again[0]["pages"]) == (
        "qa.test/questions/%", "yes", "Ada", "6",
    )  # fmt: skip
    found = read_labels(path)
    assert [(row["pattern"], row["label"]) for row in found.patterns] == [("qa.test/questions/%", True)]
    assert found.open == 3


def test_a_proposal_of_a_model_is_marked_and_counts_for_nothing(lake: str, tmp_path: Path) -> None:
    with serving(Endpoint(wanted="questions")) as endpoint:
        run(
            "annotate",
            tmp_path / "urls.csv",
            "--lake",
            lake,
            "--least-pages",
            3,
            "--endpoint",
            endpoint.url,
            "--model",
            "m",
        )
    rows = {row["pattern"]: row for row in sheet_rows(tmp_path / "urls.csv")}
    assert rows["qa.test/questions/%"]["proposal"] == "yes (0.64)"
    assert rows["qa.test/jobs/%"]["proposal"] == "no (0.01)"
    assert rows["qa.test/jobs/%"]["proposed_by"] == "model:m"
    assert read_labels(tmp_path / "urls.csv").patterns == ()


def test_a_model_labels_pages_once_and_a_killed_command_goes_on(
    lake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY, "secret-of-mine")
    out = tmp_path / "labels.jsonl"
    with serving(Endpoint(wanted="text of page 3\n", faults=[429, 500, 0])) as endpoint:
        monkeypatch.setattr(judge, "PAUSE_SECONDS", 0.0)
        common = ("--lake", lake, "--endpoint", endpoint.url, "--model", "m", "--at-once", 2, "--json")
        first = json.loads(run("label", out, "--pages", 5, *common))
        asked = len(endpoint.asked)
        out.write_bytes(out.read_bytes()[:-20])  # as a kill leaves it
        second = json.loads(run("label", out, "--pages", 12, *common))
        assert (first["asked"], second["asked"], second["known"]) == (5, 8, 4)
        assert len(endpoint.asked) == asked + 2 * 8
        third = json.loads(run("label", out, "--pages", 12, *common))
        assert (third["asked"], third["known"]) == (0, 12)
    assert {request["authorization"] for request in endpoint.asked} == {"Bearer secret-of-mine"}
    assert "secret-of-mine" not in out.read_text()
    labels = {row["page_id"]: row for row in read_labels(out).pages}
    assert len(labels) == 12
    yes = labels[written.page_id(written.URLS[3])]
    assert (yes["label"], yes["score"], yes["author"], yes["how"]) == (True, 0.64, "model:m", "model")
    assert yes["note"] == Prompt.load(conf_dir() / "web-judge-code.yaml").digest


def test_an_endpoint_that_is_away_keeps_what_was_answered(
    lake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judge, "PAUSE_SECONDS", 0.0)
    with serving(Endpoint(wanted="x", faults=[503] * 99)) as endpoint:
        result = CliRunner().invoke(
            web, ["label", str(tmp_path / "l.jsonl"), "--lake", lake, "--endpoint", endpoint.url, "--model", "m"]
        )
    assert isinstance(result.exception, CodelakeError)
    assert "the same command goes on" in str(result.exception)


def test_a_model_that_answers_neither_is_recorded_as_open(lake: str, tmp_path: Path) -> None:
    out = tmp_path / "l.jsonl"
    with serving(Endpoint(wanted="x", alternatives=[{"token": "Sure", "logprob": -0.1}])) as endpoint:
        said = json.loads(
            run("label", out, "--lake", lake, "--endpoint", endpoint.url, "--model", "m", "--pages", 2, "--json")
        )
    assert (said["asked"], said["failed"]) == (0, 2)
    assert read_labels(out).open == 2


def test_the_score_is_the_share_of_yes_among_yes_and_no() -> None:
    found = yes_share(
        [{"token": " Yes", "logprob": -1.0}, {"token": "no.", "logprob": -1.0}, {"token": "x", "logprob": 0.0}]
    )
    assert found == pytest.approx(0.5)
    with pytest.raises(JudgeError, match="neither yes nor no"):
        yes_share([{"token": "x", "logprob": 0.0}])


@pytest.mark.parametrize("topic", ["code", "math"])
def test_the_prompts_that_come_along_load(topic: str) -> None:
    assert len(Prompt.load(conf_dir() / f"web-judge-{topic}.yaml").questions) == 2


def test_a_prompt_without_its_slot_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("system: s\ncharacters: 10\nquestions: [no slot]\n")
    with pytest.raises(JudgeError, match=r"slot \{text\}"):
        Prompt.load(tmp_path / "p.yaml")


def test_a_lake_without_rounds_says_what_makes_them(tmp_path: Path) -> None:
    result = CliRunner().invoke(web, ["rounds", "--lake", str(tmp_path)])
    assert "codelake build web.*" in str(result.exception)


def test_the_story_of_a_page_tells_every_round(lake: str) -> None:
    told = json.loads(run("why", "https://www.qa.test/jobs/0", "--lake", lake, "--json"))
    assert told["verdict"] == "not recalled: score 0.1000 in round 2 of code, above 0.5 is recalled"
    told = json.loads(run("why", "https://qa.test/questions/3", "--lake", lake, "--json"))
    assert [(row["round"], row["score"], row["recalled"], row["in_seed"]) for row in told["silver.web_scores"]] == [
        (1, 0.2, False, None), (2, 0.9, True, "url"),
    ]  # fmt: skip
    said = run("why", written.page_id("https://qa.test/questions/3")[:10], "--lake", lake)
    assert "silver.web_scores" in said


@pytest.mark.parametrize(
    ("what", "said"),
    [("https://nowhere.test/", "no page has this address"), ("https://qa.test/questions/0", "2 pages have it")],
)
def test_a_story_needs_one_page(lake: str, what: str, said: str) -> None:
    result = CliRunner().invoke(web, ["why", what, "--lake", lake])
    assert isinstance(result.exception, CodelakeError)
    assert said in str(result.exception)


def test_registering_without_mlflow_says_what_brings_it(lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "mlflow", None)
    result = CliRunner().invoke(web, ["register", "--lake", lake, "--tracking-uri", "sqlite:///x.db"])
    assert "codelake[training]" in str(result.exception)


def test_a_classifier_is_registered_once_with_its_curve(lake: str, tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow comes with codelake[training]")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    first = json.loads(run("register", "--lake", lake, "--tracking-uri", uri, "--json"))
    assert (first["version"], first["round"], first["known"]) == (1, 2, False)
    assert json.loads(run("register", "--lake", lake, "--tracking-uri", uri, "--json"))["known"] is True
    client = mlflow.MlflowClient(tracking_uri=uri)
    (version,) = client.search_model_versions("name = 'codelake-web-code'")
    data = client.get_run(version.run_id).data if version.run_id else client.search_runs(["1"])[0].data
    assert data.metrics["recall"] == 1.0
