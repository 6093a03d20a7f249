"""Precision and recall from a held-out sample: with Wilson's interval, as a curve, and the threshold that a precision needs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Z95 = 1.959963984540054
THRESHOLDS = tuple(round(0.05 * n, 2) for n in range(1, 20))


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share with its 95 % interval; all None where there was nothing to count."""

    value: float | None
    low: float | None
    high: float | None


def wilson(hits: int, of: int) -> Estimate:
    """hits / of. Wilson's interval keeps inside 0 to 1 and is honest for few counts and shares near the ends."""
    if of == 0:
        return Estimate(None, None, None)
    share, z2 = hits / of, Z95 * Z95
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = Z95 / (1 + z2 / of) * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    return Estimate(share, max(0.0, middle - half), min(1.0, middle + half))


def precision_recall(scored: Sequence[tuple[float, bool]], threshold: float) -> tuple[Estimate, Estimate]:
    """Of pages with a score above the threshold those that are wanted, and of the wanted those above it."""
    hits = sum(score > threshold and wanted for score, wanted in scored)
    recalled = sum(score > threshold for score, _ in scored)
    return wilson(hits, recalled), wilson(hits, sum(wanted for _, wanted in scored))


def curve(scored: Sequence[tuple[float, bool]]) -> list[tuple[float, float, float]]:
    """(threshold, precision, recall) at each of THRESHOLDS where both are known."""
    found = []
    for threshold in THRESHOLDS:
        precision, recall = precision_recall(scored, threshold)
        if precision.value is not None and recall.value is not None:
            found.append((threshold, precision.value, recall.value))
    return found


def best_threshold(scored: Sequence[tuple[float, bool]], precision: float, at_least: float) -> float | None:
    """Of the thresholds above which this share of the pages is wanted the one of best F1, of equal ones the least.

    Thresholds are `at_least` and the scores above it. None where none of them, with a page above it, reaches the share.
    Cost: one sort.
    """
    ordered, wanted = sorted(scored, reverse=True), sum(label for _, label in scored)
    found, hits, best = None, 0, (0, 1)
    for n, (score, label) in enumerate(ordered, start=1):
        if score <= at_least:
            break
        hits += label
        below = ordered[n][0] if n < len(ordered) else at_least  # the threshold that recalls just these n
        f1 = (hits, n + wanted)  # half of it, as a fraction
        if below < score and hits >= precision * n and f1[0] * best[1] >= best[0] * f1[1]:
            found, best = max(below, at_least), f1
    return found
