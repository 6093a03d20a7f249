"""URL patterns with `%` for any run of characters: which of them fits an address, the longest one deciding.

    Patterns([Pattern("%juejin.cn/post%", True), Pattern("%juejin.cn/post/ads%", False)]).match("https://juejin.cn/post/7")

A pattern that does not begin with `%` fits from the start of the address: with its scheme where the pattern names one,
else behind the scheme, with or without "www.". One that does not end with `%` fits to the end. Longest means most
characters other than `%`; among equals the one that sorts first. Cost: one `in` per pattern and address.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_HOST = re.compile(r"(?:[a-z][a-z0-9+.-]*://)?(?:[^/?#@]*@)?(\[[^\]/?#]*\]|[^/?#:]*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Pattern:
    """`label`: True for pages that are wanted."""

    text: str
    label: bool
    parts: tuple[str, ...] = field(init=False, repr=False, compare=False)
    weight: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raises ValueError for a pattern that fits everything."""
        parts = tuple(self.text.lower().split("%"))
        if not any(parts):
            raise ValueError(f"pattern {self.text!r} fits every address: expected at least one character besides %.")
        object.__setattr__(self, "parts", parts)
        object.__setattr__(self, "weight", sum(map(len, parts)))

    def fits(self, forms: Sequence[str]) -> bool:
        """Whether any of these lower-case forms of one address fits."""
        return any(_fits(self.parts, form) for form in forms)


class Patterns:
    """Patterns of one topic."""

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        self._ordered = sorted(patterns, key=lambda p: (-p.weight, p.text))

    def match(self, url: str | None) -> Pattern | None:
        """The longest pattern that fits; None where none does or there is no address."""
        if not url:
            return None
        forms = forms_of(url)
        return next((pattern for pattern in self._ordered if pattern.fits(forms)), None)


def forms_of(url: str) -> tuple[str, ...]:
    """The lower-case forms of an address that patterns are held against: whole, without scheme, without "www."."""
    whole = url.strip().lower()
    bare = _SCHEME.sub("", whole, count=1)
    forms = [whole, bare, bare.removeprefix("www.")]
    return tuple(dict.fromkeys(forms))


def domain_of(url: str | None) -> str:
    """The base URL that pages are counted by: the host in lower case without port, user and "www."; "" where none is."""
    found = _HOST.match(url.strip()) if url else None
    return found[1].lower().removeprefix("www.").rstrip(".") if found else ""


def _fits(parts: tuple[str, ...], text: str) -> bool:
    first, *middle, last = parts if len(parts) > 1 else (parts[0], "")
    if len(parts) == 1:
        return text == first
    if not text.startswith(first):
        return False
    at = len(first)
    for part in middle:
        found = text.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return text.endswith(last) and len(text) - len(last) >= at
