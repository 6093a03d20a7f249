"""Signatures against datasketch, band hashes against the signatures, the S-curve against planted duplicates."""

import dataclasses
import functools
import itertools
import json
import math
import tracemalloc
import unicodedata
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from datasketch import MinHash
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.kernels import minhash
from jobs.kernels.minhash import Setting, band_hashes, candidate_probability, permutation_table, signatures
from jobs.kernels.shingles import Shingling
from jobs.kernels.similarity import shingle_sets, similarities
from tests.jobs.kernels.shingle_oracle import (
    HASHES,
    UNITS,
    foreign_sources,
    hash_of_package,
    shingles_of_python,
    sources,
)

SMALL = Setting(Shingling("ascii_words", 5, "xxh3"), permutations=64, bands=16, rows=4, seed=1)


def test_near_duplicates_share_a_band_and_strangers_do_not():
    text = (Path(json.__file__).parent / "decoder.py").read_text()
    edited = text.replace("JSONDecodeError", "DecodeError", 1)
    other = (Path(json.__file__).parents[1] / "heapq.py").read_text()
    a, b, c = (set(bands) for bands in band_hashes(pa.array([text, edited, other]), SMALL).to_pylist())
    assert a & b and not a & c


def words(size):
    """Shingles of so many ASCII words."""
    return Shingling("ascii_words", size, "xxh3")


def signature_of_datasketch(text, setting):
    how = setting.shingling
    hashfunc = functools.partial(hash_of_package, name=how.hash)
    sketch = MinHash(num_perm=setting.permutations, seed=setting.seed, hashfunc=hashfunc)
    found = shingles_of_python(text, how)
    if found:
        sketch.update_batch(found)
    return sketch.hashvalues.tolist()


# ---- signatures


@pytest.mark.parametrize(
    ("size", "permutations", "seed", "files"),
    [(5, 256, 1, 200), (5, 128, 42, 40), (3, 100, 7, 20), (1, 13, 0, 20), (9, 2048, 2**32 - 1, 8)],
)
def test_signatures_of_real_sources_equal_those_of_datasketch(size, permutations, seed, files):
    setting = Setting(words(size), permutations=permutations, bands=1, rows=1, seed=seed)
    texts = sources(files)
    found, counts = signatures(pa.array(texts, pa.binary()), setting)
    assert found.dtype == np.uint32 and found.shape == (files, permutations)
    assert found.tolist() == [signature_of_datasketch(text, setting) for text in texts]
    assert counts.tolist() == [len(shingles_of_python(text, words(size))) for text in texts]


@pytest.mark.parametrize(("permutations", "seed", "files"), [(128, 1, 12), (256, 99, 12), (2048, 2**31, 3)])
@pytest.mark.parametrize("name", HASHES)
@pytest.mark.parametrize("unit", UNITS)
def test_every_unit_and_hash_signs_as_datasketch_does(unit, name, permutations, seed, files):
    setting = Setting(Shingling(unit, 5, name), permutations, bands=1, rows=1, seed=seed)
    size = 20_000 if unit.endswith("words") else 3_000  # of characters and bytes there are ten times as many shingles
    texts = [text[:size] for text in sources(files) + foreign_sources()[:files]]
    found, counts = signatures(pa.array(texts, pa.binary()), setting)
    assert found.tolist() == [signature_of_datasketch(text, setting) for text in texts]
    assert counts.tolist() == [len(shingles_of_python(text, setting.shingling)) for text in texts]


@settings(deadline=None)  # the first example may compile
@given(
    st.lists(st.text(alphabet="abc_9 \n.\u00e9\U0001d4d0", max_size=60), max_size=6),
    st.builds(Shingling, st.sampled_from(UNITS), st.integers(1, 6), st.sampled_from(HASHES)),
    st.sampled_from([1, 2, 31, 64]),
    st.integers(0, 2**32 - 1),
)
def test_signatures_of_any_text_equal_those_of_datasketch(texts, how, permutations, seed):
    setting = Setting(how, permutations=permutations, bands=1, rows=1, seed=seed)
    found, _ = signatures(pa.array(texts, pa.string()), setting)
    assert found.tolist() == [signature_of_datasketch(text.encode(), setting) for text in texts]


