"""Candidate pairs out of the bands, each with the true Jaccard similarity of its shingle sets.

A bucket (equal band hash) gives edges from its least member to the others, never all pairs, so that a bucket of a
million copies costs a million edges. The similarity of a pair never changes, because contents never do: pairs that
are already in the table are not measured again, and only new ones read text.

Limit: an edge joins a content to the least member of its bucket only, so a content that is similar to another member
but not to the least one can be missed. On 6,510 candidate edges of 325 MB, 17 contents were.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pydantic import Field
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from jobs.code.tables import code_bands, code_contents, code_pairs
from jobs.kernels.decode import texts
from jobs.kernels.shingles import documents, frozen, hash_blocks, jaccard
from lakehouse.job import Inputs, Job, Params


class PairsParams(Params):
    shingle: int = Field(ge=1, description="tokens per shingle; the same as the bands'")


def pairs(inputs: Inputs, params: PairsParams) -> DataFrame:
    candidates = inputs.hold("candidates", _candidates(inputs[code_bands]))
    known = inputs.current(code_pairs).join(candidates, ["left", "right"], "left_semi")
    new = candidates.join(known, ["left", "right"], "left_anti")
    sets = _shingle_sets(inputs, new, params.shingle)
    both = new.join(sets.toDF("left", "a"), "left").join(sets.toDF("right", "b"), "right")
    measured = both.select("left", "right", "a", "b").mapInArrow(_compare, code_pairs.spark_schema)
    return known.unionByName(measured)


def _candidates(bands: DataFrame) -> DataFrame:
    members = bands.select("content_id", F.explode("bands").alias("band"))
    least = F.min("content_id").over(Window.partitionBy("band")).alias("left")
    edges = members.select(least, F.col("content_id").alias("right"))
    return edges.where(F.col("left") != F.col("right")).distinct()


def _shingle_sets(inputs: Inputs, wanted: DataFrame, shingle: int) -> DataFrame:
    """The sorted distinct shingle hashes of every content in a wanted pair: about 0.4 bytes per byte of text."""
    ids = wanted.select(F.explode(F.array("left", "right")).alias("content_id")).distinct()
    contents = inputs.whole(code_contents).select("content_id", "content").join(ids, "content_id", "left_semi")

    def measure(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            sets = shingle_sets(texts(batch["content"]), shingle)
            yield pa.RecordBatch.from_arrays([batch["content_id"], sets], ["content_id", "shingles"])

    return inputs.hold("shingles", contents.mapInArrow(measure, "content_id string, shingles array<int>"))


def _compare(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        similar = similarities(batch["a"], batch["b"])
        yield pa.RecordBatch.from_arrays([batch["left"], batch["right"], similar], list(code_pairs.column_names))


def shingle_sets(text: pa.Array, shingle: int) -> pa.ListArray:
    """The distinct shingle hashes of each text, sorted: list<int32> with the bits of uint32, empty without a token.

    Cost: sorting a block of `hash_blocks` at once, so nothing is called per document.
    """
    sizes, kept = [np.zeros(1, np.int64)], [np.zeros(0, np.int32)]
    for _, hashes, bounds in hash_blocks(documents(text), shingle):
        count = len(bounds) - 1
        row = np.repeat(np.arange(count, dtype=np.uint64), np.diff(bounds))
        keyed = np.sort((row << np.uint64(32)) | hashes[: bounds[-1]])
        new = np.ones(len(keyed), np.bool_)
        np.not_equal(keyed[1:], keyed[:-1], out=new[1:])
        distinct = keyed[new]
        sizes.append(np.bincount((distinct >> np.uint64(32)).astype(np.int64), minlength=count))
        kept.append(distinct.astype(np.uint32).view(np.int32))
    offsets = pa.array(np.cumsum(np.concatenate(sizes)), pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.array(np.concatenate(kept), pa.int32()))


def similarities(a: pa.ListArray, b: pa.ListArray) -> pa.DoubleArray:
    """Jaccard similarity of a[i] and b[i], as `shingle_sets` makes them. Cost: one merge of two sets per pair."""
    sides = []
    for side in (a, b):
        values = frozen(side.values.to_numpy().view(np.uint32), np.uint32)
        sides.append((values, side.offsets.to_numpy()))
    (left, left_at), (right, right_at) = sides
    found = [jaccard(left[left_at[i] : left_at[i + 1]], right[right_at[i] : right_at[i + 1]]) for i in range(len(a))]
    return pa.array(found, pa.float64())


job = Job(
    "code.pairs",
    about="candidate pairs of near-duplicates with their true Jaccard similarity",
    reads=(code_bands, code_contents),
    writes=(code_pairs,),
    params=PairsParams,
    transform=pairs,
)
