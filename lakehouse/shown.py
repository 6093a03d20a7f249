"""How values are shown to people: hidden characters made visible, names cut to a bound, numbers readable.

Paths, names and texts come from crawled files. A right-to-left override makes `exe.gpj` read as `jpg.exe`, an escape
sequence repaints a terminal, a zero-width space hides a difference: they are written out as `U+202E`, and as `�` after
the first eight of a text, so that what is shown stays within a few times the characters that were asked for.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from markupsafe import Markup, escape

NAME_LIMIT = 140  # characters of a path or name; two full lines at a reading width
NAMED_HIDDEN = 8  # hidden characters that are written out by number; each takes ten times the room of a letter or more

# Control, format, private and surrogate characters, line and paragraph separators.
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
# Letters and marks by category that show nothing: joiner, Hangul and Khitan fillers, Braille blank.
_BLANK = frozenset("\u034f\u115f\u1160\u2800\u3164\uffa0\U00016fe4")


def visible(text: str, limit: int = NAME_LIMIT) -> str:
    """The text for a terminal: hidden characters as `[U+202E]`, the middle left out beyond `limit` characters."""
    return "".join(f"[{part}]" if hidden else part for hidden, part in _parts(cut(text, limit)))


def markup(text: str, limit: int = NAME_LIMIT) -> Markup:
    """The text for a page: escaped, isolated from the direction of its surroundings, hidden characters as marks."""
    return Markup("<bdi>{}</bdi>").format(_marked(text, limit, keep=""))


def line(text: str, limit: int) -> Markup:
    """One line of a file for a page: like `markup`, with tabs kept."""
    return _marked(text, limit, keep="\t")


def _marked(text: str, limit: int, keep: str) -> Markup:
    mark = Markup('<span class="hidden-char" title="{}">{}</span>')
    parts = (
        mark.format(unicodedata.name(chr(int(part[2:], 16)), "control character"), part) if hidden else escape(part)
        for hidden, part in _parts(cut(text, limit), keep)
    )
    return Markup("").join(parts)


def cut(text: str, limit: int) -> str:
    """At most about `limit` characters: the head and, because a path ends with the file's name, the tail."""
    if len(text) <= limit:
        return text
    tail = limit * 2 // 5
    return f"{text[: limit - tail]} … {len(text) - limit:,} more … {text[len(text) - tail :]}"


def count(number: int) -> str:
    """1,234,567"""
    return f"{number:,}"


def size(number: float) -> str:
    """Bytes, decimal: 12.3 MB."""
    value = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(value) < 999.95:  # the next step would print 1000.0
            return f"{value:,.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:,.1f} TB"


def share(part: float, whole: float) -> str:
    """12.3 %; a dash where there is nothing to share, and never 0.0 or 100.0 for what is neither."""
    if not whole:
        return "–"
    percent = 100 * part / whole
    if 0 < percent < 0.05:
        return "< 0.1 %"
    if 99.95 <= percent < 100:
        return "> 99.9 %"
    return f"{percent:.1f} %"


def _parts(text: str, keep: str = "") -> Iterator[tuple[bool, str]]:
    """The text in pieces: (False, plain piece) or (True, `U+202E`)."""
    start = named = 0
    for i, char in enumerate(text):
        if char in keep or not (char in _BLANK or unicodedata.category(char) in _HIDDEN_CATEGORIES):
            continue
        if start < i:
            yield False, text[start:i]
        start = i + 1
        named += 1
        yield (True, f"U+{ord(char):04X}") if named <= NAMED_HIDDEN else (False, "�")
    if start < len(text):
        yield False, text[start:]
