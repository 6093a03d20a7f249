"""Candidate pairs out of LSH buckets on one machine: the pairs of jobs/dedup/pairs.py, by sorting.

Documents are numbers in the order of their keys. A set of pairs is a sorted array of distinct int64, left << 32 | right
with left < right, so that pairs are looked up by bisection.
Cost: a sort of the band hashes, 0.1 s a million on one core, and 48 bytes each while it lasts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs.kernels.arrays import Index

Mask = npt.NDArray[np.bool_]


def paired(left: Index, right: Index) -> Index:
    """The set of these pairs, whichever way round each is given."""
    return np.unique(np.minimum(left, right) << 32 | np.maximum(left, right))


def ends(pairs: Index) -> tuple[Index, Index]:
    """The lesser and the greater document of each pair."""
    return pairs >> 32, pairs & 0xFFFFFFFF


@dataclass(frozen=True)
class Buckets:
    """Places in buckets of two or more, bucket by bucket, in each by document: who stands there, where the bucket begins, how many it has."""

    member: Index
    begin: Index
    size: Index

    def with_any(self, documents: Mask) -> Buckets:
        """The buckets in which one of these documents is."""
        number = np.cumsum(self.begin == np.arange(len(self.begin))) - 1
        kept = np.bincount(number, documents[self.member])[number] > 0
        place = np.cumsum(kept) - 1
        return Buckets(self.member[kept], place[self.begin[kept]], self.size[kept])

    def stars(self) -> Index:
        """The pairs of the least of each bucket with every other of it."""
        least = self.member[self.begin]
        others = np.flatnonzero(least != self.member)
        return paired(least[others], self.member[others])

    def rest(self, unlike: Index, others: int, at_most: int) -> Index | None:
        """The pairs of each one that is in a pair of `unlike` with the least of its bucket, and the `others` that follow it there.

        None where they are more than `at_most`, counted once for each bucket.
        """
        least, nth = self.member[self.begin], np.arange(len(self.member)) - self.begin
        low = np.flatnonzero((self.size > 2) & (nth > 0) & is_in(least << 32 | self.member, unlike))
        steps = np.minimum(self.size[low] - 1, others)
        if steps.sum() > at_most:
            return None
        x = np.repeat(low, steps)
        step = np.arange(len(x)) - np.repeat(np.cumsum(steps) - steps, steps) + 1
        y = self.begin[x] + (nth[x] + step) % self.size[x]
        return paired(self.member[x], self.member[y])


def buckets(bands: pa.ListArray, document: Index) -> Buckets:
    """The buckets of documents that have these band hashes (list<int64>); row i is of document[i]."""
    values = bands.flatten().to_numpy()
    documents = np.repeat(document, bands.value_lengths().to_numpy(zero_copy_only=False))
    order = np.lexsort((documents, values))
    ranked = values[order]
    sizes = np.diff(np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]]), append=len(order)) if len(order) else order
    company = np.repeat(sizes > 1, sizes)
    sizes = sizes[sizes > 1]
    return Buckets(documents[order][company], np.repeat(np.cumsum(sizes) - sizes, sizes), np.repeat(sizes, sizes))


def is_in(pairs: Index, found: Index) -> Mask:
    """Which of the pairs are in the set `found`."""
    at = np.searchsorted(found, pairs)
    at[at == len(found)] = 0
    held: Mask = found[at] == pairs if len(found) else np.zeros(len(pairs), np.bool_)
    return held
