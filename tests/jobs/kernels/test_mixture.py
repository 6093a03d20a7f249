"""A mixture as tokens per part: what is taken, how often, and what is short.

plan([Wanted("code", 84, 4, 900), Wanted("web", 16, 4, 100)], total=None)
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.kernels.mixture import Wanted, passes, plan

PART = st.builds(Wanted, st.just("p"), st.floats(0.1, 100), st.floats(0.5, 5), st.integers(1, 10**12))


def test_the_scarcest_part_decides_how_much_there_can_be() -> None:
    code, web = plan([Wanted("code", 80, 1, 1000), Wanted("web", 20, 2, 50)], None)
    assert (code.tokens, code.epochs, code.short) == (400, 0.4, 0)
    assert (web.tokens, web.epochs, web.short) == (100, 2.0, 0)


def test_what_is_short_is_said_in_tokens() -> None:
    code, web = plan([Wanted("code", 80, 1, 1000), Wanted("web", 20, 2, 50)], 1000)
    assert (code.tokens, code.short) == (800, 0)
    assert (web.tokens, web.short) == (100, 100)


def test_a_part_that_is_left_out_leaves_the_others_in_proportion() -> None:
    assert [round(p.share, 6) for p in plan([Wanted("a", 30, 1, 10), Wanted("b", 10, 1, 10)], None)] == [75, 25]


@given(st.lists(PART, min_size=1, max_size=6))
def test_without_a_total_nothing_is_short_and_shares_are_met(parts: list[Wanted]) -> None:
    planned = plan(parts, None)
    total = sum(p.tokens for p in planned)
    for part in planned:
        assert part.short <= 1
        assert part.tokens == pytest.approx(total * part.share / 100, abs=len(parts) + 1)


@given(st.integers(0, 10**12), st.integers(1, 10**9))
def test_passes_add_up(tokens: int, available: int) -> None:
    whole, rest = passes(tokens, available)
    assert whole * available + rest == tokens
    assert 0 <= rest < available


def test_shares_that_say_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one above 0"):
        plan([Wanted("a", 0, 1, 5)], None)
