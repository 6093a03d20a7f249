"""The gate against plain Great Expectations on Spark, which is the oracle for every supported expectation."""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from expectations import metrics
from expectations.gate import GateResult, check, split, to_gx_suite
from expectations.rules import Outcome, Rule
from lakehouse.errors import ConfigError, InputError

pytestmark = pytest.mark.spark


def test_a_batch_is_judged_and_the_failing_rows_are_shown(spark: SparkSession) -> None:
    batch = spark.createDataFrame([("a", 3), ("b", -1), ("c", None)], "content_id string, size int")
    suite = (
        Rule("expect_column_values_to_be_unique", {"column": "content_id"}),
        Rule("expect_column_values_to_not_be_null", {"column": "size"}, severity="warning"),
        Rule("expect_column_values_to_be_between", {"column": "size", "min_value": 0}, note="bytes"),
    )
    result = check(batch, suite, table="silver.x", key=("content_id",), docs=None, run_name="r1")
    assert (result.success, result.rows) == (False, 3)
    assert [(o.severity, o.unexpected, o.examples) for o in result.failures] == [
        ("warning", 1, ('{"content_id": "c", "size": null}',)),
        ("error", 1, ('{"content_id": "b", "size": -1}',)),
    ]
    assert result.failures[1].expectation == 'expect_column_values_to_be_between(column="size", min_value=0)'


# --- the same verdicts, counts and observed values as the library itself --------------------------------------------

SCHEMA = (
    "id string, n bigint, m int, x double, s string, d date, t timestamp, price decimal(10,2), ok boolean, raw binary,"
    " place struct<city:string, zip:int>, tags array<string>"
)
NOON = dt.datetime(2024, 5, 1, 12)
ROWS = [
    ("a", 1, 1, 0.5, "aa", dt.date(2024, 1, 1), NOON, Decimal("1.25"), True, b"\x00\xff", ("x", 1), ["p"]),
    ("b", 2, 3, 1.5, "ab<i>", dt.date(2024, 2, 1), NOON, Decimal("2.50"), False, b"", ("y", None), []),
    ("b", 2, None, float("nan"), "", dt.date(2023, 2, 1), None, Decimal("-3.10"), True, None, None, None),
    (None, None, None, None, None, None, None, None, None, None, None, None),
    ("c", 5, 2, -0.0, "zz\nzz", None, NOON, None, None, b"x", (None, 7), ["q", None]),
    ("d", 9_000_000_000, 2, 0.0, "Zoë", dt.date(1969, 12, 31), NOON, Decimal("0.00"), True, b"x", ("x", 1), ["p"]),
    (None, 7, 7, None, "aa", dt.date(2024, 1, 1), NOON, Decimal("1.25"), True, b"\x00\xff", ("x", 1), ["p"]),
]
FRAMES: Mapping[str, Callable[[SparkSession], DataFrame]] = {
    "mixed": lambda spark: spark.createDataFrame(ROWS, SCHEMA).repartition(3),
    "empty": lambda spark: spark.createDataFrame([], SCHEMA),
    "all null": lambda spark: spark.createDataFrame([(None,) * 12] * 3, SCHEMA),
}


def about(kind: str, *columns: str, **kwargs: Any) -> Rule:
    """A rule on these columns, with the argument names that its type uses for them."""
    if kind.startswith("expect_column_pair"):
        named: dict[str, Any] = dict(zip(("column_A", "column_B"), columns, strict=True))
    elif kind.startswith("expect_compound"):
        named = {"column_list": list(columns)}
    else:
        named = {"column": columns[0]} if columns else {}
    return Rule(kind, {**named, **kwargs})


