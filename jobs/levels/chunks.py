"""Chunks of 4,096 tokens as documents: cut from all files, from what file level leaves over, from what repository level does.

Each repository's files are joined in the order of their paths and cut; chunks are compared with chunks of the same
input alone. Without a tokenizer a token is a byte, as for the models of `training` that read bytes. A repository is
cut by one task.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial, reduce
from hashlib import sha256
from itertools import groupby
from operator import itemgetter

import pyarrow as pa
from pydantic import Field
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.code.arrow import Rows, map_rows
from jobs.code.tables import code_duplicates, code_texts, distinct_files
from jobs.corpus.tokenize import TokenizerParams
from jobs.dedup.bands import bands_job
from jobs.dedup.clusters import clusters_job
from jobs.dedup.pairs import pairs_job
from jobs.kernels.chunks import Starts, byte_starts, cut
from jobs.kernels.encoder import Encoder
from jobs.levels.corpora import CHUNKS
from jobs.levels.repositories import NAMED, each_row, ordered
from jobs.levels.tables import INPUTS, chunks, level_files, repositories, repository_near
from lakehouse.job import Inputs, Job

GROUP = ("input", *NAMED)


class ChunksParams(TokenizerParams):
    tokens: int = Field(ge=1, description="of a chunk")

    def specials(self) -> tuple[str, ...]:
        return ()


def chunk(inputs: Inputs, params: ChunksParams) -> DataFrame:
    columns = ("source", "repo", "path", "content_id")
    left_over = {name: _left_over(inputs, name).select(F.lit(name).alias("input"), *columns) for name in INPUTS}
    every = reduce(DataFrame.unionByName, left_over.values())
    rows = map_rows(
        ordered(every, inputs[code_texts], *GROUP),
        {c.name: c.type for c in chunks.columns if c.name not in ("stars", "committed_at")},
        partial(_cut, tokens=params.tokens, encoder=params.encoder()),
    )
    facts = inputs[repositories].select(*NAMED, "stars", "committed_at")
    return rows.join(facts, list(NAMED)).select(*chunks.column_names)


def _left_over(inputs: Inputs, name: str) -> DataFrame:
    """The occurrences that a level leaves over; of `raw`, all."""
    files = inputs[level_files]
    if name == "file":
        gone = inputs[code_duplicates].where("NOT kept").select("content_id")
        standing = inputs[distinct_files].select("source", "repo", "path")
        return files.join(standing, ["source", "repo", "path"], "left_semi").join(gone, "content_id", "left_anti")
    if name == "repository":
        dropped = inputs[repository_near.duplicates].where("NOT kept").select("repository_id")
        gone = inputs[repositories].join(dropped, "repository_id", "left_semi").select(*NAMED)
        return files.join(gone, list(NAMED), "left_anti")
    return files


def _cut(batches: Iterator[pa.RecordBatch], tokens: int, encoder: Encoder | None) -> Rows:
    starts: Callable[[str], Starts] = byte_starts if encoder is None else encoder.starts
    for (name, source, repo), files in groupby(each_row(batches), itemgetter(*GROUP)):
        named = ((file["path"], file["text"]) for file in files)
        for number, one in enumerate(cut(named, tokens, starts)):
            yield {
                "chunk_id": sha256("\0".join((name, source, repo, str(number))).encode()).hexdigest(),
                "input": name,
                "source": source,
                "repo": repo,
                "number": number,
                "tokens": one.tokens,
                "bytes": len(one.text.encode()),
                "paths": list(one.paths),
                "text": one.text,
            }


texts = Job(
    "chunk.texts",
    about="joined files cut to chunks of equally many tokens",
    reads=(level_files, code_texts, distinct_files, code_duplicates, repositories, repository_near.duplicates),
    writes=(chunks,),
    params=ChunksParams,
    transform=chunk,
    needs=(level_files,),
    measures=level_files,
)
bands, pairs, clusters = bands_job(CHUNKS), pairs_job(CHUNKS), clusters_job(CHUNKS)
