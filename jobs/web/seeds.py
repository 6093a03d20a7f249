"""The pages that a round's classifier is trained on.

    round 1:  labelled pages                                        -> yes or no, why = "label"
    round n:  and pages of related domains under labelled URL patterns that the classifier of n - 1 got wrong,  "url"
    always:   where unwanted pages are too few, pages of related domains under patterns that refuse them,      "url"
              and pages that nobody labelled, out of unrelated domains and not recalled                       "assumed"

Held-out pages never come in. All choices follow hashes of page ids, so the same tables give the same seed.
"""

from __future__ import annotations

import math
from typing import Protocol

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

_COLUMNS = ("page_id", "label", "why")


class Before(Protocol):
    """What is asked of the round before."""

    @property
    def domains(self) -> DataFrame: ...
    @property
    def recalled(self) -> DataFrame: ...


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


def unwanted(
    seed: DataFrame, pages: DataFrame, labels: DataFrame, matched: DataFrame, before: Before | None, *,
    per_yes: float, hash_seed: int,
) -> DataFrame:  # fmt: skip
    """Pages taken for unwanted, until there are `per_yes` unwanted ones per wanted one in the seed.

    `pages`: page_id and domain. Half are pages under patterns that refuse them, in related domains: they are like what
    is wanted, and teach where it ends. Half are at large, so that what was told apart stays apart: nobody wants
    them, and the round before recalled neither them nor much of their domain. Where one half is short, the other fills up.
    Before the first round nothing tells unwanted pages from others: pages at large come in where there is no other no.
    """
    counts = {row["label"]: row["count"] for row in seed.groupBy("label").count().collect()}
    short = math.ceil(per_yes * counts.get(True, 0)) - counts.get(False, 0)
    if short <= 0 or (before is None and counts.get(False)):
        return seed.limit(0)
    free = pages.join(matched.where("label").select("page_id"), "page_id", "left_anti")
    refused = matched.where("NOT label").select("page_id", "domain")
    if before is None:
        refused = refused.limit(0)
    else:
        related = before.domains.where("related").select("domain")
        refused = refused.join(related, "domain", "left_semi")
        free = free.join(related, "domain", "left_anti").join(before.recalled.select("page_id"), "page_id", "left_anti")

    def first(rows: DataFrame, why: str) -> DataFrame:
        new = rows.select("page_id").join(labels.select("page_id"), "page_id", "left_anti")
        new = new.join(seed.select("page_id"), "page_id", "left_anti")
        drawn = F.xxhash64("page_id", F.lit(hash_seed))
        found = new.orderBy(drawn, "page_id").limit(short)  # before numbering, which one task does
        nth = F.row_number().over(Window.orderBy(drawn, "page_id"))
        return found.select("page_id", F.lit(False).alias("label"), F.lit(why).alias("why"), nth.alias("nth"))

    both = first(refused, "url").unionByName(first(free, "assumed"))
    return both.orderBy("nth", F.desc("why")).limit(short).select(*_COLUMNS)


def union(first: DataFrame, *more: DataFrame) -> DataFrame:
    """Seeds in one, the earlier winning where a page is in several."""
    ranked = first.select(*_COLUMNS, F.lit(0).alias("rank"))
    for rank, other in enumerate(more, start=1):
        ranked = ranked.unionByName(other.select(*_COLUMNS, F.lit(rank).alias("rank")))
    best = F.row_number().over(Window.partitionBy("page_id").orderBy("rank"))
    return ranked.withColumn("n", best).where("n = 1").select(*_COLUMNS)
