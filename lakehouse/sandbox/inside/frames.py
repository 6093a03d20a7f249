"""Messages over pipes: a length in 4 bytes, little-endian, and that many bytes."""

from __future__ import annotations

import os
import struct


def read_frame(fd: int) -> bytes:
    """Exactly one frame, not a byte of the next. Raises EOFError where the pipe ends before it does."""
    (length,) = struct.unpack("<I", _exactly(fd, 4))
    return _exactly(fd, length)


def write_frame(fd: int, data: bytes) -> None:
    left = memoryview(struct.pack("<I", len(data)) + data)
    while left:
        left = left[os.write(fd, left) :]


def _exactly(fd: int, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        more = os.read(fd, min(length - len(data), 1 << 20))
        if not more:
            raise EOFError
        data += more
    return bytes(data)
