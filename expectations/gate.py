"""The data-quality gate: Great Expectations judges a staged batch from metrics that one Spark query computes.

The suite stays an ordinary Great Expectations suite. Each expectation is asked which metrics it depends on, all of them
are computed together by `metrics.measure`, and the expectation itself gives its verdict, so every result is a genuine
Great Expectations result and Data Docs are rendered from it. What the library would run as 3 to 9 Spark jobs per
expectation is at most 3 jobs per suite: the aggregates, the keys, the examples of what failed.

Limits: an expectation type whose metrics are not among those of `metrics.py` is refused, never run slowly or skipped.
The batch is read up to three times, so it should be staged, not a plan that is expensive to run again. Importing Great
Expectations takes 5 to 9 s and happens in `check` and `to_gx_suite` only.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from expectations import metrics
from expectations.docs import record
from expectations.rules import Outcome, Rule, Severity
from lakehouse.errors import ConfigError, InputError, nearest

MAX_OBSERVED_CHARS = 1000

_BETWEEN = "expect_column_values_to_be_between"
# A failed `quarantine` rule does not stop the batch: its rows are taken out by `split`.
_GX_SEVERITY: Mapping[Severity, str] = {"error": "critical", "warning": "warning", "quarantine": "info"}


@dataclass(frozen=True)
class GateResult:
    """The verdict on one batch: `success` unless an `error` rule failed. `spark_jobs` counts the queries that ran."""

    table: str
    success: bool
    rows: int
    outcomes: tuple[Outcome, ...]
    spark_jobs: int
    seconds: float

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """Every expectation that the batch did not meet, whatever its severity."""
        return tuple(outcome for outcome in self.outcomes if not outcome.success)


def check(
    batch: DataFrame,
    expectations: Sequence[Rule],
    *,
    table: str,
    key: Sequence[str],
    docs: Path | None,
    run_name: str,
) -> GateResult:
    """Judge a staged batch. With `docs`, the results are kept there for `docs.build_docs`.

    A rule that does not fit the batch (its column is missing, its values cannot be compared) is a failed expectation
    with the reason in `observed`. Raises ConfigError for a suite that cannot be run as written: an unknown type or
    argument, the same rule twice. Raises Spark's own error when the batch cannot be read.
    Cost: 1 to 3 Spark jobs; in a suite with a rule that fails in Spark, one or two more per metric.
    """
    started = time.perf_counter()
    suite = _suite(expectations)
    with _one_job_per_query(batch.sparkSession):
        judge = _Judge(batch, expectations, suite)
        results = {rule.id: judge.verdict(rule) for rule in expectations}
        failed = [r for r in expectations if not results[r.id].success and results[r.id].result.get("unexpected_count")]
        examples = metrics.examples(batch, failed, key) if failed else {}
    for rule in failed:
        results[rule.id] = judge.verdict(rule, examples[rule.id])
    outcomes = tuple(_outcome(rule, results[rule.id], judge.rows, examples.get(rule.id, ())) for rule in expectations)
    if docs is not None:
        record(docs, table, run_name, [results[rule.id] for rule in expectations], outcomes)
    return GateResult(
        table=table,
        success=all(outcome.success or outcome.severity != "error" for outcome in outcomes),
        rows=judge.rows,
        outcomes=outcomes,
        spark_jobs=judge.measured.queries + bool(failed),
        seconds=time.perf_counter() - started,
    )


def split(batch: DataFrame, rules: Sequence[Rule], key: Sequence[str]) -> tuple[DataFrame, DataFrame]:
    """Take out the rows that fail a `quarantine` rule: (clean, rejected), both lazy and of the batch's columns.

    `rejected` has one column more, `failed: array<string>`, the ids of all row-level rules that the row fails, of any
    severity. `mostly` has no say: it is about the share of a batch, and this is about single rows. Every row of the
    batch is in exactly one of the two, in the order it had. Cost: none until read; then expressions, no shuffle.
    Raises ConfigError when a quarantine rule is not about single rows, InputError when the key or a column is missing,
    since a rejected row that cannot be named could not be explained.
    """
    _refuse(rules)
    if missing := [name for name in key if name not in batch.columns]:
        raise InputError(f"Key columns {missing} are not in the batch. Its columns: {', '.join(batch.columns)}.")
    failing = [(rule, _failing(rule, batch)) for rule in rules if rule.type in metrics.ROW_LEVEL]
    out: Column = reduce(
        Column.__or__, [fails for rule, fails in failing if rule.severity == "quarantine"], F.lit(False)
    )
    failed = F.array_compact(F.array(*(F.when(fails, F.lit(rule.id)) for rule, fails in failing)))
    return batch.where(~out), batch.where(out).withColumn("failed", failed.cast("array<string>"))


def _failing(rule: Rule, batch: DataFrame) -> Column:
    """True in each row that fails the rule, else false, never null: a null would be in neither part of a split."""
    try:
        if why := metrics.misfit(rule, batch.schema):
            raise InputError(f"{rule.id}: {why} Nothing was split.")
        return F.coalesce(metrics.failing(rule), F.lit(False))
    except KeyError as error:
        raise ConfigError(
            f"{rule.id}: {error} is an argument that the rule lacks, or a value that its type does not know."
        ) from error


def to_gx_suite(table: str, rules: Sequence[Rule]) -> dict[str, Any]:
    """The suite as Great Expectations writes it to JSON, for any tool that reads its suites."""
    suite = _suite(rules)
    suite_json: dict[str, Any] = _gx().ExpectationSuite(name=table, expectations=list(suite.values())).to_json_dict()
    return suite_json


# --- suite ----------------------------------------------------------------------------------------------------------


def _suite(rules: Sequence[Rule]) -> dict[str, Any]:
    """The Great Expectations object of each rule, by rule id."""
    _refuse(rules)
    return {rule.id: _expectation(rule) for rule in rules}


def _refuse(rules: Sequence[Rule]) -> None:
    """Raise ConfigError for what no batch could change."""
    seen = set()
    for rule in rules:
        if rule.type not in metrics.SUPPORTED:
            raise ConfigError(
                f"{rule.id}: the gate does not compute {rule.type!r}.{nearest(rule.type, metrics.SUPPORTED)} "
                f"Supported: {', '.join(metrics.SUPPORTED)}."
            )
        if rule.severity not in _GX_SEVERITY:
            raise ConfigError(f"{rule.id}: severity {rule.severity!r}: expected one of {', '.join(_GX_SEVERITY)}.")
        if rule.severity == "quarantine" and rule.type not in metrics.ROW_LEVEL:
            raise ConfigError(
                f"{rule.id}: severity 'quarantine' takes failing rows out of a batch; this rule is not about rows. "
                f"Use 'error' or 'warning', or one of: {', '.join(metrics.ROW_LEVEL)}."
            )
        if rule.type == _BETWEEN and rule.kwargs.get("min_value") is None and rule.kwargs.get("max_value") is None:
            raise ConfigError(f"{rule.id}: expected min_value, max_value or both; without them every value passes.")
        if rule.kwargs.get("condition_parser", "spark") != "spark":
            raise ConfigError(
                f"{rule.id}: condition_parser {rule.kwargs['condition_parser']!r}: write row_condition as a Spark SQL "
                "expression and leave the parser out."
            )
        if rule.id in seen:
            raise ConfigError(f"{rule.id}: the rule is in the suite twice. Keep one; its severity decides.")
        seen.add(rule.id)


def _expectation(rule: Rule) -> Any:
    """The Great Expectations object. The library checks the arguments; what it refuses is reported as it says it."""
    gx = _gx()
    kwargs = {name: value for name, value in rule.kwargs.items() if name != "condition_parser"}
    if kwargs.get("row_condition"):
        from great_expectations.expectations.conditions import PassThroughCondition

        kwargs["row_condition"] = PassThroughCondition(pass_through_filter=kwargs["row_condition"])
    name = "".join(word.capitalize() for word in rule.type.split("_"))
    about = {"severity": _GX_SEVERITY[rule.severity], "meta": {"id": rule.id, "severity": rule.severity}}
    try:
        return getattr(gx.expectations, name)(**kwargs, **about, notes=rule.note or None)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{rule.id}: Great Expectations refuses the arguments: {error}") from error


def _gx() -> Any:
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read at import: nothing is reported anywhere
    import great_expectations

    return great_expectations


# --- verdicts -------------------------------------------------------------------------------------------------------


class _Judge:
    """Measures a batch once, and lets every expectation of a suite judge from it."""

    def __init__(self, batch: DataFrame, rules: Sequence[Rule], suite: Mapping[str, Any]) -> None:
        from great_expectations.execution_engine import SparkDFExecutionEngine

        self.suite = suite
        # Expectations ask it only which engine it is: it holds no batch and runs nothing.
        self.engine = SparkDFExecutionEngine(persist=False, spark=batch.sparkSession)
        self.errors = {rule.id: why for rule in rules if (why := metrics.misfit(rule, batch.schema))}
        self.asked: dict[str, list[Any]] = {}
        needs: dict[Any, metrics.Need] = {_ROWS: metrics.Need((F.count("*"),))}
        for rule in rules:
            if rule.id not in self.errors:
                depends = suite[rule.id].get_validation_dependencies(self.engine, _runtime())
                self.asked[rule.id] = list(depends.metric_configurations.values())
                for metric in self.asked[rule.id]:
                    if not metric.metric_name.endswith(_VALUES):
                        needs.setdefault(metric.id, metrics.need(metric.metric_name, rule, batch.schema))
        self.measured = metrics.measure(batch, needs)
        self.rows: int = self.measured.values[_ROWS]

    def verdict(self, rule: Rule, examples: Sequence[Mapping[str, Any]] | None = None) -> Any:
        """The library's own result for this rule; with examples, it lists their values."""
        from great_expectations.exceptions import GreatExpectationsError

        if why := self._why_not(rule):
            return _unjudged(self.suite[rule.id], why)
        unexpected = None if examples is None else _values(rule, examples)
        values = {
            metric.id: unexpected if metric.metric_name.endswith(_VALUES) else self._value(metric.id)
            for metric in self.asked[rule.id]
        }
        expectation = self.suite[rule.id]
        try:
            return expectation.metrics_validate(values, _runtime(), execution_engine=self.engine)
        except (GreatExpectationsError, TypeError, ValueError) as error:
            # A limit that cannot be compared with what was observed, or a type that Spark does not have.
            return _unjudged(expectation, str(error))

    def _why_not(self, rule: Rule) -> str | None:
        if rule.id in self.errors:
            return self.errors[rule.id]
        said = (self.measured.errors.get(metric.id) for metric in self.asked[rule.id])
        return next(filter(None, said), None)

    def _value(self, metric: Any) -> Any:
        from great_expectations.util import convert_to_json_serializable

        value = self.measured.values[metric]
        # Dates and decimals become text and floats, as they do where the library computes metrics itself.
        return convert_to_json_serializable(data=value) if metric.metric_name.startswith("column.") else value


