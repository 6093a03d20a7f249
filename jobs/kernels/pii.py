"""Personal data and secrets in source text: found, judged and replaced by placeholders.

Rules are data (conf/pii.yaml). All gates are searched for at once (RE2 Set); only the rules whose gate is there search
for their pattern, and what they find is judged by validators (`pii_validators`), named in the rule. RE2 never
backtracks, so the time is linear in the text whatever it holds.

Code is full of what looks like a secret: versions like addresses, remotes like e-mail, fixtures, hashes, field labels.
The rules lean to precision: a token must show its vendor's form, or stand behind a telling name: as a quoted
literal, or as a setting that is all of its line (`DB_PASSWORD=...`); a number must pass its check digits. Entropy alone
decides nothing. Not found: names of people, phone numbers, passwords in an attribute beside the one that names them.

Cost on one core: 300 MB/s over Python sources of installed packages; 1.5 s for a megabyte of nothing but addresses.
A gate that begins with a counted class (`[a-z]{32}-us`) would cost the set most of its speed: gates begin with what is rare.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import re2

from jobs.kernels.pii_validators import Finding, build

# Replacing one thing may uncover another (an overlap, a context that is gone), which the next pass finds. Two passes
# are the rule, the second to see that nothing is left; 20,000 random mixtures of the tests' cases took three at most.
# A text built to need more than this many keeps the rest.
_MAX_PASSES = 8
_BEFORE, _AFTER = 100, 16  # characters of the same line that a validator sees beside the value
_MAX_VALUE = 20_000  # characters; the block of an RSA key of 16,384 bits has 13,000


@dataclass(frozen=True, slots=True)
class PiiSpan:
    """Characters start <= i < end of the input, what they were taken for, and by which rule."""

    kind: str
    start: int
    end: int
    placeholder: str
    rule: str


@dataclass(frozen=True, slots=True)
class Redacted:
    """`text` is the input with each of `spans` (in order, apart) replaced by its placeholder."""

    text: str
    spans: tuple[PiiSpan, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of `rules`, plain data. The value is the capture group that took part in the match, or all of it."""

    name: str
    kind: str
    placeholder: str
    gate: str
    pattern: str
    validators: tuple[tuple[str, Any], ...]  # (name, argument or None)


class Redactor:
    """The compiled rules. Pickles as its rules and compiles again where it is loaded, which takes 10 ms."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        self._patterns = [re2.compile(rule.pattern) for rule in self.rules]
        self._validators = [[build(*spec) for spec in rule.validators] for rule in self.rules]
        self._placeholders = sorted({rule.placeholder for rule in self.rules})
        self._gates = re2.Set.SearchSet()
        for rule in self.rules:
            self._gates.Add(rule.gate)
        self._gates.Compile()

    def __reduce__(self) -> tuple[type["Redactor"], tuple[tuple[Rule, ...]]]:
        return Redactor, (self.rules,)

    @classmethod
    def load(cls, mapping: Mapping[str, Any]) -> "Redactor":
        """From conf/pii.yaml as parsed: `placeholders` (kind -> text), `lists` (name -> values), `rules`.

        Raises ValueError for a key, kind, list or validator that is not known, and a pattern that RE2 refuses.
        """
        _only(mapping, ("placeholders", "lists", "rules"), "pii")
        placeholders, lists = mapping.get("placeholders", {}), mapping.get("lists", {})
        return cls([_rule(entry, placeholders, lists) for entry in mapping.get("rules", [])])

    def redact(self, text: str) -> Redacted:
        """The text with placeholders. Never fails on content; a second call changes nothing.

        Where two findings overlap the longer one counts, then the one that begins first, then the earlier rule.
        """
        spans: list[PiiSpan] = []
        current = text
        for _ in range(_MAX_PASSES):
            found = self._find(current)
            if not found:
                break
            spans = sorted(spans + _in_input(found, spans), key=lambda span: span.start)
            current = _replaced(text, spans)
        return Redacted(current, tuple(spans))

    def _find(self, text: str) -> list[PiiSpan]:
        """What stands in this text, in order, without overlaps."""
        data = text.encode("utf-8", "replace")  # a lone surrogate becomes `?`, which keeps the number of characters
        matches = []
        for index in self._gates.Match(data) or ():
            for match in self._patterns[index].finditer(data):
                start, end = match.span(match.lastindex or 0)
                matches.append((start, end, index))
        if not matches:
            return []
        offset = _characters(data, matches) if len(data) != len(text) else None
        found = []
        for start, end, index in matches:
            first, last = (offset[start], offset[end]) if offset else (start, end)
            if 0 < last - first <= _MAX_VALUE and self._is_valid(text, first, last, index):
                found.append((first, last, index))
        chosen = _longest(found)
        return [PiiSpan(r.kind, s, e, r.placeholder, r.name) for s, e, i in chosen for r in (self.rules[i],)]

    def _is_valid(self, text: str, start: int, end: int, index: int) -> bool:
        value = text[start:end]
        if any(placeholder in value for placeholder in self._placeholders):
            return False
        before = text[max(0, start - _BEFORE) : start].rpartition("\n")[2]
        finding = Finding(value, before, text[end : end + _AFTER])
        return all(validator(finding) for validator in self._validators[index])


def _characters(data: bytes, matches: Iterable[tuple[int, int, int]]) -> dict[int, int]:
    """Byte offset -> character offset of the matches, decoding each byte once."""
    offsets = {0: 0}
    last = 0
    for offset in sorted({offset for match in matches for offset in match[:2]}):
        offsets[offset] = offsets[last] + len(data[last:offset].decode("utf-8"))
        last = offset
    return offsets


def _longest(found: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Of (start, end, rule): the longest first, then the leftmost, then the least rule; without overlaps, in order."""
    chosen: list[tuple[int, int, int]] = []
    for span in sorted(found, key=lambda span: (span[0] - span[1], span[0], span[2])):
        place = bisect_left(chosen, span)
        clear_left = place == 0 or chosen[place - 1][1] <= span[0]
        if clear_left and (place == len(chosen) or span[1] <= chosen[place][0]):
            insort(chosen, span)
    return chosen


