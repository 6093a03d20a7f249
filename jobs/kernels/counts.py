"""What is counted of a text: characters, lines, words, and runs of encoded data. `signals` makes columns of it.

Each function over `points` (the characters of one document) and `kinds` (what each of them is) counts one family in
one pass, and knows nothing of the others. To count more, add a `Count` and the lines that count it, in a function
that `_measure` calls.

Cost on one core (AMD EPYC): 90 MB/s of Python code, and 3 us a document beside; ten passes over the characters, one
sort each of the words and the lines. No text takes more than n log n. Memory: 5 bytes per character of the largest
document, 8 per word and per line of it, at most 16 per byte of it; and 200 bytes a document.

A pass has few branches that depend on the text, because most of them would be mispredicted: with `and` and early exits
the passes over words, marks and written bytes took two to eight times as long.
"""

import functools
import string
import unicodedata
from enum import IntEnum

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs.kernels.arrays import Bytes, compiled, documents, frozen

Points = npt.NDArray[np.int32]
Hashes = npt.NDArray[np.uint64]
Counts = npt.NDArray[np.int64]

U64 = np.uint64

# Of 880,732 lines of Go and 705,126 of Python 1 in 9,000 is longer. Minified JavaScript is above 0.98 with any limit up
# to 1000, but some minifiers break lines after 500.
LONG_LINE = 300  # characters, line end included


class Count(IntEnum):
    """What is counted of one document, and its place in the vector of counts."""

    BYTES = 0
    CHARACTERS = 1
    VISIBLE = 2
    LETTERS = 3
    DIGITS = 4
    SPACES = 5
    REPLACEMENTS = 6
    LINES = 7
    LONGEST_LINE = 8
    IN_LONG_LINES = 9
    FILLED_LINES = 10
    REPEATED_LINES = 11
    TODO_LINES = 12
    ASSERT_LINES = 13
    WORDS = 14
    IN_WORDS = 15
    DISTINCT_WORDS = 16
    IN_HEX_WORDS = 17
    LONGEST_ENCODED = 18
    IN_ENCODED = 19
    XML_HEAD = 20
    GENERATED_HEAD = 21
    LONGEST_BYTE_ARRAY = 22
    IN_BYTE_ARRAYS = 23