@pytest.mark.parametrize("seed", [0, 1, 12345, 2**32 - 1])
@pytest.mark.parametrize("permutations", [1, 128, 2048])
def test_the_permutations_are_those_of_datasketch(seed, permutations):
    setting = Setting(words(5), permutations=permutations, bands=1, rows=1, seed=seed)
    a, b = permutation_table(setting)
    expected = MinHash(num_perm=permutations, seed=seed).permutations
    assert a.dtype == b.dtype == np.uint32
    assert np.array_equal(a, expected[0]) and np.array_equal(b, expected[1])


def test_null_and_tokenless_text_has_no_shingle_and_a_signature_of_all_ones():
    found, counts = signatures(pa.array([None, "", "...", "a"]), SMALL)
    assert counts.tolist() == [0, 0, 0, 1]
    assert (found[:3] == 0xFFFFFFFF).all() and not (found[3] == 0xFFFFFFFF).any()
    found, counts = signatures(pa.array([], pa.string()), SMALL)
    assert found.shape == (0, 64) and counts.shape == (0,)


def test_the_order_and_number_of_equal_shingles_leave_the_signature_alone():
    found, counts = signatures(
        pa.array(["a b c", "c b a", "b a b c a c"]), dataclasses.replace(SMALL, shingling=words(1))
    )
    assert counts.tolist() == [3, 3, 6]
    assert np.array_equal(found[0], found[1]) and np.array_equal(found[0], found[2])


@settings(deadline=None)  # the first example may compile
@given(st.lists(st.integers(0, 40) | st.integers(2**32 - 40, 2**32 - 1) | st.integers(0, 2**32 - 1), max_size=300))
def test_a_signature_loses_nothing_with_the_repeats_that_are_left_out(drawn):
    kept = minhash._without_repeats(np.array(drawn, np.uint32), np.empty(16, np.uint32)).tolist()
    assert set(kept) == set(drawn) and len(kept) <= len(drawn)
    assert all(a != b for a, b in itertools.pairwise(kept))


def test_text_that_repeats_itself_is_signed_as_the_set_of_its_shingles():
    unit = b" ".join(b"t%d" % i for i in range(minhash._FEW)) + b" "
    once, often = (pa.array([unit * times + unit[:40]], pa.binary()) for times in (1, 30))
    assert np.array_equal(signatures(once, SMALL)[0], signatures(often, SMALL)[0])


# ---- band hashes


@pytest.mark.parametrize(("bands", "rows"), [(16, 4), (5, 3), (64, 1), (1, 64), (3, 20)])
def test_band_hashes_are_equal_exactly_where_the_rows_of_the_band_are(bands, rows):
    setting = dataclasses.replace(SMALL, bands=bands, rows=rows)
    texts = planted(20, 60, 0.9, seed=8) + planted(20, 60, 0.5, seed=9)
    text = pa.array([*texts, texts[0] + "\n"])
    signed, _ = signatures(text, setting)
    groups = signed[:, : bands * rows].reshape(len(text), bands, rows)
    same_rows = (groups[:, None] == groups[None]).all(axis=3)
    hashes = np.array(band_hashes(text, setting).to_pylist())
    assert hashes.shape == (len(text), bands)
    assert np.array_equal(hashes[:, None] == hashes[None], same_rows)
    assert len(text) * bands < same_rows.sum() < same_rows.size  # some pairs meet in a band, others do not


def test_equal_rows_in_different_bands_hash_apart():
    setting = Setting(words(1), permutations=512, bands=512, rows=1, seed=1)
    hashes = np.empty((1, 512), np.uint64)
    minhash._hash_bands(np.full((1, 512), 7, np.uint32), setting.rows, hashes)
    assert len(np.unique(hashes)) == 512


def test_text_without_a_token_is_in_no_bucket():
    bands = band_hashes(pa.array(["a b", None, "", " \n", "a b"]), SMALL)
    assert bands.type == pa.list_(pa.int64()) and bands.null_count == 0
    assert [len(row) for row in bands.to_pylist()] == [16, 0, 0, 0, 16]
    assert bands[0] == bands[4]
    assert band_hashes(pa.array([], pa.string()), SMALL).to_pylist() == []
    assert band_hashes(pa.nulls(2, pa.string()), SMALL).to_pylist() == [[], []]


@pytest.mark.parametrize("kind", [pa.string(), pa.binary(), pa.large_string(), pa.large_binary()])
def test_type_slice_and_neighbours_do_not_change_a_document(kind):
    texts = [text.decode("latin-1") for text in sources(12)] + [None, "", "one"]
    whole = pa.array(texts).cast(kind)
    bands = band_hashes(whole, SMALL).to_pylist()
    signed, counts = signatures(whole, SMALL)
    for start, end in [(0, 15), (3, 9), (11, 15), (14, 15), (5, 5)]:
        part = whole[start:end]
        assert band_hashes(part, SMALL).to_pylist() == bands[start:end]
        found, shingles = signatures(part, SMALL)
        assert np.array_equal(found, signed[start:end]) and np.array_equal(shingles, counts[start:end])


