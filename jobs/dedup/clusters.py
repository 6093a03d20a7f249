"""Clusters of near-duplicates: connected components of the pairs at or above a Jaccard threshold, one survivor each.

The pairs keep their similarity, so a new threshold reads no text. Only clusters that a change touches are formed anew.
Their components are found on the driver while their edges fit `driver_edges` (10 million take 6 s and 1.6 GB there), by
rounds of DataFrames beyond; both give the same clusters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from jobs.dedup.corpus import Corpus
from jobs.dedup.stars import star_components
from jobs.kernels.components import components
from lakehouse.job import Inputs, Job, Output, Params


class ClustersParams(Params):
    # Where components are found changes no result.
    placement: ClassVar[Mapping[str, Any]] = {"driver_edges": True}

    jaccard: float = Field(gt=0, le=1, description="least similarity of two near-duplicates")
    driver_edges: int = Field(ge=0, description="most edges whose components are found on the driver")


def clusters_job(corpus: Corpus) -> Job:
    """`<corpus>.near_dedup`: every member of a cluster, and which one survives."""

    def transform(inputs: Inputs, params: ClustersParams) -> Output:
        edges = (
            inputs.whole(corpus.tables.pairs).toDF("id", "other", "jaccard").where(F.col("jaccard") >= params.jaccard)
        )
        affected = _affected(inputs, corpus, edges)
        if affected is not None:
            edges = edges.join(affected, "id", "left_semi")
        clusters = _clusters(inputs, edges.where(F.col("id") < F.col("other")), params)
        occurrences = inputs.whole(corpus.occurrences).withColumn("id", F.col(corpus.tables.key))
        rows = _survivors(clusters, edges, occurrences, corpus).toDF(*corpus.tables.duplicates.column_names)
        return Output(rows, None if affected is None else affected.toDF(corpus.tables.key))

    return Job(
        f"{corpus.name}.near_dedup",
        about=f"clusters of near-duplicate {corpus.document}s and the survivor of each",
        reads=(corpus.tables.pairs, corpus.occurrences),
        writes=(corpus.tables.duplicates,),
        params=ClustersParams,
        transform=transform,
        scope=(corpus.tables.key,),
        modules=(corpus.module,),
    )


def _affected(inputs: Inputs, corpus: Corpus, edges: DataFrame) -> DataFrame | None:
    """The changed documents, their partners now, and the clusters that these were in; None when all are looked at.

    No edge leaves this set: an edge that is new or gone has changed ends, any other lies within one old cluster.
    """
    if inputs.changed is None:
        return None
    changed = inputs.changed.toDF("id")
    partners = edges.join(changed, "id", "left_semi").select(F.col("other").alias("id"))
    seeds = changed.unionByName(partners).distinct()
    members = inputs.current(corpus.tables.duplicates).select(F.col(corpus.tables.key).alias("id"), "cluster")
    touched = members.join(seeds, "id", "left_semi").select("cluster").distinct()
    theirs = members.join(touched, "cluster", "left_semi").select("id")
    return inputs.hold("affected", seeds.unionByName(theirs).distinct())


def _clusters(inputs: Inputs, edges: DataFrame, params: ClustersParams) -> DataFrame:
    """(id, cluster) of every document that an edge names."""
    ends = edges.select(F.col("id").alias("left"), F.col("other").alias("right"))
    fetched = ends.limit(params.driver_edges + 1).toArrow()  # no second pass to count what most often fits
    if len(fetched) > params.driver_edges:
        return star_components(ends, inputs.hold)
    return inputs.spark.createDataFrame(cluster(fetched))


def cluster(edges: pa.Table) -> pa.Table:
    """The cluster of every document that an edge (left, right) names: (id, cluster), cluster = its least id."""
    left, right = edges["left"].combine_chunks(), edges["right"].combine_chunks()
    both = pa.concat_arrays([left, right]).unique()
    ids = both.take(pa.compute.array_sort_indices(both))
    ends = [pa.compute.index_in(side, ids).to_numpy().astype(np.int64) for side in (left, right)]
    labels = components(ends[0], ends[1], len(ids))
    return pa.table({"id": ids, "cluster": ids.take(pa.array(labels))})


def _survivors(clusters: DataFrame, edges: DataFrame, occurrences: DataFrame, corpus: Corpus) -> DataFrame:
    same = Window.partitionBy("cluster")
    ranked = (
        clusters.join(occurrences, "id")
        .withColumn("nth", F.row_number().over(same.orderBy(*corpus.best_first(), F.col("id").asc())))
        .withColumn("members", F.count("*").over(same))
        .withColumn("survivor", F.first("id").over(same.orderBy("nth")))
    )
    nearest = edges.groupBy("id").agg(F.max(F.struct("jaccard", "other")).alias("nearest"))
    kept = F.col("nth") == 1
    return ranked.join(nearest, "id").select(
        "id",
        "cluster",
        kept.alias("kept"),
        F.when(~kept, F.col("survivor")).alias("duplicate_of"),
        F.col("nearest.other").alias("nearest"),
        F.col("nearest.jaccard").alias("jaccard"),
        "members",
    )
