"""An archive: zip, wheel, or tar (plain, gzip, bzip2, xz), read member by member, nothing put on disk.

The archive is surveyed first, so that one with too many members, too many bytes or overlapping members is refused as a
whole, by one row, with nothing half read. A truncated or damaged tar gives what came before the damage and one row.
Archives inside are files like others; they are not opened. The first of two members with one path is read.
Licence and version are those of the package metadata inside; the commit is the one that `git archive` left, if any.
Cost: one shard; a tar is inflated twice, a zip once. Memory: one member, and 16 bytes a member.
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from jobs.code.sources import metadata
from jobs.code.sources import zip as zipped
from jobs.code.sources.files import file_identity, fingerprint_of
from jobs.code.sources.inflate import PlainStream, is_compressed
from jobs.code.sources.limits import Limits
from jobs.code.sources.paths import printable, safe_path
from jobs.code.sources.rows import Fault, Occurrence, Origin, Reason, Unreadable, over_cap, unreadable
from jobs.code.sources.spec import FILE_COST, Shard, SourceSpec, folder_name
from jobs.code.sources.tar import BLOCK, Member, TarReader

_SUFFIXES = (".tar.gz", ".tar.bz2", ".tar.xz", ".tgz", ".tbz2", ".txz", ".tar", ".zip", ".whl", ".egg", ".jar")
_WHOLE = frozenset({Reason.ARCHIVE_BOMB, Reason.TOO_MANY_MEMBERS})
_STREAM_ENDS = frozenset({Reason.TRUNCATED, Reason.CORRUPT_ARCHIVE, Reason.ARCHIVE_BOMB})

Row = Occurrence | Unreadable


def fingerprint(spec: SourceSpec) -> str:
    """Over size, modification time and the first and last 64 KiB of the file."""
    path = _file(spec)
    return fingerprint_of(spec, _stem(path), [file_identity(path)])


def shards(spec: SourceSpec, limits: Limits) -> list[Shard]:  # noqa: ARG001 - one signature for all kinds
    """One shard: a compressed stream has one beginning."""
    path = _file(spec)
    resolved = spec.model_copy(update={"location": str(path)})
    weight = path.stat().st_size + FILE_COST
    return [Shard(spec=resolved, index=0, origin=spec.origin(_stem(path)), weight=weight)]


def read(shard: Shard, limits: Limits) -> Iterator[Row]:
    path = _file(shard.spec)
    name = folder_name(path)
    found = False
    try:
        with path.open("rb") as file:
            rows = _zip_rows(file, shard, limits) if _is_zip(file) else _tar_rows(file, name, shard, limits)
            for row in rows:
                found = True
                yield row
        if not found:
            raise Fault(Reason.MISSING_CONTENT, "the archive holds no files.")
    except OSError as error:
        yield shard.origin.unreadable(name, unreadable(error))
    except Fault as fault:
        yield shard.origin.unreadable(name, fault)


def _file(spec: SourceSpec) -> Path:
    path = spec.path()
    if not path.is_file():
        raise spec.error(
            "is not a file", allowed="a zip, wheel or tar file", next_step="correct `location`, or use kind 'folder'"
        )
    return path


def _stem(path: Path) -> str:
    name = folder_name(path)
    return next((name.removesuffix(suffix) for suffix in _SUFFIXES if name.lower().endswith(suffix)), name) or name


def _is_zip(file: BinaryIO) -> bool:
    """By content, as names lie: a zip may have anything in front, so its end decides where its start says nothing."""
    head = file.read(BLOCK)
    if head.startswith(b"PK"):
        return True
    if is_compressed(head) or head[257:262] == b"ustar":
        return False
    try:
        zipped.find_directory(file)
    except Fault:
        return False
    return True


class _Paths:
    """The paths of one archive so far, as 16 bytes each."""

    def __init__(self, limits: Limits) -> None:
        self._seen: set[bytes] = set()
        self._max_nesting = limits.max_nesting

    def add(self, raw: bytes) -> str:
        """The path as text. Raises Fault where it is unsafe, or was there before under this or an equal spelling."""
        path = safe_path(raw, self._max_nesting)
        key = hashlib.blake2b(posixpath.normpath(path).encode(), digest_size=16).digest()
        if key in self._seen:
            raise Fault(Reason.DUPLICATE_PATH, "the archive has this path more than once; the first one was read.")
        self._seen.add(key)
        return path


def _stating(origin: Origin, spec: SourceSpec, content: bytes | None, commit: str | None) -> Origin:
    """The origin with what the archive says of itself. What the spec says wins."""
    said = metadata.stated(content or b"")
    return origin.model_copy(
        update={"commit": commit, "version": said.version, "licence": spec.licence or said.licence}
    )


def _zip_rows(file: BinaryIO, shard: Shard, limits: Limits) -> Iterator[Row]:
    directory = zipped.find_directory(file)
    entries = zipped.read_directory(file, directory, limits)
    origin = _stating(shard.origin, shard.spec, _zip_metadata(file, entries), directory.commit)
    paths = _Paths(limits)
    for entry in entries:
        try:
            path = paths.add(entry.name)
            content = zipped.read_member(file, entry, limits.max_file_bytes)
        except Fault as fault:
            yield origin.unreadable(printable(entry.name), fault)
        else:
            yield origin.occurrence(path, content)


def _zip_metadata(file: BinaryIO, entries: list[zipped.Entry]) -> bytes | None:
    ranked = [(best, entry) for entry in entries if (best := metadata.rank(entry.name)) is not None]
    if not ranked:
        return None
    _, entry = min(ranked, key=lambda pair: pair[0])
    try:
        return zipped.read_member(file, entry, metadata.MAX_BYTES)
    except Fault:
        return None  # the member's own row says why


def _tar_rows(file: BinaryIO, name: str, shard: Shard, limits: Limits) -> Iterator[Row]:
    file.seek(0)
    content, commit = _survey(TarReader(PlainStream(file, limits)), limits)
    origin = _stating(shard.origin, shard.spec, content, commit)
    file.seek(0)
    reader = TarReader(PlainStream(file, limits))
    paths = _Paths(limits)
    try:
        for member in reader:
            try:
                path = paths.add(member.name)
                data = _content(reader, member, limits)
            except Fault as fault:
                yield origin.unreadable(printable(member.name), fault)
                if fault.reason in _STREAM_ENDS:
                    return
            else:
                yield origin.occurrence(path, data)
    except Fault as fault:
        yield origin.unreadable(name, fault)


def _survey(reader: TarReader, limits: Limits) -> tuple[bytes | None, str | None]:
    """Package metadata and commit, after a pass over all members. Raises Fault where the archive is too large.

    Damage is left for the second pass to report, behind the members that come before it.
    """
    best, content = 2, None
    try:
        for count, member in enumerate(reader, 1):
            if count > limits.max_archive_members:
                raise Fault(
                    Reason.TOO_MANY_MEMBERS,
                    f"more than {limits.max_archive_members:,} members (max_archive_members); none was read.",
                )
            rank = metadata.rank(member.name)
            if rank is not None and rank < best and member.fault is None and member.size <= metadata.MAX_BYTES:
                best, content = rank, reader.stream.read(member.size)
    except Fault as fault:
        if fault.reason in _WHOLE:
            raise
    return content, reader.commit


def _content(reader: TarReader, member: Member, limits: Limits) -> bytes:
    if member.fault is not None:
        raise member.fault
    if member.size > limits.max_file_bytes:
        raise over_cap(member.size, limits.max_file_bytes)
    content = reader.stream.read(member.size)
    if len(content) < member.size:
        raise Fault(
            Reason.TRUNCATED,
            f"the archive ends inside this member, after {len(content):,} of {member.size:,} bytes.",
            size=member.size,
            first_bytes=content,
        )
    return content
