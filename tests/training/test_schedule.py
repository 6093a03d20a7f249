"""The learning rate is a function of tokens.

wsd(tokens, peak=3e-4, floor=1e-5, warmup_tokens=8e9, decay_start=None, decay_tokens=100e9)
"""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.schedule import FORMS, cosine, decay, wsd

PAPER = {"peak": 3e-4, "floor": 1e-5, "warmup_tokens": 8e9, "decay_tokens": 100e9}
ANNEALING = 373_000 * 4_194_304  # tokens of the 1.5B model when its annealing began


@pytest.mark.parametrize(
    ("tokens", "rate"),
    [
        (0, 0.0),
        (4e9, 1.5e-4),
        (8e9, 3e-4),
        (1e12, 3e-4),
        (ANNEALING, 3e-4),
        (ANNEALING + 25e9, 3e-4 * (1 / 30) ** 0.25),
        (ANNEALING + 50e9, math.sqrt(3e-4 * 1e-5)),
        (ANNEALING + 100e9, 1e-5),
        (ANNEALING + 200e9, 1e-5),
    ],
)
def test_the_papers_schedule(tokens: float, rate: float) -> None:
    assert wsd(tokens, decay_start=ANNEALING, **PAPER) == pytest.approx(rate, rel=1e-12)


def test_a_branch_decays_from_where_it_starts() -> None:
    early = wsd(500e9 + 30e9, decay_start=500e9, **PAPER)
    assert early == wsd(ANNEALING + 30e9, decay_start=ANNEALING, **PAPER)
    assert wsd(4e9 + 50e9, decay_start=4e9, **PAPER) == pytest.approx(math.sqrt(1.5e-4 * 1e-5))


@given(st.sampled_from(FORMS), st.floats(0, 1), st.floats(0, 1))
def test_every_form_falls_from_peak_to_floor(form: str, one: float, other: float) -> None:
    def rate(share: float) -> float:
        return decay(share * 1e9, peak=1e-3, floor=1e-5, decay_tokens=1e9, form=form)

    assert (rate(0), rate(1)) == pytest.approx((1e-3, 1e-5))
    low, high = sorted((one, other))
    assert rate(low) >= rate(high)


def test_cosine_of_instruction_tuning() -> None:
    shape = {"peak": 2e-5, "floor": 0.0, "warmup_tokens": 100, "total_tokens": 1100}
    assert [cosine(t, **shape) for t in (0, 50, 100, 600, 1100)] == pytest.approx([0, 1e-5, 2e-5, 1e-5, 0], abs=1e-12)


def test_impossible_decays_are_refused() -> None:
    with pytest.raises(ValueError, match="never reaches 0"):
        decay(1, peak=1, floor=0, decay_tokens=2, form="exponential")
    with pytest.raises(ValueError, match="expected one of exponential, linear, sqrt, cosine"):
        decay(1, peak=1, floor=0, decay_tokens=2, form="step")
