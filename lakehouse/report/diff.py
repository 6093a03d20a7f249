"""Two short texts side by side: which lines two near-duplicates share.

Bounded by work, not by time: at most `LINES` lines of each text are compared, and at most `ROWS` rows come back.
Python's difflib takes at worst the cube of the lines; 200 against 200 stays under a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest

LINES = 200
ROWS = 60
CONTEXT = 3  # equal lines shown around each change


@dataclass(frozen=True)
class Row:
    """A row of the picture: `kind` is equal, changed, removed, added or gap; numbers start at 1, None where there is no line."""

    kind: str
    left: tuple[int, str] | None
    right: tuple[int, str] | None


@dataclass(frozen=True)
class Diff:
    """`more`: rows that were left out; `uncompared`: lines beyond the bound, of both texts together."""

    rows: tuple[Row, ...]
    more: int
    uncompared: int


def side_by_side(left: str, right: str) -> Diff:
    """The lines of both texts, changes beside each other, long equal runs left out. Lines end with a line feed only."""
    lines = [text.removesuffix("\n").split("\n") for text in (left, right)]
    shown = [side[:LINES] for side in lines]
    rows = list(_rows(*shown))
    return Diff(tuple(rows[:ROWS]), max(0, len(rows) - ROWS), sum(len(side) for side in lines) - sum(map(len, shown)))


def _rows(left: list[str], right: list[str]) -> Iterator[Row]:
    groups = SequenceMatcher(None, left, right, autojunk=False).get_grouped_opcodes(CONTEXT)
    for nth, group in enumerate(groups):
        if nth:
            yield Row("gap", None, None)
        for tag, i, i_end, j, j_end in group:
            before = [(n + 1, left[n]) for n in range(i, i_end)]
            after = [(n + 1, right[n]) for n in range(j, j_end)]
            for old, new in zip_longest(before, after):
                kind = (
                    "equal" if tag == "equal" else "added" if old is None else "removed" if new is None else "changed"
                )
                yield Row(kind, old, new)
