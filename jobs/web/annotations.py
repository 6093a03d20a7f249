"""Read files of labels into bronze: what is said of URL patterns and of pages, by whom. Incremental by file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field
from pyspark.sql import DataFrame

from jobs.web.sources.labels import fingerprint, read_labels
from jobs.web.tables import label_files, page_statements, url_statements
from lakehouse.config import conf_dir
from lakehouse.job import Inputs, Job, Output, Params
from lakehouse.table import Table


class AnnotationsParams(Params):
    """`files` stay out of the digest: each has its own fingerprint."""

    placement: ClassVar[Mapping[str, Any]] = {"files": True}

    files: tuple[str, ...] = Field(description="CSV, JSON Lines or YAML files; paths, or files that come with codelake")


def located(file: str) -> Path:
    """The file as named from here, else the one of that name that comes with the configuration."""
    given = Path(file)
    return given if given.exists() or given.is_absolute() else conf_dir() / given


def fingerprints(params: AnnotationsParams) -> dict[str, str]:
    """Raises LabelError for a file that is not there."""
    return {file: fingerprint(located(file)) for file in params.files}


def read_files(inputs: Inputs, params: AnnotationsParams) -> Mapping[Table, DataFrame | Output]:
    assert inputs.changed is not None
    changed = {row["file"] for row in inputs.changed.collect()} & set(params.files)
    patterns: list[dict[str, Any]] = []
    pages: list[dict[str, Any]] = []
    read: list[dict[str, Any]] = []
    for file in sorted(changed):
        path = located(file)
        found = read_labels(path)
        patterns += [{"file": file, **row} for row in found.patterns]
        pages += [{"file": file, **row} for row in found.pages]
        counts = {"patterns": len(found.patterns), "pages": len(found.pages), "open": found.open}
        read.append({"file": file, "fingerprint": fingerprint(path), **counts})
    return {
        table: Output(inputs.spark.createDataFrame(_ordered(rows, table), table.spark_schema), inputs.changed)
        for table, rows in ((url_statements, patterns), (page_statements, pages), (label_files, read))
    }


def _ordered(rows: list[dict[str, Any]], table: Table) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in table.column_names) for row in rows]


job = Job(
    "web.annotations",
    about="read labels of URL patterns and pages",
    reads=(),
    writes=(url_statements, page_statements, label_files),
    params=AnnotationsParams,
    transform=read_files,
    scope=("file",),
    fingerprints=fingerprints,
)
