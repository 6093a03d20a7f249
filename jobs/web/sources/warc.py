"""WARC and WET files: each record as a page, a refused record with its offset, or one more in the tally.

Record by record, so that a lying length, a damaged member or a file that was cut costs the records it touches: behind
them reading goes on at the next member or at the next version line. A file with more faults than `max_faults` is given
up, and its rest is one refused item. Memory: one body of at most `max_page_bytes`, twice while it is decoded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from jobs.web.sources import http
from jobs.web.sources.limits import Limits
from jobs.web.sources.members import BEHIND, Member, PlainFile, ends_record, members
from jobs.web.sources.rows import FIRST_BYTES, Fault, Page, Reason, Refused, Tally
from jobs.web.sources.text import instant, printable

MAX_HEADER_BYTES = 1 << 16
_VERSION = re.compile(rb"WARC/\d\.\d\s*$")
_NEXT = b"\nWARC/1."
_SCAN = 1 << 16


@dataclass(frozen=True, slots=True)
class Record:
    offset: int
    inside: int
    headers: dict[str, str]
    body: bytes

    @property
    def url(self) -> str | None:
        return printable(self.headers.get("warc-target-uri", "").strip("<> ")) or None


def pages(file: BinaryIO, dump: str | None, limits: Limits) -> Iterator[Page | Refused | Tally]:
    """The records of one file, in order; the tally last. Never raises on content; raises OSError when reading fails."""
    tally = Tally()
    faults = 0
    for record in _records(file, limits, tally):
        found = record if isinstance(record, Refused) else _judged(record, dump, limits, tally)
        if isinstance(found, Refused):
            faults += 1
        if faults > limits.max_faults:
            said = f"more than {limits.max_faults:,} broken records (max_faults); the rest of the file was not read."
            yield Refused(record.offset, record.inside, Reason.TOO_MANY_FAULTS, said)
            break
        if found is not None:
            yield found
    yield tally


def _judged(record: Record, dump: str | None, limits: Limits, tally: Tally) -> Page | Refused | None:
    try:
        return _page(record, dump, limits, tally)
    except Fault as fault:
        return Refused(
            record.offset,
            record.inside,
            fault.reason,
            fault.detail,
            fault.size,
            record.url,
            record.body[:FIRST_BYTES],
        )


def _page(record: Record, dump: str | None, limits: Limits, tally: Tally) -> Page | None:
    """The page of a response or conversion record; None, and one more in the tally, for a record that is none."""
    mime = record.headers.get("content-type", "")
    if record.headers["warc-type"] == "conversion":
        if not mime.startswith("text/plain"):
            tally.passed_over["content_type"] += 1
            return None
        return _made(record, dump, http.Answer(None, "text/plain; charset=utf-8", record.body), "text")
    if mime.startswith("application/http"):
        answer = http.parse(record.body, limits)
    else:
        answer = http.Answer(200, mime, record.body)
    if answer.status != 200:
        tally.passed_over[f"status_{(answer.status or 0) // 100}xx"] += 1
        return None
    if not answer.is_page:
        tally.passed_over["content_type"] += 1
        return None
    if len(answer.body) > limits.max_page_bytes:
        raise http.over_cap(len(answer.body), limits)
    return _made(record, dump, answer, "html")


def _made(record: Record, dump: str | None, answer: http.Answer, kind: str) -> Page:
    return Page(
        offset=record.offset,
        inside=record.inside,
        url=record.url,
        fetched_at=instant(record.headers.get("warc-date")),
        status=answer.status,
        content_type=answer.content_type,
        charset=answer.charset,
        kind=kind,
        truncated=printable(record.headers.get("warc-truncated", "")) or None,
        dump=dump,
        body=answer.body,
    )


def _records(file: BinaryIO, limits: Limits, tally: Tally) -> Iterator[Record | Refused]:
    try:
        for member in members(file, limits):
            try:
                yield from _in_member(member, limits, tally)
            except Fault as fault:
                yield Refused(member.offset, member.position, fault.reason, fault.detail, fault.size)
    except Fault as fault:
        yield Refused(0, 0, fault.reason, fault.detail)


def _in_member(member: Member, limits: Limits, tally: Tally) -> Iterator[Record | Refused]:
    while True:
        head = _head(member)
        if not head:
            return
        inside = member.position - len(head)
        try:
            record = _record(member, head, inside, limits)
        except Fault as fault:
            if fault.reason in (Reason.TRUNCATED, Reason.DAMAGED, Reason.BOMB):
                refused = Refused(
                    member.offset, inside, fault.reason, fault.detail, fault.size, None, head[:FIRST_BYTES]
                )
                yield refused
                return  # nothing more comes out of this member
            more = isinstance(fault, _Whole) or _go_on(member)
            if isinstance(fault, _Short) and isinstance(member, PlainFile) and not more:
                fault = Fault(Reason.TRUNCATED, f"{fault.detail} The file ends within the record.", size=fault.size)
            yield Refused(member.offset, inside, fault.reason, fault.detail, fault.size, None, head[:FIRST_BYTES])
            if not more:
                return
            continue
        if record is None:
            tally.passed_over["not_a_response"] += 1
        else:
            yield record


class _Short(Fault):
    """A record that promises more bytes than there are."""


def _head(member: Member) -> bytes:
    """The header block with its blank line; what there is where none ends within the limit; b"" at the member's end."""
    held = b""
    while len(held) < MAX_HEADER_BYTES:
        piece = member.read(2048)
        if not held:
            blank = len(piece) - len(piece.lstrip(b"\r\n"))
            piece = piece[blank:]
            if not piece and blank:
                continue
        if not piece:
            return held
        seen = max(0, len(held) - 3)
        held += piece
        end = held.find(b"\r\n\r\n", seen)
        if end >= 0:
            member.unread(held[end + 4 :])
            return held[: end + 4]
    return held


