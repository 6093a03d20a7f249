"""Sources of web pages, each read by a pure reader: no Spark, no lake, nothing written.

    spec = WebSource(name="crawl", kind="warc", location="crawls/CC-MAIN-2024-10")
    for file in files(spec):                      # cheap: lists, opens none; each with its fingerprint
        for shard in shards(spec, file, limits):  # plain data, one task each
            for row in read(shard, limits):       # Page, Refused, and one Tally at the end
                ...

Promises: every record is yielded as a Page or as Refused with its place and reason, or counted in the Tally; the same
file gives the same rows in the same order; bodies are bounded before they are read and while they are decoded.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

from jobs.web.sources import cdx, parquet, warc
from jobs.web.sources.limits import Limits
from jobs.web.sources.rows import Page, Reason, Refused, Tally
from jobs.web.sources.spec import Shard, SourceFile, WebSource, WebSourceError, files, opened
from jobs.web.sources.text import printable

__all__ = [
    "Limits",
    "Page",
    "Reason",
    "Refused",
    "Shard",
    "SourceFile",
    "Tally",
    "WebSource",
    "WebSourceError",
    "files",
    "read",
    "shards",
]


def shards(spec: WebSource, found: list[SourceFile], limits: Limits) -> list[Shard]:
    """The work over these files of the source. A WARC file is one task, unless an index says which records to read.

    Raises WebSourceError for an index or a Parquet file that does not fit the source.
    """
    made: list[Shard] = []
    indexed = cdx.ranges(spec, files(spec)) if spec.index else {}
    for file in found:
        whole = Shard(spec=spec, path=file.path, full=file.full)
        if spec.kind == "parquet":
            groups = parquet.row_groups(spec, opened(spec, spec.location), file, limits)
            made += [whole.model_copy(update={"ranges": (group,)}) for group in groups]
        elif spec.index:
            cut = _cut(indexed.get(file.path, []), limits.shard_bytes)
            made += [whole.model_copy(update={"ranges": tuple(part)}) for part in cut]
        else:
            made.append(whole)
    return made


def _cut(ranges: list[cdx.Range], most: int) -> list[list[cdx.Range]]:
    parts: list[list[cdx.Range]] = []
    weight = most
    for offset, length in ranges:
        if weight + length > most:
            parts.append([])
            weight = 0
        parts[-1].append((offset, length))
        weight += length
    return parts


def read(shard: Shard, limits: Limits) -> Iterator[Page | Refused | Tally]:
    """The rows of one shard, in order. A file that cannot be opened or read is one refused item."""
    place = opened(shard.spec, shard.spec.location)
    if shard.spec.kind == "parquet":
        yield from parquet.pages(shard, place, limits)
        return
    dump = shard.spec.crawl(shard.path)
    try:
        with place.stream(shard.full) as file:
            if shard.ranges is None:
                yield from warc.pages(file, dump, limits)
            else:
                yield from _indexed(file, shard.ranges, dump, limits)
    except OSError as error:
        yield Refused(0, 0, Reason.UNREADABLE, f"{printable(str(error))[:300]}")


def _indexed(
    file: io.BufferedIOBase, ranges: tuple[tuple[int, int], ...], dump: str | None, limits: Limits
) -> Iterator[Page | Refused | Tally]:
    """The records at these places, each read alone; places in what is yielded are those of the file."""
    total = Tally()
    for offset, length in ranges:
        if length > limits.max_page_bytes + warc.MAX_HEADER_BYTES:
            said = f"the index says {length:,} packed bytes, allowed are {limits.max_page_bytes:,} (max_page_bytes)."
            yield Refused(offset, 0, Reason.OVER_CAP, said, length)
            continue
        file.seek(offset)
        for row in warc.pages(io.BytesIO(file.read(length)), dump, limits):
            if isinstance(row, Tally):
                total.passed_over.update(row.passed_over)
            else:
                yield row.moved(offset)
    yield total
