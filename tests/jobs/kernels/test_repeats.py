"""Repeated words, n-grams and quoted text equal slow, plain Python on any text."""

import math
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.kernels.counts import character_tables
from jobs.kernels.literals import concatenating_lines, literals, long_pieces, long_words
from jobs.kernels.repeats import DUPLICATE, TOP, entropy, repeats
from jobs.kernels.words import folded, plain, plain_kinds, points_of


def test_what_occurs_again_is_found_in_a_text():
    found = repeats(*folded(points_of("spam spam spam, eggs and ham; spam eggs and ham")))
    assert found.characters == 36
    assert found.top == (2 * len("spamspam"), 2 * len("spameggsand"), 2 * len("spameggsandham"))
    assert found.duplicate == (0, 0, 0, 0, 0, 0)


def slow_repeats(words):
    total, top, duplicate = sum(map(len, words)), [], []
    for n in range(2, 11):
        grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
        often = Counter(grams)
        if n in TOP:
            most = max(often.values(), default=0)
            first = next((gram for gram in grams if often[gram] == most), ())
            top.append(most * sum(map(len, first)) if most > 1 else 0)
        if n in DUPLICATE:
            inside = {i + k for i, gram in enumerate(grams) if often[gram] > 1 for k in range(n)}
            duplicate.append(sum(len(words[i]) for i in inside))
    return total, tuple(top), tuple(duplicate)


WORDS = st.one_of(
    st.lists(st.sampled_from(("a", "bb", "ccc")), max_size=60),
    st.lists(st.sampled_from(("a", "b", "c d e f g h", "é")), max_size=30).map(lambda drawn: " ".join(drawn).split()),
    st.integers(0, 40).map(lambda n: ["x"] * n),
)


@settings(max_examples=300, deadline=None)
@given(WORDS)
def test_repeats_equal_counting_tuples(words):
    found = repeats(*folded(points_of(" ".join(words))))
    assert (found.characters, found.top, found.duplicate) == slow_repeats(words)


@settings(deadline=None)
@given(WORDS)
def test_entropy_is_that_of_the_words(words):
    found = entropy(folded(points_of(" ".join(words)))[0])
    shares = [count / len(words) for count in Counter(words).values()]
    expected = -sum(share * math.log(share) for share in shares) if words else None
    assert found == (None if expected is None else pytest.approx(expected, abs=1e-12))


@settings(max_examples=300, deadline=None)
@given(st.text())
def test_plain_words_are_runs_of_letters_and_of_marks(text):
    hashes, lengths = plain(points_of(text))
    words = re.findall(r"\w+|[^\w\s]+", text)
    assert lengths.tolist() == list(map(len, words))
    assert len(np.unique(hashes)) == len(set(words))


# ---- quoted text

ACROSS = re.compile(r"'''(.*?)'''|\"\"\"(.*?)\"\"\"|'(.*?)'|\"(.*?)\"", re.DOTALL)
IN_LINE = re.compile(r"'''((?s:.*?))'''|\"\"\"((?s:.*?))\"\"\"|'([^\n]*?)'|\"([^\n]*?)\"")
CONCATENATED = re.compile(r"""=\s*["'].+["']\s*\+\s*["'].+["']""")
QUOTED = st.text(alphabet="'\"\n =+aé\\", max_size=60)


@settings(max_examples=1000, deadline=None)
@given(QUOTED)
def test_literals_are_those_of_the_pattern(text):
    for across, pattern in ((True, ACROSS), (False, IN_LINE)):
        found = [text[start:end] for start, end in literals(points_of(text), across).tolist()]
        assert found == [content for match in pattern.finditer(text) if (content := match[match.lastindex])]


@settings(max_examples=1000, deadline=None)
@given(QUOTED)
def test_lines_that_concatenate_strings_are_those_of_the_pattern(text):
    expected = sum(bool(CONCATENATED.search(line)) for line in text.split("\n"))
    assert concatenating_lines(points_of(text), character_tables()[0]) == expected


def test_long_words_are_counted_unless_they_are_links():
    text = f"'{'x' * 21} {'y' * 20}' \"see https://example.org/{'z' * 30}\" 'http://{' ' * 9}{'http://' * 3}'"
    points = points_of(text)
    assert long_words(points, literals(points, False), plain_kinds()) == 21


def test_a_line_of_more_than_twenty_words_is_long_wherever_it_stands_in_the_literal():
    text = f'"{"a, " * 10}b\n{"a " * 20}\n{"c " * 21}"'
    points = points_of(text)
    assert long_pieces(points, literals(points, True), plain_kinds()) == 2


@pytest.mark.parametrize("piece", ["'", "'\n", "'''", "\"'", "'''\"", "a", "='a'+"])
def test_hostile_repetition_is_linear(piece):
    """A quadratic scan would take hours for these."""
    points = points_of(piece * 1_000_000)
    for across in (True, False):
        spans = literals(points, across)
        long_pieces(points, spans, plain_kinds())
        long_words(points, spans, plain_kinds())
    concatenating_lines(points, character_tables()[0])
    found = repeats(*folded(points))
    assert found.characters <= len(points)