def _in_input(found: list[PiiSpan], spans: list[PiiSpan]) -> list[PiiSpan]:
    """The findings of a later pass with the offsets of the input, whose `spans` are placeholders in that pass."""
    moved = []
    shift, index = 0, 0
    for new in found:
        while index < len(spans) and spans[index].start - shift < new.start:
            shift += spans[index].end - spans[index].start - len(spans[index].placeholder)
            index += 1
        moved.append(PiiSpan(new.kind, new.start + shift, new.end + shift, new.placeholder, new.rule))
    return moved


def _replaced(text: str, spans: list[PiiSpan]) -> str:
    parts = []
    position = 0
    for span in spans:
        parts += [text[position : span.start], span.placeholder]
        position = span.end
    return "".join([*parts, text[position:]])


def _rule(entry: Mapping[str, Any], placeholders: Mapping[str, str], lists: Mapping[str, Sequence[str]]) -> Rule:
    where = f"pii.rules.{entry.get('name')}"
    _only(entry, ("name", "kind", "gate", "pattern", "validators"), where)
    for key in ("name", "kind", "gate", "pattern"):
        if not isinstance(entry.get(key), str):
            raise ValueError(f"{where}.{key} = {entry.get(key)!r}: expected text.")
    if entry["kind"] not in placeholders:
        raise ValueError(f"{where}.kind = {entry['kind']!r}: expected one of {', '.join(placeholders)}.")
    quiet = re2.Options()
    quiet.log_errors = False  # the error below says it
    for key in ("gate", "pattern"):
        try:
            re2.compile(entry[key], quiet)
        except re2.error as error:
            raise ValueError(f"{where}.{key} = {entry[key]!r}: RE2 refuses it ({error.args[0]!r}).") from error
    validators = tuple(_spec(spec, lists, where) for spec in entry.get("validators", []))
    for name, argument in validators:
        try:
            build(name, argument)
        except ValueError as error:
            raise ValueError(f"{where}.validators has {error}") from error
    return Rule(entry["name"], entry["kind"], placeholders[entry["kind"]], entry["gate"], entry["pattern"], validators)


def _spec(spec: Any, lists: Mapping[str, Sequence[str]], where: str) -> tuple[str, Any]:
    """(name, argument) of one validator: `name`, or `{name: argument}`. A name of `lists` stands for its values."""
    if isinstance(spec, str):
        return spec, None
    if not isinstance(spec, Mapping) or len(spec) != 1:
        raise ValueError(f"{where}.validators has {spec!r}: expected a name or one {{name: argument}}.")
    ((name, argument),) = spec.items()
    argument = lists.get(argument, argument) if isinstance(argument, str) else argument
    return str(name), tuple(argument) if isinstance(argument, Sequence) and not isinstance(argument, str) else argument


def _only(mapping: Mapping[str, Any], allowed: tuple[str, ...], where: str) -> None:
    for key in mapping:
        if key not in allowed:
            raise ValueError(f"{where} has the key {key!r}. Allowed: {', '.join(allowed)}.")
