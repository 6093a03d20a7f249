"""The files of an installed Python package, as its RECORD lists them.

What is left out is what the author did not write: byte code, files outside the folder that the package was installed
into (scripts), and the installer's own notes (RECORD, INSTALLER, REQUESTED, direct_url.json). The package must be
installed on every machine that reads. Symbolic links become rows, as everywhere.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError
from importlib.metadata import distribution as find_distribution

from jobs.code.sources import metadata
from jobs.code.sources.files import fingerprint_of, read_regular
from jobs.code.sources.limits import Limits
from jobs.code.sources.paths import printable, safe_path
from jobs.code.sources.rows import Fault, Occurrence, Unreadable
from jobs.code.sources.spec import Shard, SourceSpec, split

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_INSTALLERS_NOTE = re.compile(r"[^/]+\.dist-info/(?:RECORD|INSTALLER|REQUESTED|direct_url\.json)")


def fingerprint(spec: SourceSpec) -> str:
    """Over name, version and RECORD, which holds a digest of every file as it was installed."""
    installed = _installed(spec)
    record = installed.read_text("RECORD") or ""
    return fingerprint_of(spec, _normalised(spec), [(_normalised(spec), installed.version, record.encode())])


def shards(spec: SourceSpec, limits: Limits) -> list[Shard]:
    installed = _installed(spec)
    said = metadata.stated((installed.read_text("METADATA") or "").encode("utf-8", "surrogateescape"))
    origin = spec.origin(_normalised(spec), version=installed.version, licence=said.licence)
    root = _root(installed)
    sizes = ((path, os.lstat(root + b"/" + path).st_size) for path in _paths(installed))
    found = list(split(spec, origin, sizes, limits))
    if not found:
        raise spec.error(
            "the installed distribution has no files",
            allowed="one with files in its RECORD",
            next_step="install it again",
        )
    return found


def read(shard: Shard, limits: Limits) -> Iterator[Occurrence | Unreadable]:
    installed = _installed(shard.spec)
    root, span = _root(installed), shard.span
    for raw in _paths(installed):
        if raw not in span:
            continue
        try:
            path = safe_path(raw, limits.max_nesting)
            content = read_regular(root + b"/" + raw, limits.max_file_bytes)
        except Fault as fault:
            yield shard.origin.unreadable(printable(raw), fault)
        else:
            yield shard.origin.occurrence(path, content)


def _installed(spec: SourceSpec) -> Distribution:
    """Raises SourceError where the distribution is not installed, or has no RECORD."""
    try:
        if _NAME.fullmatch(spec.location) is None:
            raise PackageNotFoundError(spec.location)
        found = find_distribution(spec.location)
    except PackageNotFoundError as error:
        raise spec.error(
            "there is no installed distribution of this name",
            allowed="a name that `pip list` shows on every machine that reads",
            next_step="install it there, or name its wheel with kind 'archive'",
        ) from error
    if found.read_text("RECORD") is None:
        raise spec.error(
            "the installed distribution has no RECORD of its files",
            allowed="a distribution installed from a wheel",
            next_step="install it with pip, or name its folder with kind 'folder'",
        )
    return found


def _normalised(spec: SourceSpec) -> str:
    return re.sub(r"[-_.]+", "-", spec.location).lower()


def _root(installed: Distribution) -> bytes:
    return os.fsencode(os.path.realpath(str(installed.locate_file(""))))


def _paths(installed: Distribution) -> list[bytes]:
    """Paths below the root, in byte order, each once: listed, present, by the author, and not led outside by a link."""
    root = _root(installed)
    return sorted({os.fsencode(path) for path in _listed(installed) if _is_inside(root, os.fsencode(path))})


def _listed(installed: Distribution) -> Iterator[str]:
    for file in installed.files or ():
        path = posixpath.normpath(file.as_posix())
        outside = path.startswith(("../", "/")) or path == ".."
        if outside or path.endswith(".pyc") or "__pycache__" in file.parts or _INSTALLERS_NOTE.fullmatch(path):
            continue
        yield path


def _is_inside(root: bytes, path: bytes) -> bool:
    if b"\0" in path:
        return False
    full = root + b"/" + path
    folder = os.path.realpath(full.rpartition(b"/")[0])
    return (folder + b"/").startswith(root.rstrip(b"/") + b"/") and os.path.lexists(full)
