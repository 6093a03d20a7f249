"""What a reader yields: an `Occurrence` for each file it read, an `Unreadable` for each it did not, and nothing else.

    file -> Occurrence(repo, commit, path, ..., content)      goes on to bronze
         -> Unreadable(repo, path, reason, detail, ...)       goes to quarantine

Readers signal a file that cannot be read by raising `Fault`; the loop around them turns it into a row and goes on.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, field_validator

FIRST_BYTES = 64


class Reason(StrEnum):
    """Why a file was not read. The values are data: they are stored, and queries name them."""

    OVER_CAP = "over_cap"
    SYMLINK = "symlink"
    SUBMODULE = "submodule"
    SPECIAL_FILE = "special_file"
    PATH_ESCAPES = "path_escapes"
    UNSAFE_NAME = "unsafe_name"
    NOT_UTF8_PATH = "not_utf8_path"
    CORRUPT_ARCHIVE = "corrupt_archive"
    TRUNCATED = "truncated"
    ENCRYPTED = "encrypted"
    ARCHIVE_BOMB = "archive_bomb"
    TOO_MANY_MEMBERS = "too_many_members"
    UNREADABLE = "unreadable"
    MISSING_CONTENT = "missing_content"
    DUPLICATE_PATH = "duplicate_path"
    AFTER_CUTOFF = "after_cutoff"


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One file as it was found: where, and its bytes."""

    repo: str
    commit: str | None
    path: str
    """Relative, with slashes, as the source names it: valid UTF-8, no control character, no `..`."""
    stars: int | None
    committed_at: datetime | None
    """Time of the commit, UTC. Never a modification time: those say when a file was packed or copied."""
    licence: str | None
    version: str | None
    """Version of the package, or the tag that was asked for."""
    size: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Unreadable:
    """One file, or one archive as a whole, that was not read, and why."""

    repo: str
    path: str
    """As in Occurrence; bytes that may not stand there are percent-escaped. For a whole archive its file name."""
    reason: Reason
    detail: str
    size: int | None
    first_bytes: bytes
    """At most 64 bytes of what was there; empty where it was refused before reading."""


class Fault(Exception):
    """One file cannot be read. Caught by the reader's loop, which goes on with the next file."""

    def __init__(self, reason: Reason, detail: str, *, size: int | None = None, first_bytes: bytes = b"") -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.size = size
        self.first_bytes = first_bytes[:FIRST_BYTES]


def over_cap(size: int, cap: int) -> Fault:
    return Fault(Reason.OVER_CAP, f"{size:,} bytes, allowed are {cap:,} (max_file_bytes); not read.", size=size)


def within(found: Occurrence, until: datetime | None) -> Occurrence | Unreadable:
    """The occurrence, or that its commit is later than the cut-off."""
    if until is None or found.committed_at is None or found.committed_at <= until:
        return found
    said = f"committed {found.committed_at:%Y-%m-%d %H:%M} UTC, allowed until {until:%Y-%m-%d %H:%M} (committed_until)."
    return Unreadable(found.repo, found.path, Reason.AFTER_CUTOFF, said, found.size, b"")


def unreadable(error: OSError) -> Fault:
    name = errno.errorcode.get(error.errno or 0, "unknown errno")
    return Fault(Reason.UNREADABLE, f"{name}: {error.strerror or error}.")


class Origin(BaseModel):
    """What all rows of a shard have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repo: str
    commit: str | None = None
    stars: int | None = None
    committed_at: datetime | None = None
    licence: str | None = None
    version: str | None = None

    @field_validator("committed_at")
    @classmethod
    def _in_utc(cls, value: datetime | None) -> datetime | None:
        return None if value is None else value.astimezone(UTC)  # JSON brings back another zone of offset 0

    def occurrence(self, path: str, content: bytes) -> Occurrence:
        return Occurrence(
            repo=self.repo,
            commit=self.commit,
            path=path,
            stars=self.stars,
            committed_at=self.committed_at,
            licence=self.licence,
            version=self.version,
            size=len(content),
            content=content,
        )

    def unreadable(self, path: str, fault: Fault) -> Unreadable:
        return Unreadable(self.repo, path, fault.reason, fault.detail, fault.size, fault.first_bytes)
