"""Repetition: what share of a text's words lies in runs of words that occur again.

An *n-gram* is n consecutive words; n-grams overlap and cross line ends. They are compared by 64-bit hashes, chained from
those of their words, of which the place takes up to log2(words) bits while they are sorted: in a text of 100,000 words
two different n-grams are taken for one with a chance of 3e-5.

An n-gram that occurs again starts where the shorter one does, so only those places are looked at again: most texts have
few after n = 4, and the whole family costs little more than its first sort. Cost on one core: 0.1 us a word (60 MB/s of
code), n log n for any text. Memory: 40 bytes a word.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from jobs.kernels.arrays import compiled

Hashes = npt.NDArray[np.uint64]
Index = npt.NDArray[np.int64]
U64 = np.uint64

TOP = (2, 3, 4)
DUPLICATE = (5, 6, 7, 8, 9, 10)
_FACTOR = U64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Repeats:
    """Characters of words, without what separates them.

    `characters`: of all words. `top`: for n in TOP, of the n-gram that occurs most often (of those the one seen first)
    times its occurrences; 0 where none occurs twice; may exceed `characters`, because occurrences overlap. `duplicate`:
    for n in DUPLICATE, of the words inside at least one n-gram that occurs twice or more, each word once.
    """

    characters: int
    top: tuple[int, ...]
    duplicate: tuple[int, ...]


def repeats(words: Hashes, lengths: Index) -> Repeats:
    """Repeated n-grams of the words of one text, given as their hashes and their lengths in characters."""
    ends = np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths)))
    top, duplicate = [], []
    keys = words.copy()
    places = np.arange(len(words))
    for n in range(2, DUPLICATE[-1] + 1):
        keys, places = _lengthened(keys, places, words, n)
        order, shift = _packed(keys)
        order.sort()
        again, first, often = _repeated(keys, places, order, shift)
        if n in TOP:
            top.append(int(ends[first + n] - ends[first]) * often if often > 1 else 0)
        keys, places = keys[again], places[again]
        if n in DUPLICATE:
            duplicate.append(int(_covered(places, ends, n)))
    return Repeats(int(ends[-1]), tuple(top), tuple(duplicate))


def entropy(words: Hashes) -> float | None:
    """Shannon entropy of the distribution of words, in nats; None without a word."""
    if not len(words):
        return None
    _, counts = np.unique(words, return_counts=True)
    shares = counts / len(words)
    return float(-(shares * np.log(shares)).sum()) + 0.0


def _lengthened(keys: Hashes, places: Index, words: Hashes, n: int) -> tuple[Hashes, Index]:
    """The n-grams that start at the places of (n-1)-grams and still fit."""
    fits = int(np.searchsorted(places, len(words) - n, side="right")) if len(words) >= n else 0
    places = places[:fits]
    return _chained(keys[:fits], words, places, n), places


@compiled
def _chained(keys: Hashes, words: Hashes, places: Index, n: int) -> Hashes:
    chained = np.empty(places.shape[0], np.uint64)
    for i in range(places.shape[0]):
        h = (keys[i] * _FACTOR) ^ words[places[i] + n - 1]
        h ^= h >> U64(32)
        h *= U64(0xD6E8FEB86659FD93)
        chained[i] = h ^ (h >> U64(32))
    return chained


def _packed(keys: Hashes) -> tuple[Hashes, U64]:
    """Keys with their low bits replaced by their index, so that sorting them keeps equal ones in order."""
    shift = U64(max(1, int(len(keys) - 1).bit_length()))
    return ((keys >> shift) << shift) | np.arange(len(keys), dtype=np.uint64), shift


@compiled
def _repeated(keys: Hashes, places: Index, order: Hashes, shift: U64) -> tuple[npt.NDArray[np.bool_], int, int]:
    """(which keys occur twice or more, place of the most frequent one's first occurrence, its occurrences)."""
    n = order.shape[0]
    again = np.zeros(n, np.bool_)
    mask = (U64(1) << shift) - U64(1)
    first, often, start = 0, 0, 0
    for i in range(1, n + 1):
        if i < n and keys[order[i] & mask] == keys[order[start] & mask]:
            continue
        count = i - start
        place = places[order[start] & mask]
        if count > often or (count == often and place < first):
            first, often = place, count
        if count > 1:
            for j in range(start, i):
                again[order[j] & mask] = True
        start = i
    return again, first, often


@compiled
def _covered(places: Index, ends: Index, n: int) -> int:
    """Characters of the words in runs of n words that start at these places, in ascending order."""
    covered, behind = 0, 0
    for place in places:
        begin = max(place, behind)
        behind = place + n
        covered += ends[behind] - ends[begin]
    return covered
