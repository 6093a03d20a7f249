"""Shingle hashes and Jaccard similarity against the definition in Python, package hashes and Python sets."""

import re
import tracemalloc

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.kernels import shingles, tokens
from jobs.kernels.arrays import documents, frozen
from jobs.kernels.hashes import _xxh3_rows as xxh3_rows
from jobs.kernels.shingles import Shingling, hash_blocks, jaccard, shingle_set
from tests.jobs.kernels.shingle_oracle import (
    HASHES,
    UNITS,
    hash_of_package,
    hashes_of_python,
    sources,
)

CODE = st.text(alphabet="ab_Z9 \n\t.()\u00e9\u4e2d\U0001d4d0", max_size=80).map(str.encode)


def words(size):
    """Shingles of so many ASCII words."""
    return Shingling("ascii_words", size, "xxh3")


def test_a_renamed_variable_costs_the_shingles_that_name_it():
    a = shingle_set(b"def area(width, height): return width * height", words(3))
    b = shingle_set(b"def area(width, h): return width * h", words(3))
    assert len(a) == len(b) == 5
    assert jaccard(a, b) == 1 / 9  # all but "def area width" differ


def hashes_of(text, how):
    """Kernel: the shingle hashes of each document of an Arrow array, as lists."""
    found = []
    for _, hashes, bounds in hash_blocks(documents(text), how):
        found += [hashes[bounds[i] : bounds[i + 1]].tolist() for i in range(len(bounds) - 1)]
    return found


def xxh3(data):
    return hash_of_package(data, "xxh3")


# ---- shingles


@pytest.mark.parametrize("size", [1, 2, 5, 9])
@pytest.mark.parametrize("name", HASHES)
@pytest.mark.parametrize("unit", UNITS)
def test_shingles_of_real_sources_hash_as_the_definition_says(unit, name, size):
    how = Shingling(unit, size, name)
    texts = sources(25) if unit.endswith("words") else sources(25)[:8]
    assert hashes_of(pa.array(texts, pa.binary()), how) == [hashes_of_python(text, how) for text in texts]


@settings(deadline=None)  # the first example may compile
@given(
    st.lists(st.binary(max_size=30) | CODE, max_size=8),
    st.builds(Shingling, st.sampled_from(UNITS), st.integers(1, 6), st.sampled_from(HASHES)),
)
def test_shingles_of_any_bytes_hash_as_the_definition_says(texts, how):
    assert hashes_of(pa.array(texts, pa.binary()), how) == [hashes_of_python(text, how) for text in texts]


def test_fewer_tokens_than_a_shingle_make_one_shingle_and_no_token_makes_none():
    found = hashes_of(pa.array(["one", "one two three", "", " \n", "\u00e9"]), words(5))
    assert found == [[xxh3(b"one")], [xxh3(b"one two three")], [], [], []]


# ---- columns


@pytest.mark.parametrize("kind", [pa.string(), pa.binary(), pa.large_string(), pa.large_binary()])
def test_type_slice_and_nulls_do_not_change_what_a_document_hashes_to(kind):
    texts = ["alpha beta", None, "", "gamma delta epsilon", "beta alpha", None]
    column = pa.array(texts, pa.string()).cast(kind)
    for start in range(len(texts)):
        for end in range(start, len(texts) + 1):
            expected = [[] if t is None else hashes_of_python(t.encode(), words(2)) for t in texts[start:end]]
            assert hashes_of(column[start:end], words(2)) == expected


def test_bytes_under_a_null_are_no_text():
    offsets, data = np.array([0, 4, 9], np.int32), b"lostfound"
    column = pa.StringArray.from_buffers(2, pa.py_buffer(offsets), pa.py_buffer(data), pa.py_buffer(b"\x02"))
    assert column.to_pylist() == [None, "found"]
    assert hashes_of(column, words(1)) == [[], [xxh3(b"found")]]


def test_offsets_beyond_two_gigabytes_are_followed():
    before = (1 << 31) + 77  # bytes under a null: reserved address space that nothing touches
    text = b"far far away"
    data = np.zeros(before + len(text), np.uint8)
    data[before:] = np.frombuffer(text, np.uint8)
    offsets = np.array([0, before, before + len(text)], np.int64)
    column = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), 2, [pa.py_buffer(b"\x02"), pa.py_buffer(offsets), pa.py_buffer(data)]
    )
    assert hashes_of(column, words(2)) == [[], [xxh3(b"far far"), xxh3(b"far away")]]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([], pa.string()),
        pa.nulls(3, pa.large_string()),
        pa.array(["", ""]),
        pa.array(["a", "b"]).slice(2),
    ],
)
def test_columns_without_a_byte_have_no_shingle(column):
    assert hashes_of(column, words(5)) == [[]] * len(column)


