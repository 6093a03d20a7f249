"""The pages that a round's classifier is trained on.

    round 1:  labelled pages                                        -> yes or no, why = "label"
    round n:  and pages of related domains under labelled URL patterns that the classifier of n - 1 got wrong,  "url"
    always:   and pages that nobody labelled and nothing recalled, for want of a no                          "assumed"

Held-out pages never come in. All choices follow hashes of page ids, so the same tables give the same seed.
"""

from __future__ import annotations

import math

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

_COLUMNS = ("page_id", "label", "why")


def labelled(labels: DataFrame, most: int) -> DataFrame:
    """The labels in force of one topic that may be trained on: of each kind the `most` that their author is surest of."""
    sure = F.when(F.col("label"), F.col("score")).otherwise(1 - F.col("score"))
    nth = F.row_number().over(Window.partitionBy("label").orderBy(sure.desc(), F.col("page_id")))
    usable = labels.where("in_force AND NOT held_out").withColumn("nth", nth).where(F.col("nth") <= most)
    return usable.select("page_id", "label", F.lit("label").alias("why"))


def corrected(matched: DataFrame, scores: DataFrame, domains: DataFrame, threshold: float) -> DataFrame:
    """Pages whose URL label the classifier contradicts, inside domains that are related.

    `matched`: page_id, domain and label of the longest URL pattern; `scores`, `domains`: of the round before.
    """
    inside = matched.join(domains.where("related").select("domain"), "domain")
    wrong = inside.join(scores.select("page_id", "score"), "page_id").where(
        (F.col("score") > threshold) != F.col("label")
    )
    return wrong.select("page_id", "label", F.lit("url").alias("why"))


def assumed(
    seed: DataFrame, pages: DataFrame, labels: DataFrame, matched: DataFrame, recalled: DataFrame | None, *,
    per_yes: float, hash_seed: int,
) -> DataFrame:  # fmt: skip
    """Pages taken for unwanted, until there are `per_yes` unwanted ones per wanted one in the seed."""
    counts = {row["label"]: row["count"] for row in seed.groupBy("label").count().collect()}
    short = math.ceil(per_yes * counts.get(True, 0)) - counts.get(False, 0)
    if short <= 0:
        return seed.limit(0)
    free = pages.join(labels.select("page_id"), "page_id", "left_anti").join(matched, "page_id", "left_anti")
    if recalled is not None:
        free = free.join(recalled.select("page_id"), "page_id", "left_anti")
    drawn = free.orderBy(F.xxhash64("page_id", F.lit(hash_seed)), "page_id").limit(short)
    return drawn.select("page_id", F.lit(False).alias("label"), F.lit("assumed").alias("why"))


def union(first: DataFrame, *more: DataFrame) -> DataFrame:
    """Seeds in one, the earlier winning where a page is in several."""
    ranked = first.select(*_COLUMNS, F.lit(0).alias("rank"))
    for rank, other in enumerate(more, start=1):
        ranked = ranked.unionByName(other.select(*_COLUMNS, F.lit(rank).alias("rank")))
    best = F.row_number().over(Window.partitionBy("page_id").orderBy("rank"))
    return ranked.withColumn("n", best).where("n = 1").select(*_COLUMNS)
