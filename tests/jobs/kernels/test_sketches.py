"""Signatures that go to datasketch and come back."""

import dataclasses
import pickle

import numpy as np
import pyarrow as pa
import pytest
from datasketch import LeanMinHash, MinHash, MinHashLSH
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.kernels.minhash import Setting, signatures
from jobs.kernels.shingles import Shingling
from jobs.kernels.sketches import from_datasketch, hashfunc, to_datasketch
from tests.jobs.kernels.shingle_oracle import HASHES, shingles_of_python, sources

SETTING = Setting(Shingling("ascii_words", 5, "sha1"), permutations=128, bands=16, rows=8, seed=1)


def test_an_index_that_datasketch_made_is_asked_with_our_signatures():
    texts = sources(10)
    index = MinHashLSH(threshold=0.7, num_perm=128)
    for key, text in enumerate(texts):
        sketch = MinHash(num_perm=128)  # every default of datasketch
        sketch.update_batch(shingles_of_python(text, SETTING.shingling))
        index.insert(key, sketch)
    signed, _ = signatures(pa.array(texts, pa.binary()), SETTING)
    assert [key in index.query(to_datasketch(row, SETTING)) for key, row in enumerate(signed)] == [True] * 10


@settings(deadline=None)  # the first example may compile
@given(
    st.text(alphabet="ab c", max_size=30),
    st.sampled_from(HASHES),
    st.integers(0, 2**32 - 1),
    st.sampled_from([1, 7, 64]),
)
def test_a_signature_comes_back_as_it_went_and_may_grow_on_the_way(text, name, seed, permutations):
    setting = Setting(Shingling("ascii_words", 1, name), permutations, bands=1, rows=1, seed=seed)
    signed, _ = signatures(pa.array([text, text + " d"]), setting)
    sketch = to_datasketch(signed[0], setting)
    for kind in (sketch, LeanMinHash(sketch), pickle.loads(pickle.dumps(sketch))):
        back = from_datasketch(kind, setting)
        assert back.dtype == np.uint32 and np.array_equal(back, signed[0])
    sketch.update(b"d")
    assert np.array_equal(from_datasketch(sketch, setting), signed[1])


def test_a_sketch_shares_no_memory_with_the_signature():
    signed, _ = signatures(pa.array(["a b c d e f"]), SETTING)
    before = signed[0].copy()
    sketch = to_datasketch(signed[0], SETTING)
    sketch.hashvalues[:] = 0
    assert np.array_equal(signed[0], before)
    back = from_datasketch(sketch, SETTING)
    back[:] = 1
    assert not sketch.hashvalues.any()


@pytest.mark.parametrize(
    ("sketch", "said"),
    [
        (MinHash(num_perm=64), "num_perm = 64: expected 128"),
        (MinHash(num_perm=128, seed=2), "seed = 2: expected 1"),
        (MinHash(num_perm=128, scheme="legacy"), "scheme = legacy: expected affine32"),
        (MinHash(num_perm=128, scheme="affine64"), "scheme = affine64: expected affine32"),
        (MinHash(num_perm=128, hashfunc=hashfunc("xxh3")), "hashfunc"),
    ],
)
def test_a_sketch_made_otherwise_is_refused(sketch, said):
    with pytest.raises(ValueError, match=said):
        from_datasketch(sketch, SETTING)


@pytest.mark.parametrize("signature", [np.zeros(64, np.uint32), np.zeros((1, 128), np.uint32), np.zeros(128, np.int64)])
def test_what_is_no_signature_of_the_setting_is_refused(signature):
    with pytest.raises(ValueError, match=r"expected uint32 of shape \(128,\)"):
        to_datasketch(signature, SETTING)


def test_the_hash_of_a_sketch_is_that_of_its_setting():
    for name in HASHES:
        setting = dataclasses.replace(SETTING, shingling=Shingling("characters", 9, name))
        signed, _ = signatures(pa.array(["nine char", "any text of more than nine"]), setting)
        sketch = to_datasketch(signed[0], setting)
        sketch.update_batch(shingles_of_python(b"any text of more than nine", setting.shingling))
        assert np.array_equal(sketch.hashvalues, np.minimum(signed[0], signed[1]))
