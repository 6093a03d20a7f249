"""Sequences of words in texts: where any of a set of known sequences stands, in one pass over Arrow buffers.

A word is a run of letters, digits and underscores; ASCII is lower-cased, everything else separates. So line breaks,
indentation, comment marks, quotes and brackets do not count. A Chinese or Japanese character is a word of its own, because
nothing separates words there. Lead bytes of UTF-8 decide (U+2000 to U+2FFF and U+F000 up separate), so no character is
decoded and what is not valid UTF-8 does no harm.

Sequences may have different lengths. Each is known by a polynomial hash of its words' hashes: every length costs one
subtraction and one look into a bitmap per word. A hash only proposes; `Sequences.find` compares the words themselves, so
there are no false hits, and a text made to collide costs time in proportion to its own length.

Cost on one core (AMD EPYC): 150 to 200 MB/s of source code with six lengths. Memory: 1 MB for 43,000 sequences, and nothing
per byte of text. Oracle: `WORD.finditer` and a Python set.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs.kernels.arrays import compiled, documents, frozen

WORD = re.compile(rb"[\xe3-\xe9][\x80-\xbf]*|(?:[A-Za-z0-9_]+|[\xc3-\xe1\xea-\xee\xf0-\xf4][\x80-\xbf]*)+")

MAX_WIDTH = 31  # words in a sequence; the kernel keeps a ring of this many and one more
MAX_HITS = 1 << 16  # per batch of one call: a text with more is found out many times over

_SEPARATOR, _TAIL, _LETTER, _IDEOGRAM = 0, 1, 2, 3  # the last two begin a word
_CLASS = np.zeros(256, np.uint8)
_LOWER = np.arange(256, dtype=np.uint64)
for _byte in range(256):
    _character = chr(_byte)
    if _byte < 128:
        _CLASS[_byte] = _LETTER if _character.isalnum() or _character == "_" else _SEPARATOR
        _LOWER[_byte] = ord(_character.lower())
    elif _byte < 0xC0:
        _CLASS[_byte] = _TAIL
    elif 0xE3 <= _byte <= 0xE9:
        _CLASS[_byte] = _IDEOGRAM
    elif _byte not in (0xC0, 0xC1, 0xC2, 0xE2, 0xEF) and _byte <= 0xF4:
        _CLASS[_byte] = _LETTER

_U64 = np.uint64
_OFFSET, _PRIME = _U64(0xCBF29CE484222325), _U64(0x100000001B3)  # FNV-1a
_BASE = _U64(0x9E3779B97F4A7C15)  # of the polynomial; odd, so that every step can be undone
_SPREAD = _U64(0xD6E8FEB86659FD93)
_RING = MAX_WIDTH + 1

Hashes = npt.NDArray[np.uint64]
Index = npt.NDArray[np.int64]


def words(text: bytes) -> list[bytes]:
    """The words of a text, lower-cased, in order."""
    return WORD.findall(text.lower())  # bytes: ASCII alone


@dataclass(frozen=True)
class Found:
    """One known sequence in one text: text[start:end] in bytes holds it, `key` says which it is."""

    row: int
    key: int
    start: int
    end: int


@dataclass(frozen=True)
class Sequences:
    """Known sequences of words, ready to be looked for. Picklable: 50 bytes a sequence beside the words."""

    texts: tuple[bytes, ...]  # words joined by one blank
    widths: Index
    hashes: Hashes  # sorted
    keys: Index  # places in `texts`, in the order of `hashes`
    bitmap: npt.NDArray[np.uint64]

    @staticmethod
    def of(sequences: Iterable[Sequence[bytes]]) -> Sequences:
        """Raises ValueError for a sequence with no word or with more than MAX_WIDTH."""
        found = list(dict.fromkeys(b" ".join(sequence) for sequence in sequences))
        counts = [text.count(b" ") + 1 if text else 0 for text in found]
        for text, count in zip(found, counts, strict=True):
            if not 1 <= count <= MAX_WIDTH:
                raise ValueError(f"a sequence of {count} words: expected 1 to {MAX_WIDTH}: {text[:80]!r}.")
        raw = pa.array(found, pa.large_binary())
        hashes = _hashes_of(raw)
        order = np.argsort(hashes, kind="stable")
        # 64 bits a sequence: one word in 64 of a text that holds none of them looks further.
        bits = max(16, int(np.ceil(np.log2(max(1, len(found)) * 64))))
        bitmap = np.zeros(1 << (bits - 6), np.uint64)
        _fill(bitmap, hashes)
        return Sequences(
            tuple(found), np.unique(np.array(counts, np.int64)), hashes[order], order.astype(np.int64), bitmap
        )

    def __len__(self) -> int:
        return len(self.texts)

    def find(self, text: pa.Array) -> Iterator[Found]:
        """Every place of every known sequence, by row and place. `text`: an Arrow array of strings or bytes.

        Stops after MAX_HITS candidates in one row. Raises ValueError where `shingles.documents` does.
        """
        if not len(self):
            return
        given = documents(text)
        out = np.empty((MAX_HITS, 3), np.int64)
        for row in range(len(given)):
            start, end = int(given.start[row]), int(given.end[row])
            count = _scan(
                given.data, start, end, self.widths, _powers(self.widths), frozen(self.bitmap, np.uint64),
                frozen(self.hashes, np.uint64), out,
            )  # fmt: skip
            for place, first, last in out[:count].tolist():
                said = b" ".join(words(given.data[first:last].tobytes()))
                yield from (
                    Found(row, key, first - start, last - start) for key in self._at(place) if self.texts[key] == said
                )

    def _at(self, place: int) -> Iterator[int]:
        value = self.hashes[place]
        while place < len(self.hashes) and self.hashes[place] == value:
            yield int(self.keys[place])
            place += 1


def _powers(widths: Index) -> Hashes:
    powers = [pow(int(_BASE), int(width), 1 << 64) for width in widths]
    return np.array(powers, np.uint64)


def _hashes_of(texts: pa.Array) -> Hashes:
    """The hash of each text taken as one sequence: shape (texts,)."""
    given = documents(texts)
    out = np.empty(len(given), np.uint64)
    for row in range(len(given)):
        out[row] = _hash(given.data, int(given.start[row]), int(given.end[row]))
    return out


@compiled
def _bit(h: np.uint64, size: int) -> np.uint64:
    """A bit of the bitmap: the upper half of a product, since the low bits of a polynomial depend on low bits only."""
    return ((h * _SPREAD) >> _U64(20)) & _U64(size * 64 - 1)


@compiled
def _fill(bitmap: Hashes, hashes: Hashes) -> None:
    for i in range(hashes.shape[0]):
        bit = _bit(hashes[i], bitmap.shape[0])
        bitmap[np.int64(bit >> _U64(6))] |= _U64(1) << (bit & _U64(63))


@compiled
def _hash(data: npt.NDArray[np.uint8], start: int, end: int) -> np.uint64:
    total, h, state = _U64(0), _OFFSET, 0
    for i in range(start, end):
        kind = int(_CLASS[data[i]])
        if kind == _TAIL and state != 0:
            h = (h ^ _LOWER[data[i]]) * _PRIME
            continue
        if state != 0 and (kind != _LETTER or state == _IDEOGRAM):
            total, h, state = total * _BASE + h, _OFFSET, 0
        if kind >= _LETTER:
            h, state = (h ^ _LOWER[data[i]]) * _PRIME, kind
    return total * _BASE + h if state != 0 else total


@compiled
def _lookup(hashes: Hashes, h: np.uint64) -> int:
    place = np.searchsorted(hashes, h)
    return int(place) if place < hashes.shape[0] and hashes[place] == h else -1


@compiled
def _scan(
    data: npt.NDArray[np.uint8],
    start: int,
    end: int,
    widths: Index,
    powers: Hashes,
    bitmap: Hashes,
    hashes: Hashes,
    out: Index,
) -> int:
    """Rows (place in `hashes`, first byte, byte behind the last) of candidates, as many as `out` has room for."""
    sums, starts = np.zeros(_RING, np.uint64), np.zeros(_RING, np.int64)
    count, seen, state, h, began = 0, 0, 0, _OFFSET, start
    for i in range(start, end + 1):
        kind = int(_CLASS[data[i]]) if i < end else _SEPARATOR
        if kind == _TAIL and state != 0:
            h = (h ^ _LOWER[data[i]]) * _PRIME
            continue
        if state != 0 and (kind != _LETTER or state == _IDEOGRAM):
            total = sums[seen % _RING] * _BASE + h
            starts[seen % _RING] = began
            seen += 1
            sums[seen % _RING] = total
            for w in range(widths.shape[0]):
                width = widths[w]
                if width > seen:
                    break
                window = total - sums[(seen - width) % _RING] * powers[w]
                bit = _bit(window, bitmap.shape[0])
                if bitmap[np.int64(bit >> _U64(6))] & (_U64(1) << (bit & _U64(63))):
                    place = _lookup(hashes, window)
                    if place >= 0:
                        out[count, 0], out[count, 1], out[count, 2] = place, starts[(seen - width) % _RING], i
                        count += 1
                        if count == out.shape[0]:
                            return count
            state = 0
        if kind >= _LETTER:
            if state == 0:
                h, began = _OFFSET, i
            h, state = (h ^ _LOWER[data[i]]) * _PRIME, kind
    return count
