"""Parquet files with one source file per row: content and path, and whatever else the columns say.

A column is taken under our own name, or under the name that `columns` gives it; content and path are needed, the others
are taken where they exist. Rows keep the order of the files. One path may occur twice in one repository here (two
commits, say): that is the table's statement, and rows of several shards cannot be compared, so it is left to the job.
A value of `committed_at` that is no time, and one of `stars` that is no count, is recorded as unknown.
Cost: one pass over the needed columns. Memory: `_BATCH_ROWS` rows and one page of each column, packed and plain; a row
group that says more than `max_archive_bytes` is not read. Damage costs the rest of its row group only;
page checksums are verified where the writer left them.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes, unquote_to_bytes

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.code.sources.files import file_identity, fingerprint_of
from jobs.code.sources.limits import Limits
from jobs.code.sources.paths import printable, safe_path
from jobs.code.sources.rows import Fault, Occurrence, Origin, Reason, Unreadable, over_cap, unreadable
from jobs.code.sources.spec import COLUMNS, FILE_COST, RowGroups, Shard, SourceSpec, folder_name

_BATCH_ROWS = 16
"""Rows decoded at once: few, as a repeated value costs the file nothing and memory its full length each time."""

_NEEDED = ("content", "path")
_DAMAGE = (pa.ArrowException, OSError, UnicodeDecodeError)
"""What pyarrow raises for a damaged file; the last one for the name of a column."""


def fingerprint(spec: SourceSpec) -> str:
    """Over path, size, modification time and first and last 64 KiB of each file; no row is read."""
    files = _files(spec)
    return fingerprint_of(spec, _repo(spec), [(os.fsencode(name), *file_identity(path)) for name, path in files])


def shards(spec: SourceSpec, limits: Limits) -> list[Shard]:
    """Whole row groups, by their plain bytes. Raises SourceError for a needed column that is absent or mistyped."""
    origin = spec.origin(_repo(spec))
    resolved = spec.model_copy(update={"location": str(spec.path())})
    found: list[Shard] = []
    parts: list[RowGroups] = []
    weight = 0
    for file, group, cost in _row_groups(spec):
        if parts and weight + cost > limits.shard_bytes:
            found.append(Shard(spec=resolved, index=len(found), origin=origin, weight=weight, parts=tuple(parts)))
            parts, weight = [], 0
        weight += cost
        if parts and parts[-1].file == file:
            parts[-1] = RowGroups(file=file, first=parts[-1].first, count=parts[-1].count + 1)
        else:
            parts.append(RowGroups(file=file, first=max(group, 0), count=int(group >= 0)))
    found.append(Shard(spec=resolved, index=len(found), origin=origin, weight=weight, parts=tuple(parts)))
    return found


def read(shard: Shard, limits: Limits) -> Iterator[Occurrence | Unreadable]:
    root = shard.spec.path()
    for part in shard.parts:
        name = unquote_to_bytes(part.file)
        path = root / os.fsdecode(name) if name else root
        shown = printable(name) or folder_name(path)
        try:
            yield from _read_part(path, shown, part, shard, limits)
        except _DAMAGE as error:
            yield shard.origin.unreadable(shown, _damaged(error))


def _read_part(
    path: Path, shown: str, part: RowGroups, shard: Shard, limits: Limits
) -> Iterator[Occurrence | Unreadable]:
    with pq.ParquetFile(path, buffer_size=1 << 16, pre_buffer=False, page_checksum_verification=True) as file:
        if part.count == 0 or part.first + part.count > file.num_row_groups:
            said = "the file has other row groups than when it was listed; list the source again."
            yield shard.origin.unreadable(shown, Fault(Reason.UNREADABLE, said))
            return
        columns = _columns(shard.spec, file.schema_arrow)
        for group in range(part.first, part.first + part.count):
            if fault := _bomb(file.metadata.row_group(group).total_byte_size, path.stat().st_size, limits):
                yield shard.origin.unreadable(f"{shown}#{group}", fault)
                continue
            try:
                yield from _rows(file, group, columns, f"{shown}#{group}", shard, limits)
            except _DAMAGE as error:
                yield shard.origin.unreadable(f"{shown}#{group}", _damaged(error))


def _rows(
    file: pq.ParquetFile, group: int, columns: dict[str, str], shown: str, shard: Shard, limits: Limits
) -> Iterator[Occurrence | Unreadable]:
    """The rows of one row group. A row without a path is named by its place: file#group/row."""
    batches = file.iter_batches(_BATCH_ROWS, row_groups=[group], columns=list(columns.values()), use_threads=False)
    number = 0
    for batch in batches:
        values = {ours: _plain(batch.column(theirs)) for ours, theirs in columns.items()}
        for row in range(batch.num_rows):
            yield _row({name: column[row] for name, column in values.items()}, f"{shown}/{number}", shard, limits)
            number += 1


