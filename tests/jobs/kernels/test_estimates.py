"""Precision and recall with their uncertainty.

wilson(9, 10)    -> Estimate(0.9, 0.596, 0.982)
"""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.kernels.estimates import best_threshold, curve, precision_recall, wilson


def test_the_interval_is_wilson_s() -> None:
    found = wilson(9, 10)
    assert (found.value, found.low, found.high) == (
        0.9,
        pytest.approx(0.5958, abs=1e-4),
        pytest.approx(0.9821, abs=1e-4),
    )
    assert wilson(0, 0).value is None


@given(st.integers(0, 60), st.integers(1, 60))
def test_the_interval_holds_the_share_and_its_ends_solve_the_score_equation(hits: int, of: int) -> None:
    hits = min(hits, of)
    found = wilson(hits, of)
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= hits / of + 1e-12
    assert hits / of - 1e-12 <= found.high <= 1
    for end in (found.low, found.high):  # the share lies 1.96 standard errors from either end
        assert (hits / of - end) ** 2 == pytest.approx(1.959963984540054**2 * end * (1 - end) / of, abs=1e-9)


def test_precision_and_recall_count_scores_above_the_threshold_only() -> None:
    scored = [(0.9, True), (0.5, True), (0.8, False), (0.1, False)]
    precision, recall = precision_recall(scored, 0.5)
    assert (precision.value, recall.value) == (0.5, 0.5)
    assert {t: (p, r) for t, p, r in curve(scored)}[0.85] == (1.0, 0.5)
    assert curve([]) == []


def test_the_best_threshold_is_precise_enough_and_recalls_what_it_can() -> None:
    scored = [(0.9, True), (0.8, True), (0.7, False), (0.6, True), (0.3, False)]
    assert best_threshold(scored, 0.75, 0.5) == 0.5  # three of four wanted, all of them: F1 6 / 7
    assert best_threshold(scored, 0.8, 0.5) == 0.7
    assert (
        best_threshold([(0.9, True), *[(0.8, False)] * 9, (0.7, True)], 0.1, 0.5) == 0.8
    )  # one in eleven more is worth less
    assert best_threshold([(0.9, False)], 0.1, 0.5) is None
    assert best_threshold([(0.5, True)], 0.1, 0.5) is None  # above the threshold there is nothing


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.5, 0.6, 0.7, 0.9, 1.0]), st.booleans()), max_size=12),
    st.sampled_from([0.0, 0.5, 0.8, 1.0]),
    st.sampled_from([0.0, 0.5, 0.65]),
)
def test_the_best_threshold_is_the_best_of_all_candidates(
    scored: list[tuple[float, bool]], precision: float, at_least: float
) -> None:
    wanted = sum(label for _, label in scored)
    f1: dict[float, Fraction] = {}
    for threshold in {at_least, *(score for score, _ in scored if score > at_least)}:
        recalled = [label for score, label in scored if score > threshold]
        if recalled and sum(recalled) >= precision * len(recalled):
            f1[threshold] = Fraction(2 * sum(recalled), len(recalled) + wanted)
    slow = min((t for t in f1 if f1[t] == max(f1.values())), default=None)
    assert best_threshold(scored, precision, at_least) == slow
