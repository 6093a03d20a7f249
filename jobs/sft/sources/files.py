"""Rows of JSON Lines (packed by gzip or not), Parquet and Arrow files, one at a time, broken ones told apart from whole ones.

A file is read by one task from its beginning: a line of JSON cannot be found in the middle of a packed file. Memory: one
line, `_BATCH_ROWS` rows of Parquet, or a batch of Arrow as it was written.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, field_validator

from jobs.code.sources.files import file_identity
from jobs.sft.sources.layouts import LAYOUTS, Conversation, RowError, conversation, layout_of

SUFFIXES = (".jsonl", ".jsonl.gz", ".parquet", ".arrow")
ARROW_FILE = b"ARROW1"  # how a file with an index begins; a stream has none
FIRST_BYTES = 64
_BATCH_ROWS = 64
_DAMAGE = (pa.ArrowException, OSError, EOFError, zlib.error)


class Source(BaseModel):
    """A file, or a folder with files, of one data set."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    layouts: ClassVar[Sequence[str]] = LAYOUTS

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    location: str = Field(description="a file, or a folder that is read at any depth")
    licence: str | None = Field(None, description="licence of the data set as an SPDX expression")
    layout: str | None = Field(None, description="null takes the first that fits")
    columns: Mapping[str, str] = Field(default_factory=dict, description="our name of a column: the file's name of it")
    rows: int | None = Field(None, ge=0, description="rows that its publisher counts; another number is refused")

    @field_validator("layout")
    @classmethod
    def _is_known(cls, layout: str | None) -> str | None:
        if layout is not None and layout not in cls.layouts:
            raise ValueError(
                f"no layout {layout!r}; allowed: {', '.join(cls.layouts)}, or null for the first that fits"
            )
        return layout

    @property
    def named(self) -> dict[str, str]:
        """Our names of columns by those of the file."""
        return {theirs: ours for ours, theirs in self.columns.items()}


class SftSource(Source):
    """A data set to tune on."""

    stage: int = Field(ge=1, le=2, description="stage of the tuning")


class CountError(ValueError):
    """A data set has another number of rows than it is said to have."""


@dataclass(frozen=True)
class Refused:
    """A row that is no conversation, or the rest of a file that cannot be read."""

    place: int
    reason: str
    detail: str
    size: int | None = None
    first_bytes: bytes | None = None


@dataclass(frozen=True)
class Taken:
    place: int
    layout: str
    said: Conversation


def files(source: Source) -> dict[str, Path]:
    """The data files of a source by `<source>/<path>`, sorted. Raises ValueError where there is none."""
    root = Path(source.location)
    if root.is_file():
        found = {root.name: root}
    elif root.is_dir():
        found = {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*")) if _is_data(path)}
    else:
        raise ValueError(f"source {source.name}: {root}: no such file or folder. Name one that exists.")
    if not found:
        raise ValueError(f"source {source.name}: {root}: no data file in it. Allowed: {', '.join(SUFFIXES)}.")
    return {f"{source.name}/{name}": path for name, path in found.items()}


def _is_data(path: Path) -> bool:
    return path.is_file() and path.name.endswith(SUFFIXES)


def fingerprint(source: Source, path: Path) -> str:
    """Changes when the file does, or what the source says of its rows."""
    said = source.model_dump(mode="json", exclude={"name", "location"})
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    for part in file_identity(path):
        digest.update(part if isinstance(part, bytes) else str(part).encode())
    return digest.hexdigest()


def read(source: Source, path: Path, most_bytes: int) -> Iterator[Taken | Refused]:
    """Every row of a file. `most_bytes`: of one row of JSON, or of the contents of one conversation."""
    if path.name.endswith((".parquet", ".arrow")):
        yield from _columnar(source, path, most_bytes)
    elif path.name.endswith((".jsonl", ".jsonl.gz")):
        yield from _lines(source, path, most_bytes)
    else:
        yield Refused(0, "unknown_format", f"{path.name}: allowed are {', '.join(SUFFIXES)}.")


def _lines(source: Source, path: Path, most_bytes: int) -> Iterator[Taken | Refused]:
    place = 0
    try:
        with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as file:
            while line := file.readline(most_bytes + 1):
                size = len(line)
                if size > most_bytes:
                    while rest := b"" if line.endswith(b"\n") else file.readline(1 << 20):
                        size, line = size + len(rest), rest
                    yield Refused(place, "over_cap", f"a line of {size:,} bytes; allowed are {most_bytes:,}.", size)
                elif line.strip():
                    yield _of_line(source, line, place)
                place += 1
    except _DAMAGE as error:
        yield Refused(place, "damaged", f"{type(error).__name__}: {error}; the rest of the file was not read.")


def _of_line(source: Source, line: bytes, place: int) -> Taken | Refused:
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        return Refused(place, "not_json", str(error), len(line), line[:FIRST_BYTES])
    if not isinstance(row, dict):
        said = f"a line holds {type(row).__name__}; expected an object."
        return Refused(place, "bad_layout", said, len(line), line[:FIRST_BYTES])
    return _taken(source, row, place, len(line))


def _columnar(source: Source, path: Path, most_bytes: int) -> Iterator[Taken | Refused]:
    place = 0
    try:
        for batch in _parquet(path) if path.name.endswith(".parquet") else _arrow(path):
            for row in batch.to_pylist():
                found = _taken(source, row, place, None)
                if isinstance(found, Taken) and found.said.bytes > most_bytes:
                    said = f"messages of {found.said.bytes:,} bytes; allowed are {most_bytes:,}."
                    found = Refused(place, "over_cap", said, found.said.bytes)
                yield found
                place += 1
    except (*_DAMAGE, UnicodeDecodeError) as error:
        yield Refused(place, "damaged", f"{type(error).__name__}: {error}; the rest of the file was not read.")


def _parquet(path: Path) -> Iterable[pa.RecordBatch]:
    with pq.ParquetFile(path) as file:
        yield from file.iter_batches(_BATCH_ROWS, use_threads=False)


def _arrow(path: Path) -> Iterable[pa.RecordBatch]:
    with pa.OSFile(str(path)) as file:
        if file.read(len(ARROW_FILE)) == ARROW_FILE:
            indexed = pa.ipc.open_file(file)
            yield from (indexed.get_batch(i) for i in range(indexed.num_record_batches))
        else:
            file.seek(0)
            yield from pa.ipc.open_stream(file)


def _taken(source: Source, row: Mapping[str, Any], place: int, size: int | None) -> Taken | Refused:
    layout = layout_of(list(row), source.named, source.layout, source.layouts)
    if layout is None:
        wanted = source.layout or "; ".join(source.layouts).replace("instruction", "instruction and output")
        said = f"a row with the columns {', '.join(row)}; expected {wanted}. Name other columns in `columns`."
        return Refused(place, "bad_layout", said, size)
    try:
        return Taken(place, layout, conversation(row, layout, source.named))
    except RowError as error:
        return Refused(place, error.reason, str(error), size)
