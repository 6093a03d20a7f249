"""The order of samples is a function of seed, weights and sizes, and nothing else.

part, k = Mixture([0.84, 0.16]).locate(1_000_000)
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.order import PERIOD, Mixture, PartOrder, part_key, permutation

WEIGHTS = st.lists(st.integers(1, 1000), min_size=1, max_size=6)
SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=12)


def walk(order: PartOrder, first: int, last: int) -> list[tuple[int, int]]:
    """(row group, row) of samples first .. last-1, each looked up by itself."""
    found = []
    for k in range(first, last):
        window = order.window(k)
        assert window.first <= k < window.last
        at = k - window.first
        found.append((window.groups[window.slots[at]], int(window.rows[at])))
    return found


def test_the_recipes_annealing_mix_is_met_at_every_point() -> None:
    shares = [83.94, 12.44, 2.71, 0.91]
    mixture = Mixture(shares)
    assert mixture.counts.tolist() == [8394, 1244, 271, 91]
    for index in (1, 100, 9_999, 123_457):
        assert np.abs(mixture.seen(index) - index * np.array(shares) / 100).max() < 1
    assert mixture.seen(10**12).tolist() == [8394 * 10**8, 1244 * 10**8, 271 * 10**8, 91 * 10**8]


@given(WEIGHTS, st.integers(0, 3 * PERIOD))
def test_a_part_gives_its_samples_in_order_and_its_share_to_within_one(weights: list[int], start: int) -> None:
    mixture = Mixture(weights)
    given_so_far = mixture.seen(start)
    for index in range(start, start + 50):
        part, k = mixture.locate(index)
        assert k == given_so_far[part]
        given_so_far[part] += 1
        assert np.abs(given_so_far - (index + 1) * mixture.counts / PERIOD).max() < 1
    assert given_so_far.tolist() == mixture.seen(start + 50).tolist()


@given(SIZES, st.integers(1, 5), st.integers(0, 2**63))
def test_every_epoch_gives_every_row_once(sizes: list[int], window: int, key: int) -> None:
    order = PartOrder(sizes, key=key, window=window)
    rows = [(group, row) for group, size in enumerate(sizes) for row in range(size)]
    for epoch in range(3):
        assert sorted(walk(order, epoch * order.rows, (epoch + 1) * order.rows)) == rows


@given(SIZES, st.integers(1, 5), st.integers(0, 100))
def test_starting_anywhere_gives_what_going_there_gives(sizes: list[int], window: int, start: int) -> None:
    whole = walk(PartOrder(sizes, key=3, window=window), 0, start + 20)
    assert walk(PartOrder(sizes, key=3, window=window), start, start + 20) == whole[start:]


def test_epochs_and_seeds_differ_and_a_part_keeps_its_order_beside_others() -> None:
    orders = {seed: PartOrder([50, 50, 50], key=part_key(seed, "code"), window=2) for seed in (1, 2)}
    assert len({tuple(walk(o, e * 150, (e + 1) * 150)) for o in orders.values() for e in (0, 1)}) == 4
    assert part_key(1, "code") != part_key(1, "text")


def test_permutations_are_even() -> None:
    places = Counter(int(permutation(4, key)[0]) for key in range(8000))
    assert all(abs(count - 2000) < 200 for count in places.values())  # five standard deviations


def test_the_order_is_the_same_in_every_version() -> None:
    # A golden value: a release of numpy, or a change here, must not reorder a run that is half done.
    assert permutation(8, 1, 2, 3).tolist() == [6, 2, 4, 0, 7, 5, 1, 3]
    mixture = Mixture([3, 2, 1])
    assert [mixture.locate(index)[0] for index in range(12)] == [0, 1, 0, 2, 1, 0, 0, 1, 0, 2, 1, 0]


def test_weights_that_would_never_be_read_are_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        Mixture([1.0, 0.0])
    with pytest.raises(ValueError, match="would never be read"):
        Mixture([1.0, 0.000001])