def _record(member: Member, head: bytes, inside: int, limits: Limits) -> Record | None:
    """The record whose header was just read; None for a type that holds no page, passed over.

    Raises Fault: bad_header, bad_length, over_cap, and what the member raises.
    """
    first, *lines = head.split(b"\r\n")
    if not _VERSION.match(first) or not head.endswith(b"\r\n\r\n"):
        member.unread(head[1:])
        shown = printable(first[:60].decode("latin-1"))
        raise Fault(Reason.BAD_HEADER, f"expected a version line such as WARC/1.0 and a header, found {shown!r}.")
    headers = http.headers(lines)
    stated = headers.get("content-length", "")
    if not (stated.isascii() and stated.isdigit() and len(stated) < 19):
        raise Fault(Reason.BAD_LENGTH, f"Content-Length is {printable(stated[:40])!r}; expected a count of bytes.")
    length = int(stated)
    if not member.fits(length):
        raise _Short(Reason.BAD_LENGTH, f"no record ends {length:,} bytes behind the header.", size=length)
    wanted = headers.get("warc-type") in ("response", "conversion", "resource")
    keep = wanted and length <= limits.max_page_bytes + MAX_HEADER_BYTES
    body = member.read(length) if keep else b""
    got = len(body) if keep else member.skip(length)
    if got < length:
        member.unread(body)
        raise _Short(Reason.BAD_LENGTH, f"{length:,} bytes are promised, {got:,} are there.", size=length)
    _check_end(member, body, length)
    if not wanted:
        return None
    if not keep:
        cap = limits.max_page_bytes
        raise _Whole(Reason.OVER_CAP, f"{length:,} bytes, allowed are {cap:,} (max_page_bytes); not read.", size=length)
    return Record(member.offset, inside, headers, body)


class _Whole(Fault):
    """A record that is refused but ends where it should: the next one follows."""


def _check_end(member: Member, body: bytes, length: int) -> None:
    """Raise bad_length where nothing says that the record ends; the body is put back to be searched."""
    behind = member.read(BEHIND)
    if not ends_record(behind):
        member.unread(body + behind)
        raise Fault(Reason.BAD_LENGTH, f"no record ends {length:,} bytes behind the header.", size=length)
    member.unread(behind)


def _go_on(member: Member) -> bool:
    """Move to the next version line of the member; False, at its end, where there is none."""
    tail = b""
    while piece := member.read(_SCAN):
        data = tail + piece
        at = data.find(_NEXT)
        if at >= 0:
            member.unread(data[at + 1 :])
            return True
        tail = data[-len(_NEXT) :]
    return False
