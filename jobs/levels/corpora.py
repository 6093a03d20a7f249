"""Repositories and chunks as corpora to deduplicate. Stars, then commit time decide who survives, as among files."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from jobs.dedup.corpus import Corpus
from jobs.levels.tables import chunk_near, chunks, repositories, repository_near


def best_repository() -> list[Column]:
    """A total order over repositories; unknown stars and times come last."""
    return [
        F.col("stars").desc_nulls_last(),
        F.col("committed_at").desc_nulls_last(),
        F.col("source").asc(),
        F.col("repo").asc(),
    ]


def best_chunk() -> list[Column]:
    return [*best_repository(), F.col("number").asc()]


REPOSITORIES = Corpus(
    name="repository",
    document="repository",
    tables=repository_near,
    documents=repositories,
    text="text",
    occurrences=repositories,
    best_first=best_repository,
    module=__name__,
)
CHUNKS = Corpus(
    name="chunk",
    document="chunk",
    tables=chunk_near,
    documents=chunks,
    text="text",
    occurrences=chunks,
    best_first=best_chunk,
    module=__name__,
    within="input",
)
