"""What a reader of web sources yields: a `Page`, a `Refused` record with its place and reason, and one `Tally` at the end.

record -> Page(offset, inside, url, ..., body)     goes on to bronze
       -> Refused(offset, inside, reason, ...)     goes to quarantine
       -> counted in the Tally                     a request, a picture, a page with status 404
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

FIRST_BYTES = 64


class Reason(StrEnum):
    """Why a record is in quarantine. The values are data: they are stored, and queries name them."""

    OVER_CAP = "over_cap"
    TRUNCATED = "truncated"
    DAMAGED = "damaged"
    BOMB = "bomb"
    BAD_HEADER = "bad_header"
    BAD_LENGTH = "bad_length"
    BAD_HTTP = "bad_http"
    BAD_ENCODING = "bad_encoding"
    BAD_TEXT = "bad_text"
    TOO_MANY_FAULTS = "too_many_faults"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Page:
    """One page as a crawler got it. `kind`: "html" for bytes to be extracted, "text" for UTF-8 that somebody extracted."""

    offset: int
    """Where a reader can begin: byte offset of the record or of the compressed member around it; row number in Parquet."""
    inside: int
    """Plain bytes before the record inside that member; 0 where each record has its own."""
    url: str | None
    fetched_at: datetime | None
    status: int | None
    content_type: str | None
    charset: str | None
    """As the HTTP header states it."""
    kind: str
    truncated: str | None
    """What the crawler says of a body that it cut: "length", "time", ..."""
    dump: str | None
    body: bytes

    def moved(self, offset: int) -> Page:
        return replace(self, offset=self.offset + offset)


@dataclass(frozen=True, slots=True)
class Refused:
    """One record, or the rest of a file, that was not read, and why."""

    offset: int
    inside: int
    reason: Reason
    detail: str
    size: int | None = None
    url: str | None = None
    first_bytes: bytes = b""

    def moved(self, offset: int) -> Refused:
        return replace(self, offset=self.offset + offset)


@dataclass(slots=True)
class Tally:
    """What a file held beside its pages: records by the reason that they are none."""

    passed_over: Counter[str] = field(default_factory=Counter)


class Fault(Exception):
    """A record cannot be read. Caught by the reader's loop, which goes on with the next record."""

    def __init__(self, reason: Reason, detail: str, *, size: int | None = None) -> None:
        super().__init__(detail)
        self.reason, self.detail, self.size = reason, detail, size
