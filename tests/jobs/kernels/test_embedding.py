"""Texts as points without a model: kinds of files lie apart, copies together, loners far away."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.kernels.embedding import hashed_ngrams, plane, remoteness, spread, unit


def by_hand(text: str, dimensions: int) -> np.ndarray:
    data, folded = text.encode(), bytearray()
    for byte in data:
        if byte <= 32 and folded and folded[-1] == 32:
            continue
        folded.append(32 if byte <= 32 else byte)
    out = np.zeros(dimensions)
    for at in range(len(folded) - 3):
        h = int.from_bytes(folded[at : at + 4], "big") * 0x9E3779B1 % 2**32
        h = (h ^ (h >> 15)) * 0x85EBCA77 % 2**32
        h ^= h >> 13
        out[(h >> 1) % dimensions] += 1 if h & 1 else -1
    out = np.sign(out) * np.sqrt(np.abs(out))
    length = np.linalg.norm(out)
    return out / length if length else out


@given(st.lists(st.text(alphabet="ab \n\té", max_size=30), max_size=5))
def test_a_point_is_the_signed_count_of_its_runs_of_four_bytes(texts: list[str]) -> None:
    found = hashed_ngrams(pa.array(texts, pa.string()), 64)
    assert found.shape == (len(texts), 64)
    assert np.allclose(found, np.array([by_hand(text, 64) for text in texts]).reshape(-1, 64), atol=1e-6)


def test_the_plane_keeps_the_distances_of_points_that_lie_in_one() -> None:
    draw = np.random.default_rng(1)
    flat = draw.normal(size=(40, 2)) * (5, 2)
    turned = (flat @ np.linalg.qr(draw.normal(size=(30, 2)))[0].T).astype(np.float32)
    for vectors in (turned, np.hstack([turned, np.zeros((40, 100), np.float32)])):  # both ways to find the axes
        points, explained = plane(vectors)
        assert sum(explained) == pytest.approx(1)
        assert explained[0] > explained[1]
        apart = np.linalg.norm(points[:, None] - points[None], axis=-1)
        assert np.allclose(apart, np.linalg.norm(flat[:, None] - flat[None], axis=-1), atol=1e-4)
        assert all(points[np.abs(points[:, axis]).argmax(), axis] > 0 for axis in (0, 1))
    with pytest.raises(ValueError, match="2 texts span no plane"):
        plane(turned[:2])


def test_a_text_unlike_all_others_is_the_most_remote() -> None:
    draw = random.Random(1)
    lines = [f"def read{i}(path):\n    return open(path).read()[{i}:]\n" for i in range(600)]
    texts = ["".join(draw.sample(lines, 20)) for _ in range(599)]
    texts.insert(333, "0123456789abcdef" * 40)
    vectors = hashed_ngrams(pa.array(texts))
    found = remoteness(vectors)
    assert found.argmax() == 333
    similar = vectors @ vectors.T
    np.fill_diagonal(similar, -2)
    assert np.allclose(found, 1 - np.sort(similar, axis=1)[:, -5], atol=1e-6)
    assert remoteness(vectors[:1]).tolist() == [0]


def test_a_corpus_of_one_kind_spreads_less_than_one_of_many() -> None:
    draw = np.random.default_rng(2)
    assert spread(unit(draw.normal(5, 1, (50, 8)).astype(np.float32))) < spread(
        unit(draw.normal(0, 1, (50, 8)).astype(np.float32))
    )
    assert spread(np.zeros((0, 8), np.float32)) == 0
