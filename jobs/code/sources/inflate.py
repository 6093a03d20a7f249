"""A compressed file as a forward-only stream of plain bytes, never more at once than was asked for.

    file -> gzip | bzip2 | xz | none -> PlainStream.read(n) / skip(n)

The decoders are asked for bounded pieces, so that a bomb costs the bytes up to its detection and no memory. Cost: what
the decoder needs. Raises Fault: truncated, corrupt_archive, archive_bomb; what was read before stays valid.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import BinaryIO, Protocol

from jobs.code.sources.limits import Limits
from jobs.code.sources.rows import Fault, Reason

_PACKED_CHUNK = 1 << 15
_PLAIN_CHUNK = 1 << 17
_XZ_MEMORY = 1 << 27
"""xz -9 asks for 65 MiB to inflate; a header may ask for 4 GiB."""


class _Decoder(Protocol):
    """What bz2 and lzma offer, and `_Inflater` for zlib."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Inflater:
    def __init__(self, wbits: int) -> None:
        self._zlib = zlib.decompressobj(wbits)

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)


def raw_deflate() -> _Decoder:
    """The decoder of one member of a zip: no header, no checksum."""
    return _Inflater(-zlib.MAX_WBITS)


_FORMATS: dict[bytes, Callable[[], _Decoder]] = {
    b"\x1f\x8b": lambda: _Inflater(zlib.MAX_WBITS | 16),
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\x00": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY),
}


def is_compressed(head: bytes) -> bool:
    return head.startswith(tuple(_FORMATS))


class PlainStream:
    """The plain bytes of an open file, which is read from its start. `position` counts them."""

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        self._file = file
        self._limits = limits
        self._packed = file.read(_PACKED_CHUNK)
        self._consumed = len(self._packed)
        self._magic = next((magic for magic in _FORMATS if self._packed.startswith(magic)), b"")
        self._open = _FORMATS.get(self._magic)
        self._decoder = self._open() if self._open else None
        self._ended = False
        self._produced = 0
        self._plain = b""
        self._offset = 0
        self.position = 0

    def read(self, size: int) -> bytes:
        """The next `size` bytes; fewer only where the stream ends properly before."""
        pieces = []
        left = size
        while left and (piece := self._take(left)):
            pieces.append(piece)
            left -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def skip(self, size: int) -> int:
        """Pass over `size` bytes; returns how many there were."""
        left = size
        while left and (piece := self._take(left)):
            left -= len(piece)
        return size - left

    def _take(self, size: int) -> bytes:
        if self._offset == len(self._plain):
            self._plain, self._offset = self._step(), 0
            self._produced += len(self._plain)
            if self._limits.is_bomb(self._produced, self._consumed):
                raise Fault(
                    Reason.ARCHIVE_BOMB,
                    f"{self._produced:,} plain bytes so far out of {self._consumed:,} packed; allowed are "
                    f"{self._limits.max_archive_bytes:,} (max_archive_bytes) and a ratio of {self._limits.max_ratio:g} "
                    "(max_ratio).",
                )
        piece = self._plain[self._offset : self._offset + size]
        self._offset += len(piece)
        self.position += len(piece)
        return piece

    def _step(self) -> bytes:
        """The next piece of plain bytes; b"" at the end."""
        while True:
            if self._decoder is None:
                piece, self._packed = self._packed, b""
                return piece or self._load()
            if self._ended or (self._decoder.eof and not self._next_member()):
                self._ended = True
                return b""
            fresh = self._packed
            if not fresh and self._decoder.needs_input:
                fresh = self._load()
            self._packed = b""
            try:
                piece = self._decoder.decompress(fresh, _PLAIN_CHUNK)
            except (zlib.error, lzma.LZMAError, OSError) as error:
                raise Fault(Reason.CORRUPT_ARCHIVE, f"the compressed data is damaged: {error}.") from error
            if piece:
                return piece
            if not fresh and self._decoder.needs_input and not self._decoder.eof:
                raise Fault(
                    Reason.TRUNCATED,
                    f"the compressed data ends early, after {self._consumed:,} bytes; what came before was read.",
                )

    def _next_member(self) -> bool:
        """Go on with a stream that follows the one that ended, as `cat a.gz b.gz` makes it; other bytes are padding."""
        assert self._decoder is not None
        assert self._open is not None
        rest = self._decoder.unused_data
        while len(rest) < len(self._magic) and (more := self._load()):
            rest += more
        if not rest.startswith(self._magic):
            return False
        self._decoder, self._packed = self._open(), rest
        return True

    def _load(self) -> bytes:
        chunk = self._file.read(_PACKED_CHUNK)
        self._consumed += len(chunk)
        return chunk
