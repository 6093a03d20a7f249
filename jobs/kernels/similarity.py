"""Shingle sets of a text column, and the Jaccard similarities of two columns of such sets."""

import numpy as np
import pyarrow as pa

from jobs.kernels.arrays import documents, frozen
from jobs.kernels.shingles import Shingling, hash_blocks, jaccard


def shingle_sets(text: pa.Array, shingling: Shingling) -> pa.ListArray:
    """The distinct shingle hashes of each text, sorted: list<int32> with the bits of uint32, empty without a token.

    Cost: sorting a block of `hash_blocks` at once, so nothing is called per document.
    """
    sizes, kept = [np.zeros(1, np.int64)], [np.zeros(0, np.int32)]
    for _, hashes, bounds in hash_blocks(documents(text), shingling):
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
