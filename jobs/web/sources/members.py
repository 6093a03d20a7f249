"""A file as members: runs of plain bytes that can be read alone, so that damage costs one of them and not the file.

    plain file -> one member, the file itself
    gzip       -> one per gzip member          what crawlers write: one record each
    zstd       -> one per frame

    for member in members(file, limits):
        member.read(n)      # the next n plain bytes, fewer only at the member's end

Every member knows its byte offset in the file. Decoders are asked for bounded pieces, so a bomb costs the bytes up to
its detection and no memory. Behind a damaged member reading goes on at the next magic number. Raises Fault: truncated,
damaged, bomb. Cost: what the decoder needs.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Protocol

import pyarrow as pa

from jobs.web.sources.limits import Limits
from jobs.web.sources.rows import Fault, Reason

PACKED_CHUNK = 1 << 15
PLAIN_CHUNK = 1 << 16
BOMB_FLOOR = 64 << 20
"""Plain bytes below which no member is a bomb, whatever its ratio: a page of blanks packs 1000 to 1."""

GZIP = b"\x1f\x8b\x08"
ZSTD = b"\x28\xb5\x2f\xfd"
ZSTD_DICTIONARY = b"\x5d\x2a\x4d\x18"


BEHIND = 16
"""Bytes looked at behind a record: two line ends, and enough of the next version line."""


def ends_record(behind: bytes) -> bool:
    """Whether a record can end before these bytes: its two line ends, the next record, or nothing."""
    rest = behind.lstrip(b"\r\n")
    return not rest or behind.startswith(b"\r\n\r\n") or rest.startswith(b"WARC/")


class Packed:
    """The bytes of a file in order, with a place to put back what was read too far."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._held = file, b""
        self.offset = 0
        """Offset in the file of the next byte that `take` gives."""

    def take(self, size: int = PACKED_CHUNK) -> bytes:
        piece = self._held[:size] if self._held else self._file.read(size)
        self._held = self._held[size:]
        self.offset += len(piece)
        return piece

    def put_back(self, data: bytes) -> None:
        self._held = data + self._held
        self.offset -= len(data)

    def peek(self, size: int) -> bytes:
        found = b""
        while len(found) < size and (piece := self.take(size - len(found))):
            found += piece
        self.put_back(found)
        return found

    def seek(self, offset: int) -> None:
        self.offset, self._held = self._file.seek(offset), b""

    def find(self, magic: bytes) -> bool:
        """Move to the next occurrence of `magic`; False at the end of the file. Cost: one pass."""
        tail = b""
        while piece := self.take():
            data = tail + piece
            at = data.find(magic)
            if at >= 0:
                self.put_back(data[at:])
                return True
            tail = data[-len(magic) + 1 :]
        return False


class Member(Protocol):
    """A run of plain bytes."""

    offset: int
    position: int

    def read(self, size: int) -> bytes: ...
    def skip(self, size: int) -> int: ...
    def unread(self, data: bytes) -> None: ...
    def fits(self, size: int) -> bool: ...


class PlainFile:
    """An uncompressed file. It can be looked into ahead, so a lying length costs no reading."""

    offset = 0

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.position = 0
        self._size = file.seek(0, 2)
        file.seek(0)

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self.position += len(data)
        return data

    def skip(self, size: int) -> int:
        size = min(size, self._size - self.position)
        self.position = self._file.seek(self.position + size)
        return size

    def unread(self, data: bytes) -> None:
        self.position = self._file.seek(self.position - len(data))

    def fits(self, size: int) -> bool:
        """Whether a record of `size` more bytes ends at the file's end or where another begins."""
        if self.position + size > self._size:
            return False
        self._file.seek(self.position + size)
        behind = self._file.read(BEHIND)
        self._file.seek(self.position)
        return ends_record(behind)


class PackedMember:
    """A gzip member or a zstd frame, decoded piece by piece."""

    def __init__(self, packed: Packed, limits: Limits) -> None:
        self.offset = packed.offset
        self.position = 0
        self.ended = False
        self._packed, self._limits = packed, limits
        self._plain, self._produced = b"", 0

    def read(self, size: int) -> bytes:
        pieces, left = [], size
        while left and (piece := self._take(left)):
            pieces.append(piece)
            left -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def skip(self, size: int) -> int:
        left = size
        while left and (piece := self._take(left)):
            left -= len(piece)
        return size - left

    def unread(self, data: bytes) -> None:
        self._plain = data + self._plain
        self.position -= len(data)

    def fits(self, size: int) -> bool:  # noqa: ARG002  Member's signature
        return True  # only known once it is read

    def _take(self, size: int) -> bytes:
        if not self._plain:
            self._plain = self._decode()
            self.ended = not self._plain
            self._produced += len(self._plain)
            packed = self._packed.offset - self.offset
            if self._produced > BOMB_FLOOR and self._produced > self._limits.max_ratio * packed:
                raise Fault(
                    Reason.BOMB,
                    f"{self._produced:,} plain bytes so far out of {packed:,} packed; allowed is a ratio of"
                    f" {self._limits.max_ratio:g} (max_ratio).",
                )
        piece = self._plain[:size]
        self._plain = self._plain[size:]
        self.position += len(piece)
        return piece

    def _decode(self) -> bytes:
        raise NotImplementedError