NAMES = ["id", "n", "m", "x", "s", "d", "t", "price", "ok", "raw", "place", "place.city", "place.zip", "tags"]
RULES = (
    about("expect_table_row_count_to_be_between", min_value=1, max_value=7),
    about("expect_table_row_count_to_be_between", min_value=8),
    about("expect_table_row_count_to_be_between", max_value=2, row_condition="n > 2"),
    about("expect_table_row_count_to_equal", value=7),
    about("expect_table_row_count_to_equal", value=6),
    about("expect_table_column_count_to_equal", value=14),
    about("expect_table_column_count_to_equal", value=12),
    about("expect_table_column_count_to_be_between", min_value=12),
    about("expect_table_column_count_to_be_between", max_value=3),
    about("expect_table_columns_to_match_set", column_set=NAMES),
    about("expect_table_columns_to_match_set", column_set=NAMES[:5]),
    about("expect_table_columns_to_match_set", column_set=NAMES[:5], exact_match=False),
    about("expect_table_columns_to_match_ordered_list", column_list=NAMES),
    about("expect_table_columns_to_match_ordered_list", column_list=[*NAMES[:-2], *NAMES[:-3:-1]]),
    about("expect_column_to_exist", "n"),
    about("expect_column_to_exist", "n", column_index=1),
    about("expect_column_to_exist", "n", column_index=2),
    about("expect_column_to_exist", "nope"),
    about("expect_column_values_to_be_of_type", "n", type_="LongType"),
    about("expect_column_values_to_be_of_type", "n", type_="StringType"),
    about("expect_column_values_to_be_of_type", "place.zip", type_="IntegerType"),
    about("expect_column_values_to_be_of_type", "n", type_="LungType"),
    about("expect_column_values_to_not_be_null", "n"),
    about("expect_column_values_to_not_be_null", "n", mostly=0.8),
    about("expect_column_values_to_not_be_null", "n", mostly=0.9),
    about("expect_column_values_to_not_be_null", "m", row_condition="n > 2"),
    about("expect_column_values_to_not_be_null", "place.city"),
    about("expect_column_values_to_not_be_null", "raw"),
    about("expect_column_values_to_be_null", "n"),
    about("expect_column_values_to_be_null", "m", row_condition="s = ''"),
    about("expect_column_values_to_be_null", "n", mostly=0.1),
    about("expect_column_values_to_be_between", "n", min_value=1, max_value=9_000_000_000),
    about("expect_column_values_to_be_between", "n", min_value=1, strict_min=True),
    about("expect_column_values_to_be_between", "n", max_value=5, strict_max=True, mostly=0.5),
    about("expect_column_values_to_be_between", "n", min_value=1, max_value=5, row_condition="id = 'b' OR id IS NULL"),
    about("expect_column_values_to_be_between", "x", min_value=0, max_value=1),
    about("expect_column_values_to_be_between", "price", min_value=-3.1, max_value=2.5),
    about("expect_column_values_to_be_between", "price", min_value=0),
    about("expect_column_values_to_be_between", "d", min_value="2023-01-01", max_value="2024-12-31"),
    about("expect_column_values_to_be_between", "d", min_value="1960-01-01"),
    about("expect_column_values_to_be_between", "t", max_value="2024-05-01T12:00:00"),
    about("expect_column_values_to_be_between", "s", min_value=1),
    about("expect_column_values_to_be_in_set", "id", value_set=["a", "b", "c", "d"]),
    about("expect_column_values_to_be_in_set", "id", value_set=["a", "b"], mostly=0.6),
    about("expect_column_values_to_be_in_set", "n", value_set=[1, 2, 7]),
    about("expect_column_values_to_be_in_set", "n", value_set=[]),
    about("expect_column_values_to_be_in_set", "ok", value_set=[True]),
    about("expect_column_values_to_not_be_in_set", "id", value_set=["zz"]),
    about("expect_column_values_to_not_be_in_set", "id", value_set=["b", "c"]),
    about("expect_column_values_to_match_regex", "s", regex="^(?s).*$"),
    about("expect_column_values_to_match_regex", "s", regex="^a"),
    about("expect_column_values_to_match_regex", "s", regex="^a", row_condition="n = 1"),
    about("expect_column_values_to_not_match_regex", "s", regex="q"),
    about("expect_column_values_to_not_match_regex", "s", regex=r"[<\n]"),
    about("expect_column_value_lengths_to_be_between", "s", min_value=0, max_value=5),
    about("expect_column_value_lengths_to_be_between", "s", min_value=1),
    about("expect_column_value_lengths_to_be_between", "s", max_value=3, strict_max=True),
    about("expect_column_value_lengths_to_be_between", "raw", max_value=1),
    about("expect_column_value_lengths_to_equal", "id", value=1),
    about("expect_column_value_lengths_to_equal", "s", value=2),
    about("expect_column_values_to_be_unique", "id"),
    about("expect_column_values_to_be_unique", "id", mostly=0.6),
    about("expect_column_values_to_be_unique", "s"),
    about("expect_column_values_to_be_unique", "m", row_condition="n < 3"),
    about("expect_column_values_to_be_unique", "x"),
    about("expect_compound_columns_to_be_unique", "id", "n"),
    about("expect_compound_columns_to_be_unique", "id", "s"),
    about("expect_compound_columns_to_be_unique", "id", "m", ignore_row_if="never"),
    about("expect_compound_columns_to_be_unique", "m", "t", ignore_row_if="any_value_is_missing"),
    about("expect_compound_columns_to_be_unique", "raw", "m", row_condition="n <> 7"),
    about("expect_column_min_to_be_between", "n", min_value=1, max_value=1),
    about("expect_column_min_to_be_between", "n", min_value=2),
    about("expect_column_min_to_be_between", "d", min_value=dt.date(1960, 1, 1)),
    about("expect_column_max_to_be_between", "n", max_value=10, row_condition="id <> 'd'"),
    about("expect_column_max_to_be_between", "price", max_value=2.4),
    about("expect_column_max_to_be_between", "s", max_value=2.4),
    about("expect_column_mean_to_be_between", "m", min_value=3, max_value=3),
    about("expect_column_mean_to_be_between", "m", min_value=3, strict_min=True),
    about("expect_column_mean_to_be_between", "price", min_value=0),
    about("expect_column_mean_to_be_between", "x", min_value=0),
    about("expect_column_sum_to_be_between", "n", min_value=9_000_000_017, max_value=9_000_000_017),
    about("expect_column_sum_to_be_between", "price", max_value=1),
    about("expect_column_unique_value_count_to_be_between", "id", min_value=4, max_value=4),
    about("expect_column_unique_value_count_to_be_between", "n", max_value=3),
    about("expect_column_unique_value_count_to_be_between", "x", min_value=4, max_value=4),
    about("expect_column_proportion_of_unique_values_to_be_between", "id", min_value=0.8, max_value=0.8),
    about("expect_column_proportion_of_unique_values_to_be_between", "s", min_value=0.9),
    about("expect_column_proportion_of_unique_values_to_be_between", "s", min_value=0.9, row_condition="n < 7"),
    about("expect_column_pair_values_a_to_be_greater_than_b", "n", "m"),
    about("expect_column_pair_values_a_to_be_greater_than_b", "n", "m", or_equal=True, mostly=0.5),
    about("expect_column_pair_values_a_to_be_greater_than_b", "n", "m", or_equal=True, ignore_row_if="neither"),
    about("expect_column_pair_values_a_to_be_greater_than_b", "n", "x", ignore_row_if="either_value_is_missing"),
    about("expect_column_pair_values_a_to_be_greater_than_b", "n", "m", or_equal=True, row_condition="n > 6"),
    about("expect_column_pair_values_to_be_equal", "n", "m"),
    about("expect_column_pair_values_to_be_equal", "n", "m", ignore_row_if="either_value_is_missing"),
    about("expect_column_pair_values_to_be_equal", "s", "s"),
)
# All rules judge the mixed rows; one of each type, the last and oddest, judges the two frames without values.
JUDGED = {"mixed": RULES} | {
    name: tuple({rule.type: rule for rule in RULES}.values()) for name in ("empty", "all null")
}