def test_places_behind_the_last_band_do_not_matter_to_bands():
    text = pa.array(sources(5), pa.binary())
    longer = dataclasses.replace(SMALL, permutations=80)
    narrow = signatures(text, SMALL)[0]
    assert not np.array_equal(narrow, signatures(text, longer)[0][:, :64])  # the draws of b come after those of a
    exact = dataclasses.replace(longer, bands=20)
    assert [row[:16] for row in band_hashes(text, exact).to_pylist()] == band_hashes(text, longer).to_pylist()


def test_stored_band_hashes_stay_valid():
    # Tables hold these numbers. If they change, KERNEL_VERSION must rise with them.
    setting = Setting(words(2), permutations=8, bands=2, rows=4, seed=1)
    assert minhash.KERNEL_VERSION == 1
    assert setting.canonical == (
        '{"bands":2,"hash":"xxh3_64_low32","kernel":1,"permutations":8,"rows":4,"scheme":"affine32","seed":1,'
        '"shingle":2,"tokeniser":"ascii_words"}'
    )
    assert band_hashes(pa.array(["to be or not to be"]), setting).to_pylist() == [
        [9110813945467646286, 7640143771062565003]
    ]


def test_memory_follows_a_block_and_not_the_column():
    setting = Setting(words(5), permutations=2048, bands=16, rows=128, seed=1)
    text = pa.array(["a few words of text number " + str(i) for i in range(6_000)] + [None, ""] * 3_000)
    tracemalloc.start()
    bands = band_hashes(text, setting)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(bands) == 12_000
    assert peak < 25_000_000  # all signatures at once are 98 MB, those of one block 8 MB


# ---- settings


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"bands": 17}, "bands * rows = 17 * 4 = 68: expected at most permutations = 64"),
        ({"permutations": 0}, "permutations = 0"),
        ({"bands": 0}, "bands = 0"),
        ({"rows": -1}, "rows = -1"),
        ({"seed": -1}, "seed = -1"),
        ({"seed": 2**32}, "seed = 4294967296"),
    ],
)
def test_impossible_settings_are_refused(change, said):
    with pytest.raises(ValueError) as refused:
        dataclasses.replace(SMALL, **change)
    assert said in str(refused.value)


@pytest.mark.parametrize("name", HASHES)
@pytest.mark.parametrize("unit", UNITS)
def test_a_setting_reads_what_it_wrote(unit, name):
    setting = dataclasses.replace(SMALL, shingling=Shingling(unit, 7, name))
    assert Setting.parse(setting.canonical) == setting


@pytest.mark.parametrize(
    ("name", "other"), [("tokeniser", "words"), ("hash", "md5"), ("scheme", "legacy"), ("kernel", 2), ("kernel", None)]
)
def test_a_setting_that_another_kernel_wrote_is_refused(name, other):
    foreign = json.dumps(json.loads(SMALL.canonical) | {name: other})
    with pytest.raises(ValueError, match=f"{name} = {other!r}, expected .* the kernel of this version"):
        Setting.parse(foreign)


def test_everything_that_makes_a_signature_what_it_is_is_written():
    written = {SMALL.canonical}
    for name, value in {"permutations": 65, "bands": 15, "rows": 3, "seed": 2}.items():
        written.add(dataclasses.replace(SMALL, **{name: value}).canonical)
    for name, value in {"unit": "unicode_words", "size": 6, "hash": "sha1"}.items():
        how = dataclasses.replace(SMALL.shingling, **{name: value})
        written.add(dataclasses.replace(SMALL, shingling=how).canonical)
    assert len(written) == 1 + len(dataclasses.fields(Setting)) - 1 + len(dataclasses.fields(Shingling))


def test_words_of_another_unicode_are_refused_and_ascii_words_are_not(monkeypatch):
    ascii_words, unicode_words = (
        dataclasses.replace(SMALL, shingling=Shingling(unit, 5, "xxh3")) for unit in ("ascii_words", "unicode_words")
    )
    before = ascii_words.canonical, unicode_words.canonical
    monkeypatch.setattr(unicodedata, "unidata_version", "99.0.0")
    assert Setting.parse(before[0]) == ascii_words
    with pytest.raises(ValueError, match=r"tokeniser = 'unicode_words .*expected .*'unicode_words 99.0.0'"):
        Setting.parse(before[1])


