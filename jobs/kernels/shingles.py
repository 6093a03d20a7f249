"""Documents as sets of shingles: the 32-bit hash of every shingle, exact Jaccard similarity.

A shingle is `size` consecutive tokens of a document (`tokens` says what they can be), words joined by one
blank, characters and bytes by nothing. A document with fewer tokens is one shingle of all of them, a document
without a token has none. A shingle is known by 32 bits of its hash (`hashes`).

Arrow buffers are read in place, and no token becomes a Python object. A column is worked on in blocks, each in
two steps that know nothing of each other: `tokens.cut` writes its tokens, so that a shingle is a slice of them,
and `hashes.hash_shingles` hashes the slices.

Cost on one core (AMD EPYC, AVX-512): 16 ns to cut and hash a shingle of five words with XXH3-64; Python code has
one in 9 bytes, so 560 MB/s. Characters and bytes have one in every byte, 6 and 5 ns each: 160 and 190 MB/s.
Long tokens cost more: each byte is hashed up to `size` times. Memory: at most 5 bytes per byte of the largest
document (9 for characters and bytes) or, where larger, of a block of BLOCK_BYTES.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from jobs.kernels.arrays import Documents, Hashes, Index, compiled, documents, frozen
from jobs.kernels.hashes import HASHES, PADDING, Hash, hash_shingles
from jobs.kernels.tokens import UNITS, Unit, cut, joint, most_tokens

# A block's hashes (0.5 MB of source code) and signatures (at most 4 KiB a permutation) stay near the core.
BLOCK_BYTES = 1 << 20
BLOCK_ROWS = 1024


@dataclass(frozen=True)
class Shingling:
    """How a text becomes a set of numbers. Sets, and what is made of them, compare only under the same one.

    Raises ValueError for a unit that `tokens` does not know, a hash that `hashes` does not, and a size below 1.
    """

    unit: Unit
    size: int  # tokens
    hash: Hash

    def __post_init__(self) -> None:
        for name, allowed in (("unit", UNITS), ("hash", HASHES)):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} = {getattr(self, name)!r}: expected one of {', '.join(allowed)}.")
        if self.size < 1:
            raise ValueError(f"size = {self.size}: expected the number of tokens in a shingle, at least 1.")


def _cuts(size: Index) -> list[int]:
    """Rows at which blocks begin and end. A block has at most BLOCK_ROWS and BLOCK_BYTES, or one document."""
    total = np.cumsum(size)
    cuts = [0]
    while cuts[-1] < len(size):
        first = cuts[-1]
        done = int(total[first - 1]) if first else 0
        full = int(np.searchsorted(total, done + BLOCK_BYTES, side="right"))
        cuts.append(min(max(full, first + 1), first + BLOCK_ROWS, len(size)))
    return cuts


def hash_blocks(text: Documents, shingling: Shingling) -> Iterator[tuple[int, Hashes, Index]]:
    """Shingle hashes block by block: (first, hashes, bounds).

    The shingles of document first + i, in order and with repeats, hash to hashes[bounds[i] : bounds[i + 1]].
    The next block overwrites the hashes.
    """
    size = text.end - text.start
    blocks = list(itertools.pairwise(_cuts(size)))
    # No document has more shingles than tokens.
    most_of = most_tokens(shingling.unit, size)
    most = max((int(most_of[first:last].sum()) for first, last in blocks), default=0)
    longest = max((int(size[first:last].sum()) + last - first for first, last in blocks), default=0)
    stream, starts = np.empty(longest + PADDING, np.uint8), np.empty(most + 1, np.int32)
    hashes = np.empty(most, np.uint32)
    gap = joint(shingling.unit)
    for first, last in blocks:
        firsts = np.empty(last - first + 1, np.int64)
        cut(shingling.unit, text.data, text.start[first:last], text.end[first:last], stream, starts, firsts)
        yield first, hashes, hash_shingles(shingling.hash, stream, starts, firsts, shingling.size, gap, hashes)


# ---- exact similarity


@compiled
def _jaccard(a: Hashes, b: Hashes) -> float:
    i, j, shared = 0, 0, 0
    while i < a.shape[0] and j < b.shape[0]:
        x, y = a[i], b[j]
        shared += 1 if x == y else 0
        i += 1 if x <= y else 0
        j += 1 if y <= x else 0
    return float(shared / max(a.shape[0] + b.shape[0] - shared, 1))


def _distinct(hashes: Hashes) -> Hashes:
    # numpy 2.4's unique took 67 us for the 1,500 hashes of a usual file, this takes 4.
    ordered = np.sort(hashes)
    new = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    return ordered[new]


def shingle_set(text: bytes, shingling: Shingling) -> Hashes:
    """The distinct shingle hashes of one document, sorted: shape (distinct shingles,), uint32.

    Empty for a document without a token. Raises ValueError where `documents` does.
    """
    document = documents(pa.array([text], pa.large_binary()))
    _, hashes, bounds = next(hash_blocks(document, shingling))
    return _distinct(hashes[: bounds[1]])


def jaccard(a: Hashes, b: Hashes) -> float:
    """|a and b| / |a or b| of two sorted arrays of distinct hashes, as `shingle_set` makes them. One merge.

    Two empty sets give 0.0: two documents without a token have nothing in common that was measured, and a
    similarity of 1 would call every pair of them duplicates.
    """
    return _jaccard(frozen(a, np.uint32), frozen(b, np.uint32))
