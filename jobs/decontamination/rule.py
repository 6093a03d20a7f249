"""What a decision says of the benchmark items in a document."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.decisions.hits import hit


def worst(hits: DataFrame, key: str) -> DataFrame:
    """(key, benchmark_share, benchmark_found) of every document with a hit: the item that is there most, and how many more."""
    said = F.concat(
        F.col("benchmark"), F.lit(" "), F.col("item"), F.lit(": "), F.col("part"), F.lit(" by "), F.col("rule")
    )
    first = F.min(F.struct((-F.col("share")).alias("less"), "benchmark", "item", "part", "rule", said.alias("said")))
    counted = hits.groupBy(key).agg(first.alias("first"), F.count_distinct("benchmark", "item").alias("items"))
    more = F.when(F.col("items") > 1, F.concat(F.lit(", and "), F.col("items") - 1, F.lit(" more"))).otherwise("")
    return counted.select(
        key,
        (-F.col("first.less")).alias("benchmark_share"),
        F.concat("first.said", more).alias("benchmark_found"),
    )


def functional(hits: DataFrame) -> DataFrame:
    """Rows of a functional table as hits that `worst` takes."""
    said = {"part": F.lit("tests"), "rule": F.lit("functional"), "share": F.lit(1.0)}
    return hits.withColumns(said)


def found() -> Column:
    """Of rows that `worst` was joined to from the left: the hit of those that hold an item."""
    there = F.col("benchmark_share").isNotNull()
    return hit("benchmark", there, value=F.col("benchmark_share"), detail=F.col("benchmark_found"))
