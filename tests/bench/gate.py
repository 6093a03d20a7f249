"""The gate against plain Great Expectations and a hand-written aggregate with the same rules.

    python -m tests.bench.gate --rows 200000

Prints a Markdown table: Spark jobs, wall seconds and CPU seconds of the process tree (Python and JVM), the median of
three warm runs. All three read the same Parquet files; a run that finds another verdict than the others is an error.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
from pyspark.sql import DataFrame, SparkSession

from expectations.gate import check, to_gx_suite
from expectations.rules import Rule

KEY = ("content_id",)


def rule(kind: str, **kwargs: Any) -> Rule:
    return Rule(f"expect_{kind}", kwargs)


# Each rule beside the expression that somebody would write by hand: true when the batch meets it.
TEN: list[tuple[Rule, str]] = [
    (rule("table_row_count_to_be_between", min_value=1), "count(*) >= 1"),
    (rule("column_values_to_not_be_null", column="content_id"), "count_if(content_id IS NULL) = 0"),
    (rule("column_values_to_not_be_null", column="text"), "count_if(text IS NULL) = 0"),
    (rule("column_values_to_be_unique", column="content_id"), "count(DISTINCT content_id) = count(content_id)"),
    (
        rule("column_values_to_match_regex", column="content_id", regex="^[0-9a-f]{64}$"),
        "count_if(NOT content_id RLIKE '^[0-9a-f]{64}$') = 0",
    ),
    (
        rule("column_value_lengths_to_be_between", column="text", min_value=1, max_value=1_000_000),
        "count_if(length(text) NOT BETWEEN 1 AND 1000000) = 0",
    ),
    (
        rule("column_values_to_be_between", column="stars", min_value=0, max_value=1_000_000),
        "count_if(stars NOT BETWEEN 0 AND 1000000) = 0",
    ),
    (
        rule("column_values_to_be_in_set", column="language", value_set=[f"lang{i}" for i in range(20)]),
        f"count_if(language NOT IN ({', '.join(repr(f'lang{i}') for i in range(20))})) = 0",
    ),
    (rule("column_mean_to_be_between", column="stars", min_value=0), "avg(stars) >= 0"),
    (
        rule("column_unique_value_count_to_be_between", column="language", min_value=20, max_value=20),
        "count(DISTINCT language) = 20",
    ),
]
THIRTY = [
    *TEN,
    *(
        (rule("column_values_to_not_be_null", column=name), f"count_if({name} IS NULL) = 0")
        for name in ("path", "size", "stars", "language", "added_at")
    ),
    (rule("column_values_to_be_null", column="error"), "count_if(error IS NOT NULL) = 0"),
    (rule("column_values_to_be_between", column="size", min_value=0), "count_if(size < 0) = 0"),
    (
        rule("column_values_to_be_between", column="added_at", min_value="2000-01-01"),
        "count_if(added_at < '2000-01-01') = 0",
    ),
    (rule("column_values_to_not_match_regex", column="path", regex="^/"), "count_if(path RLIKE '^/') = 0"),
    (rule("column_values_to_match_regex", column="path", regex=r"\.py$"), r"count_if(NOT path RLIKE '\\.py$') = 0"),
    (rule("column_values_to_not_be_in_set", column="path", value_set=["", "."]), "count_if(path IN ('', '.')) = 0"),
    (rule("column_value_lengths_to_equal", column="content_id", value=64), "count_if(length(content_id) <> 64) = 0"),
    (
        rule("column_value_lengths_to_be_between", column="path", min_value=1, max_value=4096),
        "count_if(length(path) NOT BETWEEN 1 AND 4096) = 0",
    ),
    (rule("compound_columns_to_be_unique", column_list=["path", "size"]), "count(DISTINCT path, size) = count(*)"),
    (
        rule("column_pair_values_a_to_be_greater_than_b", column_A="size", column_B="lines", or_equal=True),
        "count_if(size < lines) = 0",
    ),
    (rule("column_min_to_be_between", column="size", min_value=1), "min(size) >= 1"),
    (rule("column_max_to_be_between", column="size", max_value=10**6), "max(size) <= 1000000"),
    (rule("column_sum_to_be_between", column="size", min_value=1), "sum(size) >= 1"),
    (
        rule("column_proportion_of_unique_values_to_be_between", column="content_id", min_value=0.5),
        "count(DISTINCT content_id) / count(content_id) >= 0.5",
    ),
    (rule("column_to_exist", column="path"), "true"),
]
# Three rules that about a third, a half and all of the rows fail.
FAILING = [
    (rule("column_values_to_be_between", column="stars", max_value=666), "count_if(stars > 666) = 0"),
    (
        rule("column_values_to_match_regex", column="content_id", regex="^[0-7]"),
        "count_if(NOT content_id RLIKE '^[0-7]') = 0",
    ),
    (rule("column_value_lengths_to_be_between", column="text", max_value=9), "count_if(length(text) > 9) = 0"),
]


def make(spark: SparkSession, rows: int, path: str) -> DataFrame:
    """Rows like those of a table of files: about 1.1 kB of text each, in eight Parquet files."""
    spark.range(0, rows, numPartitions=8).selectExpr(
        "sha2(cast(id AS string), 256) AS content_id",
        "concat('src/', id % 997, '/', id, '.py') AS path",
        "repeat(concat(sha2(cast(id AS string), 256), chr(10)), 1 + cast(id % 33 AS int)) AS text",
        "65 * (1 + id % 33) AS size",
        "1 + id % 33 AS lines",
        "id % 1000 AS stars",
        "concat('lang', id % 20) AS language",
        "timestamp_seconds(1600000000 + id) AS added_at",
        "cast(NULL AS string) AS error",
    ).write.parquet(path)
    return spark.read.parquet(path)


def our_gate(batch: DataFrame, rules: Sequence[tuple[Rule, str]]) -> Callable[[], list[bool]]:
    def run() -> list[bool]:
        result = check(batch, [r for r, _ in rules], table="bench", key=KEY, docs=None, run_name="bench")
        return [outcome.success for outcome in result.outcomes]

    return run


def plain(batch: DataFrame, rules: Sequence[tuple[Rule, str]]) -> Callable[[], list[bool]]:
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_spark("spark", persist=False)
    definition = source.add_dataframe_asset("batch").add_batch_definition_whole_dataframe("whole")
    suite = gx.ExpectationSuite(**to_gx_suite("bench", [r for r, _ in rules]))

    def run() -> list[bool]:
        said = definition.get_batch({"dataframe": batch}).validate(suite, result_format="BASIC")
        met = {result.expectation_config.meta["id"]: bool(result.success) for result in said.results}
        return [met[r.id] for r, _ in rules]

    return run


def by_hand(batch: DataFrame, rules: Sequence[tuple[Rule, str]]) -> Callable[[], list[bool]]:
    return lambda: list(batch.selectExpr(*(sql for _, sql in rules)).collect()[0])


def cpu_seconds() -> float:
    """CPU time of this process and everything it started, the JVM above all."""
    me = psutil.Process()
    times = [process.cpu_times() for process in (me, *me.children(recursive=True))]
    return sum(t.user + t.system for t in times)


def measure(spark: SparkSession, name: str, run: Callable[[], list[bool]]) -> tuple[int, float, float, list[bool]]:
    """Spark jobs, wall and CPU seconds of one run, and its verdicts."""
    spark.sparkContext.setJobGroup(name, name)
    cpu, wall = cpu_seconds(), time.perf_counter()
    verdict = run()
    wall, cpu = time.perf_counter() - wall, cpu_seconds() - cpu
    return len(spark.sparkContext.statusTracker().getJobIdsForGroup(name)), wall, cpu, verdict


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    os.environ["PYSPARK_PYTHON"] = sys.executable
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.shuffle.partitions", "4")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.memory", "4g")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("OFF")
    cases = {"10": TEN, "30": THIRTY, "30 + 3 that fail": [*THIRTY, *FAILING]}
    ways = {"our gate": our_gate, "plain Great Expectations": plain, "hand-written aggregate, no examples": by_hand}
    with tempfile.TemporaryDirectory() as folder:
        batch = make(spark, args.rows, f"{folder}/batch")
        size = sum(path.stat().st_size for path in Path(folder).rglob("*.parquet")) / 1e6
        print(f"{args.rows:,} rows, {size:.0f} MB of Parquet, local[2], median of {args.runs} warm runs\n")
        print("| rules | way | Spark jobs | seconds | CPU seconds |\n|---|---|---|---|---|")
        for case, rules in cases.items():
            verdicts = []
            for way, prepare in ways.items():
                run = prepare(batch, rules)
                run()
                runs = [measure(spark, f"{case} {way} {i}", run) for i in range(args.runs)]
                jobs, wall, cpu = (statistics.median(r[column] for r in runs) for column in range(3))
                print(f"| {case} | {way} | {jobs:.0f} | {wall:.1f} | {cpu:.1f} |", flush=True)
                verdicts.append(runs[0][3])
            if any(verdict != verdicts[0] for verdict in verdicts):
                raise SystemExit(f"{case}: the ways disagree: {verdicts}")
    spark.stop()


if __name__ == "__main__":
    main()