_ROWS = "rows of the batch"
_VALUES = ".unexpected_values"


def _runtime() -> dict[str, Any]:
    """Counts and some unexpected values. Made anew for each call, since the library writes into it."""
    return {"result_format": {"result_format": "BASIC", "partial_unexpected_count": metrics.MAX_EXAMPLES}}


def _values(rule: Rule, examples: Sequence[Mapping[str, Any]]) -> list[Any]:
    """What was unexpected, in the shape that the library uses: a value, a pair, or columns by name."""
    values = [dict(example["values"]) for example in examples]
    if "column_list" in rule.kwargs:
        return values
    return [tuple(v.values()) if "column_A" in rule.kwargs else next(iter(v.values())) for v in values]


def _unjudged(expectation: Any, why: str) -> Any:
    """A failed result that carries the reason, in the library's form."""
    from great_expectations.core import ExpectationValidationResult

    return ExpectationValidationResult(
        success=False,
        expectation_config=expectation.configuration,
        result={},
        exception_info={"raised_exception": True, "exception_message": why, "exception_traceback": ""},
    )


def _outcome(rule: Rule, result: Any, rows: int, examples: Sequence[Mapping[str, Any]]) -> Outcome:
    found = {name: value for name, value in result.result.items() if not name.startswith("partial_")}
    said: Any = found["observed_value"] if found.keys() == {"observed_value"} else found
    if result.exception_info["raised_exception"]:
        said = {"exception": result.exception_info["exception_message"]}
    observed = json.dumps(said, default=str, ensure_ascii=False)
    if len(observed) > MAX_OBSERVED_CHARS:
        observed = json.dumps(observed[:MAX_OBSERVED_CHARS] + "…", ensure_ascii=False)
    return Outcome(
        expectation=rule.id,
        severity=rule.severity,
        success=bool(result.success),
        observed=observed,
        unexpected=result.result.get("unexpected_count"),
        rows=rows,
        examples=tuple(json.dumps({**e["key"], **e["values"]}, ensure_ascii=False) for e in examples),
    )


@contextmanager
def _one_job_per_query(spark: SparkSession) -> Iterator[None]:
    """Adaptive execution runs each shuffle as a job of its own, 7 instead of 3 here, and has nothing to adapt: the
    shuffles carry partial counts. The setting is the session's, so queries of other threads lose it meanwhile."""
    before = spark.conf.get("spark.sql.adaptive.enabled")
    spark.conf.set("spark.sql.adaptive.enabled", "false")
    try:
        yield
    finally:
        spark.conf.set("spark.sql.adaptive.enabled", str(before))