def count_rows(text: pa.Array) -> Counts:
    """The counts of every document: shape (len(Count), documents), int64. A null is counted as the empty text.

    `text` is a valid Array of string or large_string: its UTF-8 is trusted. Raises ValueError where
    `shingles.documents` does.
    """
    rows = documents(text)
    kind_of, fold_of = character_tables()
    longest = int((rows.end - rows.start).max(initial=0))
    # Only the pages that are written to become resident. A hashed line has two characters and, but one, its end.
    points, kinds = np.empty(longest, np.int32), np.empty(longest, np.uint8)
    words, lines = np.empty(longest, np.uint64), np.empty(longest // 3 + 1, np.uint64)
    counts = np.zeros((len(rows), len(Count)), np.int64)
    for row, (start, end) in enumerate(zip(rows.start.tolist(), rows.end.tolist(), strict=True)):
        count = counts[row]
        hashed = _measure(rows.data, start, end, kind_of, fold_of, points, kinds, words, lines, count)
        # numpy's sort cannot be driven to quadratic time, numba's can.
        words[: count[Count.WORDS]].sort()
        lines[:hashed].sort()
        _count_repeats(words, lines, hashed, count)
    return counts.T


# ---- what a character is

LETTER, DIGIT, SPACE, WHITE, NAME, BASE64, TEXT, OTHER = (1 << bit for bit in range(8))
# SPACE is what str.isspace says, WHITE is SPACE without U+001C-001F, NAME is what \w means to Unicode.
# TEXT and OTHER are the two kinds of words; both at once is a character that is removed, none one that separates.
REMOVED = TEXT | OTHER

_ASSIGNED = (range(0x40000), range(0xE0000, 0xE1000))  # everywhere else Unicode has no characters but private ones
_DROPPED = {*range(0x08), *range(0x0E, 0x1B), *range(0x1C, 0x20), 0x202C}
# ASCII punctuation, its full-width forms, quotes and brackets of Chinese and Japanese, thin and zero-width space.
_PARTING = {
    *map(ord, string.punctuation),
    *(ord(mark) + 0xFEE0 for mark in string.punctuation),
    *map(ord, "。、《》“”【】「」‘’"),
    *(0x2009, 0x200B),
}
# Alphabetic to Unicode though symbols by category.
_CIRCLED = {*range(0x24B6, 0x24EA), *range(0x1F130, 0x1F14A), *range(0x1F150, 0x1F16A), *range(0x1F170, 0x1F18A)}
_NAME_CATEGORIES = {"Lu", "Ll", "Lt", "Lm", "Lo", "Nl", "Nd", "Mn", "Mc", "Me", "Pc"}
_BASE64 = set((string.ascii_letters + string.digits + "+/=\n").encode())


@functools.cache
def character_tables() -> tuple[Bytes, Points]:
    """(kind, fold): the kinds of each code point, and the code point it is compared as. Made once, in 0.3 s."""
    kind_of = np.full(0x110000, OTHER, np.uint8)
    fold_of = np.arange(0x110000, dtype=np.int32)
    for points in _ASSIGNED:
        folds = [_fold(point) for point in points]
        kind_of[points.start : points.stop] = [_kind(point, fold) for point, fold in zip(points, folds, strict=True)]
        fold_of[points.start : points.stop] = folds
    return frozen(kind_of, np.uint8), frozen(fold_of, np.int32)


def _kind(point: int, fold: int) -> int:
    character = chr(point)
    category = unicodedata.category(character)
    space = character.isspace()
    kind = LETTER * (category[0] == "L") | DIGIT * character.isdigit() | SPACE * space | BASE64 * (point in _BASE64)
    kind |= WHITE * (space and not 0x1C <= point <= 0x1F)
    kind |= NAME * (category in _NAME_CATEGORIES or point in _CIRCLED)
    if point in _DROPPED:
        return kind | REMOVED
    if space or point in _PARTING:
        return kind
    folded = chr(fold)
    return kind | (TEXT if folded.isalnum() or folded == "_" else OTHER)


def _fold(point: int) -> int:
    """Lower case, then compatibility form; the code point itself where this is several characters."""
    folded = unicodedata.normalize("NFKC", chr(point).lower())
    return ord(folded) if len(folded) == 1 else point


# ---- counting one document: points are its characters, kinds what each of them is

_LINE_FEED, _ZERO, _X, _BACKSLASH, _COMMA, _BRACE, _U = b"\n0x\\,}u"
_TODO, _FIXME, _ASSERT, _CODE_HERE = (U64(int.from_bytes(mark)) for mark in (b"todo", b"fixme", b"assert", b"ode here"))
_MASK_4, _MASK_5, _MASK_6 = (U64((1 << 8 * length) - 1) for length in (4, 5, 6))
_YOUR_CODE_HERE = frozen(list(b"your code here"), np.uint8)
_XML = frozen(list(b"<?xml version="), np.uint8)
_GENERATE, _AUTOGEN, _NO_EDIT = (frozen(list(mark), np.uint8) for mark in (b"generate", b"autogen", b"do not edit"))
_XML_HEAD, _GENERATED_HEAD = 100, 200  # characters
_BASE64_RUN, _BYTE_RUN, _ESCAPE_RUN = 64, 8, 8  # characters, bytes, escapes
_FACTOR = U64(0x9E3779B97F4A7C15)  # also the hash of nothing: after 0, U+0000 would leave no trace


@compiled
def _measure(
    data: Bytes,
    start: int,
    end: int,
    kind_of: Bytes,
    fold_of: Points,
    points: Points,
    kinds: Bytes,
    words: Hashes,
    lines: Hashes,
    count: Counts,
) -> int:
    """Counts data[start:end] and hashes its words and lines; returns how many lines were hashed."""
    n = _decode(data, start, end, kind_of, points, kinds)
    count[Count.BYTES], count[Count.CHARACTERS] = end - start, n
    points, kinds = points[:n], kinds[:n]
    _count_characters(points, kinds, count)
    hashed = _count_lines(points, kinds, lines, count)
    _count_marked_lines(points, count)
    _count_words(points, kinds, fold_of, words, count)
    _count_hex_words(points, kinds, count)
    _count_base64(kinds, count)
    _count_byte_runs(points, kinds, False, count)
    _count_byte_runs(points, kinds, True, count)
    _count_escapes(points, count)
    _read_head(points, count)
    return hashed


@compiled
def _decode(data: Bytes, start: int, end: int, kind_of: Bytes, points: Points, kinds: Bytes) -> int:
    """UTF-8 that is known to be valid into characters and their kinds; returns how many."""
    n = 0
    i = start
    while i < end:
        point = np.int32(data[i])
        i += 1
        if point >= 0xC0:
            more = 1 if point < 0xE0 else 2 if point < 0xF0 else 3
            point &= 0x3F >> more
            for _ in range(more):
                point = np.int32((point << 6) | (data[i] & 0x3F))
                i += 1
        points[n] = point
        kinds[n] = kind_of[point]
        n += 1
    return n


@compiled
def _count_characters(points: Points, kinds: Bytes, count: Counts) -> None:
    letters, digits, spaces, replacements = 0, 0, 0, 0
    for i in range(points.shape[0]):
        letters += 1 if kinds[i] & LETTER else 0
        digits += 1 if kinds[i] & DIGIT else 0
        spaces += 1 if kinds[i] & SPACE else 0
        replacements += 1 if points[i] == 0xFFFD else 0
    count[Count.LETTERS], count[Count.DIGITS], count[Count.SPACES] = letters, digits, spaces
    count[Count.VISIBLE], count[Count.REPLACEMENTS] = points.shape[0] - spaces, replacements


@compiled
def _mix(h: np.uint64, point: int) -> np.uint64:
    h = (h ^ U64(point)) * _FACTOR
    return h ^ (h >> U64(32))


@compiled
def _count_lines(points: Points, kinds: Bytes, hashes: Hashes, count: Counts) -> int:
    """Counts lines, and hashes those that can be duplicates, without their white space; returns how many."""
    closing = _mix(_mix(_FACTOR, _BRACE), _COMMA)
    hashed, first = 0, 0
    h, squeezed, filled = _FACTOR, 0, False
    for i in range(points.shape[0]):
        if not kinds[i] & WHITE:
            h = _mix(h, points[i])
            squeezed += 1
            filled = filled or not kinds[i] & SPACE
        if points[i] != _LINE_FEED and i + 1 < points.shape[0]:
            continue
        length = i + 1 - first
        count[Count.LINES] += 1
        count[Count.LONGEST_LINE] = max(count[Count.LONGEST_LINE], length)
        count[Count.IN_LONG_LINES] += length if length > LONG_LINE else 0
        if filled:
            count[Count.FILLED_LINES] += 1
            if squeezed > 1 and h != closing:
                hashes[hashed] = h
                hashed += 1
        first, h, squeezed, filled = i + 1, _FACTOR, 0, False
    return hashed


@compiled
def _lower(point: int) -> int:
    return point + 32 if 65 <= point <= 90 else point


@compiled
def _holds(points: Points, i: int, mark: Bytes) -> bool:
    """Whether points[i:] begins with a mark in lower case, whatever the case of its own ASCII letters."""
    if i + mark.shape[0] > points.shape[0]:
        return False
    for j in range(mark.shape[0]):  # noqa: SIM110  numba compiles no generators
        if _lower(points[i + j]) != mark[j]:
            return False
    return True


@compiled
def _count_marked_lines(points: Points, count: Counts) -> None:
    todo, asserts = False, False
    last = U64(0)  # the last eight characters in lower case, one byte each; 0 for those outside ASCII
    for i in range(points.shape[0]):
        last = (last << U64(8)) | U64(_lower(points[i]) if points[i] < 128 else 0)
        todo |= (last & _MASK_4) == _TODO
        todo |= (last & _MASK_5) == _FIXME
        asserts |= (last & _MASK_6) == _ASSERT
        if last == _CODE_HERE:
            todo |= i >= 13 and _holds(points, i - 13, _YOUR_CODE_HERE)
        if points[i] == _LINE_FEED or i + 1 == points.shape[0]:
            count[Count.TODO_LINES] += 1 if todo else 0
            count[Count.ASSERT_LINES] += 1 if asserts else 0
            todo, asserts = False, False


@compiled
def _count_words(points: Points, kinds: Bytes, fold_of: Points, hashes: Hashes, count: Counts) -> None:
    """Counts words and hashes every one, folded."""
    n, length, inside = 0, 0, 0
    h = _FACTOR
    for i in range(points.shape[0]):
        kind = kinds[i] & REMOVED
        if kind == REMOVED:
            continue
        changes = kind != inside
        hashes[n] = h
        n += 1 if changes & (inside != 0) else 0
        h = _mix(_FACTOR if changes else h, fold_of[points[i]])
        length += 1 if kind else 0
        inside = kind
    if inside:
        hashes[n] = h
        n += 1
    count[Count.WORDS], count[Count.IN_WORDS] = n, length


@compiled
def _count_repeats(words: Hashes, lines: Hashes, hashed: int, count: Counts) -> None:
    """Distinct words, and lines that occur twice or more, from their sorted hashes."""
    for i in range(count[Count.WORDS]):
        count[Count.DISTINCT_WORDS] += 1 if i == 0 or words[i] != words[i - 1] else 0
    for i in range(hashed):
        before = i > 0 and lines[i] == lines[i - 1]
        after = i + 1 < hashed and lines[i] == lines[i + 1]
        count[Count.REPEATED_LINES] += 1 if before or after else 0


@compiled
def _is_hex(point: int) -> bool:
    low = point | 32
    return ((point >= 48) & (point <= 57)) | ((low >= 97) & (low <= 102))


@compiled
def _count_hex_words(points: Points, kinds: Bytes, count: Counts) -> None:
    """Characters of the runs of NAME that are 0x and hexadecimal digits."""
    n = points.shape[0]
    for i in range(n - 2):
        if (points[i] != _ZERO) | (_lower(points[i + 1]) != _X) or (i > 0 and kinds[i - 1] & NAME):
            continue
        end = i + 2
        while end < n and _is_hex(points[end]):
            end += 1
        if end > i + 2 and not (end < n and kinds[end] & NAME):
            count[Count.IN_HEX_WORDS] += end - i


@compiled
def _add_run(length: int, count: Counts) -> None:
    count[Count.LONGEST_ENCODED] = max(count[Count.LONGEST_ENCODED], length)
    count[Count.IN_ENCODED] += length


@compiled
def _add_byte_run(length: int, spaced: bool, count: Counts) -> None:
    if spaced:
        count[Count.LONGEST_BYTE_ARRAY] = max(count[Count.LONGEST_BYTE_ARRAY], length)
        count[Count.IN_BYTE_ARRAYS] += length
    else:
        _add_run(length, count)


@compiled
def _count_base64(kinds: Bytes, count: Counts) -> None:
    length = 0
    for i in range(kinds.shape[0]):
        inside = kinds[i] & BASE64 != 0
        if not inside and length >= _BASE64_RUN:
            _add_run(length, count)
        length = length + 1 if inside else 0
    if length >= _BASE64_RUN:
        _add_run(length, count)


@compiled
def _after_byte(points: Points, kinds: Bytes, i: int, spaced: bool) -> int:
    """Where the byte ends that is written at i, with what may follow it; i where none is.

    The pattern: a word boundary, 0x or \\x or neither, two hexadecimal digits, then a comma, or a word boundary and
    any white space. So `0x01, 0x02` is no run, and the first of `"\\x41\\x42"` is no byte: as in the recipe. With `spaced`
    white space may also follow the comma.
    """
    n = points.shape[0]
    if (i > 0 and bool(kinds[i - 1] & NAME)) == bool(kinds[i] & NAME):
        return i
    digits = i + 2 if points[i + 1] == _X else i
    end = digits + 2
    if end > n or not _is_hex(points[digits]) or not _is_hex(points[digits + 1]):
        return i
    if end < n and points[end] == _COMMA:
        end += 1
        while spaced and end < n and kinds[end] & WHITE:
            end += 1
        return end
    if end < n and kinds[end] & NAME:
        return i
    while end < n and kinds[end] & WHITE:
        end += 1
    return end


@compiled
def _count_byte_runs(points: Points, kinds: Bytes, spaced: bool, count: Counts) -> None:
    i, first, length = 0, 0, 0
    while i + 1 < points.shape[0]:
        # Hardly ever true, unlike its parts and the word boundary.
        here, after = points[i], points[i + 1]
        prefixed = (after == _X) & ((here == _ZERO) | (here == _BACKSLASH))
        end = _after_byte(points, kinds, i, spaced) if prefixed | (_is_hex(here) & _is_hex(after)) else i
        if end > i:
            first = i if length == 0 else first
            length += 1
            i = end
            continue
        if length >= _BYTE_RUN:
            _add_byte_run(i - first, spaced, count)
        length = 0
        i += 1
    if length >= _BYTE_RUN:
        _add_byte_run(i - first, spaced, count)


@compiled
def _count_escapes(points: Points, count: Counts) -> None:
    """Runs of \\u and four hexadecimal digits."""
    n = points.shape[0]
    i, length = 0, 0
    while i < n:
        escape = i + 6 <= n and points[i] == _BACKSLASH and points[i + 1] == _U
        for j in range(2, 6):
            escape = escape and _is_hex(points[i + j])
        length += 1 if escape else 0
        if length >= _ESCAPE_RUN and (not escape or i + 6 == n):
            _add_run(6 * length, count)
        length = length if escape else 0
        i += 6 if escape else 1


@compiled
def _read_head(points: Points, count: Counts) -> None:
    head = points[:_GENERATED_HEAD]
    for i in range(head.shape[0]):
        if _holds(head, i, _GENERATE) or _holds(head, i, _AUTOGEN) or _holds(head, i, _NO_EDIT):
            count[Count.GENERATED_HEAD] = 1
    head = points[:_XML_HEAD]
    for i in range(head.shape[0] - _XML.shape[0] + 1):
        same = True
        for j in range(_XML.shape[0]):
            same = same and head[i + j] == _XML[j]
        if same:
            count[Count.XML_HEAD] = 1