def _row(values: dict[str, Any], place: str, shard: Shard, limits: Limits) -> Occurrence | Unreadable:
    origin = _origin(shard.origin, shard.spec, values)
    raw = values["path"].as_py()
    try:
        if raw is None:
            raise Fault(Reason.UNSAFE_NAME, "the path is null; a file needs a name.")
        path = safe_path(raw, limits.max_nesting)
        content = values["content"]
        if not content.is_valid:
            raise Fault(Reason.MISSING_CONTENT, "the content is null.")
        size = content.as_buffer().size
        if size > limits.max_file_bytes:
            raise over_cap(size, limits.max_file_bytes)
    except Fault as fault:
        return origin.unreadable(place if raw is None else printable(raw), fault)
    return origin.occurrence(path, content.as_py())


def _origin(origin: Origin, spec: SourceSpec, values: dict[str, Any]) -> Origin:
    """The row's own repository, commit, stars, time and licence, below what the spec says."""
    plain = {name: _value(value) for name, value in values.items() if name not in _NEEDED}
    repo, commit = _text(plain.get("repo")), _text(plain.get("commit"))
    return Origin(
        repo=origin.repo if spec.repo or not repo else repo,
        commit=commit,
        stars=_count(plain.get("stars")) if spec.stars is None else spec.stars,
        committed_at=spec.committed_at or _time(plain.get("committed_at")),
        licence=spec.licence or _licence(plain.get("licence")),
    )


def _value(scalar: pa.Scalar) -> Any:
    """A value beside the content; None where Python cannot hold it: a year 60000, a licence that is no UTF-8."""
    try:
        return scalar.as_py()
    except (OverflowError, ValueError):
        return None


