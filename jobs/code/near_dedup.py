"""Clusters of near-duplicates: connected components of the pairs at or above a Jaccard threshold, one survivor each.

The pairs keep their similarity, so a new threshold reads no text. Components are found on the driver: 10 million
edges take 6 s and 1.6 GB; more than the budget is refused rather than left to run out of memory.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from pydantic import Field
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from jobs.code.survivor import best_first
from jobs.code.tables import code_duplicates, code_pairs, distinct_files
from jobs.kernels.components import components
from lakehouse.errors import ConfigError
from lakehouse.job import Inputs, Job, Params


class NearDedupParams(Params):
    jaccard: float = Field(gt=0, le=1, description="least similarity of two near-duplicates")
    driver_edges: int = Field(ge=1, description="most edges whose components are found on the driver")


def near_dedup(inputs: Inputs, params: NearDedupParams) -> DataFrame:
    edges = inputs[code_pairs].where(F.col("jaccard") >= params.jaccard)
    count = edges.count()
    if count > params.driver_edges:
        raise ConfigError(
            f"code.near_dedup: {count} edges, code.near_dedup.driver_edges allows {params.driver_edges}. Raise it when the"
            " driver has 160 bytes per edge, or raise code.near_dedup.jaccard."
        )
    clusters = inputs.spark.createDataFrame(cluster(edges.select("left", "right").toArrow()))
    return _survivors(clusters, edges, inputs[distinct_files])


def cluster(edges: pa.Table) -> pa.Table:
    """The cluster of every content that an edge names: (content_id, cluster), cluster = its least content_id."""
    left, right = (edges[name].combine_chunks() for name in ("left", "right"))
    ids = np.unique(np.concatenate([left.to_numpy(zero_copy_only=False), right.to_numpy(zero_copy_only=False)]))
    index = {name: i for i, name in enumerate(ids)}
    ends = [np.array([index[name] for name in side.to_pylist()], np.int64) for side in (left, right)]
    labels = components(ends[0], ends[1], len(ids))
    names = pa.array(ids.tolist(), pa.string())
    return pa.table({"content_id": names, "cluster": names.take(pa.array(labels))})


def _survivors(clusters: DataFrame, edges: DataFrame, files: DataFrame) -> DataFrame:
    same = Window.partitionBy("cluster")
    ranked = (
        clusters.join(files, "content_id")
        .withColumn("nth", F.row_number().over(same.orderBy(*best_first(), F.col("content_id").asc())))
        .withColumn("members", F.count("*").over(same))
        .withColumn("survivor", F.first("content_id").over(same.orderBy(F.col("nth"))))
    )
    ends = edges.select(F.explode(F.array("left", "right")).alias("content_id"), "jaccard")
    similarity = ends.groupBy("content_id").agg(F.max("jaccard").alias("jaccard"))
    kept = F.col("nth") == 1
    return ranked.join(similarity, "content_id").select(
        "content_id",
        "cluster",
        kept.alias("kept"),
        F.when(~kept, F.col("survivor")).alias("duplicate_of"),
        "jaccard",
        "members",
    )


job = Job(
    "code.near_dedup",
    about="clusters of near-duplicates and the survivor of each",
    reads=(code_pairs, distinct_files),
    writes=(code_duplicates,),
    params=NearDedupParams,
    transform=near_dedup,
)
