"""What every part of the release shares: lines, words, rounding. Lengths are in code points."""

import functools
import re
import string
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.kernels.words import folded, plain, points_of

Hashes = npt.NDArray[np.uint64]
Index = npt.NDArray[np.int64]

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_TOKEN = re.compile(r"\w+|[^\w\s]+")
# Removed, then separated: what `jobs.kernels.counts` does per character, here for texts where a character becomes several.
_REMOVED = [*range(0x08), *range(0x0E, 0x1B), *range(0x1C, 0x20), 0x202C]
_PARTED = (
    *string.punctuation,
    *(chr(ord(mark) + 0xFEE0) for mark in string.punctuation),
    *"。、《》“”【】「」‘’\u2009\u200b",
)
_NORMAL: Mapping[int, str | None] = {
    **{ord(mark): " " for mark in _PARTED},
    **dict.fromkeys(_REMOVED),
    0xFFE5: "\u00a5",
}


def lines_of(text: str) -> list[str]:
    """The lines with their line feeds; nothing else ends a line, and after the last one there is none."""
    return _LINE.findall(text)


def filled(lines: Iterable[str]) -> list[str]:
    """The lines that are not blank."""
    return [line for line in lines if not line.isspace()]


def share(part: float, whole: float) -> float | None:
    """`part` per `whole` to eight decimals; None per nothing."""
    return rounded(part / whole) if whole else None


def rounded(value: float) -> float:
    return round(value, 8)


def tokens(text: str, natural: str) -> list[str]:
    """Words as the language writes them: dictionary words in zh and ja, else runs of letters and runs of marks."""
    if natural == "zh":
        return [piece for piece in _jieba().lcut(text) if piece.strip()]
    if natural == "ja":
        found: list[str] = _mecab().parse(text).split()
        return found
    return _TOKEN.findall(text)


def normal(text: str) -> str:
    """The text as its words are compared: no control characters and punctuation, lower case, compatibility form."""
    return unicodedata.normalize("NFKC", text.translate(_NORMAL).lower())


def words_of(text: str, natural: str) -> tuple[Hashes, Index]:
    """(hash, length) of each word of the normalised lines."""
    if natural in ("zh", "ja"):
        found = [word for line in lines_of(text) for word in tokens(_normal_line(line), natural)]
        return named(found)
    return folded(points_of(text)) if text.isascii() else plain(points_of(normal(text)))


def _normal_line(line: str) -> str:
    return unicodedata.normalize("NFKC", " ".join(line.translate(_NORMAL).lower().split()))


def named(words: Sequence[str]) -> tuple[Hashes, Index]:
    """(hash, length) of words that are text already; equal words have equal hashes, all others differ."""
    numbers: dict[str, int] = {}
    keys = [numbers.setdefault(word, len(numbers)) for word in words]
    return np.array(keys, np.uint64) * np.uint64(0x9E3779B97F4A7C15), np.array([len(word) for word in words], np.int64)


@functools.cache
def _jieba() -> Any:
    import logging

    import jieba

    jieba.setLogLevel(logging.WARNING)
    return jieba


@functools.cache
def _mecab() -> Any:
    import MeCab

    return MeCab.Tagger("-Owakati")


def simplified(text: str) -> str:
    """The text in the characters of mainland China."""
    import zhconv

    converted: str = zhconv.convert(text, "zh-cn")
    return converted
