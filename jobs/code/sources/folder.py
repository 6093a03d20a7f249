"""A folder: every file below it, in byte order of the paths, links never followed.

`.git` is left out at every level, whatever it is. The listing is made anew for each shard, and folders outside the
shard's range are not entered, so a shard costs its own files and one listing of the folders above them. A file that
appears or vanishes while the source is read is seen or not; none is seen twice.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from jobs.code.sources.files import fingerprint_of, read_regular
from jobs.code.sources.limits import Limits
from jobs.code.sources.paths import printable, safe_path
from jobs.code.sources.rows import Fault, Occurrence, Unreadable, unreadable
from jobs.code.sources.spec import Shard, SourceSpec, Span, folder_name, split


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in a folder that is no folder, or a folder that cannot be listed (its path then ends in a slash)."""

    path: bytes
    status: os.stat_result | OSError

    @property
    def size(self) -> int:
        """Bytes to be read: 0 for what is not a regular file."""
        regular = isinstance(self.status, os.stat_result) and stat.S_ISREG(self.status.st_mode)
        return self.status.st_size if regular and isinstance(self.status, os.stat_result) else 0


def fingerprint(spec: SourceSpec) -> str:
    """Over path, file type, size and modification time of every entry; no file is opened."""
    root = _root(spec)
    return fingerprint_of(spec, folder_name(spec.path()), map(_identity, walk(root, Span())))


def shards(spec: SourceSpec, limits: Limits) -> list[Shard]:
    root = _root(spec)
    resolved = spec.model_copy(update={"location": str(spec.path())})
    origin = spec.origin(folder_name(spec.path()))
    found = list(split(resolved, origin, ((e.path, e.size) for e in walk(root, Span())), limits))
    if not found:
        raise spec.error(
            "has no files",
            allowed="a folder with at least one file",
            next_step="correct `location`, or remove the source",
        )
    return found


def read(shard: Shard, limits: Limits) -> Iterator[Occurrence | Unreadable]:
    root = _root(shard.spec)
    for entry in walk(root, shard.span):
        try:
            if isinstance(entry.status, OSError):
                raise unreadable(entry.status)
            path = safe_path(entry.path, limits.max_nesting)
            content = read_regular(root + b"/" + entry.path, limits.max_file_bytes)
        except Fault as fault:
            yield shard.origin.unreadable(printable(entry.path.rstrip(b"/")), fault)
        else:
            yield shard.origin.occurrence(path, content)


def walk(root: bytes, span: Span) -> Iterator[Entry]:
    """Entries below `root` whose path lies in `span`, in byte order of the whole path.

    Byte order of whole paths falls out of sorting each folder's names with a slash behind those of folders. Memory: the
    names of one folder per level. Raises OSError where `root` itself cannot be listed.
    """
    levels = [iter(_children(root, b"", span))]
    while levels:
        entry = next(levels[-1], None)
        if entry is None:
            levels.pop()
        elif isinstance(entry, Entry):
            yield entry
        else:
            try:
                levels.append(iter(_children(root, entry, span)))
            except OSError as error:
                if entry in span:
                    yield Entry(entry, error)


def _children(root: bytes, prefix: bytes, span: Span) -> list[Entry | bytes]:
    """What one folder holds that may lie in `span`: an Entry each, a folder as its path with a slash behind."""
    found: list[tuple[bytes, Entry | bytes]] = []
    with os.scandir(root + b"/" + prefix) as listing:
        for item in listing:
            if item.name == b".git":
                continue
            path = prefix + item.name
            try:
                if item.is_dir(follow_symlinks=False):
                    if not span.misses(path + b"/"):
                        found.append((path + b"/", path + b"/"))
                elif path in span:
                    found.append((path, Entry(path, item.stat(follow_symlinks=False))))
            except OSError as error:
                found.append((path, Entry(path, error)))
    return [child for _, child in sorted(found, key=lambda pair: pair[0])]


def _identity(entry: Entry) -> tuple[bytes | str | int, ...]:
    if isinstance(entry.status, OSError):
        return entry.path, "error", entry.status.errno or 0
    return entry.path, stat.S_IFMT(entry.status.st_mode), entry.status.st_size, entry.status.st_mtime_ns


def _root(spec: SourceSpec) -> bytes:
    path = spec.path()
    try:
        with os.scandir(path):
            return os.fsencode(path)
    except OSError as error:
        raise spec.error(
            f"cannot be listed as a folder ({error.strerror})",
            allowed="a folder that may be read",
            next_step="correct `location`, `kind` or the rights",
        ) from error
