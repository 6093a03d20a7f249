"""Pairs of LSH buckets against a plain reading of what they are, bucket by bucket.

buckets(bands of 0: [7, 8], 1: [7], 2: [7, 9], 3: [8]) are {0, 1, 2} and {0, 3}
"""

from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.kernels.buckets import buckets, ends, is_in, paired

LISTS = st.lists(st.lists(st.integers(-(2**63), -(2**63) + 5), max_size=4, unique=True), max_size=12)


def made(bands):
    return buckets(pa.array(bands, pa.list_(pa.int64())), np.arange(len(bands)))


def plain(bands):
    found = {}
    for document, hashes in enumerate(bands):
        for band in hashes:
            found.setdefault(band, []).append(document)
    return [members for members in found.values() if len(members) > 1]


def told(pairs):
    return set(zip(*(side.tolist() for side in ends(pairs)), strict=True))


def members(found):
    groups = {}
    for begin, size, member in zip(found.begin, found.size, found.member, strict=True):
        groups.setdefault(int(begin), []).append(int(member))
        assert found.size[begin] == size
    assert all(len(group) == found.size[begin] for begin, group in groups.items())
    return sorted(groups.values())


@given(LISTS)
def test_documents_with_an_equal_hash_share_a_bucket_in_their_order(bands):
    assert members(made(bands)) == sorted(plain(bands))


@given(LISTS, st.sets(st.integers(0, 11)))
def test_buckets_of_some_are_whole(bands, some):
    mask = np.array([document in some for document in range(len(bands))], np.bool_)
    assert members(made(bands).with_any(mask)) == sorted(group for group in plain(bands) if some & set(group))


@given(LISTS)
def test_the_least_of_a_bucket_meets_every_other(bands):
    assert told(made(bands).stars()) == {(group[0], other) for group in plain(bands) for other in group[1:]}


@given(LISTS, st.integers(1, 5), st.randoms(use_true_random=False))
def test_who_is_unlike_the_least_meets_those_that_follow_it(bands, others, draw):
    found = made(bands)
    unlike = np.array([pair for pair in found.stars() if draw.random() < 0.5], np.int64)
    expected = set()
    for group in plain(bands):
        for nth, x in enumerate(group):
            if nth and len(group) > 2 and (group[0], x) in told(unlike):
                following = [group[(nth + step) % len(group)] for step in range(1, min(others, len(group) - 1) + 1)]
                expected |= {(min(x, y), max(x, y)) for y in following}
    assert told(found.rest(unlike, others, at_most=10_000)) == expected


@pytest.mark.parametrize("size", [3, 40])
def test_with_enough_others_every_pair_of_a_bucket_is_there(size):
    found = made([[7]] * size)
    rest = found.rest(found.stars(), others=size, at_most=size * size)
    assert told(rest) == set(combinations(range(size), 2))


def test_more_pairs_than_allowed_are_none_and_as_many_are_given():
    found = made([[7]] * 10)
    assert found.rest(found.stars(), others=4, at_most=35) is None
    assert len(found.rest(found.stars(), others=4, at_most=36)) > 0


@given(
    st.sets(st.tuples(st.integers(0, 9), st.integers(0, 9))), st.sets(st.tuples(st.integers(0, 9), st.integers(0, 9)))
)
def test_a_pair_is_looked_up_whichever_way_round_it_was_given(held, asked):
    held, asked = ({pair for pair in pairs if pair[0] != pair[1]} for pairs in (held, asked))
    arrays = [np.array([pair[i] for pair in held], np.int64) for i in (0, 1)]
    known = paired(*arrays)
    assert told(known) == {(min(pair), max(pair)) for pair in held}
    wanted = paired(*(np.array([pair[i] for pair in asked], np.int64) for i in (0, 1)))
    assert told(wanted[is_in(wanted, known)]) == told(known) & told(wanted)
