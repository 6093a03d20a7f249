"""Shingle sets and similarities of whole columns, against one document and one pair at a time."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from jobs.kernels.shingles import Shingling, jaccard, shingle_set
from jobs.kernels.similarity import shingle_sets, similarities

WORDS = Shingling("ascii_words", 5, "xxh3")
TEXT = st.text(alphabet="ab_Z9 \n.\u00e9\u4e2d", max_size=60)


def column(texts: list[str]) -> pa.LargeStringArray:
    return pa.array(texts, pa.large_string())


def as_sets(found: pa.ListArray) -> list[list[int]]:
    """The hashes as the unsigned numbers that they are."""
    return [np.array(row, np.int32).view(np.uint32).tolist() for row in found.to_pylist()]


def test_a_changed_word_costs_the_shingles_that_hold_it():
    sets = shingle_sets(column(["one two three four five six", "one two three four five 6", ""]), WORDS)
    assert [len(row) for row in sets.to_pylist()] == [2, 2, 0]
    assert similarities(sets, np.array([0, 1, 2]), np.array([1, 0, 2])).to_pylist() == [1 / 3, 1 / 3, 0.0]


@given(st.lists(TEXT, max_size=12))
def test_a_column_gives_the_sets_of_its_texts(texts: list[str]):
    expected = [shingle_set(text.encode(), WORDS).tolist() for text in texts]
    assert as_sets(shingle_sets(column(texts), WORDS)) == expected


def test_real_sources_over_several_blocks_give_the_sets_and_similarities_of_single_documents():
    sources = [path.read_text("utf-8") for path in sorted(Path(json.__file__).parents[1].glob("*.py"))[:150]]
    assert sum(map(len, sources)) > 2 << 20
    alone = [shingle_set(text.encode(), WORDS) for text in sources]
    sets = shingle_sets(column(sources), WORDS)
    assert as_sets(sets) == [one.tolist() for one in alone]
    # A slice, as Arrow hands it out: offsets do not begin at 0.
    found = similarities(sets.slice(7, 107), np.zeros(100, np.int64), np.arange(1, 101)).to_pylist()
    assert found == [jaccard(alone[7], alone[i + 8]) for i in range(100)]
    python = [set(one.tolist()) for one in alone[7:108]]
    assert found == [len(python[0] & other) / len(python[0] | other) for other in python[1:]]
    assert max(found) > 0
