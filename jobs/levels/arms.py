"""The six arms of the recipe's comparison of deduplication levels, as rows that training reads by the name of the arm.

Without chunk level an arm holds all chunks of its input, with it those that survive. So arms differ in what was dropped
and in nothing else: not in how files are joined, not in where they are cut.
"""

from __future__ import annotations

from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.levels.tables import ARMS, chunk_near, chunks, dedup_arms
from lakehouse.job import Inputs, Job, Params


class ArmsParams(Params):
    """Nothing to set: the arms are the recipe's."""


def arms(inputs: Inputs, params: ArmsParams) -> DataFrame:  # noqa: ARG001  every transform has both
    place = F.concat_ws("/", "source", "repo")
    paths = F.transform("paths", lambda path: F.concat_ws(":", place, path))
    every = inputs[chunks].withColumns({"doc_id": F.col("chunk_id"), "paths": paths})
    gone = inputs[chunk_near.duplicates].where("NOT kept").select("chunk_id")
    kept = every.join(gone, "chunk_id", "left_anti")
    found = [
        (kept if deduplicated else every).where(F.col("input") == given).withColumn("source", F.lit(arm))
        for arm, (given, deduplicated) in ARMS.items()
    ]
    return reduce(DataFrame.unionByName, (one.select(*dedup_arms.column_names) for one in found))


job = Job(
    "levels.arms",
    about="what each level of deduplication leaves over, as arms to train on",
    reads=(chunks, chunk_near.duplicates),
    writes=(dedup_arms,),
    params=ArmsParams,
    transform=arms,
)
