"""Quoted text, found without knowing the language: escapes mean nothing, and an apostrophe opens a literal.

A scan tries at each place, in this order, three single quotes up to the nearest three single quotes, three double quotes
likewise, one single quote up to the nearest, one double quote likewise; an opener without a partner is skipped. Single
marks either run over lines (`across`) or end with theirs. Empty literals are ignored.

Cost: linear, 5 ns a character. A search that found no closing mark is not made again, so many openers cost as one.
"""

import numpy as np
import numpy.typing as npt

from jobs.kernels.arrays import Bytes, compiled
from jobs.kernels.counts import WHITE

Points = npt.NDArray[np.int32]
Index = npt.NDArray[np.int64]

LONG_PIECE = 20  # words; more make a long line of text
LONG_WORD = 20  # characters
_LINE_FEED, _SINGLE, _DOUBLE = 10, 39, 34
_EQUALS, _PLUS = 61, 43


@compiled
def literals(points: Points, across: bool) -> Index:
    """(start, end) of the content of every literal: shape (literals, 2)."""
    n = points.shape[0]
    spans = np.empty((n // 2 + 1, 2), np.int64)
    found, i = 0, 0
    # From here on there is no closing mark: of three and of one, single and double.
    none = np.full(4, n + 1, np.int64)
    while i < n:
        mark = points[i]
        if mark != _SINGLE and mark != _DOUBLE:
            i += 1
            continue
        kind = 0 if mark == _SINGLE else 1
        begin, end = i, -1
        if i + 2 < n and points[i + 1] == mark and points[i + 2] == mark and i < none[kind]:
            begin = i + 3
            end = begin
            while end + 2 < n and not (points[end] == mark and points[end + 1] == mark and points[end + 2] == mark):
                end += 1
            if end + 2 >= n:
                none[kind], end = i, -1
            else:
                i = end + 3
        if end < 0 and i < none[2 + kind]:
            begin = i + 1
            end = begin
            while end < n and points[end] != mark and (across or points[end] != _LINE_FEED):
                end += 1
            if end == n or points[end] != mark:
                none[2 + kind] = i if end == n else none[2 + kind]
                end = -1
            else:
                i = end + 1
        if end < 0:
            i += 1
        elif end > begin:
            spans[found, 0], spans[found, 1] = begin, end
            found += 1
    return spans[:found].copy()


@compiled
def long_pieces(points: Points, spans: Index, kind_of: Bytes) -> int:
    """Lines of the literals that have more than LONG_PIECE words; `kind_of` says by code point which kind of word it is in."""
    found = 0
    for k in range(spans.shape[0]):
        words, inside = 0, 0
        for i in range(spans[k, 0], spans[k, 1] + 1):
            ends = i == spans[k, 1] or points[i] == _LINE_FEED
            kind = 0 if ends else kind_of[points[i]]
            words += 1 if kind != inside and kind != 0 else 0
            inside = kind
            if ends:
                found += 1 if words > LONG_PIECE else 0
                words = 0
    return found


@compiled
def long_words(points: Points, spans: Index, kind_of: Bytes) -> int:
    """Characters of words of more than LONG_WORD, cut at white space, that hold no http:// or https:// with more behind it."""
    total = 0
    for k in range(spans.shape[0]):
        start = spans[k, 0]
        for i in range(spans[k, 0], spans[k, 1] + 1):
            if i < spans[k, 1] and kind_of[points[i]] != 0:
                continue
            if i - start > LONG_WORD and not _has_link(points, start, i):
                total += i - start
            start = i + 1
    return total


@compiled
def _has_link(points: Points, start: int, end: int) -> bool:
    for i in range(start, end - 7):
        if points[i] != 104 or points[i + 1] != 116 or points[i + 2] != 116 or points[i + 3] != 112:
            continue
        j = i + 5 if points[i + 4] == 115 else i + 4
        if j + 3 < end and points[j] == 58 and points[j + 1] == 47 and points[j + 2] == 47:
            return True
    return False


@compiled
def concatenating_lines(points: Points, kind_of: Bytes) -> int:
    """Lines with `=`, a quote, something, a quote, `+`, a quote, something, a quote; white space may stand after `=` and around `+`.

    `kind_of` is the table of `counts`. All ways to match are followed at once, one bit each, so no line takes long.
    """
    found, state = 0, 1
    for i in range(points.shape[0]):
        point = points[i]
        if point == _LINE_FEED:
            found += 1 if state & 256 else 0
            state = 1
            continue
        quote = (point == _SINGLE) | (point == _DOUBLE)
        white = kind_of[point] & WHITE != 0
        after = 1 | (state & 256)
        after |= 2 if point == _EQUALS or (state & 2 and white) else 0
        after |= 4 if state & 2 and quote else 0
        after |= 8 if state & 12 else 0
        after |= 16 if (state & 8 and quote) or (state & 16 and white) else 0
        after |= 32 if (state & 16 and point == _PLUS) or (state & 32 and white) else 0
        after |= 64 if state & 32 and quote else 0
        after |= 128 if state & 192 else 0
        after |= 256 if state & 128 and quote else 0
        state = after
    return found + (1 if state & 256 else 0)
