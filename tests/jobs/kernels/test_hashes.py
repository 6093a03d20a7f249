"""Hashes of byte strings of every length against the packages that define them."""

import hashlib

import numpy as np
import pytest
from datasketch.hashfunc import sha1_hash32
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.kernels.hashes import PADDING, hash_shingles
from tests.jobs.kernels.shingle_oracle import HASHES, hash_of_package


def test_a_shingle_of_two_tokens_is_hashed_with_the_blank_between():
    expected = int.from_bytes(hashlib.sha1(b"hello world").digest()[:4], "little")
    assert hashes_of("sha1", [[b"hello", b"world"]], size=2, gap=1) == [[expected]]


def hashes_of(name, documents, size, gap):
    """Kernel: the hashes of documents that are given as lists of tokens."""
    stream = b"".join(token + b" " * gap for tokens in documents for token in tokens)
    starts = np.cumsum([0, *(len(token) + gap for tokens in documents for token in tokens)], dtype=np.int32)
    firsts = np.cumsum([0, *map(len, documents)])
    out = np.zeros(len(starts), np.uint32)
    padded = np.frombuffer(stream + b"\xa5" * PADDING, np.uint8).copy()
    bounds = hash_shingles(name, padded, starts, firsts, size, gap, out)
    assert not out[bounds[-1] :].any()
    return [out[bounds[i] : bounds[i + 1]].tolist() for i in range(len(documents))]


@pytest.mark.parametrize("name", HASHES)
@pytest.mark.parametrize("order", ["rising", "shuffled", "alone"])
def test_messages_of_every_length_hash_as_the_package_says(name, order):
    # SHA-1 has blocks of 64 bytes, and lanes in which messages of as many blocks wait for each other; the long form of
    # XXH3 has blocks of 1024, and lengths around their multiples end with a full or an empty one.
    draw = np.random.default_rng(5)
    lengths = np.array([*range(1, 601), 1023, 1024, 1025, 2047, 2048, 2049, 3073, 4096, 65_537])
    if order == "shuffled":
        draw.shuffle(lengths)
    messages = [draw.bytes(length) for length in lengths]
    documents = [[message] for message in messages]
    found = (
        [hashes_of(name, [document], 1, 0)[0] for document in documents]
        if order == "alone"
        else hashes_of(name, documents, 1, 0)
    )
    assert found == [[hash_of_package(message, name)] for message in messages]


@pytest.mark.parametrize("name", HASHES)
@settings(deadline=None)  # the first example may compile
@given(
    st.lists(st.lists(st.binary(min_size=1, max_size=90), max_size=7), max_size=5), st.integers(1, 4), st.integers(0, 1)
)
def test_shingles_are_hashed_in_order_and_never_across_documents(name, documents, size, gap):
    def expected(tokens):
        count = max(len(tokens) - size + 1, min(len(tokens), 1))
        return [hash_of_package((b" " * gap).join(tokens[i : i + size]), name) for i in range(count)]

    assert hashes_of(name, documents, size, gap) == [expected(tokens) for tokens in documents]


def test_the_first_four_bytes_are_those_datasketch_takes():
    assert hashes_of("sha1", [[b"x" * 70]], 1, 0) == [[sha1_hash32(b"x" * 70)]]