@pytest.fixture(scope="module")
def judged(spark: SparkSession) -> dict[str, tuple[dict[str, Outcome], dict[str, Any]]]:
    """Per frame: what the gate says and what the library says when it runs the exported suite itself, by rule id."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx

    source = gx.get_context(mode="ephemeral").data_sources.add_spark("spark", persist=False)
    asset = source.add_dataframe_asset("frames").add_batch_definition_whole_dataframe("whole")
    said = {}
    for name, make in FRAMES.items():
        frame = make(spark).cache()
        ours = check(frame, JUDGED[name], table="frames", key=("id",), docs=None, run_name=name)
        suite = gx.ExpectationSuite(**to_gx_suite("frames", JUDGED[name]))
        plain = asset.get_batch({"dataframe": frame}).validate(suite, result_format="BASIC")
        theirs = {result.expectation_config.meta["id"]: result for result in plain.results}
        said[name] = ({outcome.expectation: outcome for outcome in ours.outcomes}, theirs)
        frame.unpersist()
    return said


@pytest.mark.parametrize(
    ("frame", "rule"),
    [pytest.param(name, rule, id=f"{name}-{rule.id}") for name, rules in JUDGED.items() for rule in rules],
)
def test_the_gate_says_what_great_expectations_says(judged: Any, frame: str, rule: Rule) -> None:
    ours, theirs = judged[frame][0][rule.id], judged[frame][1][rule.id]
    assert ours.success == theirs.success
    if theirs.exception_info.get("raised_exception", True) not in (False, "False"):
        assert "exception" in json.loads(ours.observed)
        return
    result = {k: v for k, v in theirs.result.items() if not k.startswith("partial_")}
    if "unexpected_count" in result:
        result["unexpected_count"] = result["unexpected_count"] or 0  # None on an empty batch: a sum of no rows
        assert ours.unexpected == result["unexpected_count"]
    else:
        assert ours.unexpected is None
    expected = result["observed_value"] if result.keys() == {"observed_value"} else result
    assert json.loads(ours.observed) == json.loads(json.dumps(expected, default=str))


def test_every_supported_expectation_passes_and_fails_somewhere_in_these_rules(judged: Any) -> None:
    seen = {kind: {True: 0, False: 0} for kind in metrics.SUPPORTED}
    for rule in RULES:
        seen[rule.type][judged["mixed"][0][rule.id].success] += 1
    assert all(count[True] and count[False] for count in seen.values()), seen


def test_examples_hold_the_values_that_the_library_found_unexpected(judged: Any) -> None:
    ours, theirs = judged["mixed"]
    compared = 0
    differ = {"x", "raw"}  # the library drops NaN from its list, and examples show bytes as base64
    for rule in RULES:
        columns, outcome = metrics.columns_of(rule), ours[rule.id]
        if outcome.success or not outcome.unexpected or outcome.unexpected > 5 or differ & {*columns}:
            continue
        found = [[json.loads(example)[column] for column in columns] for example in outcome.examples]
        expected = [as_list(value) for value in theirs[rule.id].result["partial_unexpected_list"]]
        assert sorted(map(shown, found)) == sorted(map(shown, expected)), rule.id
        compared += 1
    assert compared > 20


def as_list(unexpected: Any) -> list[Any]:
    """One unexpected value of the library, which is a value, a pair or a dictionary of columns."""
    if isinstance(unexpected, Mapping):
        return list(unexpected.values())
    return list(unexpected) if isinstance(unexpected, list | tuple) else [unexpected]


def shown(values: list[Any]) -> str:
    """Values as an example writes them: an example is JSON, and JSON knows neither dates nor decimals."""
    return repr([float(v) if isinstance(v, int | float) else str(v) for v in values])


# --- cost -----------------------------------------------------------------------------------------------------------


def jobs_of(spark: SparkSession, name: str, work: Callable[[], GateResult]) -> tuple[GateResult, int]:
    spark.sparkContext.setJobGroup(name, name)
    result = work()
    return result, len(spark.sparkContext.statusTracker().getJobIdsForGroup(name))


def test_thirty_rules_cost_three_jobs_and_two_when_nothing_failed(spark: SparkSession, tmp_path: Path) -> None:
    spark.range(1000).selectExpr("id", "id % 7 AS n", "cast(id AS string) AS s").write.parquet(f"{tmp_path}/batch")
    batch = spark.read.parquet(f"{tmp_path}/batch")
    passing = [about("expect_column_values_to_be_between", "n", min_value=-i, max_value=6) for i in range(25)]
    passing += [about("expect_column_values_to_be_unique", column) for column in ("id", "s")]
    passing += [about("expect_compound_columns_to_be_unique", "id", "n")]
    passing += [about("expect_column_unique_value_count_to_be_between", "n", max_value=7)]
    failing = about("expect_column_values_to_be_unique", "n")

    def gate(rules: list[Rule]) -> GateResult:
        return check(batch, rules, table="t", key=("id",), docs=None, run_name="r")

    result, jobs = jobs_of(spark, "passing", lambda: gate(passing))
    assert (result.success, result.spark_jobs, jobs) == (True, 2, 2)
    result, jobs = jobs_of(spark, "failing", lambda: gate([*passing, failing]))
    assert (result.success, result.spark_jobs, jobs) == (False, 3, 3)
    result, jobs = jobs_of(spark, "rows only", lambda: gate(passing[:25]))
    assert (result.success, result.spark_jobs, jobs) == (True, 1, 1)


def test_the_session_keeps_its_settings(spark: SparkSession) -> None:
    before = spark.conf.get("spark.sql.adaptive.enabled")
    check(spark.range(1), [about("expect_column_to_exist", "id")], table="t", key=("id",), docs=None, run_name="r")
    assert spark.conf.get("spark.sql.adaptive.enabled") == before


# --- examples -------------------------------------------------------------------------------------------------------


def test_at_most_five_examples_are_shown_the_same_ones_for_any_layout(spark: SparkSession) -> None:
    frame = spark.range(100).selectExpr("cast(id AS string) AS id", "id AS n")
    rule = about("expect_column_values_to_be_between", "n", max_value=10)
    shown = {
        check(batch, [rule], table="t", key=("id",), docs=None, run_name="r").outcomes[0].examples
        for batch in (frame, frame.repartition(7), frame.orderBy("n", ascending=False).coalesce(1))
    }
    assert len(shown) == 1
    assert [json.loads(example) for example in shown.pop()] == [{"id": str(n), "n": n} for n in range(11, 16)]


def test_a_repeated_key_is_shown_with_the_rows_that_share_it(spark: SparkSession) -> None:
    frame = spark.createDataFrame([("a", 1), ("b", 2), ("c", 1)], "id string, n int")
    outcome = check(
        frame, [about("expect_column_values_to_be_unique", "n")], table="t", key=("id",), docs=None, run_name="r"
    ).outcomes[0]
    assert outcome.unexpected == 2
    assert [json.loads(example) for example in outcome.examples] == [{"id": "a", "n": 1}, {"id": "c", "n": 1}]


def test_long_values_are_cut_and_odd_types_still_shown(spark: SparkSession) -> None:
    rows = [
        ("k", "é" * 500, b"\xff" * 500, ["y" * 300], {"m": 1.5}, float("nan"), dt.date(2024, 1, 2), Decimal("1.10"))
    ]
    frame = spark.createDataFrame(
        rows,
        "id string, s string, raw binary, tags array<string>, m map<string,double>, x double, d date, p decimal(9,2)",
    )
    rules = [about("expect_column_values_to_be_null", column) for column in frame.columns[1:]]
    result = check(frame, rules, table="t", key=("id",), docs=None, run_name="r")
    shown = {k: v for o in result.outcomes for k, v in json.loads(o.examples[0]).items()}
    assert shown["s"] == "é" * 199 + "…"
    assert all(len(str(shown[column])) <= 200 for column in shown)
    assert (shown["m"], shown["d"], shown["p"], shown["id"]) == ('{"m":1.5}', "2024-01-02", "1.10", "k")


# --- rules that do not fit ------------------------------------------------------------------------------------------


def test_a_rule_that_does_not_fit_the_batch_fails_with_the_reason_and_the_others_are_judged(
    spark: SparkSession,
) -> None:
    frame = spark.createDataFrame([("a", {"k": "v"}), ("b", None)], "id string, m map<string,string>")
    fits = [about("expect_column_values_to_not_be_null", "m"), about("expect_column_values_to_be_unique", "id")]
    odd = [
        about("expect_column_values_to_not_be_null", "gone"),
        about("expect_column_values_to_match_regex", "m", regex="v"),
        about("expect_column_values_to_match_regex", "id", regex="["),
        about("expect_column_values_to_be_in_set", "id", value_set=[1]),
        about("expect_column_values_to_not_be_null", "id", row_condition="gone > 1"),
        about("expect_column_values_to_not_be_null", "id", row_condition="id >> > 1"),
    ]
    result = check(frame, [*fits, *odd], table="t", key=("id",), docs=None, run_name="r")
    alone = check(frame, fits, table="t", key=("id",), docs=None, run_name="r")
    assert result.outcomes[:2] == alone.outcomes
    reasons = [json.loads(outcome.observed)["exception"] for outcome in result.outcomes[2:]]
    assert "'gone' is not in the batch. Its columns: id, m." in reasons[0]
    assert not any(outcome.success for outcome in result.outcomes[2:])
    assert "MAP<STRING, STRING>" in reasons[1], reasons[1]
    assert "PatternSyntaxException" in reasons[2], reasons[2]
    assert "CAST_INVALID_INPUT" in reasons[3], reasons[3]
    assert "`gone` cannot be resolved" in reasons[4], reasons[4]
    assert "PARSE_SYNTAX_ERROR" in reasons[5], reasons[5]


def test_a_batch_that_cannot_be_read_raises_what_spark_says(spark: SparkSession, tmp_path: Path) -> None:
    spark.range(3).write.parquet(f"{tmp_path}/batch")
    batch = spark.read.parquet(f"{tmp_path}/batch")
    shutil.rmtree(tmp_path / "batch")
    before = spark.conf.get("spark.sql.adaptive.enabled")
    with pytest.raises((PySparkException, Py4JJavaError), match=r"FILE_NOT_EXIST|does not exist"):
        check(
            batch, [about("expect_column_values_to_not_be_null", "id")], table="t", key=("id",), docs=None, run_name="r"
        )
    assert spark.conf.get("spark.sql.adaptive.enabled") == before


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (
            [Rule("expect_column_values_to_be_betwen", {"column": "id"})],
            "Did you mean 'expect_column_values_to_be_between'",
        ),
        (
            [Rule("expect_column_kl_divergence_to_be_less_than", {"column": "id"})],
            "Supported: .*expect_column_to_exist, ",
        ),
        (
            [Rule("expect_column_values_to_be_between", {"column": "id", "max_value": 1, "min": 1})],
            "refuses the arguments",
        ),
        ([Rule("expect_column_values_to_match_regex", {"regex": "a"})], "refuses the arguments"),
        ([about("expect_column_values_to_be_between", "id", min_value=None)], "without them every value passes"),
        ([about("expect_column_to_exist", "id")] * 2, "in the suite twice"),
        ([Rule("expect_column_values_to_be_unique", {"column": "id"}, severity="quarantine")], "not about rows"),
        ([Rule("expect_column_to_exist", {"column": "id"}, severity="fatal")], "error, warning, quarantine"),  # type: ignore[arg-type]
        (
            [about("expect_column_values_to_not_be_null", "id", row_condition="x", condition_parser="pandas")],
            "Spark SQL expression",
        ),
    ],
)
def test_a_suite_that_cannot_be_run_as_written_is_refused(spark: SparkSession, rules: list[Rule], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        check(spark.range(1), rules, table="t", key=("id",), docs=None, run_name="r")


# --- quarantine -----------------------------------------------------------------------------------------------------


def taking_out(kind: str, *columns: str, **kwargs: Any) -> Rule:
    return replace(about(kind, *columns, **kwargs), severity="quarantine")


class Row(NamedTuple):
    id: int
    n: int | None
    s: str | None
    m: int | None


def test_split_takes_out_what_fails_a_quarantine_rule_and_says_every_rule_it_failed(spark: SparkSession) -> None:
    rng = random.Random(7)
    rows = [
        Row(
            i,
            rng.choice([None, -1, 0, 5, 50]),
            rng.choice([None, "", "abc", "x" * 9, "a\nb"]),
            rng.choice([None, 0, 5]),
        )
        for i in range(300)
    ]
    oracle: list[tuple[Rule, Callable[[Row], bool]]] = [
        (taking_out("expect_column_values_to_not_be_null", "n"), lambda row: row.n is None),
        (
            taking_out("expect_column_values_to_be_between", "n", min_value=0, mostly=0.1),
            lambda row: row.n is not None and row.n < 0,
        ),
        (
            taking_out("expect_column_values_to_match_regex", "s", regex="(?s)^a.*b", row_condition="n = 5"),
            lambda row: row.n == 5 and row.s is not None and not re.search("(?s)^a.*b", row.s),
        ),
        (
            about("expect_column_value_lengths_to_be_between", "s", max_value=5),
            lambda row: row.s is not None and len(row.s) > 5,
        ),
        (
            about("expect_column_pair_values_a_to_be_greater_than_b", "n", "m", or_equal=True),
            lambda row: row.n is not None and row.m is not None and row.n < row.m,
        ),
    ]
    kept = [rule for rule, _ in oracle]
    rules = [Rule("expect_table_row_count_to_be_between", {"min_value": 1}), *kept]
    frame = spark.createDataFrame(rows, "id int, n int, s string, m int")
    clean, rejected = split(frame, rules, ("id",))
    failed = {row.id: [rule.id for rule, fails in oracle if fails(row)] for row in rows}
    out = {rule.id for rule in kept if rule.severity == "quarantine"}
    assert rejected.columns == [*frame.columns, "failed"]
    assert {row["id"]: row["failed"] for row in rejected.collect()} == {i: f for i, f in failed.items() if out & set(f)}
    assert [tuple(row) for row in clean.collect()] == [row for row in rows if not out & set(failed[row.id])]

    result = check(
        clean, [r for r in kept if r.severity == "quarantine"], table="t", key=("id",), docs=None, run_name="r"
    )
    assert not result.failures


def test_a_failed_quarantine_rule_does_not_stop_the_batch(spark: SparkSession) -> None:
    rule = Rule("expect_column_values_to_be_between", {"column": "id", "min_value": 1}, severity="quarantine")
    result = check(spark.range(3), [rule], table="t", key=("id",), docs=None, run_name="r")
    assert result.success
    assert [(o.severity, o.unexpected) for o in result.failures] == [("quarantine", 1)]


def test_split_without_quarantine_rules_takes_nothing_out(spark: SparkSession) -> None:
    clean, rejected = split(spark.range(3), [about("expect_column_to_exist", "id")], ("id",))
    assert (clean.count(), rejected.count()) == (3, 0)
    assert rejected.schema["failed"].dataType.simpleString() == "array<string>"


def test_split_needs_the_key_and_the_columns_it_decides_by(spark: SparkSession) -> None:
    rule = Rule("expect_column_values_to_not_be_null", {"column": "gone"}, severity="quarantine")
    with pytest.raises(InputError, match="'gone' is not in the batch"):
        split(spark.range(3), [rule], ("id",))
    with pytest.raises(ConfigError, match="'regex' is an argument that the rule lacks"):
        split(spark.range(3), [about("expect_column_values_to_match_regex", "id")], ("id",))
    with pytest.raises(InputError, match=r"\['key'\] are not in the batch"):
        split(spark.range(3), [], ("key",))


# --- export ---------------------------------------------------------------------------------------------------------


def test_the_exported_suite_is_json_that_great_expectations_reads_back() -> None:
    exported = json.loads(json.dumps(to_gx_suite("silver.x", RULES), default=str))
    import great_expectations as gx

    back = gx.ExpectationSuite(**exported)
    assert [e.expectation_type for e in back.expectations] == [rule.type for rule in RULES]
    assert {e.severity.value for e in back.expectations} == {"critical"}
    assert exported["name"] == "silver.x"
