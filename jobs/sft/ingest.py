"""Read files of instruction data into bronze: conversations as rows, what is none into quarantine.

Incremental by file: a file is read again only when its fingerprint moved, and then replaces exactly what it brought
before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import Field, model_validator
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.code.arrow import Rows, map_rows
from jobs.sft.sources.files import Refused, SftSource, Taken, files, fingerprint, read
from jobs.sft.tables import instruction_files, instructions
from lakehouse.job import Inputs, Job, Output, Params
from lakehouse.ops import quarantine
from lakehouse.table import Table

NAME = "sft.ingest"

READ = {column.name: column.type for column in instructions.columns} | {
    "layout": "string",
    "reason": "string",
    "detail": "string",
    "size": "bigint",
    "first_bytes": "binary",
}


class IngestParams(Params):
    """`sources` stay out of the digest: each file has its own fingerprint."""

    placement: ClassVar[Mapping[str, Any]] = {"sources": True}

    sources: tuple[SftSource, ...] = Field(description="where instruction data comes from")
    most_bytes: int = Field(ge=1, description="bytes of one row; a larger one goes into quarantine")

    @model_validator(mode="after")
    def _names_are_unique(self) -> IngestParams:
        names = [source.name for source in self.sources]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"sources named twice: {', '.join(twice)}; give each its own name")
        return self


def fingerprints(params: IngestParams) -> dict[str, str]:
    """Per file of every source, what changes when it does. Raises ValueError for a source that is not there."""
    return {name: fingerprint(source, path) for source in params.sources for name, path in files(source).items()}


def ingest(inputs: Inputs, params: IngestParams) -> Mapping[Table, DataFrame | Output]:
    assert inputs.changed is not None
    changed = {row["file"] for row in inputs.changed.collect()}
    found = [
        (name, str(path.absolute()), source)
        for source in params.sources
        for name, path in files(source).items()
        if name in changed
    ]
    rows = inputs.hold("read", _read(inputs, found, params.most_bytes))
    taken = rows.where(F.col("sample_id").isNotNull())
    of_files = inputs.changed.select(
        F.lit(NAME).alias("job"), F.substring_index("file", "/", 1).alias("source"), _path().alias("path")
    )
    return {
        instructions: Output(taken.select(*instructions.column_names), inputs.changed),
        quarantine: Output(_refused(rows), of_files),
        instruction_files: Output(_files(inputs, params, found, rows), inputs.changed),
    }


def _read(inputs: Inputs, found: list[tuple[str, str, SftSource]], most_bytes: int) -> DataFrame:
    """One row per row of a file; one task per file."""
    work = [(name, path, source.model_dump_json()) for name, path, source in found]
    frame = inputs.spark.createDataFrame(work, "file string, path string, source string")
    return map_rows(frame.repartition(max(1, len(work))), READ, partial(_rows, most_bytes=most_bytes))


def _rows(batches: Iterator[pa.RecordBatch], most_bytes: int) -> Rows:
    from pathlib import Path

    for batch in batches:
        for row in batch.to_pylist():
            source = SftSource.model_validate_json(row["source"])
            for found in read(source, Path(row["path"]), most_bytes):
                said = _taken(found) if isinstance(found, Taken) else _not_taken(found)
                yield {
                    "file": row["file"],
                    "place": found.place,
                    "source": source.name,
                    "stage": source.stage,
                    "licence": source.licence,
                    **said,
                }


def _taken(found: Taken) -> dict[str, Any]:
    return {
        "sample_id": found.said.sample_id,
        "layout": found.layout,
        "turns": len(found.said.messages),
        "bytes": found.said.bytes,
        "messages": list(found.said.messages),
        **found.said.facts,
    }


def _not_taken(found: Refused) -> dict[str, Any]:
    return {"reason": found.reason, "detail": found.detail, "size": found.size, "first_bytes": found.first_bytes}


def _path() -> Any:
    return F.expr("substring(file, instr(file, '/') + 1)")


def _refused(rows: DataFrame) -> DataFrame:
    item = F.concat("file", F.lit(":"), "place", F.lit(" ("), "reason", F.lit(")"))
    return rows.where(F.col("reason").isNotNull()).select(
        F.lit(NAME).alias("job"),
        item.alias("item"),
        "source",
        F.lit(None).cast("string").alias("repo"),
        _path().alias("path"),
        "reason",
        "detail",
        "size",
        "first_bytes",
    )


def _files(inputs: Inputs, params: IngestParams, found: list[tuple[str, str, SftSource]], rows: DataFrame) -> DataFrame:
    moved = fingerprints(params)
    said = [(name, source.name, moved[name]) for name, _, source in found]
    declared = inputs.spark.createDataFrame(said, "file string, source string, fingerprint string")
    taken = F.col("sample_id").isNotNull()
    counted = rows.groupBy("file").agg(
        F.min("layout").alias("layout"), F.count_if(taken).alias("rows"), F.count_if(~taken).alias("refused")
    )
    filled = declared.join(counted, "file", "left").na.fill(0, ["rows", "refused"]).na.fill("", ["layout"])
    return filled.select(*instruction_files.column_names)


job = Job(
    NAME,
    about="read files of instruction data into conversations",
    reads=(),
    writes=(instructions, quarantine, instruction_files),
    params=IngestParams,
    transform=ingest,
    scope=("file",),
    fingerprints=fingerprints,
    measures="read",
)
