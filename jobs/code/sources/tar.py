"""The members of a tar stream: old, ustar, GNU and pax headers, one after another, nothing extracted.

Not `tarfile`: it ends silently at a damaged header in the middle, reads a pax header of any declared size into memory,
and keeps every member. Here a header is at most 1 MiB, damage is a Fault, and memory is one header. Names are bytes as
they stand. Format: POSIX.1-2017 pax, and the GNU extensions (long names, binary sizes). Oracle: tarfile.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, replace

from jobs.code.sources.inflate import PlainStream
from jobs.code.sources.rows import Fault, Reason

BLOCK = 512
_MAX_HEADER = 1 << 20
_END = bytes(BLOCK)

_REGULAR = frozenset(b"0\0" + b"7")
_FOLDER, _SPARSE = ord("5"), ord("S")
_GNU_NAME, _GNU_LINK = ord("L"), ord("K")
_PAX, _PAX_GLOBAL, _SOLARIS_PAX = ord("x"), ord("g"), ord("X")
_SPECIAL = {
    ord("1"): "a hard link to another member",
    ord("3"): "a character device",
    ord("4"): "a block device",
    ord("6"): "a FIFO",
    _SPARSE: "a sparse file",
}


@dataclass(frozen=True, slots=True)
class Member:
    """One member that is no folder. Where `fault` is None, `size` bytes of content stand next in the stream."""

    name: bytes
    size: int
    fault: Fault | None


@dataclass(frozen=True, slots=True)
class _Extra:
    """What headers before a member say about it."""

    name: bytes | None = None
    size: int | None = None
    sparse: bool = False


class TarReader:
    """Iterates over the members; a member's content is what `stream.read` gives before the next step.

    `commit` is the id that `git archive` leaves in the global header, else None. Raises Fault: truncated,
    corrupt_archive, archive_bomb.
    """

    def __init__(self, stream: PlainStream) -> None:
        self.stream = stream
        self.commit: str | None = None

    def __iter__(self) -> Iterator[Member]:
        extra = _Extra()
        while (header := self._header()) is not None:
            kind, size = header[156], _number(header[124:136], "size")
            if kind in (_PAX, _SOLARIS_PAX, _PAX_GLOBAL, _GNU_NAME, _GNU_LINK):
                extra = self._extend(extra, kind, self._payload(size))
                continue
            size = size if extra.size is None else extra.size
            if kind == _SPARSE:
                self._skip_sparse_map(header)
            end = self.stream.position + (-(-size // BLOCK) * BLOCK if _has_content(kind) else 0)
            member = _member(header, kind, size, extra)
            extra = _Extra()
            if member is not None:
                yield member
            self._pass_to(end)

    def _header(self) -> bytes | None:
        """The next header; None at the end marker. Raises Fault where the stream ends without one."""
        at = self.stream.position
        block = self.stream.read(BLOCK)
        if block == _END:
            return None
        if len(block) < BLOCK:
            raise Fault(
                Reason.TRUNCATED,
                f"the archive ends at byte {at + len(block):,} without its end marker; members may be missing.",
            )
        stated = int(text, 8) if re.fullmatch(rb"[0-7]{1,7}", text := block[148:156].strip(b" \0")) else -1
        counted = block[:148] + b" " * 8 + block[156:]
        if stated not in (sum(counted), sum(array("b", counted))):  # some old programs added signed bytes
            if at == 0:
                raise Fault(
                    Reason.CORRUPT_ARCHIVE,
                    "neither a zip nor a tar; allowed are zip, wheel, and tar plain or packed by gzip, bzip2 or xz.",
                    first_bytes=block,
                )
            raise Fault(
                Reason.CORRUPT_ARCHIVE,
                f"byte {at:,} is no tar header: checksum {stated}, counted {sum(counted)}; nothing behind it was read.",
                first_bytes=block,
            )
        return block

    def _payload(self, size: int) -> bytes:
        if size > _MAX_HEADER:
            raise Fault(
                Reason.CORRUPT_ARCHIVE,
                f"a header of {size:,} bytes at {self.stream.position:,}; allowed are {_MAX_HEADER:,}.",
            )
        end = self.stream.position + -(-size // BLOCK) * BLOCK
        payload = self.stream.read(size)
        self._pass_to(end)
        return payload

    def _extend(self, extra: _Extra, kind: int, payload: bytes) -> _Extra:
        if kind == _GNU_NAME:
            return replace(extra, name=payload.rstrip(b"\0"))
        if kind == _GNU_LINK:
            return extra
        said = _pax_records(payload)
        if kind == _PAX_GLOBAL:
            comment = said.get(b"comment", b"")
            if re.fullmatch(rb"[0-9a-f]{40}|[0-9a-f]{64}", comment):
                self.commit = comment.decode("ascii")
            return extra
        size = said.get(b"size")
        return _Extra(
            name=said.get(b"GNU.sparse.name", said.get(b"path", extra.name)),
            size=extra.size if size is None else _decimal(size),
            sparse=any(key.startswith(b"GNU.sparse.") for key in said),
        )

    def _skip_sparse_map(self, header: bytes) -> None:
        """GNU puts further blocks of the map before the content, each saying whether another one follows."""
        more = header[482]
        while more:
            block = self.stream.read(BLOCK)
            more = block[504] if len(block) == BLOCK else 0

    def _pass_to(self, end: int) -> None:
        missing = end - self.stream.position
        if self.stream.skip(missing) < missing:
            raise Fault(
                Reason.TRUNCATED,
                f"the archive ends at byte {self.stream.position:,}, inside a member that reaches to {end:,}.",
            )


def _has_content(kind: int) -> bool:
    """Links, devices, FIFOs and folders have no content whatever size they state; unknown types do (POSIX)."""
    return kind not in b"123456"


def _member(header: bytes, kind: int, size: int, extra: _Extra) -> Member | None:
    """None for a folder."""
    name = extra.name
    if name is None:
        name, prefix = header[:100].split(b"\0")[0], header[345:500].split(b"\0")[0]
        if header[257:263] == b"ustar\0" and prefix:
            name = prefix + b"/" + name
    if kind == _FOLDER or (kind in _REGULAR and name.endswith(b"/")):
        return None
    return Member(name, size, _fault(_SPARSE if extra.sparse else kind))


def _fault(kind: int) -> Fault | None:
    """Why a member of this type is not read; None for a regular file."""
    if kind in _REGULAR:
        return None
    if kind == ord("2"):
        return Fault(Reason.SYMLINK, "a symbolic link; allowed are regular files.")
    what = _SPECIAL.get(kind, f"of tar type {chr(kind)!r}")
    return Fault(Reason.SPECIAL_FILE, f"{what}; allowed are regular files.")


def _number(field: bytes, what: str) -> int:
    """A header's number: octal text, or big-endian binary where the first bit is set (GNU, for 8 GiB and more)."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    text = field.split(b"\0")[0].strip(b" ")
    if re.fullmatch(rb"[0-7]*", text) is None:
        raise Fault(Reason.CORRUPT_ARCHIVE, f"a tar header's {what} is {field!r}; allowed is an octal number.")
    return int(text or b"0", 8)


def _decimal(text: bytes) -> int:
    if re.fullmatch(rb"[0-9]{1,20}", text) is None:
        raise Fault(Reason.CORRUPT_ARCHIVE, f"a pax header's size is {text[:40]!r}; allowed is a decimal number.")
    return int(text)


def _pax_records(payload: bytes) -> dict[bytes, bytes]:
    """Records such as "16 path=src/a.c\\n"; the number counts the whole record. Cost: one pass."""
    records = {}
    at = 0
    while at < len(payload) and payload[at] != 0:
        space = payload.find(b" ", at, at + 20)
        digits = payload[at:space] if space > at else b""
        end = at + int(digits) if digits.isdigit() else 0
        if end <= space or end > len(payload) or payload[end - 1 : end] != b"\n":
            raise Fault(Reason.CORRUPT_ARCHIVE, f"a pax record at {at:,} of its header has no valid length.")
        key, _, value = payload[space + 1 : end - 1].partition(b"=")
        records[key] = value
        at = end
    return records
