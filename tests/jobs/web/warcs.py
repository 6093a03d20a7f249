"""WARC files for tests, written by hand so that every byte can be made wrong.

warc([response("https://a.test/", b"<p>x")], pack="gzip")     -> bytes of a file, one member per record
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from typing import Literal

import pyarrow as pa

DATE = "2026-01-15T12:00:00Z"
Pack = Literal["plain", "gzip", "zstd"]


def record(
    kind: str, body: bytes, *, url: str | None = None, mime: str = "", length: int | None = None, **more: str
) -> bytes:
    """One record; `length` overrides the true Content-Length."""
    head = ["WARC/1.0", f"WARC-Type: {kind}", f"WARC-Date: {DATE}"]
    head += [f"WARC-Target-URI: {url}"] if url else []
    head += [f"Content-Type: {mime}"] if mime else []
    head += [f"{name.replace('_', '-')}: {value}" for name, value in more.items()]
    head.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body + b"\r\n\r\n"


def response(
    url: str,
    body: bytes,
    *,
    status: int = 200,
    type: str = "text/html; charset=utf-8",
    length: int | None = None,
    headers: Sequence[str] = (),
    **more: str,
) -> bytes:  # fmt: skip
    lines = [f"HTTP/1.1 {status} Said", f"Content-Type: {type}", *headers]
    http = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
    return record("response", http, url=url, mime="application/http; msgtype=response", length=length, **more)


def conversion(url: str, text: str) -> bytes:
    """One record of a WET file."""
    return record("conversion", text.encode(), url=url, mime="text/plain")


def warc(records: Sequence[bytes], pack: Pack = "gzip") -> bytes:
    return b"".join(packed(part, pack) for part in records)


def packed(data: bytes, pack: Pack) -> bytes:
    if pack == "gzip":
        return gzip.compress(data, mtime=0)
    return data if pack == "plain" else bytes(pa.Codec("zstd").compress(data, asbytes=True))


def offsets(records: Sequence[bytes], pack: Pack = "gzip") -> list[int]:
    """Where each record begins in `warc(records, pack)`."""
    sizes = [len(packed(part, pack)) for part in records]
    return [sum(sizes[:n]) for n in range(len(sizes))]