def _plain(column: pa.Array) -> pa.Array:
    """Dictionaries decoded, text as bytes, since it is judged here and not by Arrow, and times as UTC in microseconds."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_string(column.type):
        return column.cast(pa.binary())
    if pa.types.is_large_string(column.type):
        return column.cast(pa.large_binary())
    if pa.types.is_timestamp(column.type):
        column = column.view(pa.timestamp(column.type.unit))  # stored as UTC whatever zone is named
        return column.cast(pa.timestamp("us"), safe=False) if column.type.unit == "ns" else column
    return column


def _text(value: bytes | None) -> str | None:
    return printable(value) if value else None


def _count(value: float | None) -> int | None:
    return int(value) if value is not None and math.isfinite(value) and value >= 0 else None


def _licence(value: bytes | list[str | None] | None) -> str | None:
    """One licence, or several joined with AND: a list of what was found in a file binds in all its parts."""
    if isinstance(value, list):
        return " AND ".join(sorted({name for name in value if name})) or None
    return _text(value)


def _time(value: datetime | date | bytes | None) -> datetime | None:
    """A time in UTC; one without zone is taken as UTC, as Parquet writers mean it."""
    if isinstance(value, bytes):
        try:
            value = datetime.fromisoformat(value.decode("utf-8").strip())
        except ValueError:
            return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if value is None:
        return None
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        return None


def _files(spec: SourceSpec) -> list[tuple[str, Path]]:
    """Name below the location and path of each parquet file, in byte order; the name is empty for a single file."""
    root = spec.path()
    if root.is_file():
        return [("", root)]
    if (root / "_delta_log").exists():
        raise spec.error(
            "is a Delta table, whose files alone hold deleted rows too",
            allowed="a parquet file, or a folder of parquet files",
            next_step="export the version that you mean to parquet",
        )
    found = [
        (str(path.relative_to(root)), path)
        for path in root.rglob("*.parquet")
        if path.is_file() and not any(part[0] in "._" for part in path.relative_to(root).parts)
    ]
    if not found:
        raise spec.error(
            "has no *.parquet file", allowed="a parquet file, or a folder with some", next_step="correct `location`"
        )
    return sorted(found, key=lambda pair: os.fsencode(pair[0]))


def _repo(spec: SourceSpec) -> str:
    name = folder_name(spec.path())
    return name.removesuffix(".parquet") or name


def _row_groups(spec: SourceSpec) -> Iterator[tuple[str, int, int]]:
    """File, number and plain bytes of each row group; number -1 for a file whose footer cannot be read."""
    for name, path in _files(spec):
        quoted = quote_from_bytes(os.fsencode(name))
        try:
            with pq.ParquetFile(path, pre_buffer=False) as file:
                _columns(spec, file.schema_arrow, name)
                groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
        except _DAMAGE:
            yield quoted, -1, FILE_COST
            continue
        for number, group in enumerate(groups):
            yield quoted, number, group.total_byte_size + FILE_COST * group.num_rows


def _columns(spec: SourceSpec, schema: pa.Schema, file: str = "") -> dict[str, str]:
    """Our name to the file's, for the columns to be read. Raises SourceError."""
    where = f"{file or 'the file'} has columns {', '.join(schema.names[:40])}"
    columns: dict[str, str] = {}
    for ours in COLUMNS:
        theirs = spec.columns.get(ours, ours)
        if theirs not in schema.names:
            if ours in _NEEDED or ours in spec.columns:
                raise spec.error(
                    f"{where}; none is {theirs!r}",
                    allowed="files with content and path, and every column that `columns` names",
                    next_step=f"set columns.{ours} to the column's name",
                )
            continue
        kind = schema.field(theirs).type
        if not _fits(ours, kind):
            raise spec.error(
                f"column {theirs!r} is {kind}, which cannot be {ours}",
                allowed=_TYPES[ours],
                next_step=f"set columns.{ours} to another column, or convert this one",
            )
        columns[ours] = theirs
    return columns


_TYPES = {
    "content": "string or binary",
    "path": "string or binary",
    "repo": "string",
    "commit": "string",
    "stars": "integer or float",
    "committed_at": "timestamp, date, or ISO 8601 text",
    "licence": "string, or list of strings",
}


def _fits(ours: str, kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    text = bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
    if ours in _NEEDED:
        return text or bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))
    if ours == "stars":
        return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))
    if ours == "committed_at":
        return text or bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))
    if ours == "licence" and (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        return bool(pa.types.is_string(kind.value_type) or pa.types.is_large_string(kind.value_type))
    return text


def _bomb(plain: int, file_size: int, limits: Limits) -> Fault | None:
    """Why a row group of so many plain bytes may not be decoded. What it has packed is at most its file."""
    if not limits.is_bomb(plain, file_size):
        return None
    return Fault(
        Reason.ARCHIVE_BOMB,
        f"{plain:,} plain bytes in a file of {file_size:,}; allowed are {limits.max_archive_bytes:,} (max_archive_bytes) "
        f"and a ratio of {limits.max_ratio:g} (max_ratio). The row group was not read.",
        size=plain,
    )


def _damaged(error: Exception) -> Fault:
    """Arrow raises OSError for damage too, but with no errno: that is the operating system's."""
    if isinstance(error, OSError) and error.errno is not None:
        return unreadable(error)
    said = printable(str(error).encode("utf-8", "surrogateescape"))[:300]
    return Fault(Reason.CORRUPT_ARCHIVE, f"the parquet data is damaged: {said}; the rows behind were not read.")
