"""A CDX or CDXJ index: which records of which WARC files, by byte offset and length.

CDXJ lines end in a JSON object (`urlkey timestamp {"filename": ..., "offset": ..., "length": ...}`), as Common Crawl
publishes them; classic lines have eleven fields with length, offset and file name last. A line that is neither is an
error: an index that is read wrongly would lose pages silently.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from pathlib import PurePosixPath

from jobs.web.sources.spec import SourceFile, WebSource, opened

Range = tuple[int, int]


def ranges(spec: WebSource, found: list[SourceFile]) -> dict[str, list[Range]]:
    """Per file of the source, by its path, the (offset, length) that the index names, in order of offset, each once.

    An index names files by their path in the crawl; the longest match of its last parts counts. Raises WebSourceError for
    a broken line, and for a file that the source does not have.
    """
    by_name: dict[str, list[str]] = {}
    for file in found:
        by_name.setdefault(PurePosixPath(file.path).name, []).append(file.path)
    wanted: dict[str, set[Range]] = {}
    for number, line in enumerate(_lines(spec), start=1):
        entry = _entry(line)
        if entry is None:
            if line.strip() and not line.startswith(" CDX"):
                raise spec.error(
                    f"line {number} of {spec.index} names no record: {line.strip()[:80]!r}",
                    allowed="CDXJ lines with filename, offset and length, or classic CDX lines of 11 fields",
                    next_step="mend the index",
                )
            continue
        name, offset, length = entry
        candidates = [path for path in by_name.get(PurePosixPath(name).name, ()) if _same_end(path, name)]
        if len(candidates) != 1:
            raise spec.error(
                f"line {number} of {spec.index} names {name!r}, which is {len(candidates)} of the source's files",
                allowed="names of files below `location`",
                next_step="fetch the file, or name another index",
            )
        wanted.setdefault(candidates[0], set()).add((offset, length))
    return {path: sorted(places) for path, places in wanted.items()}


def _lines(spec: WebSource) -> Iterator[str]:
    assert spec.index is not None
    place = opened(spec, spec.index)
    with place.stream(place.path) as raw:
        plain = gzip.GzipFile(fileobj=raw) if place.path.endswith(".gz") else raw
        yield from io.TextIOWrapper(io.BufferedReader(plain), "utf-8", errors="replace")


def _entry(line: str) -> tuple[str, int, int] | None:
    brace = line.find("{")
    try:
        if brace >= 0:
            said = json.loads(line[brace:])
            return str(said["filename"]), int(said["offset"]), int(said["length"])
        fields = line.split()
        return (fields[10], int(fields[9]), int(fields[8])) if len(fields) == 11 else None
    except (ValueError, KeyError, TypeError):
        return None


def _same_end(path: str, name: str) -> bool:
    """Whether the shorter of two paths is the end of the longer, part by part."""
    mine, theirs = path.split("/"), name.strip("/").split("/")
    shared = min(len(mine), len(theirs))
    return mine[-shared:] == theirs[-shared:]
