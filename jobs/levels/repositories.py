"""Each repository as one text: its files in the order of their paths, so that repositories are compared as files are.

A repository is joined by one task, a file at a time, up to `most_bytes`; what lies behind is not compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any

import pyarrow as pa
from pydantic import Field
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.code.arrow import Rows, map_rows
from jobs.code.tables import code_texts
from jobs.dedup.bands import bands_job
from jobs.dedup.clusters import clusters_job
from jobs.dedup.pairs import pairs_job
from jobs.kernels.chunks import joint
from jobs.levels.corpora import REPOSITORIES
from jobs.levels.tables import level_files, repositories
from lakehouse.job import Inputs, Job, Params

NAMED = ("source", "repo")


class RepositoriesParams(Params):
    most_bytes: int = Field(ge=1, le=1 << 30, description="of a repository's text; a row of Spark holds at most 2 GB")


def ordered(files: DataFrame, texts: DataFrame, *together: str) -> DataFrame:
    """The files with their texts: those that share `together` in one partition, one after the other, by path."""
    rows = files.join(texts.select("content_id", "text"), "content_id")
    return rows.repartition(*together).sortWithinPartitions(*together, "path")


def each_row(batches: Iterator[pa.RecordBatch]) -> Iterator[dict[str, Any]]:
    """Rows one at a time; a batch is never held as Python objects whole."""
    for batch in batches:
        for place in range(batch.num_rows):
            yield batch.slice(place, 1).to_pylist()[0]


def join(inputs: Inputs, params: RepositoriesParams) -> DataFrame:
    files = inputs[level_files]
    facts = files.groupBy(*NAMED).agg(
        F.max("stars").alias("stars"),
        F.max("committed_at").alias("committed_at"),
        F.count("*").alias("files"),
        F.sum("bytes").alias("bytes"),
    )
    columns = {"source": "string", "repo": "string", "text": "string"}
    joined = map_rows(
        ordered(files.select(*NAMED, "path", "content_id"), inputs[code_texts], *NAMED),
        columns,
        partial(_joined, most_bytes=params.most_bytes),
    )
    named = joined.join(facts, list(NAMED)).withColumn("repository_id", F.sha2(F.concat_ws("\0", *NAMED), 256))
    return named.select(*repositories.column_names)


def _joined(batches: Iterator[pa.RecordBatch], most_bytes: int) -> Rows:
    for (source, repo), files in groupby(each_row(batches), itemgetter(*NAMED)):
        pieces, room = [], most_bytes
        for file in files:
            if room > 0:
                data = joint(file["text"]).encode()[:room]
                room -= len(data)
                pieces.append(data.decode("utf-8", "ignore"))  # the last character may be cut
        yield {"source": source, "repo": repo, "text": "".join(pieces)}


texts = Job(
    "repository.texts",
    about="each repository's files joined to one text",
    reads=(level_files, code_texts),
    writes=(repositories,),
    params=RepositoriesParams,
    transform=join,
    needs=(level_files,),
    measures=level_files,
)
bands, pairs, clusters = bands_job(REPOSITORIES), pairs_job(REPOSITORIES), clusters_job(REPOSITORIES)
