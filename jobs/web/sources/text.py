"""Strings of unknown origin as strings that can be stored and shown, and times."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time

MAX_CHARACTERS = 4096
_ESCAPED = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def printable(text: str) -> str:
    """The text with controls as %XX and lone surrogates as %uXXXX, cut at 4,096 characters."""
    cut = text if len(text) <= MAX_CHARACTERS else text[:MAX_CHARACTERS] + "..."
    return _ESCAPED.sub(lambda found: f"%{ord(found[0]):02X}" if found[0] < "\u0100" else f"%u{ord(found[0]):04X}", cut)


def instant(value: object) -> datetime | None:
    """A time in UTC out of ISO 8601 text, a datetime or a date; None for what is none. Without a zone UTC is meant."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        return None
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        return None
