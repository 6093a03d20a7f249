"""Measured and decided by Spark: the same signals as the kernels give, the same hits as the rules give in Python."""

from __future__ import annotations

import hashlib
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from jobs.code.decide import DecideParams, decide
from jobs.code.released_signals import ReleasedSignalsParams, code_released_signals, released_signals
from jobs.code.signals import SignalsParams, code_signals, signals
from jobs.code.tables import code_languages, code_texts, distinct_files
from jobs.kernels import measures, notices
from jobs.kernels.released.measure import missing
from lakehouse.config import load
from lakehouse.registry import graph
from lakehouse.rules import RuleSet
from tests.jobs.code.given import GivenInputs, Rows, computed

pytestmark = pytest.mark.spark

# path, language, type, text
FILES: list[tuple[str, str, str, str]] = [
    ("a/empty.py", "python", "code", ""),
    ("a/imports.py", "python", "code", "".join(f"import module_{i}\n" for i in range(40))),
    (
        "a/queue_test.go",
        "go",
        "code",
        "package a\n\n" + "".join(f"// step {i}\nvar x{i} = f({i})\n" for i in range(20)),
    ),
    ("a/page.html", "html", "code", "<p>" + "<br>" * 500 + "</p>\n" * 20),
    ("a/long.js", "javascript", "code", "x = 1;" * 400 + "\n"),
    ("a/data.json", "json", "data", '{"a": [' + ", ".join(map(str, range(3000))) + "]}\n"),
    ("docs/guide.md", "markdown", "text", "One line of it, and then some more words.\n" * 30),
    ("docs/zh.md", "markdown", "text", "这是一个关于数据的说明文件。\n" * 12),
    ("a/table.csv", "csv", "excluded", "1,2\n"),
]


def identity(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def given() -> dict[Any, Rows]:
    ids = [identity(text) for *_, text in FILES]
    return {
        code_texts: [{"content_id": key, "text": file[3]} for key, file in zip(ids, FILES, strict=True)],
        distinct_files: [{"content_id": key, "path": file[0]} for key, file in zip(ids, FILES, strict=True)],
        code_languages: [
            {"content_id": key, "language": file[1], "type": file[2]} for key, file in zip(ids, FILES, strict=True)
        ],
    }


def params(job: str, *overrides: str) -> Any:
    return load(graph(), overrides=overrides).jobs[job]


def by_id(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["content_id"]: row for row in rows}


def expected_hits(rules: RuleSet, stored: dict[str, dict[str, Any]], written_in: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for _, language, kind, text in FILES:
        key = identity(text)
        table = rules.table_name(kind, language, written_in[key])
        values = {k: v for k, v in stored[key].items() if isinstance(v, int | float)}
        found[key] = [tuple(hit) for hit in rules.hits(table, values, key)]
    return found


@pytest.fixture(scope="module")
def measured(spark: SparkSession) -> list[dict[str, Any]]:
    found: SignalsParams = params("code.signals")
    return computed(signals(GivenInputs(spark, given()), found))


def test_spark_measures_what_the_kernel_measures(measured: list[dict[str, Any]]) -> None:
    syntaxes = notices.load(params("code.signals").comments)
    expected = measures.measure(pa.array([f[3] for f in FILES]), [f[:3] for f in FILES], syntaxes).to_pylist()
    assert by_id(measured) == {
        identity(file[3]): {"content_id": identity(file[3]), **row} for file, row in zip(FILES, expected, strict=True)
    }


def test_spark_decides_as_the_rules_do_in_python(spark: SparkSession, measured: list[dict[str, Any]]) -> None:
    chosen: DecideParams = params("code.decide")
    decided = by_id(computed(decide(GivenInputs(spark, {**given(), code_signals: measured}), chosen)))
    stored = by_id(measured)
    expected = expected_hits(chosen.rules, stored, {key: row["natural_language"] for key, row in stored.items()})
    for key, row in decided.items():
        of_signals = [(h["rule"], h["value"], h["limit"]) for h in row["hits"] if h["limit"] is not None]
        assert sorted(of_signals) == expected[key]
        assert row["keep"] == (not row["hits"])
    assert {h["rule"] for h in decided[identity(FILES[-1][3])]["hits"]} == {"file_type"}
    assert sum(map(len, expected.values())) > 10


def test_a_set_whose_signals_were_not_measured_decides_nothing(
    spark: SparkSession, measured: list[dict[str, Any]]
) -> None:
    chosen = params("code.decide", "code.decide.rules=opencoder-1")
    inputs = GivenInputs(spark, {**given(), code_signals: measured})
    with pytest.raises(Exception, match=r"code\.released_signals\.enabled=true"):
        computed(decide(inputs, chosen))
    assert computed(released_signals(inputs, params("code.released_signals"))) == []


@pytest.mark.skipif(bool(missing()), reason="exact only with the release's parsers: install codelake[opencoder]")
def test_the_released_set_decides_on_released_signals(spark: SparkSession, measured: list[dict[str, Any]]) -> None:
    asked: ReleasedSignalsParams = params("code.released_signals", "code.released_signals.enabled=true")
    chosen: DecideParams = params("code.decide", "code.decide.rules=opencoder-1")
    released = computed(released_signals(GivenInputs(spark, {**given(), code_signals: measured}), asked))
    rows = {**given(), code_signals: measured, code_released_signals: released}
    decided = by_id(computed(decide(GivenInputs(spark, rows), chosen)))
    written_in = {row["content_id"]: row["natural_language"] for row in measured}
    expected = expected_hits(chosen.rules, by_id(released), written_in)
    for key, row in decided.items():
        of_signals = [(h["rule"], h["value"], h["limit"]) for h in row["hits"] if h["limit"] is not None]
        assert sorted(of_signals) == expected[key]
    assert sum(map(len, expected.values())) > 10
