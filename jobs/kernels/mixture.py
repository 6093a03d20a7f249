"""How many tokens of each part a mixture takes, and whether there are as many.

Shares are of tokens, in percent. A part with fewer tokens than its share asks for is read more than once, up to its
`epochs`; what is missing beyond that is `short`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

TOLERANCE = 0.1  # points that a realised share may be off


@dataclass(frozen=True)
class Wanted:
    """One part: its share of the mixture in percent, how often it may be read, and the tokens there are."""

    name: str
    share: float
    epochs: float
    available: int


@dataclass(frozen=True)
class Planned:
    """What a part gives: `tokens` to take, that is `epochs` times what there is; `short` tokens could not be had."""

    name: str
    share: float
    available: int
    tokens: int
    epochs: float
    short: int


def plan(parts: Sequence[Wanted], total: int | None) -> list[Planned]:
    """Tokens per part. `total` None: as many as the scarcest part allows, so that nothing is short.

    Shares are taken relative to their sum, so that parts may be left out. Raises ValueError where they say nothing.
    """
    whole = sum(part.share for part in parts)
    if not parts or whole <= 0 or any(part.share < 0 for part in parts):
        raise ValueError(f"shares {[part.share for part in parts]}: expected at least one above 0 and none below.")
    if total is None:
        limits = [part.available * part.epochs * whole / part.share for part in parts if part.share]
        total = int(min(limits))
    planned = []
    for part in parts:
        wanted = round(total * part.share / whole)
        most = int(part.available * part.epochs)
        tokens = min(wanted, most)
        epochs = tokens / part.available if part.available else 0.0
        planned.append(Planned(part.name, 100 * part.share / whole, part.available, tokens, epochs, wanted - tokens))
    return planned


def passes(tokens: int, available: int) -> tuple[int, int]:
    """Whole passes over a part, and the tokens to take of one more."""
    return divmod(tokens, available) if available else (0, 0)
