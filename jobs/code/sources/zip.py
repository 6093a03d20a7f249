"""The members of a zip by its directory, read one at a time, nothing extracted.

Not `zipfile`: it loads a directory of any length, refuses the whole archive for one name that is no UTF-8, cuts names
at a NUL, and older ones follow entries that overlap. Here the directory is read entry by entry up to the member limit,
and headers are checked against each other. Stored and deflated members are read, which is all that wheels and source
archives use. Format: PKWARE APPNOTE 6.3, zip64 included. Oracle: zipfile.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from jobs.code.sources.files import refuse_unless_regular
from jobs.code.sources.inflate import raw_deflate
from jobs.code.sources.limits import Limits
from jobs.code.sources.paths import MAX_PATH_BYTES
from jobs.code.sources.rows import Fault, Reason, over_cap

_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_END64_LOCATOR_SIZE = 20
_MAX_COMMENT = 0xFFFF
_CHUNK = 1 << 16
_STORED, _DEFLATED = 0, 8
_ENCRYPTED, _UTF8 = 1, 1 << 11


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the directory that is no folder."""

    name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    """Of the local header, from the start of the file."""
    mode: int
    """Unix mode, 0 where the archive was made elsewhere."""
    raw_name: bytes
    """The name before it was turned to UTF-8, as the local header has it."""


@dataclass(frozen=True, slots=True)
class Directory:
    """Where the central directory stands. `base` is the length of what was put before the archive."""

    start: int
    size: int
    base: int
    comment: bytes

    @property
    def commit(self) -> str | None:
        """The id that `git archive` leaves as the archive's comment."""
        found = re.fullmatch(rb"[0-9a-f]{40}|[0-9a-f]{64}", self.comment)
        return None if found is None else found[0].decode("ascii")


def find_directory(file: BinaryIO) -> Directory:
    """Raises Fault: truncated where there is no end record, corrupt_archive where it points outside the file."""
    total = file.seek(0, os.SEEK_END)
    tail_start = max(0, total - _END.size - _MAX_COMMENT)
    file.seek(tail_start)
    tail = file.read(_END.size + _MAX_COMMENT)
    at = tail.rfind(b"PK\x05\x06", 0, len(tail) - _END.size + 4)
    if at < 0:
        raise Fault(
            Reason.TRUNCATED, "a zip without end record; its directory stands at the end, so nothing can be read."
        )
    _, disk, _, _, _, size, start, length = _END.unpack_from(tail, at)
    end = tail_start + at
    located = end - _END64_LOCATOR_SIZE
    file.seek(max(0, located))
    if located >= _END64.size and file.read(4) == b"PK\x06\x07":
        end = located - _END64.size
        file.seek(end)
        mark, *_, size, start = _END64.unpack(file.read(_END64.size))
        if mark != b"PK\x06\x06":
            raise Fault(Reason.CORRUPT_ARCHIVE, f"no zip64 end record at byte {end:,}, where one should stand.")
    base = end - size - start
    if disk != 0 or base < 0:
        raise Fault(
            Reason.CORRUPT_ARCHIVE,
            f"the zip's directory ({size:,} bytes at {start:,}, disk {disk}) is not in this file.",
        )
    return Directory(start + base, size, base, tail[at + _END.size : at + _END.size + length])


def read_directory(file: BinaryIO, directory: Directory, limits: Limits) -> list[Entry]:
    """Every entry that is no folder, in the directory's order. Raises Fault for the archive as a whole:
    too_many_members, corrupt_archive, and archive_bomb where members overlap or are too large together."""
    entries: list[Entry] = []
    for count, entry in enumerate(_entries(file, directory), 1):
        if count > limits.max_archive_members:
            raise Fault(
                Reason.TOO_MANY_MEMBERS,
                f"more than {limits.max_archive_members:,} members (max_archive_members); none was read.",
            )
        if not entry.name.endswith(b"/"):
            entries.append(entry)
    _refuse_overlaps(entries, directory)
    plain = sum(entry.size for entry in entries if entry.size <= limits.max_file_bytes)
    packed = sum(entry.packed for entry in entries)
    if limits.is_bomb(plain, packed):
        raise Fault(
            Reason.ARCHIVE_BOMB,
            f"{plain:,} plain bytes out of {packed:,} packed; allowed are {limits.max_archive_bytes:,} "
            f"(max_archive_bytes) and a ratio of {limits.max_ratio:g} (max_ratio). None was read.",
            size=plain,
        )
    return entries


