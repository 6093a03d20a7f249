"""Benchmark items in texts, by four rules; each hit names the item, how much of it is there, and where.

    index = Index.of(items, setting)
    for hit in index.find(texts, entry_points=False): ...

- `ngram`: `width` consecutive words of a prompt, solution or test.
- `exact`: all words of a part that is shorter than that, from `shortest` words on.
  Both leave out what has fewer than `distinct` different words of two or more characters, digits excluded: rows of
  numbers and nested loops are idioms. Over 291 MB of installed packages and 5,000 benchmark items the rules hit 93 of
  28,431 files with 3 such words, 50 with 4 and 41 with 5.
- `form`: a function whose syntax tree equals that of an item's when names, comments, docstrings and annotations do not
  count (`functions`), from `least_nodes` nodes on.
- `entry_point`: a definition with an item's name and argument names. Only for instruction data: pretraining code is full of
  `is_prime(n)` that nobody copied.

What no rule sees: a paraphrase of a prompt, and a solution rewritten in another language without the prompt's words. The
recall of each kind of copy is pinned in the tests. Cost: one pass of `phrases` and one of `functions`, 45 MB/s on one core.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from jobs.kernels.functions import Forms
from jobs.kernels.phrases import Found, Sequences, words

RULES = ("ngram", "exact", "form", "entry_point")
MATCHED_CHARACTERS = 300  # of the matching span that a hit shows

_DEFINITION = re.compile(r"\bdef\s+(\w+)\s*\(([^()]*(?:\([^()]*\)[^()]*)*)\)")
_ARGUMENT = re.compile(r"^\s*\**(\w+)")


@dataclass(frozen=True)
class Item:
    """One problem of one benchmark. `parts`: its texts by name; `code`: Python that solves it, "" where there is none.

    `program`: Python that judges a function called `entry_point`; "" where there is none.
    """

    benchmark: str
    item: str
    parts: Mapping[str, str]
    code: str = ""
    entry_point: str = ""
    program: str = ""


@dataclass(frozen=True)
class Setting:
    """What counts as a hit. See the head of the module."""

    width: int
    shortest: int
    distinct: int
    least_nodes: int


@dataclass(frozen=True)
class Hit:
    """An item in the text of `row`: text[start:end] in characters holds it, `share` of the part's sequences were found."""

    row: int
    benchmark: str
    item: str
    part: str
    rule: str
    share: float
    start: int
    end: int
    matched: str


@dataclass(frozen=True)
class _Part:
    item: int
    name: str
    rule: str
    sequences: int


