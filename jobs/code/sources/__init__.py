"""Sources of raw code, each read by a pure reader: no Spark, no lake, nothing written.

    spec = SourceSpec(name="requests", kind="git", location="repos/requests.git", stars=52_000)
    fingerprint(spec)                     # changes when what would be read changes; cheap
    for shard in shards(spec, limits):    # plain data, one task each
        for row in read(shard, limits):   # Occurrence or Unreadable, one file in memory at a time
            ...

Promises of every kind: a file is yielded as an Occurrence or as an Unreadable with its reason, never dropped; the same
source gives the same rows in the same order; the rows of all shards are those of the source, each once, whatever
`shard_bytes`; sizes are judged before content is read, and again while it is read; links are not followed.
A source that cannot be read as a whole raises SourceError.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, cast

from jobs.code.sources import archive, distribution, folder, git, parquet
from jobs.code.sources.limits import Limits
from jobs.code.sources.rows import Occurrence, Reason, Unreadable, within
from jobs.code.sources.spec import Kind, Shard, SourceError, SourceSpec

__all__ = [
    "Limits",
    "Occurrence",
    "Reason",
    "Shard",
    "SourceError",
    "SourceSpec",
    "Unreadable",
    "fingerprint",
    "read",
    "shards",
]


class _Reader(Protocol):
    """What the module of each kind offers."""

    def fingerprint(self, spec: SourceSpec) -> str: ...
    def shards(self, spec: SourceSpec, limits: Limits) -> list[Shard]: ...
    def read(self, shard: Shard, limits: Limits) -> Iterator[Occurrence | Unreadable]: ...


_READERS: dict[Kind, _Reader] = {
    "folder": cast(_Reader, folder),
    "git": cast(_Reader, git),
    "archive": cast(_Reader, archive),
    "parquet": cast(_Reader, parquet),
    "distribution": cast(_Reader, distribution),
}


def fingerprint(spec: SourceSpec) -> str:
    """A hex digest that changes whenever what would be read changes, and does not depend on where the source lies.

    folder: path, type, size and modification time of every entry. git: the commit. archive, parquet: size, modification
    time and both ends of each file. distribution: name, version and RECORD. What the spec says of its rows goes along.
    Raises SourceError.
    """
    return _READERS[spec.kind].fingerprint(spec)


def shards(spec: SourceSpec, limits: Limits) -> list[Shard]:
    """The work, split by bytes in a fixed order. Lists, and reads no content. Raises SourceError."""
    return _READERS[spec.kind].shards(spec, limits)


def read(shard: Shard, limits: Limits) -> Iterator[Occurrence | Unreadable]:
    """The rows of one shard, in a fixed order. Raises SourceError where the source is gone since it was split."""
    for row in _READERS[shard.spec.kind].read(shard, limits):
        yield within(row, limits.committed_until) if isinstance(row, Occurrence) else row
