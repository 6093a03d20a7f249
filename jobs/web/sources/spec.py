"""A web source as the configuration declares it, its files, and a shard: the part of a file that one task reads.

Files are found through Arrow's file systems, so a location is a path or a URI (file://, s3://, gs://, hdfs://). A file is
known by `source/path below the location`, and that name is what ingestion is incremental by: a crawl that gains
a file is read for that file alone.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow.fs as pafs
from pydantic import BaseModel, ConfigDict, Field, model_validator

SCHEMA = 1
"""Raise it when a reader yields something else for the same file: every file is then read again."""

Kind = Literal["warc", "parquet"]
COLUMNS = ("text", "html", "url", "fetched_at", "dump")

LAYOUTS: dict[str, dict[str, str]] = {
    # Our name to the file's, as the releases have them. SkyPile says nothing of a page but its text.
    "fineweb": {"text": "text", "url": "url", "fetched_at": "date", "dump": "dump"},
    "skypile": {"text": "text"},
    "opc-fineweb": {"text": "text", "url": "url", "dump": "dump"},  # OpenCoder's code and math pages
    "automathtext": {"text": "text", "url": "url", "fetched_at": "date"},
}

_ENDINGS = {"warc": (".warc", ".warc.gz", ".warc.zst", ".wet", ".wet.gz", ".wet.zst"), "parquet": (".parquet",)}
_DUMP = re.compile(r"CC-MAIN-\d{4}-\d{2,4}(?:-\d+)?")


class WebSourceError(ValueError):
    """A source cannot be read as a whole. The message says where, what, what is allowed and what to do next."""


class WebSource(BaseModel):
    """One entry of the configuration's `sources` list."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", description="unique within the lake")
    kind: Kind = Field(description="warc reads WARC and WET files, parquet rows of pages")
    location: str = Field(min_length=1, description="file, folder or URI")
    index: str | None = Field(default=None, description="warc only: a CDX or CDXJ file; only what it names is read")
    layout: Literal["fineweb", "skypile", "automathtext", "opc-fineweb"] | None = Field(
        default=None, description="parquet only: the columns of a release"
    )
    columns: dict[str, str] = Field(default={}, description="parquet only: our name to the file's, over the layout's")
    dump: str | None = Field(default=None, min_length=1, description="name of the crawl; else read off the paths")

    @model_validator(mode="after")
    def _fits_kind(self) -> WebSource:
        if self.kind != "warc" and self.index:
            raise ValueError("index with kind 'parquet': allowed with kind 'warc' only")
        if self.kind != "parquet" and (self.layout or self.columns):
            raise ValueError("layout or columns with kind 'warc': allowed with kind 'parquet' only")
        if unknown := sorted(set(self.columns) - set(COLUMNS)):
            raise ValueError(f"columns names {unknown[0]!r}: allowed are {', '.join(COLUMNS)}")
        if self.kind == "parquet" and not {"text", "html"} & set(self.named):
            raise ValueError("no column of the page is named: give a layout, or columns with text or html")
        return self

    @property
    def named(self) -> dict[str, str]:
        """Our name to the file's."""
        return {**(LAYOUTS[self.layout] if self.layout else {}), **self.columns}

    def error(self, what: str, *, allowed: str, next_step: str) -> WebSourceError:
        return WebSourceError(f"source {self.name!r}: {self.location}: {what}. Allowed: {allowed}. Next: {next_step}.")

    def crawl(self, path: str) -> str | None:
        """The crawl that a file belongs to: as configured, else as its path says."""
        found = _DUMP.search(f"{self.location}/{path}")
        return self.dump or (found[0] if found else None)


@dataclass(frozen=True, slots=True)
class Opened:
    """A location that is there: its file system and the path in it."""

    system: pafs.FileSystem
    path: str

    def stream(self, path: str) -> pafs.NativeFile:
        return self.system.open_input_file(path)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a source. `path`: below the location, its own name where the location is a file."""

    path: str
    full: str
    size: int
    fingerprint: str


class Shard(BaseModel):
    """The part of one file that one task reads: everything, or ranges.

    A range is (offset, length) of indexed records, or (first, count) of row groups.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    spec: WebSource
    path: str
    full: str
    ranges: tuple[tuple[int, int], ...] | None = None

    @property
    def file(self) -> str:
        return f"{self.spec.name}/{self.path}"


def opened(spec: WebSource, location: str) -> Opened:
    """Raises WebSourceError for a URI that no file system here understands."""
    try:
        if "://" in location:
            return Opened(*pafs.FileSystem.from_uri(location))
    except (ValueError, OSError) as error:
        raise spec.error(
            f"cannot be opened: {error}", allowed="a path, or a file, s3, gs or hdfs URI", next_step="correct it"
        ) from error
    return Opened(pafs.LocalFileSystem(), str(Path(location).absolute()))


def files(spec: WebSource) -> list[SourceFile]:
    """The files of a source in byte order of their paths; lists, and opens none.

    A file's fingerprint covers its size, its modification time and what the spec says of its rows, not where it lies. A
    change that keeps both stays unseen. Raises WebSourceError.
    """
    place = opened(spec, spec.location)
    said = spec.model_dump(mode="json", exclude={"name", "location", "index"})
    index = "" if spec.index is None else _index_identity(spec)
    found = []
    for path, info in _listed(spec, place):
        identity = [SCHEMA, said, index, spec.crawl(path), info.size, info.mtime_ns]
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
        found.append(SourceFile(path, info.path, info.size or 0, digest))
    return sorted(found, key=lambda file: file.path.encode("utf-8", "surrogateescape"))


def _listed(spec: WebSource, place: Opened) -> list[tuple[str, pafs.FileInfo]]:
    endings = _ENDINGS[spec.kind]
    try:
        info = place.system.get_file_info(place.path)
        if info.type == pafs.FileType.File:
            return [(info.base_name, info)]
        if info.type == pafs.FileType.NotFound:
            raise spec.error("there is nothing there", allowed="a file, folder or URI", next_step="correct `location`")
        listing = place.system.get_file_info(pafs.FileSelector(place.path, recursive=True))
    except OSError as error:
        raise spec.error(
            f"cannot be listed: {error}", allowed="a location that may be read", next_step="check rights and network"
        ) from error
    root = place.path.rstrip("/") + "/"
    found = [
        (item.path.removeprefix(root), item)
        for item in listing
        if item.type == pafs.FileType.File and item.base_name.lower().endswith(endings)
    ]
    if not found:
        raise spec.error(
            "has no such file", allowed=f"files that end in {', '.join(endings)}", next_step="correct `location`"
        )
    return found


def _index_identity(spec: WebSource) -> list[int | None]:
    assert spec.index is not None
    place = opened(spec, spec.index)
    info = place.system.get_file_info(place.path)
    if info.type != pafs.FileType.File:
        raise spec.error(
            f"the index {spec.index} is not there", allowed="a CDX or CDXJ file", next_step="correct `index`"
        )
    return [info.size, info.mtime_ns]
