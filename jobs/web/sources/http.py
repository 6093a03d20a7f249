"""An HTTP response as a crawler stored it: status, type, and the body with its transfer and content codings undone."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

from jobs.web.sources.limits import Limits
from jobs.web.sources.rows import Fault, Reason
from jobs.web.sources.text import printable

PAGE_TYPES = ("text/html", "application/xhtml+xml", "text/plain")
_STATUS = re.compile(rb"HTTP/\d(?:\.\d)? (\d{3})")
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([A-Za-z0-9_:.+-]{1,40})", re.IGNORECASE)
_MARKUP = re.compile(rb"<(?:!doctype html|html|head|body|title)[\s>]", re.IGNORECASE)
_SNIFFED = 1024
_PIECE = 1 << 16


@dataclass(frozen=True, slots=True)
class Answer:
    """`type_header`: the Content-Type as it was sent. `status`: None for text that was never sent so."""

    status: int | None
    type_header: str
    body: bytes

    @property
    def content_type(self) -> str | None:
        return printable(self.type_header.partition(";")[0].strip().lower())[:100] or None

    @property
    def charset(self) -> str | None:
        found = _CHARSET.search(self.type_header)
        return found[1].lower() if found else None

    @property
    def is_page(self) -> bool:
        """HTML or text by its type; without a type, by its first bytes."""
        if self.content_type is None:
            return _MARKUP.search(self.body[:_SNIFFED]) is not None
        return self.content_type in PAGE_TYPES


def parse(message: bytes, limits: Limits) -> Answer:
    """The response in the body of a WARC record. Only a page with status 200 has its body decoded.

    Raises Fault: bad_http, bad_encoding, over_cap, bomb.
    """
    head, blank, body = message.partition(b"\r\n\r\n")
    if not blank:
        head, _, body = message.partition(b"\n\n")
    found = _STATUS.match(head)
    if not found:
        shown = printable(head[:60].decode("latin-1"))
        raise Fault(Reason.BAD_HTTP, f"expected a status line such as HTTP/1.1 200 OK, found {shown!r}.")
    said = headers(head.splitlines()[1:])
    answer = Answer(int(found[1]), said.get("content-type", ""), body)
    if answer.status != 200 or not (answer.content_type is None or answer.is_page):
        return answer
    if "chunked" in said.get("transfer-encoding", "").lower():
        body = _unchunked(body)
    codings = [coding.strip().lower() for coding in said.get("content-encoding", "").split(",")]
    for coding in reversed([coding for coding in codings if coding not in ("", "identity")]):
        body = _decoded(body, coding, limits)
    if len(body) > limits.max_page_bytes:
        raise over_cap(len(body), limits)
    return Answer(answer.status, answer.type_header, body)


def headers(lines: Iterable[bytes]) -> dict[str, str]:
    """Header lines by lower-case name; of a name that is repeated the first counts, a line without a colon is none."""
    found: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if colon:
            found.setdefault(name.strip().lower().decode("latin-1"), value.strip().decode("utf-8", "replace"))
    return found


def over_cap(size: int, limits: Limits, more: str = "") -> Fault:
    said = f"{more}{size:,} bytes, allowed are {limits.max_page_bytes:,} (max_page_bytes); not taken in."
    return Fault(Reason.OVER_CAP, said, size=size)


def _unchunked(body: bytes) -> bytes:
    """The body without its chunk sizes; as it is where it holds none, as crawlers that decode leave the header behind."""
    pieces: list[bytes] = []
    at = 0
    while at < len(body):
        end = body.find(b"\r\n", at, at + 100)
        size_text = body[at:end].partition(b";")[0].strip() if end >= 0 else b""
        try:
            size = int(size_text, 16)
        except ValueError:
            return body if not pieces else b"".join(pieces)
        if size <= 0:
            break
        pieces.append(body[end + 2 : end + 2 + size])
        at = end + 2 + size + 2
    return b"".join(pieces)


def _decoded(body: bytes, coding: str, limits: Limits) -> bytes:
    """The body with one content coding undone, as it is where it does not carry the coding it names."""
    if coding in ("gzip", "x-gzip"):
        return _inflated(body, 31, limits) if body.startswith(b"\x1f\x8b") else body
    if coding == "deflate":
        wrapped = body[:1] == b"\x78"
        return _inflated(body, zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS, limits)
    if coding == "zstd":
        return _streamed(body, "zstd", limits) if body.startswith(b"\x28\xb5\x2f\xfd") else body
    if coding == "br":  # no magic number tells it from a page that the crawler decoded
        return body if body.lstrip().startswith(b"<") else _streamed(body, "brotli", limits)
    raise Fault(
        Reason.BAD_ENCODING,
        f"Content-Encoding is {printable(coding[:40])!r}; allowed are gzip, deflate, br, zstd and identity.",
        size=len(body),
    )


def _inflated(body: bytes, wbits: int, limits: Limits) -> bytes:
    decoder = zlib.decompressobj(wbits)
    try:
        plain = decoder.decompress(body, limits.max_page_bytes + 1)
    except zlib.error as error:
        raise Fault(Reason.BAD_ENCODING, f"the compressed body is damaged: {error}.", size=len(body)) from error
    if len(plain) > limits.max_page_bytes:
        raise over_cap(len(plain), limits, f"{len(body):,} packed bytes give more than ")
    return plain


def _streamed(body: bytes, codec: str, limits: Limits) -> bytes:
    pieces: list[bytes] = []
    size = 0
    try:
        stream = pa.CompressedInputStream(pa.BufferReader(body), codec)
        while piece := bytes(stream.read(_PIECE)):
            pieces.append(piece)
            size += len(piece)
            if size > limits.max_page_bytes:
                raise over_cap(size, limits, f"{len(body):,} packed bytes give more than ")
    except (OSError, pa.ArrowException) as error:
        said = str(error).splitlines()[0]
        raise Fault(Reason.BAD_ENCODING, f"the compressed body is damaged: {said}.", size=len(body)) from error
    return b"".join(pieces)