class GzipMember(PackedMember):
    def __init__(self, packed: Packed, limits: Limits) -> None:
        super().__init__(packed, limits)
        self._zlib = zlib.decompressobj(31)

    def _decode(self) -> bytes:
        while not self._zlib.eof:
            fresh = self._zlib.unconsumed_tail or self._packed.take()
            if not fresh:
                raise Fault(Reason.TRUNCATED, "the compressed data ends early; what came before was read.")
            try:
                piece = self._zlib.decompress(fresh, PLAIN_CHUNK)
            except zlib.error as error:
                raise Fault(Reason.DAMAGED, f"the compressed data is damaged: {error}.") from error
            if self._zlib.eof:
                self._packed.put_back(self._zlib.unused_data)
            if piece:
                return piece
        return b""


class ZstdMember(PackedMember):
    def __init__(self, packed: Packed, limits: Limits) -> None:
        super().__init__(packed, limits)
        self._stream = pa.CompressedInputStream(pa.PythonFile(_Frame(packed), mode="r"), "zstd")

    def _decode(self) -> bytes:
        try:
            return bytes(self._stream.read(PLAIN_CHUNK))
        except EOFError as error:
            raise Fault(Reason.TRUNCATED, "the compressed data ends early; what came before was read.") from error
        except (OSError, pa.ArrowException) as error:
            raise Fault(Reason.DAMAGED, f"the compressed data is damaged: {str(error).splitlines()[0]}.") from error


class _Frame:
    """The packed bytes of one zstd frame as a file, block by block: where it ends is known from its block headers alone."""

    closed = False

    def __init__(self, packed: Packed) -> None:
        self._packed, self._ready = packed, b""
        self._steps = self._walk()

    def read(self, size: int = -1) -> bytes:
        while not self._ready and (piece := next(self._steps, b"")):
            self._ready = piece
        given = self._ready if size < 0 else self._ready[:size]
        self._ready = self._ready[len(given) :]
        return given

    def close(self) -> None: ...

    def _walk(self) -> Iterator[bytes]:
        head = self._exactly(5)
        described = head[4]
        single, checksum = described & 0x20, described & 0x04
        sizes = (1 if single else 0, 2, 4, 8)[described >> 6]
        yield head + self._exactly((0 if single else 1) + (0, 1, 2, 4)[described & 3] + sizes)
        last = 0
        while not last:
            block = self._exactly(3)
            number = int.from_bytes(block, "little")
            last, kind, size = number & 1, (number >> 1) & 3, number >> 3
            yield block
            left = 1 if kind == 1 else size  # a run-length block holds one byte
            while left:
                piece = self._packed.take(min(left, PACKED_CHUNK))
                if not piece:
                    raise EOFError
                left -= len(piece)
                yield piece
        if checksum:
            yield self._exactly(4)

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self._packed.take(size - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data


def members(file: BinaryIO, limits: Limits) -> Iterator[Member]:
    """The members of a file in order. A member must be read to its end, or given up with a Fault, before the next is asked for.

    A Fault that a member raised need not be told: what is left of it is passed over by looking for the next magic number.
    Raises Fault where the file as a whole cannot be read.
    """
    head = file.read(PACKED_CHUNK)
    file.seek(0)
    if head.startswith(ZSTD_DICTIONARY):
        raise Fault(
            Reason.UNREADABLE, "a zstd file with a dictionary of its own; allowed are frames without: pack it again."
        )
    # A packed file is told by a member that decodes to a record: its very first bytes may be the damaged ones.
    for magic, kind in ((GZIP, GzipMember), (ZSTD, ZstdMember)):
        looks_so = head.startswith(magic) and b"WARC/1." not in head
        if looks_so or _next_start(Packed(io.BytesIO(head)), limits, magic, kind):
            yield from _packed_members(file, limits, magic, kind)
            return
    yield PlainFile(file)


def _packed_members(file: BinaryIO, limits: Limits, magic: bytes, kind: type[PackedMember]) -> Iterator[Member]:
    packed = Packed(file)
    while packed.peek(len(magic)) == magic or _next_start(packed, limits, magic, kind):
        member = kind(packed, limits)
        yield member
        if not member.ended:  # given up: what the decoder had taken may hold the members behind it
            packed.seek(member.offset + 1)
            if not _next_start(packed, limits, magic, kind):
                return


def _next_start(packed: Packed, limits: Limits, magic: bytes, kind: type[PackedMember]) -> bool:
    """Move to the next member that begins with a record: packed bytes hold the magic number by chance too.

    Cost: one pass, and one chunk for each place that looks like a start.
    """
    while packed.find(magic):
        start = packed.offset
        try:
            found = kind(Packed(io.BytesIO(packed.peek(PACKED_CHUNK))), limits).read(5)
        except Fault:
            found = b""
        if found == b"WARC/":
            return True
        packed.seek(start + 1)
    return False
