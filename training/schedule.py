"""Learning rates as pure functions of tokens: nothing to save, nothing to restore, the same after any resume.

Warmup-stable-decay (WSD): linear from 0 to the peak, constant, and in annealing down to the floor, which it meets with the
last token. The recipe's decay is exponential: peak x (floor / peak) ^ (t / decay tokens), t = tokens since it began. A
branch from any checkpoint decays from there: only `decay_start` differs.

A step trains with the rate at the tokens seen when it is done, so that the first step moves and the last one is the floor.
"""

from __future__ import annotations

import math
from collections.abc import Callable

# What is left of the way from peak to floor after the share x of the decay, where the way is a straight one.
STRAIGHT: dict[str, Callable[[float], float]] = {
    "linear": lambda x: 1 - x,
    "sqrt": lambda x: 1 - math.sqrt(x),
    "cosine": lambda x: (1 + math.cos(math.pi * x)) / 2,
}
FORMS = ("exponential", *STRAIGHT)


def warmup(tokens: float, *, peak: float, warmup_tokens: float) -> float:
    """Linear from 0 to `peak` over `warmup_tokens`, then constant."""
    return peak if tokens >= warmup_tokens else peak * tokens / warmup_tokens


def decay(tokens: float, *, peak: float, floor: float, decay_tokens: float, form: str) -> float:
    """From `peak` to `floor` over `decay_tokens`, then constant. `form`: one of FORMS. Raises ValueError for another."""
    share = min(max(tokens / decay_tokens, 0.0), 1.0)
    if form == "exponential":
        if floor <= 0:
            raise ValueError(f"floor {floor}: an exponential never reaches 0; give a floor above 0 or another form.")
        return peak * math.pow(floor / peak, share)
    if form not in STRAIGHT:
        raise ValueError(f"decay {form!r}: expected one of {', '.join(FORMS)}.")
    return floor + (peak - floor) * STRAIGHT[form](share)


def wsd(
    tokens: float,
    *,
    peak: float,
    floor: float,
    warmup_tokens: float,
    decay_start: float | None,
    decay_tokens: float,
    form: str = "exponential",
) -> float:
    """The rate when `tokens` tokens have been seen. `decay_start`: tokens seen when annealing began, None before that."""
    if decay_start is None or tokens <= decay_start:
        return warmup(tokens, peak=peak, warmup_tokens=warmup_tokens)
    top = warmup(decay_start, peak=peak, warmup_tokens=warmup_tokens)
    return decay(tokens - decay_start, peak=top, floor=floor, decay_tokens=decay_tokens, form=form)


def cosine(tokens: float, *, peak: float, floor: float, warmup_tokens: float, total_tokens: float) -> float:
    """Linear warm-up, then half a cosine down to `floor` at `total_tokens`: the schedule of instruction tuning."""
    if tokens < warmup_tokens:
        return warmup(tokens, peak=peak, warmup_tokens=warmup_tokens)
    rest = total_tokens - warmup_tokens
    return decay(tokens - warmup_tokens, peak=peak, floor=floor, decay_tokens=max(rest, 1), form="cosine")
