"""Which row is sample i? A pure function of seed, weights and sizes, so that resuming needs one integer.

    mixture = Mixture([0.84, 0.16])
    part, k = mixture.locate(1_000_000)         # the k-th sample of this part
    order = PartOrder(sizes, key=part_key(7, "code"), window=4)
    place = order.window(k)                     # the row groups that hold it, and the order of rows inside

Order inside a part: every epoch permutes the row groups; each `window` groups in that order form a window, and the rows
of a window are permuted together. Only one window has to be in memory. All permutations sort hashes of plain integers:
no random generator whose stream may change between versions of a library takes part.

Cost: locating is a table look-up; an epoch costs one sort of the row groups when it is first entered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

PERIOD = 10_000  # weights are kept to one in ten thousand; the schedule of parts repeats after so many samples
EPOCHS_HELD = 2  # orders of row groups in memory per part: the epoch that ends and the one that begins


def mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A bijective hash of 64-bit integers (the finalizer of SplitMix64): shape kept."""
    with np.errstate(over="ignore"):
        z = values + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def permutation(length: int, key: int, *salts: int) -> Ints:
    """The integers 0 .. length-1 in an order that key and salts fix: shape (length,)."""
    state = np.array([key & (2**64 - 1)], np.uint64)
    for salt in salts:
        state = mixed(state ^ mixed(np.array([salt], np.uint64)))
    # Sixty-four bits: two of 10^6 row groups share a hash once in 10^7 orders, and a stable sort settles that too.
    return np.argsort(mixed(np.arange(length, dtype=np.uint64) ^ state), kind="stable").astype(np.int64)


def part_key(seed: int, name: str) -> int:
    """The key of a part's permutations: its name enters, so adding a part leaves the order in the others alone."""
    return int.from_bytes(hashlib.blake2b(f"{seed}\0{name}".encode(), digest_size=8).digest(), "big")


class Mixture:
    """Which part gives sample i, such that at any i each part has given its share to within one sample.

    Tijdeman's rule for the chairman assignment problem (1980): among the parts that are far enough behind their share,
    the one whose deadline is next. `counts`: samples of each part in a period, shape (parts,).
    """

    def __init__(self, weights: Sequence[float]) -> None:
        self.counts = _counts(weights)
        self._cycle = _schedule(self.counts)
        before = np.zeros((len(self.counts), PERIOD + 1), np.int64)
        for part in range(len(self.counts)):
            np.cumsum(self._cycle == part, out=before[part, 1:])
        self._before = before

    def locate(self, index: int) -> tuple[int, int]:
        """Part, and which of the part's own samples this is."""
        cycle, at = divmod(index, PERIOD)
        part = int(self._cycle[at])
        return part, int(cycle * self.counts[part] + self._before[part, at])

    def seen(self, index: int) -> Ints:
        """Samples of each part among the first `index`: shape (parts,)."""
        cycle, at = divmod(index, PERIOD)
        found: Ints = cycle * self.counts + self._before[:, at]
        return found


def _counts(weights: Sequence[float]) -> Ints:
    """Weights as whole samples of a period, by largest remainder; the earlier part wins a tie."""
    if not weights or min(weights) <= 0:
        raise ValueError(f"weights {list(weights)}: every part needs a weight above 0; leave a part without one out.")
    exact = [Fraction(weight) * PERIOD / sum(map(Fraction, weights)) for weight in weights]
    counts = [int(share) for share in exact]
    by_remainder = sorted(range(len(exact)), key=lambda part: (counts[part] - exact[part], part))
    for part in by_remainder[: PERIOD - sum(counts)]:
        counts[part] += 1
    if min(counts) == 0:
        raise ValueError(f"weights {list(weights)}: a part with less than one sample in {PERIOD} would never be read.")
    return np.array(counts, np.int64)


def _schedule(counts: Ints) -> NDArray[np.int16]:
    """One period of parts: shape (PERIOD,)."""
    schedule = np.zeros(PERIOD, np.int16)
    if len(counts) == 1:
        return schedule
    wanted, given, spare = [int(n) for n in counts], [0] * len(counts), 2 * len(counts) - 2
    for at in range(PERIOD):
        best, soonest = -1, 0.0
        for part, count in enumerate(wanted):
            behind = count * (at + 1) - given[part] * PERIOD  # in samples times PERIOD
            if behind * spare < PERIOD:
                continue
            deadline = (PERIOD * (spare - 1) - behind * spare) / count
            if best < 0 or deadline < soonest:
                best, soonest = part, deadline
        schedule[at] = best
        given[best] += 1
    return schedule


@dataclass(frozen=True, eq=False)
class Window:
    """The samples `first` .. `last`-1 of a part: its row groups, and for each sample the place of its row.

    `slots`, `rows`: shape (last - first,); sample k is row `rows[k - first]` of group `groups[slots[k - first]]`.
    """

    number: tuple[int, int]  # epoch, window
    first: int
    last: int
    groups: tuple[int, ...]
    slots: Ints
    rows: Ints


class PartOrder:
    """The endless order of one part's rows. `sizes`: rows of each row group, shape (groups,), none of them empty."""

    def __init__(self, sizes: Sequence[int], *, key: int, window: int) -> None:
        if window < 1:
            raise ValueError(f"window {window}: at least one row group.")
        self.sizes = np.asarray(sizes, np.int64)
        if not len(self.sizes) or self.sizes.min() < 1:
            raise ValueError("a part needs rows, and a row group without rows has no place in an order.")
        self.rows = int(self.sizes.sum())
        self._key, self._width = key, window
        self._epoch = lru_cache(EPOCHS_HELD)(self._epoch_of)

    def window(self, k: int) -> Window:
        """The window that sample k lies in."""
        epoch, at = divmod(k, self.rows)
        groups, starts = self._epoch(epoch)
        number = int(np.searchsorted(starts, at, side="right")) - 1
        return self._window(epoch, number, groups, starts)

    def _epoch_of(self, epoch: int) -> tuple[Ints, Ints]:
        """Row groups in this epoch's order, and at which row each window starts, with the end: (windows + 1,)."""
        groups = permutation(len(self.sizes), self._key, epoch)
        ends = np.cumsum(self.sizes[groups])
        last = np.arange(self._width, len(groups) + self._width, self._width).clip(max=len(groups))
        return groups, np.concatenate([[0], ends[last - 1]])

    def _window(self, epoch: int, number: int, groups: Ints, starts: Ints) -> Window:
        inside = groups[number * self._width : (number + 1) * self._width]
        first, last = int(starts[number]), int(starts[number + 1])
        ends = np.cumsum(self.sizes[inside])
        shuffled = permutation(last - first, self._key, epoch, number + 1)
        slots = np.searchsorted(ends, shuffled, side="right")
        rows = shuffled - (ends - self.sizes[inside])[slots]
        base = epoch * self.rows
        return Window((epoch, number), base + first, base + last, tuple(map(int, inside)), slots, rows)
