"""A source as the configuration declares it, and a shard: the part of a source that one task reads.

Both are plain data and travel as JSON. A shard carries everything that was resolved when the work was split (repository
name, commit, version), so that two tasks cannot resolve it differently.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from urllib.parse import quote_from_bytes, unquote_to_bytes

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator

from jobs.code.sources.limits import Limits
from jobs.code.sources.paths import printable
from jobs.code.sources.rows import Origin

Kind = Literal["folder", "git", "archive", "parquet", "distribution"]

COLUMNS = ("content", "path", "repo", "commit", "stars", "committed_at", "licence")

FILE_COST = 4096
"""Bytes that a file weighs beside its content when work is split: opening it and writing its row cost about as much."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class SourceError(ValueError):
    """A source cannot be read as a whole. The message says where, what, what is allowed and what to do next."""


class SourceSpec(BaseModel):
    """One entry of the configuration's `sources` list."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", description="unique within the lake")
    kind: Kind
    location: str = Field(min_length=1, description="path, or the name of an installed distribution")
    repo: str | None = Field(default=None, min_length=1, description="repository name to record; derived where absent")
    ref: str = Field(default="HEAD", min_length=1, description="git only: branch, tag or commit")
    stars: int | None = Field(default=None, ge=0)
    committed_at: AwareDatetime | None = Field(default=None, description="wins over the time that the source states")
    licence: str | None = Field(default=None, min_length=1, description="wins over the licence that the source states")
    columns: dict[str, str] = Field(default={}, description="parquet only: our name to the file's column name")

    @field_validator("committed_at")
    @classmethod
    def _in_utc(cls, value: datetime | None) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    @field_validator("location", "repo", "ref", "licence")
    @classmethod
    def _printable(cls, value: str | None) -> str | None:
        if value is not None and _CONTROL.search(value):
            raise ValueError(f"{value!r} holds a control character: allowed is printable text")
        return value

    @model_validator(mode="after")
    def _fits_kind(self) -> SourceSpec:
        if self.kind != "git" and self.ref != "HEAD":
            raise ValueError(f"ref = {self.ref!r} with kind {self.kind!r}: allowed with kind 'git' only")
        if self.columns and self.kind != "parquet":
            raise ValueError(f"columns with kind {self.kind!r}: allowed with kind 'parquet' only")
        if unknown := sorted(set(self.columns) - set(COLUMNS)):
            raise ValueError(f"columns names {unknown[0]!r}: allowed are {', '.join(COLUMNS)}")
        return self

    def error(self, what: str, *, allowed: str, next_step: str) -> SourceError:
        return SourceError(f"source {self.name!r}: {self.location}: {what}. Allowed: {allowed}. Next: {next_step}.")

    def path(self) -> Path:
        """The location as an absolute path that exists. Raises SourceError."""
        if "://" in self.location:
            raise self.error(
                "is an address, not a path",
                allowed="a path that this machine can open",
                next_step="fetch or mount it, and name the local path",
            )
        path = Path(self.location).absolute()
        if not path.exists():
            raise self.error(
                "there is no such file or folder, or it may not be opened",
                allowed=f"a path of kind {self.kind!r} that every task can open",
                next_step="correct `location`, or put the data there",
            )
        return path

    def origin(
        self,
        repo: str,
        *,
        commit: str | None = None,
        committed_at: datetime | None = None,
        licence: str | None = None,
        version: str | None = None,
    ) -> Origin:
        """What the rows have in common: what this spec says wins over what the source says of itself."""
        return Origin(
            repo=self.repo or repo,
            commit=commit,
            stars=self.stars,
            committed_at=self.committed_at or committed_at,
            licence=self.licence or licence,
            version=version,
        )


def folder_name(path: Path) -> str:
    """The last part of a path, links resolved, as a repository name."""
    return printable(os.fsencode(path.resolve().name)) or "root"


@dataclass(frozen=True, slots=True)
class Span:
    """A range of paths in byte order: after < path <= until; None leaves that end open."""

    after: bytes | None = None
    until: bytes | None = None

    def __contains__(self, path: bytes) -> bool:
        return (self.after is None or path > self.after) and (self.until is None or path <= self.until)

    def misses(self, prefix: bytes) -> bool:
        """True where no path that begins with `prefix` is in the range."""
        before = self.after is not None and self.after > prefix and not self.after.startswith(prefix)
        return before or (self.until is not None and self.until < prefix)


class RowGroups(BaseModel):
    """Row groups `first` to `first + count - 1` of one parquet file. A count of 0: its footer could not be read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str = Field(description="percent-escaped path below the location; empty where the location is the file")
    first: int
    count: int


class Shard(BaseModel):
    """The part of one source that one task reads. Shards of a source overlap nowhere and leave nothing out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    spec: SourceSpec
    index: int
    origin: Origin
    weight: int = Field(description="bytes to be read, and FILE_COST a file")
    after: str | None = Field(default=None, description="percent-escaped path; the shard begins behind it")
    until: str | None = Field(default=None, description="percent-escaped path; the last one of the shard")
    parts: tuple[RowGroups, ...] = ()

    @property
    def span(self) -> Span:
        return Span(
            None if self.after is None else unquote_to_bytes(self.after),
            None if self.until is None else unquote_to_bytes(self.until),
        )


def split(spec: SourceSpec, origin: Origin, files: Iterable[tuple[bytes, int]], limits: Limits) -> Iterator[Shard]:
    """Cut (path, size) pairs into shards of about `limits.shard_bytes`; yields nothing where there are no files.

    Ranges of paths, not lists: a shard stays small however many files it holds, and a file that appears after the split
    falls into exactly one. A range ends only at the greatest path so far, so that even a listing that is out of order
    (a forged git tree) gives ranges that do not overlap. Cost: one pass, O(1) memory.
    """
    index, weight, after, greatest = 0, 0, None, None
    for path, size in files:
        cost = FILE_COST + (size if size <= limits.max_file_bytes else 0)
        if greatest is not None and path > greatest and weight + cost > limits.shard_bytes:
            until = quote_from_bytes(greatest)
            yield Shard(spec=spec, index=index, origin=origin, weight=weight, after=after, until=until)
            index, weight, after = index + 1, 0, until
        greatest = max(path, greatest or b"")
        weight += cost
    if greatest is not None:
        yield Shard(spec=spec, index=index, origin=origin, weight=weight, after=after)
