"""SPDX licence expressions: written one way, joined, and taken apart into what satisfies them.

Parsing and the list of ids come from `packaging`, which knows the SPDX list. Longer expressions than `MAX_CHARACTERS`
and more alternatives than `MAX_ALTERNATIVES` are refused: nobody means them, and they double with every OR.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import product

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

MAX_CHARACTERS = 300
MAX_ALTERNATIVES = 64

_TOKEN = re.compile(r"\(|\)|[^\s()]+")
_PLUS_OR_BARE = re.compile(r"((?:A|L)?GPL-[0-9.]+|GFDL-[0-9.]+)(\+)?")


def canonical(said: str, names: Mapping[str, str] | None = None) -> str | None:
    """The SPDX expression that `said` is, or None. `names`: lower-case names of licences, each to its expression.

    Retired ids become the ones in use (`GPL-2.0` is `GPL-2.0-only`); `A/B`, as Cargo once wrote it, is `A OR B`.
    """
    said = " ".join(said.split())
    if not said or len(said) > MAX_CHARACTERS:
        return None
    named = (names or {}).get(said.lower())
    if named is not None:
        return named
    if "/" in said and " " not in said.replace(" / ", "/"):
        parts = [canonical(part, names) for part in said.split("/")]
        return joined([part for part in parts if part], "OR") if all(parts) else None
    try:
        found = str(canonicalize_license_expression(said))
    except (InvalidLicenseExpression, RecursionError, MemoryError):
        return None
    return " ".join(_current(word) for word in found.split(" "))


def _current(word: str) -> str:
    opened, name, closed = re.fullmatch(r"(\(*)(.*?)(\)*)", word).groups()  # type: ignore[union-attr]
    retired = _PLUS_OR_BARE.fullmatch(name)
    if retired:
        name = retired[1] + ("-or-later" if retired[2] else "-only")
    return opened + name + closed


def joined(expressions: Iterable[str], operator: str = "AND") -> str:
    """Distinct expressions in alphabetical order with AND or OR between them. `operator`: AND or OR."""
    distinct = sorted(set(expressions))
    if len(distinct) == 1:
        return distinct[0]
    return f" {operator} ".join(f"({one})" if _is_compound(one) else one for one in distinct)


def _is_compound(expression: str) -> bool:
    return " AND " in expression or " OR " in expression


def ids(expression: str) -> frozenset[str]:
    """The licences of an expression, exceptions and `-only`, `-or-later`, `+` left out: what it is about."""
    words = [word for word in _TOKEN.findall(expression) if word not in ("(", ")", "AND", "OR")]
    kept = [word for i, word in enumerate(words) if word != "WITH" and (i == 0 or words[i - 1] != "WITH")]
    return frozenset(re.sub(r"(?:-only|-or-later|\+)$", "", word) for word in kept)


def alternatives(expression: str) -> tuple[tuple[str, ...], ...]:
    """What satisfies an expression: every element of one of the tuples. `MIT OR (ISC AND Zlib)`: ((MIT,), (ISC, Zlib)).

    An element is an id, or `id WITH exception`. Empty where there would be more than `MAX_ALTERNATIVES`. The expression
    must come from `canonical` or `joined`.
    """
    tokens = _TOKEN.findall(expression)
    try:
        found, rest = _either(tokens, 0)
    except OverflowError:
        return ()
    assert rest == len(tokens), expression
    smallest = [one for one in found if not any(other < one for other in found)]
    return tuple(sorted(tuple(sorted(one)) for one in set(smallest)))


Sets = list[frozenset[str]]


def _either(tokens: list[str], at: int) -> tuple[Sets, int]:
    found, at = _all(tokens, at)
    while at < len(tokens) and tokens[at] == "OR":
        more, at = _all(tokens, at + 1)
        found = _bounded(found + more)
    return found, at


def _all(tokens: list[str], at: int) -> tuple[Sets, int]:
    found, at = _one(tokens, at)
    while at < len(tokens) and tokens[at] == "AND":
        more, at = _one(tokens, at + 1)
        found = _bounded([a | b for a, b in product(found, more)])
    return found, at


def _one(tokens: list[str], at: int) -> tuple[Sets, int]:
    if tokens[at] == "(":
        found, at = _either(tokens, at + 1)
        return found, at + 1
    if tokens[at + 1 : at + 2] == ["WITH"]:
        return [frozenset([f"{tokens[at]} WITH {tokens[at + 2]}"])], at + 3
    return [frozenset([tokens[at]])], at + 1


def _bounded(found: Sets) -> Sets:
    distinct = list(dict.fromkeys(found))
    if len(distinct) > MAX_ALTERNATIVES:
        raise OverflowError
    return distinct
