"""Regular files of this machine: opened so that nothing else is ever read, and never past the cap."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from jobs.code.sources.rows import Fault, Reason, over_cap, unreadable
from jobs.code.sources.spec import SourceSpec

SCHEMA = 1
"""Raise it when a reader yields something else for the same input: every source is then read again."""

_END_BYTES = 1 << 16

_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
    stat.S_IFDIR: "a folder",
}


def refuse_unless_regular(mode: int) -> None:
    """Raise Fault (symlink, special_file) for a mode, of a stat or an archive's header, that is no regular file's."""
    if stat.S_ISLNK(mode):
        raise Fault(Reason.SYMLINK, "a symbolic link; allowed are regular files, links are not followed.")
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), f"of file type {stat.S_IFMT(mode):#o}")
        raise Fault(Reason.SPECIAL_FILE, f"{kind}; allowed are regular files, others are not opened.")


def read_regular(path: bytes, cap: int) -> bytes:
    """The bytes of one regular file of at most `cap` bytes.

    Raises Fault: symlink, special_file, over_cap, unreadable. Judged by lstat before opening, and again on what was
    opened, as the file may be another by then; O_NONBLOCK keeps an open of a FIFO from waiting. A file that grows
    is read to its new end, at most to the cap.
    """
    try:
        _refuse(os.lstat(path), cap)
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        if error.errno == errno.ELOOP:
            refuse_unless_regular(stat.S_IFLNK)
        raise unreadable(error) from error
    with os.fdopen(fd, "rb", buffering=0) as file:
        try:
            status = os.fstat(fd)
            _refuse(status, cap)
            pieces, size = [], 0
            step = status.st_size + 1  # one more than stated: an unchanged file ends within one read
            while size <= cap and (piece := file.read(min(step, cap + 1 - size))):
                pieces.append(piece)
                size += len(piece)
                step = 1 << 20
        except OSError as error:
            raise unreadable(error) from error
    if size > cap:
        raise Fault(
            Reason.OVER_CAP, f"grew past {cap:,} bytes (max_file_bytes) while it was read.", first_bytes=pieces[0]
        )
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _refuse(status: os.stat_result, cap: int) -> None:
    refuse_unless_regular(status.st_mode)
    if status.st_size > cap:
        raise over_cap(status.st_size, cap)


def fingerprint_of(spec: SourceSpec, repo: str, parts: Iterable[tuple[bytes | str | int, ...]]) -> str:
    """SHA-256, hex, over what this spec says of its rows and over the parts that stand for the content.

    Name and location stay out: the same tree found elsewhere is the same source. Parts are framed by their lengths, so
    no two lists of parts read the same.
    """
    digest = hashlib.sha256(f"sources/{SCHEMA}\n".encode())
    said = spec.model_dump(mode="json", exclude={"name", "location", "repo"})
    _add(digest, json.dumps(said, sort_keys=True).encode())
    _add(digest, (spec.repo or repo).encode())
    for part in parts:
        _add(digest, str(len(part)).encode())
        for value in part:
            _add(digest, value if isinstance(value, bytes) else str(value).encode())
    return digest.hexdigest()


def _add(digest: hashlib._Hash, value: bytes) -> None:
    digest.update(b"%d:" % len(value))
    digest.update(value)


def file_identity(path: Path) -> tuple[bytes | str | int, ...]:
    """Size, modification time in ns, and SHA-256 of the first and last 64 KiB. Raises OSError.

    A change in the middle alone that keeps size and time stays unseen.
    """
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        digest = hashlib.sha256(file.read(_END_BYTES))
        file.seek(max(_END_BYTES, status.st_size - _END_BYTES))
        digest.update(file.read(_END_BYTES))
    return status.st_size, status.st_mtime_ns, digest.digest()