@dataclass(frozen=True)
class Index:
    """Everything that is looked for. Picklable; about 20 MB for HumanEval, MBPP and CRUXEval with their variants."""

    items: tuple[Item, ...]  # their texts left out: what is looked for is in the rest
    sequences: Sequences
    owners: tuple[tuple[int, ...], ...]  # by sequence: places in `parts`
    parts: tuple[_Part, ...]
    forms: Forms
    signatures: Mapping[str, tuple[tuple[int, tuple[str, ...]], ...]] = field(repr=False)

    @staticmethod
    def of(items: Sequence[Item], setting: Setting) -> Index:
        parts: list[_Part] = []
        owners: dict[tuple[bytes, ...], list[int]] = {}
        known: dict[str, tuple[str, list[tuple[bytes, ...]]]] = {}  # variants of a benchmark say much the same
        for i, item in enumerate(items):
            for name, text in item.parts.items():
                if text not in known:
                    known[text] = sequences_of(text, setting)
                rule, found = known[text]
                if not found:
                    continue
                for sequence in found:
                    owners.setdefault(sequence, []).append(len(parts))
                parts.append(_Part(i, name, rule, len(found)))
        return Index(
            tuple(replace(item, parts=dict.fromkeys(item.parts, ""), code="", program="") for item in items),
            Sequences.of(owners),
            tuple(map(tuple, owners.values())),
            tuple(parts),
            Forms.of([item.code for item in items], setting.least_nodes),
            _signatures(items),
        )

    def sought(self) -> list[list[str]]:
        """By item, the parts that can be found; `code` stands for the form of its functions."""
        found: list[list[str]] = [[] for _ in self.items]
        for part in self.parts:
            found[part.item].append(part.name)
        for place in sorted({place for owners in self.forms.names.values() for place in owners}):
            found[place].append("code")
        return found

    def find(self, text: pa.Array, *, entry_points: bool) -> Iterator[Hit]:
        """Every item in every text, by row; one hit for each item, part and rule. `text`: an Arrow array of strings."""
        found: dict[int, list[Found]] = {}
        for match in self.sequences.find(text):
            found.setdefault(match.row, []).append(match)
        for row in range(len(text)):
            scalar = text[row]
            if not scalar.is_valid:
                continue
            if row in found:
                yield from self._sequences_in(row, scalar.as_py(), found.pop(row))
            yield from self._forms_in(row, scalar)
            if entry_points:
                yield from self._entry_points_in(row, scalar.as_py())

    def _sequences_in(self, row: int, text: str, found: Sequence[Found]) -> Iterator[Hit]:
        raw = text.encode()
        by_part: dict[int, list[Found]] = {}
        for match in found:
            for place in self.owners[match.key]:
                by_part.setdefault(place, []).append(match)
        for place, matches in sorted(by_part.items()):
            part = self.parts[place]
            share = len({match.key for match in matches}) / part.sequences
            yield self._hit(row, part.item, part.name, part.rule, share, raw, *_longest_run(matches))

    def _forms_in(self, row: int, text: pa.Scalar) -> Iterator[Hit]:
        raw = text.as_buffer().to_pybytes()
        seen = set()
        for function, owners in self.forms.find(raw):
            for place in owners:
                if place not in seen:
                    seen.add(place)
                    yield self._hit(row, place, "code", "form", 1.0, raw, function.start, function.end)

    def _entry_points_in(self, row: int, text: str) -> Iterator[Hit]:
        seen = set()
        for match in _DEFINITION.finditer(text):
            for place, arguments in self.signatures.get(match[1], ()):
                if place not in seen and arguments == _arguments(match[2]):
                    seen.add(place)
                    before = len(text[: match.start()].encode())
                    span = before, before + len(match[0].encode())
                    yield self._hit(row, place, "entry_point", "entry_point", 1.0, text.encode(), *span)

    def _hit(self, row: int, place: int, part: str, rule: str, share: float, raw: bytes, start: int, end: int) -> Hit:
        item = self.items[place]
        first = len(raw[:start].decode("utf-8", "replace"))
        matched = raw[start:end].decode("utf-8", "replace")
        last = first + len(matched)
        return Hit(row, item.benchmark, item.item, part, rule, share, first, last, matched[:MATCHED_CHARACTERS])


def sequences_of(text: str, setting: Setting) -> tuple[str, list[tuple[bytes, ...]]]:
    """The rule that looks for a part, and the distinct sequences that it looks for; none where the part says too little."""
    given = words(text.encode())
    if len(given) < setting.width:
        whole = tuple(given)
        return "exact", [whole] if len(whole) >= setting.shortest and _says_something(whole, setting) else []
    windows = dict.fromkeys(tuple(given[i : i + setting.width]) for i in range(len(given) - setting.width + 1))
    return "ngram", [window for window in windows if _says_something(window, setting)]


def _says_something(window: Sequence[bytes], setting: Setting) -> bool:
    return len({word for word in window if len(word) > 1 and not word.isdigit()}) >= setting.distinct


def _longest_run(matches: Sequence[Found]) -> tuple[int, int]:
    """First and last byte of the longest stretch that overlapping matches cover."""
    best = start = end = -1
    span = (0, 0)
    for match in sorted(matches, key=lambda m: m.start):
        if match.start > end:
            start = match.start
        end = max(end, match.end)
        if end - start > best:
            best, span = end - start, (start, end)
    return span


def _signatures(items: Sequence[Item]) -> dict[str, tuple[tuple[int, tuple[str, ...]], ...]]:
    found: dict[str, list[tuple[int, tuple[str, ...]]]] = {}
    for i, item in enumerate(items):
        for match in _DEFINITION.finditer(item.code):
            if item.entry_point and match[1] == item.entry_point:
                found.setdefault(match[1], []).append((i, _arguments(match[2])))
    return {name: tuple(dict.fromkeys(owners)) for name, owners in found.items()}


def _arguments(text: str) -> tuple[str, ...]:
    """Names of the arguments between a definition's brackets, without annotations and defaults."""
    depth, part, parts = 0, "", []
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            parts.append(part)
            part = ""
        else:
            part += character
    return tuple(match[1] for match in map(_ARGUMENT.match, [*parts, part]) if match)