# ---- the S-curve


def test_the_s_curve_is_its_formula():
    setting = Setting(words(5), permutations=256, bands=16, rows=16, seed=1)
    similarity = np.linspace(0, 1, 101)
    chance = candidate_probability(similarity, setting)
    assert chance.shape == (101,)
    np.testing.assert_allclose(chance, 1 - (1 - similarity**16) ** 16, atol=1e-14)
    assert chance[0] == 0 and chance[-1] == 1 and (np.diff(chance) >= 0).all()
    assert candidate_probability(0.9, setting) == pytest.approx(1 - (1 - 0.9**16) ** 16)
    assert isinstance(candidate_probability(1.0, setting), float)


def test_tiny_chances_keep_their_digits():
    setting = Setting(words(5), permutations=2048, bands=16, rows=128, seed=1)
    assert candidate_probability(0.5, setting) == pytest.approx(16 * 0.5**128, rel=1e-12)


@pytest.mark.parametrize("outside", [-0.1, 1.1, float("nan"), np.array([0.5, 2.0])])
def test_a_similarity_outside_0_to_1_is_refused(outside):
    with pytest.raises(ValueError, match="expected values from 0 to 1"):
        candidate_probability(outside, SMALL)


def planted(pairs, shingles, similarity, seed):
    """2 * pairs texts: i and i + pairs share their first tokens, so that their shingles of 5 have this Jaccard."""
    shared = round(2 * shingles * similarity / (1 + similarity))
    draw = np.random.default_rng(seed)
    tokens = [f"t{x}" for x in draw.permutation(10**6)[: 2 * pairs * (shingles + 4)]]
    left, right = [], []
    for i in range(pairs):
        own = tokens[2 * i * (shingles + 4) : (2 * i + 2) * (shingles + 4)]
        common, rest = own[: shingles + 4], own[shingles + 4 :]
        left.append(" ".join(common))
        right.append(" ".join(common[: shared + 4] + rest[shared + 4 :]))
    return left + right


def interval(trials, chance, outside=1e-5):
    """Counts between which a binomial variable falls but for `outside` on either side."""
    mass = [math.comb(trials, k) * chance**k * (1 - chance) ** (trials - k) for k in range(trials + 1)]
    below = np.cumsum(mass)
    return int(np.searchsorted(below, outside)), trials - int(np.searchsorted(np.cumsum(mass[::-1]), outside))


@pytest.mark.parametrize("similarity", [0.2, 0.4, 0.5, 0.6, 0.8])
@pytest.mark.parametrize(("bands", "rows", "seed"), [(16, 4, 1), (8, 8, 2), (20, 3, 3)])
def test_planted_pairs_are_found_as_often_as_the_s_curve_says(similarity, bands, rows, seed):
    setting = Setting(words(5), permutations=64, bands=bands, rows=rows, seed=seed)
    pairs, shingles = 600, 90
    text = pa.array(planted(pairs, shingles, similarity, seed=round(100 * similarity)))
    left = np.arange(pairs)
    measured = similarities(shingle_sets(text, words(5)), left, left + pairs).to_numpy()
    assert np.abs(measured - similarity).max() < 0.01  # as close as whole shingles come
    bands_of = np.array(band_hashes(text, setting).to_pylist())
    found = int((bands_of[:pairs] == bands_of[pairs:]).any(axis=1).sum())
    low, high = interval(pairs, candidate_probability(float(measured.mean()), setting))
    assert low <= found <= high
    strangers = (bands_of[:pairs] == np.roll(bands_of[:pairs], 1, axis=0)).any(axis=1)
    assert not strangers.any()


# ---- size


def test_a_document_of_twenty_megabytes_is_signed_as_its_set_of_shingles():
    unit = b"\n".join(sources(4))[:50_000] + b"\n"
    text = pa.array([unit * 400, b"a b"], pa.binary())
    found, counts = signatures(text, SMALL)
    assert found[0].tolist() == signature_of_datasketch(unit * 2, SMALL)
    assert counts.tolist() == [400 * len(shingles_of_python(unit, words(1))) - 4, 1]
    assert band_hashes(text, SMALL).to_pylist()[0] == band_hashes(pa.array([unit * 2]), SMALL).to_pylist()[0]