def test_blocks_cover_every_document_once_and_keep_to_their_limits(monkeypatch):
    monkeypatch.setattr(shingles, "BLOCK_BYTES", 100)
    monkeypatch.setattr(shingles, "BLOCK_ROWS", 7)
    draw = np.random.default_rng(2)
    texts = [b"ab " * n for n in draw.choice([0, 1, 5, 30, 90], 200)]
    column, firsts = documents(pa.array(texts, pa.binary())), [0]
    for first, _, bounds in hash_blocks(column, words(1)):
        rows = len(bounds) - 1
        assert first == firsts[-1] and 1 <= rows <= 7
        assert rows == 1 or sum(map(len, texts[first : first + rows])) <= 100
        firsts.append(first + rows)
    assert firsts[-1] == 200
    expected = [hashes_of_python(t, words(1)) for t in texts]
    assert hashes_of(pa.array(texts, pa.binary()), words(1)) == expected


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (pa.array([1]), "int64"),
        (pa.array(["a"]).dictionary_encode(), "dictionary"),
        (pa.array(["a"], pa.string_view()), "string_view"),
        (pa.chunked_array([["a"]]), "ChunkedArray"),
        (["a"], "list"),
    ],
)
def test_other_columns_are_refused_with_what_to_do(text, found):
    with pytest.raises(ValueError, match=rf"text is .*{found}.*\n?.*Cast it"):
        documents(text)


def test_a_document_too_large_for_the_kernel_is_named():
    offsets, data = np.array([0, 1, 1 << 31], np.int64), np.zeros(1 << 31, np.uint8)  # reserved, never touched
    column = pa.LargeBinaryArray.from_buffers(pa.large_binary(), 2, [None, pa.py_buffer(offsets), pa.py_buffer(data)])
    with pytest.raises(ValueError, match=r"text\[1\] has 2147483647 bytes: expected at most 2147483646"):
        documents(column)


@pytest.mark.parametrize(
    ("unit", "size", "name", "said"),
    [
        ("ascii_words", 0, "xxh3", "size = 0: expected .* at least 1"),
        ("words", 5, "xxh3", "unit = 'words': expected one of ascii_words, unicode_words, characters, bytes"),
        ("bytes", 5, "md5", "hash = 'md5': expected one of xxh3, sha1"),
    ],
)
def test_a_shingling_that_cannot_be_is_refused(unit, size, name, said):
    with pytest.raises(ValueError, match=said):
        Shingling(unit, size, name)


# ---- similarity


@settings(deadline=None)  # the first example may compile
@given(st.sets(st.integers(0, 40)), st.sets(st.integers(0, 40)))
def test_jaccard_is_that_of_python_sets_and_zero_for_two_empty_ones(a, b):
    expected = len(a & b) / len(a | b) if a | b else 0.0
    assert jaccard(*(np.array(sorted(x), np.uint32) for x in (a, b))) == expected


def test_a_set_is_sorted_distinct_and_equal_to_that_of_python():
    for text in sources(30):
        expected = sorted(set(hashes_of_python(text, words(5))))
        assert shingle_set(text, words(5)).tolist() == expected


# ---- size


def test_a_document_of_twenty_megabytes_is_one_document():
    unit = b"\n".join(sources(3))[:50_000] + b"\n"
    text = unit * 400
    expected = sorted(set(hashes_of_python(unit * 2, words(5))))
    assert shingle_set(text, words(5)).tolist() == expected
    (found,) = hashes_of(pa.array([text], pa.binary()), words(5))
    assert len(found) == 400 * len(re.findall(rb"\w+", unit, re.ASCII)) - 4


def test_one_token_of_twenty_megabytes_is_one_shingle():
    text = b"x" * 20_000_000
    assert hashes_of(pa.array([text, b"y"], pa.binary()), words(5)) == [[xxh3(text)], [xxh3(b"y")]]


@pytest.mark.parametrize("name", HASHES)
@pytest.mark.parametrize(
    ("unit", "bytes_per_byte"), [("ascii_words", 5), ("unicode_words", 5), ("characters", 9), ("bytes", 9)]
)
def test_scratch_memory_follows_the_largest_document_and_not_the_column(unit, bytes_per_byte, name):
    column = documents(pa.array(["word " * 2_000] * 2_000))  # 20 MB in documents of 10 kB
    hashes_of(pa.array(["compiles"]), Shingling(unit, 5, name))
    tracemalloc.start()
    for _ in hash_blocks(column, Shingling(unit, 5, name)):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < bytes_per_byte * shingles.BLOCK_BYTES + 20_000


def test_whatever_kind_of_array_comes_one_specialisation_is_compiled():
    writable = np.array([1, 2, 3], np.uint32)
    read_only = frozen(writable, np.uint32)
    assert writable.flags.writeable and not read_only.flags.writeable
    for a in (writable, read_only, writable[::2], [1, 2], np.array([1, 2], np.int64)):
        assert 0 < jaccard(a, read_only) <= 1
    for text in (pa.array(["a"]), pa.array([b"a"], pa.large_binary()), pa.array([], pa.string())):
        hashes_of(text, words(1))
    for kernel in (tokens._ascii_words, xxh3_rows, shingles._jaccard):
        assert len(kernel.signatures) == 1
