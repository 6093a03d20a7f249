"""Clusters of near-duplicates: connected components of the pairs at or above a Jaccard threshold, one survivor each.

The pairs keep their similarity, so a new threshold reads no text. Only clusters that a change touches are formed anew.
Which these are is found on the driver while all pairs fit `driver_rows`, their components while their edges fit
`driver_edges` (10 million take 6 s and 1.6 GB there); by rounds of DataFrames beyond. All ways give the same clusters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from jobs.dedup.corpus import Corpus
from jobs.dedup.gathered import DoesNotFitError, fetched
from jobs.dedup.stars import star_components
from jobs.kernels.components import components
from lakehouse.job import Inputs, Job, Output, Params


class ClustersParams(Params):
    # Where clusters are found changes no result.
    placement: ClassVar[Mapping[str, Any]] = {"driver_rows": True, "driver_edges": True}

    jaccard: float = Field(gt=0, le=1, description="least similarity of two near-duplicates")
    driver_rows: int = Field(ge=0, description="most pairs out of which the driver picks those that a change touches")
    driver_edges: int = Field(ge=0, description="most edges whose components are found on the driver")


def clusters_job(corpus: Corpus) -> Job:
    """`<corpus>.near_dedup`: every member of a cluster, and which one survives."""

    def transform(inputs: Inputs, params: ClustersParams) -> Output:
        pairs = inputs.whole(corpus.tables.pairs).toDF("id", "other", "jaccard")
        edges = pairs.where(F.col("jaccard") >= params.jaccard)
        try:
            clusters, affected = _gathered(inputs, corpus, edges, params)
        except DoesNotFitError:
            clusters, affected = _spread(inputs, corpus, edges, params)
        occurrences = inputs.whole(corpus.occurrences).withColumn("id", F.col(corpus.tables.key))
        rows = _survivors(clusters, occurrences, corpus).toDF(*corpus.tables.duplicates.column_names)
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


def _gathered(
    inputs: Inputs, corpus: Corpus, edges: DataFrame, params: ClustersParams
) -> tuple[DataFrame, DataFrame | None]:
    """(id, cluster, nearest, jaccard) of whom a change touches, and these documents, all found on the driver."""
    found, affected = fetched(edges, params.driver_rows), None
    if inputs.changed is not None:
        changed = fetched(inputs.changed, params.driver_rows)[corpus.tables.key]
        members = fetched(inputs.current(corpus.tables.duplicates), params.driver_rows)
        affected = touched(found, changed, members[corpus.tables.key], members["cluster"])
        found = found.filter(pc.is_in(found["id"], affected))
    clusters = inputs.spark.createDataFrame(cluster(found).join(nearest(found), "id"))
    return clusters, None if affected is None else inputs.spark.createDataFrame(pa.table({"id": affected}))


def touched(
    edges: pa.Table, changed: pa.ChunkedArray, members: pa.ChunkedArray, cluster: pa.ChunkedArray
) -> pa.ChunkedArray:
    """The changed documents, their partners now, and the clusters that these were in.

    No edge leaves this set: an edge that is new or gone has changed ends, any other lies within one old cluster.
    """
    seeds = _distinct(changed, edges.filter(pc.is_in(edges["id"], changed))["other"])
    clusters = cluster.filter(pc.is_in(members, seeds))
    return _distinct(seeds, members.filter(pc.is_in(cluster, clusters)))


def nearest(edges: pa.Table) -> pa.Table:
    """(id, nearest, jaccard): of every document the most similar other one, the greatest of those that are equally similar."""
    ranked = edges.sort_by([("id", "ascending"), ("jaccard", "descending"), ("other", "descending")])
    ids = ranked["id"].combine_chunks()
    first = pa.array(np.r_[True, pc.not_equal(ids[1:], ids[:-1]).to_numpy(zero_copy_only=False)][: len(ids)])
    return ranked.filter(first).select(["id", "other", "jaccard"]).rename_columns(["id", "nearest", "jaccard"])


def _distinct(*columns: pa.ChunkedArray) -> pa.ChunkedArray:
    chunks = [chunk for column in columns for chunk in column.chunks]
    return pa.chunked_array([pa.chunked_array(chunks, pa.string()).unique()])


def _spread(
    inputs: Inputs, corpus: Corpus, edges: DataFrame, params: ClustersParams
) -> tuple[DataFrame, DataFrame | None]:
    """The same by Spark, but for the components of edges that fit `driver_edges`."""
    affected = _affected(inputs, corpus, edges)
    if affected is not None:
        edges = edges.join(affected, "id", "left_semi")
    clusters = _clusters(inputs, edges.where(F.col("id") < F.col("other")), params)
    closest = edges.groupBy("id").agg(F.max(F.struct("jaccard", "other")).alias("nearest"))
    closest = closest.select("id", F.col("nearest.other").alias("nearest"), "nearest.jaccard")
    return clusters.join(closest, "id"), affected


def _affected(inputs: Inputs, corpus: Corpus, edges: DataFrame) -> DataFrame | None:
    """What `touched` gives; None when all are looked at."""
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
    ends = edges.select("id", "other")
    try:
        return inputs.spark.createDataFrame(cluster(fetched(ends, params.driver_edges)))
    except DoesNotFitError:
        return star_components(ends.toDF("left", "right"), inputs.hold)


def cluster(edges: pa.Table) -> pa.Table:
    """The cluster of every document that an edge (id, other) names: (id, cluster), cluster = its least id."""
    left, right = edges["id"].combine_chunks(), edges["other"].combine_chunks()
    both = pa.concat_arrays([left, right]).unique()
    ids = both.take(pc.array_sort_indices(both))
    ends = [pc.index_in(side, ids).to_numpy().astype(np.int64) for side in (left, right)]
    labels = components(ends[0], ends[1], len(ids))
    return pa.table({"id": ids, "cluster": ids.take(pa.array(labels))})


def _survivors(clusters: DataFrame, occurrences: DataFrame, corpus: Corpus) -> DataFrame:
    same = Window.partitionBy("cluster")
    ranked = (
        clusters.join(occurrences, "id")
        .withColumn("nth", F.row_number().over(same.orderBy(*corpus.best_first(), F.col("id").asc())))
        .withColumn("members", F.count("*").over(same))
        .withColumn("survivor", F.first("id").over(same.orderBy("nth")))
    )
    kept = F.col("nth") == 1
    return ranked.select(
        "id",
        "cluster",
        kept.alias("kept"),
        F.when(~kept, F.col("survivor")).alias("duplicate_of"),
        "nearest",
        "jaccard",
        "members",
    )