def read_member(file: BinaryIO, entry: Entry, cap: int) -> bytes:
    """The bytes of one member of at most `cap` bytes. Raises Fault: encrypted, symlink, special_file, over_cap,
    corrupt_archive where headers or checksum disagree with the data, truncated where the file ends before it."""
    if entry.flags & _ENCRYPTED:
        raise Fault(Reason.ENCRYPTED, "an encrypted member; allowed are plain ones.", size=entry.size)
    if entry.mode >> 12:
        refuse_unless_regular(entry.mode)
    if entry.size > cap:
        raise over_cap(entry.size, cap)
    if entry.method not in (_STORED, _DEFLATED):
        raise _corrupt(entry, f"compression method {entry.method}; allowed are 0 (stored) and 8 (deflated)")
    _to_data(file, entry)
    content = _stored(file, entry) if entry.method == _STORED else _deflated(file, entry)
    if len(content) != entry.size:
        raise _corrupt(entry, f"the header says {entry.size:,} bytes, there are {len(content):,} or more", content)
    if zlib.crc32(content) != entry.crc:
        raise _corrupt(entry, f"checksum {zlib.crc32(content):08x}, the header says {entry.crc:08x}", content)
    return content


def _entries(file: BinaryIO, directory: Directory) -> Iterator[Entry]:
    file.seek(directory.start)
    end = directory.start + directory.size
    while (at := file.tell()) < end:
        head = file.read(_ENTRY.size)
        if len(head) < _ENTRY.size or head[:4] != b"PK\x01\x02":
            said = f"no directory entry at byte {at:,}, where one should stand; none was read."
            raise Fault(Reason.CORRUPT_ARCHIVE, said, first_bytes=head)
        _, made_by, _, flags, method, _, _, crc, packed, size, *rest = _ENTRY.unpack(head)
        *lengths, _, _, attributes, offset = rest
        name, extra, _ = (file.read(length) for length in lengths)
        name = name[: MAX_PATH_BYTES + 1]  # a longer one is refused by its path, and must not fill memory
        size, packed, offset = _sizes(extra, size, packed, offset)
        mode = attributes >> 16 if made_by >> 8 == 3 else 0
        yield Entry(_utf8(name, flags), flags, method, crc, packed, size, directory.base + offset, mode, name)


def _sizes(extra: bytes, *stated: int) -> list[int]:
    """Size, packed size and offset, taken from the zip64 field where the header says that they did not fit."""
    values = list(stated)
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            field = extra[at + 4 : at + 4 + length]
            long = [number for (number,) in struct.iter_unpack("<Q", field[: len(field) // 8 * 8])]
            for place, value in enumerate(values):
                if value == 0xFFFFFFFF and long:
                    values[place] = long.pop(0)
            break
        at += 4 + length
    return values


def _utf8(name: bytes, flags: int) -> bytes:
    """The name in UTF-8. Without the flag it is code page 437 by the format, and UTF-8 by what most programs write."""
    if flags & _UTF8:
        return name
    try:
        name.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode("cp437").encode("utf-8")
    return name


def _refuse_overlaps(entries: Sequence[Entry], directory: Directory) -> None:
    """Members that share bytes are how a small zip unfolds without end; an honest one has none."""
    end, name = 0, b""
    for entry in sorted(entries, key=lambda entry: entry.offset):
        if entry.offset < end:
            raise Fault(
                Reason.ARCHIVE_BOMB,
                f"members {name[:80]!r} and {entry.name[:80]!r} share bytes; none was read.",
            )
        end, name = entry.offset + _LOCAL.size + len(entry.raw_name) + entry.packed, entry.name
    if end > directory.start:
        raise Fault(Reason.CORRUPT_ARCHIVE, f"member {name[:80]!r} reaches into the directory; none was read.")


def _to_data(file: BinaryIO, entry: Entry) -> None:
    file.seek(entry.offset)
    head = file.read(_LOCAL.size)
    if len(head) < _LOCAL.size or head[:4] != b"PK\x03\x04":
        raise _corrupt(entry, f"no member header at byte {entry.offset:,}, where the directory says", head)
    *_, name_length, extra_length = _LOCAL.unpack(head)
    if file.read(name_length) != entry.raw_name:
        raise _corrupt(entry, "the member's own header has another name than the directory")
    file.seek(extra_length, os.SEEK_CUR)


def _stored(file: BinaryIO, entry: Entry) -> bytes:
    if entry.packed != entry.size:
        raise _corrupt(entry, f"stored as {entry.packed:,} bytes, the header says {entry.size:,}")
    return file.read(entry.size)


def _deflated(file: BinaryIO, entry: Entry) -> bytes:
    """The member's bytes, at most one more than its header says."""
    decoder = raw_deflate()
    pieces: list[bytes] = []
    left, allowed = entry.packed, entry.size + 1
    while allowed and not decoder.eof:
        packed = file.read(min(left, _CHUNK)) if decoder.needs_input else b""
        left -= len(packed)
        try:
            piece = decoder.decompress(packed, allowed)
        except zlib.error as error:
            raise _corrupt(entry, f"the deflated data is damaged: {error}") from error
        if not piece and not packed and not decoder.eof:
            raise _corrupt(entry, f"the deflated data ends early, after {entry.packed - left:,} bytes")
        pieces.append(piece)
        allowed -= len(piece)
    return b"".join(pieces)


def _corrupt(entry: Entry, what: str, found: bytes = b"") -> Fault:
    return Fault(Reason.CORRUPT_ARCHIVE, f"{what}; this member was not read.", size=entry.size, first_bytes=found)
