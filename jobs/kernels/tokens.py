"""Text cut into the units that shingles are made of.

| unit | one token is | joined by |
|---|---|---|
| ascii_words | a maximal run of ASCII letters, digits and underscores; all else separates | one blank |
| unicode_words | a maximal run of what `\\w` matches in a Python str | one blank |
| characters | a code point; nothing is folded or left out, white space and line ends neither | nothing |
| bytes | a byte | nothing |

Any bytes are allowed. What is not UTF-8 is read as `bytes.decode("utf-8", "surrogateescape")` reads it: each
such byte is a character of its own, and part of no word.

Which characters are words is a matter of the Unicode version, so that of the running Python is part of the
name of unicode_words (`unit_name`): what two versions make is not to be compared.

Cost on one core (AMD EPYC) on Python code: 1 ns a byte for words, 1.4 where letters may lie beyond ASCII; 1.1 for
characters, 0.2 for bytes.
"""

import functools
import re
import unicodedata
from typing import Literal, get_args

import numpy as np

from jobs.kernels.arrays import Bytes, Index, Places, compiled, frozen

Unit = Literal["ascii_words", "unicode_words", "characters", "bytes"]
UNITS: tuple[Unit, ...] = get_args(Unit)

_SEPARATOR = 32
_FOLD = np.full(256, _SEPARATOR, np.uint8)  # byte -> what the token stream holds for it
for _byte in b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_":
    _FOLD[_byte] = _byte


def unit_name(unit: Unit) -> str:
    """The name under which a unit enters a digest: with the version of Unicode where that matters."""
    return f"{unit} {unicodedata.unidata_version}" if unit == "unicode_words" else unit


def joint(unit: Unit) -> int:
    """Bytes between two tokens of a shingle."""
    return 1 if unit in ("ascii_words", "unicode_words") else 0


def most_tokens(unit: Unit, size: Index) -> Index:
    """The most tokens that documents of these sizes, in bytes, can have."""
    return (size + 1) // 2 if joint(unit) else size


def cut(unit: Unit, data: Bytes, start: Index, end: Index, stream: Bytes, starts: Places, firsts: Index) -> None:
    """Writes the tokens of the documents data[start[i]:end[i]] one after another, each followed by its joint.

    Token t is stream[starts[t] : starts[t + 1] - joint(unit)]; document i has the tokens firsts[i] to
    firsts[i + 1] - 1. For documents of n bytes each, stream needs n + 1 bytes a document, starts
    `most_tokens` and 1 beside, firsts one entry more than there are documents. Oracles: re.findall, list.
    """
    if unit == "ascii_words":
        _ascii_words(data, start, end, stream, starts, firsts)
    elif unit == "unicode_words":
        _unicode_words(data, start, end, _word_table(), stream, starts, firsts)
    elif unit == "characters":
        _characters(data, start, end, stream, starts, firsts)
    else:
        _bytes(data, start, end, stream, starts, firsts)


@functools.cache
def _word_table() -> Bytes:
    """Code point -> 1 where `\\w` matches it. Made once, in 30 ms."""
    table = np.zeros(0x110000, np.uint8)
    for word in re.finditer(r"\w+", "".join(map(chr, range(0x110000)))):
        table[word.start() : word.end()] = 1
    return frozen(table, np.uint8)


# Each document is a slice from 0 to its length: numba then sees that no index is negative, which it would have to
# test (12 ns a token against 8).


@compiled
def _ascii_words(data: Bytes, start: Index, end: Index, stream: Bytes, starts: Places, firsts: Index) -> None:
    written, tokens = 0, 0
    for row in range(start.shape[0]):
        firsts[row] = tokens
        text = data[start[row] : end[row]]
        inside = 0
        for i in range(text.shape[0]):  # no branch depends on the text
            byte = _FOLD[text[i]]
            is_word = 1 if byte != _SEPARATOR else 0
            stream[written] = byte
            starts[tokens] = written
            tokens += is_word & (1 - inside)
            written += is_word | inside
            inside = is_word
        if inside:
            stream[written] = _SEPARATOR
            written += 1
    firsts[start.shape[0]] = tokens
    starts[tokens] = written


@compiled
def _unicode_words(
    data: Bytes, start: Index, end: Index, words: Bytes, stream: Bytes, starts: Places, firsts: Index
) -> None:
    written, tokens = 0, 0
    for row in range(start.shape[0]):
        firsts[row] = tokens
        text = data[start[row] : end[row]]
        inside, skipped = 0, 0
        for i in range(text.shape[0]):
            if skipped:
                skipped -= 1
                continue
            starts[tokens] = written
            if text[i] < 0x80:
                byte = _FOLD[text[i]]
                is_word = 1 if byte != _SEPARATOR else 0
                stream[written] = byte
                tokens += is_word & (1 - inside)
                written += is_word | inside
            else:
                point, length = _character(text, i)
                is_word = 1 if point >= 0 and words[point] else 0
                tokens += is_word & (1 - inside)
                if is_word:
                    for k in range(length):
                        stream[written + k] = text[i + k]
                    written += length
                else:
                    stream[written] = _SEPARATOR
                    written += inside
                skipped = length - 1
            inside = is_word
        if inside:
            stream[written] = _SEPARATOR
            written += 1
    firsts[start.shape[0]] = tokens
    starts[tokens] = written


@compiled
def _characters(data: Bytes, start: Index, end: Index, stream: Bytes, starts: Places, firsts: Index) -> None:
    written, tokens = 0, 0
    for row in range(start.shape[0]):
        firsts[row] = tokens
        text = data[start[row] : end[row]]
        i = 0
        while i < text.shape[0]:
            starts[tokens] = written + i
            tokens += 1
            i += 1 if text[i] < 0x80 else _character(text, i)[1]
        stream[written : written + text.shape[0]] = text
        written += text.shape[0]
    firsts[start.shape[0]] = tokens
    starts[tokens] = written


@compiled
def _bytes(data: Bytes, start: Index, end: Index, stream: Bytes, starts: Places, firsts: Index) -> None:
    written = 0
    for row in range(start.shape[0]):
        firsts[row] = written
        text = data[start[row] : end[row]]
        for i in range(text.shape[0]):
            stream[written + i] = text[i]
            starts[written + i] = written + i
        written += text.shape[0]
    firsts[start.shape[0]] = written
    starts[written] = written


@compiled
def _character(text: Bytes, at: int) -> tuple[int, int]:
    """(code point, bytes) of what begins with text[at], above ASCII; (-1, 1) where that is not UTF-8."""
    first = int(text[at])
    more = 1 if first < 0xE0 else 2 if first < 0xF0 else 3
    if not 0xC2 <= first <= 0xF4 or at + more >= text.shape[0]:
        return -1, 1
    point = first & (0x3F >> more)
    for i in range(at + 1, at + 1 + more):
        if text[i] & 0xC0 != 0x80:
            return -1, 1
        point = (point << 6) | int(text[i] & 0x3F)
    # Neither longer than needed, nor half of a surrogate pair, nor beyond the last code point.
    least = 0x80 if more == 1 else 0x800 if more == 2 else 0x10000
    if point < least or 0xD800 <= point <= 0xDFFF or point > 0x10FFFF:
        return -1, 1
    return point, 1 + more
