"""Training sequences: the documents of the mixture, each as often as it says, packed to a fixed length.

Documents are put into buckets by a seeded hash, and each bucket is packed by itself: so packing needs the memory of one
bucket, works on as many cores as there are buckets, and gives the same sequences on any number of them. A copy of a
document that is read several times has a place of its own. A sequence never mixes parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial, reduce
from itertools import groupby, pairwise
from typing import Literal

import pyarrow as pa
from pydantic import Field
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.code.arrow import Rows, map_rows
from jobs.corpus.tables import mixture, packed_pretrain, pretrain_tokens
from jobs.kernels.packing import METHODS, Document, Ids
from lakehouse.job import Inputs, Job, Params
from lakehouse.table import Table


class PackParams(Params):
    length: int = Field(ge=2, description="tokens of a sequence")
    method: Literal["best_fit", "concatenate"]
    seed: int = Field(ge=0)
    bucket_tokens: int = Field(ge=1, description="tokens that are packed at once")


def pack_job(name: str, about: str, mixture: Table, tokens: Sequence[Table], packed: Table, module: str) -> Job:
    """Job `name`: the documents of `mixture`, whose ids are in one of `tokens`, as sequences. `module`: who chose the tables."""

    def transform(inputs: Inputs, params: PackParams) -> DataFrame:
        # Parts are spread over tables, so ids are found by the document alone.
        ids = reduce(DataFrame.unionByName, [inputs[table].select("doc_id", "input_ids") for table in tokens])
        masked = ids.withColumn("mask", F.lit(None).cast("array<boolean>"))
        return in_buckets(repeated(inputs[mixture]).join(masked, "doc_id"), params)

    return Job(
        name,
        about=about,
        reads=(mixture, *tokens),
        writes=(packed,),
        params=PackParams,
        transform=transform,
        needs=(mixture,),
        modules=(module,),
    )


def repeated(mixture: DataFrame) -> DataFrame:
    """doc_id, part, tokens, copy: a row for each time that the mixture reads a document, the copies numbered from 1."""
    copies = F.explode(F.sequence(F.lit(1).cast("bigint"), F.col("times")))
    return mixture.select("doc_id", "part", "tokens", copies.alias("copy"))


def in_buckets(rows: DataFrame, params: PackParams) -> DataFrame:
    """Training sequences of `rows`: doc_id, part, tokens, input_ids, mask (null: all ids are targets), and copy if any."""
    copy = F.col("copy") if "copy" in rows.columns else F.lit(1).cast("bigint")
    numbered = rows.withColumn("copy", copy)
    sizes = numbered.groupBy("part").agg(F.sum("tokens").alias("n")).collect()
    buckets = {row["part"]: max(1, -(-int(row["n"]) // params.bucket_tokens)) for row in sizes} or {"": 1}
    count = F.create_map(*(F.lit(x) for pair in sorted(buckets.items()) for x in pair))
    rank = F.xxhash64("doc_id", "copy", F.lit(params.seed))
    placed = numbered.withColumn("rank", rank).withColumn("bucket", F.pmod("rank", F.element_at(count, F.col("part"))))
    # Sorting within partitions gives each bucket as one run, in an order that only ids decide.
    runs = placed.repartition("part", "bucket").sortWithinPartitions("part", "bucket", "rank", "doc_id", "copy")
    given = runs.select("part", "bucket", "doc_id", "input_ids", "mask")
    columns = {column.name: column.type for column in packed_pretrain.columns}  # of every packed table
    return map_rows(given, columns, partial(_packed, params=params))


def _packed(batches: Iterator[pa.RecordBatch], params: PackParams) -> Rows:
    for (part, bucket), documents in groupby(_documents(batches), key=lambda found: found[0]):
        sequences = METHODS[params.method]([document for _, document in documents], params.length)
        for number, sequence in enumerate(sequences):
            mask = sequence.loss_mask
            yield {
                "sequence_id": f"{part}/{bucket:06d}/{number:08d}",
                "source": part,
                "tokens": len(sequence),
                "input_ids": sequence.input_ids,
                "doc_starts": sequence.doc_starts,
                "loss_mask": None if mask is None else mask.tolist(),
                "doc_ids": sequence.doc_ids,
            }


def _documents(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[tuple[str, int], Document]]:
    for batch in batches:
        parts, buckets, names = (batch.column(i).to_pylist() for i in range(3))
        for i, ids in enumerate(_slices(batch.column(3))):
            mask = batch.column(4)[i]
            targets = mask.values.to_numpy(zero_copy_only=False) if mask.is_valid else None
            yield (parts[i], buckets[i]), Document(names[i], ids, targets)


def _slices(column: pa.ListArray) -> Iterator[Ids]:
    flat, offsets = column.flatten().to_numpy(), column.offsets.to_numpy() - column.offsets[0].as_py()
    for first, last in pairwise(offsets.tolist()):
        yield flat[first:last]


job = pack_job(
    "corpus.pack", "training sequences of a fixed length", mixture, (pretrain_tokens,), packed_pretrain, __name__
)
