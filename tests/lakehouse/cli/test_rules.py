"""`codelake rules` over a toy lake: what each rule drops, and where two sets differ."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lakehouse.lake import Lake
from lakehouse.rules import rule_set
from tests.lakehouse import lakes
from tests.lakehouse.lakes import Run

STRICT = """
name: strict
signals: measured
types:
  code: {short: {signal: lines, below: 40}, never: {signal: words, below: 0}}
  data: {}
  text: {short: {signal: lines, below: 10}}
languages: {}
natural_languages: {}
"""


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return lakes.make_lake(tmp_path_factory.mktemp("lake"))


@pytest.fixture
def strict(tmp_path: Path) -> str:
    file = tmp_path / "strict.yaml"
    file.write_text(STRICT)
    return str(file)


def judged_in_python(name: str) -> dict[str, set[str]]:
    """The rules that each measured file hits, by the slow way."""
    rules, rows = rule_set(name), lakes.rows()
    languages = {row["content_id"]: row for row in rows["silver.code_languages"]}
    found = {}
    for row in rows["silver.code_signals"]:
        file = languages[row["content_id"]]
        if file["type"] in ("code", "data", "text"):
            table = rules.table_name(file["type"], file["language"], row["natural_language"])
            signals = {key: value for key, value in row.items() if isinstance(value, int | float)}
            found[row["content_id"]] = {hit for hit, _, _ in rules.hits(table, signals, row["content_id"])}
    return found


def test_the_report_counts_files_and_bytes_that_each_rule_drops_and_drops_alone(run: Run, lake: Lake) -> None:
    code, out, err = run("rules", "--lake", lake.root, "--json")
    assert code == 0, err
    said, expected = json.loads(out), judged_in_python("codelake-1")
    sizes = {row["content_id"]: row["size"] for row in lakes.rows()["silver.code_files"]}
    assert said["rules"] == "codelake-1"
    assert (said["files"], said["kept"]) == (len(expected), sum(not hits for hits in expected.values()))
    for rule in said["by_rule"]:
        hit = [key for key, hits in expected.items() if rule["rule"] in hits]
        assert (rule["files"], rule["bytes"]) == (len(hit), sum(sizes[key] for key in hit))
        assert rule["alone"] == sum(len(expected[key]) == 1 for key in hit)
    assert any(rule["files"] for rule in said["by_rule"])


def test_a_report_is_readable_and_names_files_near_the_limits(run: Run, lake: Lake, strict: str) -> None:
    code, out, err = run("rules", "--rules", strict, "--samples", "1", "--lake", lake.root)
    assert code == 0, err
    assert out.startswith("strict: keeps ")
    assert "hit nothing: never" in out
    assert "files near the limits" in out


def test_near_files_are_the_closest_on_both_sides(run: Run, lake: Lake, strict: str) -> None:
    _, out, _ = run("rules", "--rules", strict, "--samples", "2", "--lake", lake.root, "--json")
    (short,) = [rule for rule in json.loads(out)["by_rule"] if rule["rule"] == "short"]
    lines = {row["content_id"]: row["lines"] for row in lakes.rows()["silver.code_signals"]}
    kinds = {row["content_id"]: row["type"] for row in lakes.rows()["silver.code_languages"]}
    code = sorted(count for key, count in lines.items() if kinds[key] == "code")
    hit = sorted((row["value"] for row in short["near"] if row["limit"] == 40 and row["hit"]), reverse=True)
    spared = sorted(row["value"] for row in short["near"] if row["limit"] == 40 and not row["hit"])
    assert hit == sorted((n for n in code if n < 40), reverse=True)[:2]
    assert spared == [n for n in code if n >= 40][:2]


def test_diff_says_which_rules_of_which_set_make_the_difference(run: Run, lake: Lake, strict: str) -> None:
    code, out, err = run("rules", "diff", "codelake-1", strict, "--lake", lake.root, "--json")
    assert code == 0, err
    said, first, second = json.loads(out), judged_in_python("codelake-1"), judged_in_python(strict)
    outcomes = {row["outcome"]: row["files"] for row in said["outcomes"]}
    expected = {
        "both keep": sum(not first[key] and not second[key] for key in first),
        "both drop": sum(bool(first[key]) and bool(second[key]) for key in first),
        "only the first keeps": sum(not first[key] and bool(second[key]) for key in first),
        "only the second keeps": sum(bool(first[key]) and not second[key] for key in first),
    }
    assert outcomes == {outcome: count for outcome, count in expected.items() if count}
    for row in said["why"]:
        dropped = first if row["outcome"] == "only the second keeps" else second
        other = second if row["outcome"] == "only the second keeps" else first
        assert row["files"] == sum(row["rule"] in dropped[key] and not other[key] for key in first)
    _, out, _ = run("rules", "diff", "codelake-1", strict, "--lake", lake.root)
    assert out.startswith("first: codelake-1, second: strict")


def test_a_set_is_the_same_as_itself(run: Run, lake: Lake) -> None:
    _, out, _ = run("rules", "diff", "codelake-1", "codelake-1", "--lake", lake.root, "--json")
    assert {row["outcome"] for row in json.loads(out)["outcomes"]} <= {"both keep", "both drop"}
    assert json.loads(out)["why"] == []


def test_signals_that_were_not_measured_are_asked_for(run: Run, lake: Lake, strict: str) -> None:
    code, _, err = run("rules", "--rules", "opencoder-1", "--lake", lake.root)
    assert code == 2
    assert "codelake build --profile opencoder" in err.replace("\n", " ")
    wrong = Path(strict).with_name("wrong.yaml")
    wrong.write_text(STRICT.replace("signal: words", "signal: wrods"))
    code, _, err = run("rules", "--rules", str(wrong), "--lake", lake.root)
    assert code == 2
    assert "no column wrods" in err
    code, _, err = run("rules", "--rules", "codelake", "--lake", lake.root)
    assert code == 2
    assert "Did you mean" in err


def test_help_teaches_how_to_tune(run: Run) -> None:
    for command in (("rules", "--help"), ("rules", "diff", "--help")):
        code, out, _ = run(*command)
        assert code == 0
        assert "codelake rules diff" in out
