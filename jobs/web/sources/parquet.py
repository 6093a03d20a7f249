"""Parquet files with one page per row: text that somebody extracted, or HTML, in the layouts of the releases or any other.

Rows are named by their number in the file. Memory: `_BATCH_ROWS` rows of the needed columns; a repeated value costs the
file nothing and memory its full length each time, so they are few. Damage costs the rest of its row group.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.web.sources.limits import Limits
from jobs.web.sources.rows import FIRST_BYTES, Fault, Page, Reason, Refused, Tally
from jobs.web.sources.spec import Opened, Shard, SourceFile, WebSource
from jobs.web.sources.text import instant, printable

_BATCH_ROWS = 16
_DAMAGE = (pa.ArrowException, OSError, UnicodeDecodeError)


def row_groups(spec: WebSource, place: Opened, file: SourceFile, limits: Limits) -> list[tuple[int, int]]:
    """(first, count) of row groups that hold about `shard_bytes` together; one (0, 0) where the footer cannot be read.

    Raises WebSourceError for a column that is named and absent.
    """
    try:
        with pq.ParquetFile(place.stream(file.full), pre_buffer=False) as opened:
            _columns(spec, opened.schema_arrow, file.path)
            sizes = [opened.metadata.row_group(n).total_byte_size for n in range(opened.num_row_groups)]
    except _DAMAGE:
        return [(0, 0)]
    found, first, weight = [], 0, 0
    for number, size in enumerate(sizes):
        if number > first and weight + size > limits.shard_bytes:
            found.append((first, number - first))
            first, weight = number, 0
        weight += size
    return [*found, (first, len(sizes) - first)]


def pages(shard: Shard, place: Opened, limits: Limits) -> Iterator[Page | Refused | Tally]:
    assert shard.ranges is not None
    ((first, count),) = shard.ranges
    try:
        with pq.ParquetFile(place.stream(shard.full), pre_buffer=False, page_checksum_verification=True) as file:
            columns = _columns(shard.spec, file.schema_arrow, shard.path)
            sizes = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
            for group in range(first, first + count):
                yield from _group(file, group, sum(sizes[:group]), columns, shard, limits)
            if count == 0 and sizes:
                raise OSError("the file has other row groups than when it was listed; build again")
    except _DAMAGE as error:
        yield Refused(0, 0, Reason.DAMAGED, _said(error))
    yield Tally()


def _group(
    file: pq.ParquetFile, group: int, start: int, columns: dict[str, str], shard: Shard, limits: Limits
) -> Iterator[Page | Refused]:
    row = start
    try:
        for batch in file.iter_batches(_BATCH_ROWS, row_groups=[group], columns=[*columns.values()], use_threads=False):
            values = {ours: _plain(batch.column(theirs)) for ours, theirs in columns.items()}
            for number in range(batch.num_rows):
                yield _row({ours: column[number] for ours, column in values.items()}, row, shard, limits)
                row += 1
    except _DAMAGE as error:
        yield Refused(row, 0, Reason.DAMAGED, f"{_said(error)}; the rows behind in row group {group} were not read.")


def _row(values: dict[str, pa.Scalar], row: int, shard: Shard, limits: Limits) -> Page | Refused:
    url = _text(values.get("url"))
    kind = "html" if "html" in values and values["html"].is_valid else "text"
    body = values.get(kind)
    try:
        if body is None or not body.is_valid:
            raise Fault(Reason.BAD_TEXT, "the page is null.")
        size = body.as_buffer().size
        if size > limits.max_page_bytes:
            said = f"{size:,} bytes, allowed are {limits.max_page_bytes:,} (max_page_bytes); not taken in."
            raise Fault(Reason.OVER_CAP, said, size=size)
        data = bytes(body.as_py())
        if kind == "text":
            data.decode("utf-8")
    except Fault as fault:
        return Refused(row, 0, fault.reason, fault.detail, fault.size, url)
    except UnicodeDecodeError as error:
        said = f"the text is not UTF-8 at byte {error.start}."
        return Refused(row, 0, Reason.BAD_TEXT, said, size, url, data[:FIRST_BYTES])
    return Page(
        offset=row,
        inside=0,
        url=url,
        fetched_at=instant(_value(values.get("fetched_at"))),
        status=None,
        content_type="text/html" if kind == "html" else "text/plain",
        charset=None if kind == "html" else "utf-8",
        kind=kind,
        truncated=None,
        dump=shard.spec.dump or _text(values.get("dump")) or shard.spec.crawl(shard.path),
        body=data,
    )


def _columns(spec: WebSource, schema: pa.Schema, path: str) -> dict[str, str]:
    columns: dict[str, str] = {}
    for ours, theirs in spec.named.items():
        if theirs not in schema.names:
            raise spec.error(
                f"{path} has columns {', '.join(schema.names[:40])}; none is {theirs!r}",
                allowed="files that have every column of the layout",
                next_step=f"set columns.{ours} to the column's name, or name another layout",
            )
        kind = schema.field(theirs).type
        if ours in ("text", "html", "url", "dump") and not _is_text(kind):
            raise spec.error(
                f"{path}: column {theirs!r} is {kind}, which cannot be {ours}",
                allowed="string or binary",
                next_step=f"set columns.{ours} to another column",
            )
        columns[ours] = theirs
    return columns


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return any(test(kind) for test in tests)


def _plain(column: pa.Array) -> pa.Array:
    """Dictionaries decoded, and text as bytes, since it is judged here and not by Arrow."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_string(column.type):
        return column.cast(pa.binary())
    return column.cast(pa.large_binary()) if pa.types.is_large_string(column.type) else column


def _text(value: pa.Scalar | None) -> str | None:
    found = _value(value)
    if isinstance(found, bytes):
        found = found.decode("utf-8", "replace")
    return printable(found) or None if isinstance(found, str) else None


def _value(value: pa.Scalar | None) -> Any:
    """None where Python cannot hold it: a year 60000."""
    try:
        found = None if value is None else value.as_py()
    except (OverflowError, ValueError):
        return None
    return found.decode("utf-8", "replace") if isinstance(found, bytes) else found


def _said(error: Exception) -> str:
    return f"the parquet data is damaged: {printable(str(error))[:300]}"
