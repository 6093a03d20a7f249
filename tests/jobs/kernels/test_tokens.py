"""Tokens of every unit against Python's re and str."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.kernels import tokens
from jobs.kernels.arrays import frozen
from tests.jobs.kernels.shingle_oracle import UNITS, foreign_sources, sources, tokens_of_python

# Bytes of UTF-8 that is cut, overlong, half of a surrogate pair or too high, between whole characters.
PIECES = [
    b"a",
    b"_",
    b" ",
    b"\xc3\xa9",
    b"\xe4\xb8\xad",
    b"\xf0\x9d\x93\x90",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
]
PIECES += [bytes([byte]) for byte in (0x80, 0xBF, 0xC2, 0xE0, 0xE4, 0xED, 0xF0, 0xF4, 0xF5, 0xFF)]
TEXT = st.binary(max_size=60) | st.text(max_size=40).map(lambda s: s.encode("utf-8", "surrogatepass"))
TEXT |= st.lists(st.sampled_from(PIECES), max_size=20).map(b"".join)


def test_words_characters_and_bytes_of_a_line():
    line = "x = naïve_x".encode()
    assert tokens_of("ascii_words", [line]) == [[b"x", b"na", b"ve_x"]]
    assert tokens_of("unicode_words", [line]) == [[b"x", "naïve_x".encode()]]
    assert tokens_of("characters", [line]) == [[c.encode() for c in "x = naïve_x"]]
    assert len(tokens_of("bytes", [line])[0]) == len(line)


def tokens_of(unit, texts):
    """Kernel: the tokens of each text, as it is written in one block with the others."""
    size = np.array([len(text) for text in texts], np.int64)
    end = np.cumsum(size)
    data = frozen(np.frombuffer(b"".join(texts), np.uint8), np.uint8)
    stream = np.empty(int(size.sum()) + len(texts), np.uint8)  # exactly what `cut` asks for
    starts = np.empty(int(tokens.most_tokens(unit, size).sum()) + 1, np.int32)
    firsts = np.empty(len(texts) + 1, np.int64)
    tokens.cut(unit, data, end - size, end, stream, starts, firsts)
    gap = tokens.joint(unit)
    assert starts[firsts[-1]] <= len(stream)
    return [
        [stream[starts[t] : starts[t + 1] - gap].tobytes() for t in range(firsts[i], firsts[i + 1])]
        for i in range(len(texts))
    ]


@pytest.mark.parametrize("unit", UNITS)
@settings(deadline=None)  # the first example may compile
@given(st.lists(TEXT, max_size=5))
def test_tokens_of_any_bytes_are_those_of_python(unit, texts):
    assert tokens_of(unit, texts) == [tokens_of_python(text, unit) for text in texts]


@pytest.mark.parametrize("unit", UNITS)
def test_tokens_of_real_sources_are_those_of_python(unit):
    texts = [*sources(20), *foreign_sources()[:20]]
    assert tokens_of(unit, texts) == [tokens_of_python(text, unit) for text in texts]


@pytest.mark.parametrize("unit", ["ascii_words", "unicode_words", "characters"])
def test_every_byte_value_is_told_apart_alone_and_in_pairs(unit):
    texts = [bytes(pair) for first in range(256) for pair in ((first, second) for second in range(0, 256, 5))]
    texts += [bytes([value]) for value in range(256)]
    assert tokens_of(unit, texts) == [tokens_of_python(text, unit) for text in texts]


@pytest.mark.parametrize("unit", ["unicode_words", "characters"])
def test_every_character_of_unicode_is_told_apart(unit):
    points = [chr(point) for point in range(sys.maxunicode + 1) if not 0xD800 <= point <= 0xDFFF]
    text = " ".join(points).encode()
    assert tokens_of(unit, [text]) == [tokens_of_python(text, unit)]


def test_a_text_cut_within_a_character_is_not_read_beyond_its_end():
    whole = "中".encode()
    for cut in (1, 2):
        assert tokens_of("characters", [whole[:cut], whole[cut:]]) == [
            tokens_of_python(whole[:cut], "characters"),
            tokens_of_python(whole[cut:], "characters"),
        ]


def test_no_text_has_more_tokens_than_said():
    worst = {
        "ascii_words": b"a " * 50 + b"a",
        "unicode_words": b"a " * 50 + b"a",
        "characters": b"\xff" * 101,
        "bytes": b"x" * 101,
    }
    for unit, text in worst.items():
        assert len(tokens_of(unit, [text])[0]) == tokens.most_tokens(unit, np.array([101]))[0]
