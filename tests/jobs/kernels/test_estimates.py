"""Precision and recall with their uncertainty.

wilson(9, 10)    -> Estimate(0.9, 0.596, 0.982)
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.kernels.estimates import curve, least_threshold, precision_recall, wilson


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


def test_the_least_threshold_is_the_configured_one_where_that_is_precise_enough() -> None:
    scored = [(0.9, True), (0.8, True), (0.7, False), (0.6, True), (0.3, False)]
    assert least_threshold(scored, 0.75, 0.5) == 0.5
    assert least_threshold(scored, 0.8, 0.5) == 0.7
    assert least_threshold([(0.9, False)], 0.1, 0.5) is None
    assert least_threshold([(0.5, True)], 0.1, 0.5) is None  # above the threshold there is nothing


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.5, 0.6, 0.7, 0.9, 1.0]), st.booleans()), max_size=12),
    st.sampled_from([0.0, 0.5, 0.8, 1.0]),
    st.sampled_from([0.0, 0.5, 0.65]),
)
def test_the_least_threshold_is_the_first_of_all_candidates_that_is_precise_enough(
    scored: list[tuple[float, bool]], precision: float, at_least: float
) -> None:
    candidates = sorted({at_least, *(score for score, _ in scored if score > at_least)})
    reached = [(t, precision_recall(scored, t)[0].value) for t in candidates]
    slow = next((t for t, found in reached if found is not None and found >= precision), None)
    assert least_threshold(scored, precision, at_least) == slow
