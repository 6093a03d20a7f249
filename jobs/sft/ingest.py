"""Read files of instruction data into bronze: conversations as rows, what is none into quarantine.

Incremental by file: a file is read again only when its fingerprint moved, and then replaces exactly what it brought
before. `ingest_job` makes such a job for other tables too: those of open sets that a teacher works on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import Field, model_validator
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.code.arrow import Rows, map_rows
from jobs.sft.sources.files import CountError, Refused, SftSource, Source, Taken, files, fingerprint, read
from jobs.sft.tables import instruction_files, instructions
from lakehouse.job import Inputs, Job, Output, Params
from lakehouse.ops import quarantine
from lakehouse.table import Table

REFUSED = {"reason": "string", "detail": "string", "size": "bigint", "first_bytes": "binary"}


class IngestParams(Params):
    """`sources` stay out of the digest: each file has its own fingerprint."""

    placement: ClassVar[Mapping[str, Any]] = {"sources": True}

    sources: Sequence[Source] = Field(description="where the data comes from")
    most_bytes: int = Field(ge=1, description="bytes of one row; a larger one goes into quarantine")

    @model_validator(mode="after")
    def _names_are_unique(self) -> IngestParams:
        names = [source.name for source in self.sources]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"sources named twice: {', '.join(twice)}; give each its own name")
        return self


class SftIngestParams(IngestParams):
    sources: tuple[SftSource, ...] = Field(description="where instruction data comes from")


@dataclass(frozen=True)
class Reading:
    """Which job reads which kind of sources into which tables: `rows` of files, and the `files` themselves."""

    job: str
    source: type[Source]
    rows: Table
    files: Table


def fingerprints(params: IngestParams) -> dict[str, str]:
    """Per file of every source, what changes when it does. Raises ValueError for a source that is not there."""
    return {name: fingerprint(source, path) for source in params.sources for name, path in files(source).items()}


def ingest_job(reading: Reading, *, about: str, params: type[IngestParams], module: str) -> Job:
    """A job that reads files of instruction data. `module`: the one that says what is read."""

    def ingest(inputs: Inputs, params: IngestParams) -> Mapping[Table, DataFrame | Output]:
        assert inputs.changed is not None
        changed = {row["file"] for row in inputs.changed.collect()}
        found = [
            (name, str(path.absolute()), source)
            for source in params.sources
            for name, path in files(source).items()
            if name in changed
        ]
        rows = inputs.hold("read", _read(inputs, reading, found, params.most_bytes))
        _check_counts(inputs, params, reading, rows)
        taken = rows.where(F.col("messages").isNotNull())
        of_files = inputs.changed.select(
            F.lit(reading.job).alias("job"), F.substring_index("file", "/", 1).alias("source"), _path().alias("path")
        )
        return {
            reading.rows: Output(taken.select(*reading.rows.column_names), inputs.changed),
            quarantine: Output(_refused(rows, reading.job), of_files),
            reading.files: Output(_files(inputs, params, reading, found, rows), inputs.changed),
        }

    return Job(
        reading.job,
        about=about,
        reads=(),
        writes=(reading.rows, quarantine, reading.files),
        params=params,
        transform=ingest,
        scope=("file",),
        modules=(module,),
        fingerprints=fingerprints,
        measures="read",
    )


def _read(inputs: Inputs, reading: Reading, found: Sequence[tuple[str, str, Source]], most_bytes: int) -> DataFrame:
    """One row per row of a file; one task per file."""
    work = [(name, path, source.model_dump_json()) for name, path, source in found]
    frame = inputs.spark.createDataFrame(work, "file string, path string, source string")
    columns = {column.name: column.type for column in reading.rows.columns} | {"layout": "string"} | REFUSED
    rows = partial(_rows, source_type=reading.source, most_bytes=most_bytes)
    return map_rows(frame.repartition(max(1, len(work))), columns, rows)


def _rows(batches: Iterator[pa.RecordBatch], source_type: type[Source], most_bytes: int) -> Rows:
    from pathlib import Path

    for batch in batches:
        for row in batch.to_pylist():
            source = source_type.model_validate_json(row["source"])
            told = source.model_dump(include={"stage", "licence"})
            for found in read(source, Path(row["path"]), most_bytes):
                said = _taken(found) if isinstance(found, Taken) else _not_taken(found)
                yield {"file": row["file"], "place": found.place, "source": source.name, **told, **said}


def _taken(found: Taken) -> dict[str, Any]:
    """What the tables of both kinds may ask for: one takes the columns that it has."""
    return {
        "sample_id": found.said.sample_id,
        "content_id": found.said.sample_id,
        "layout": found.layout,
        "language": found.said.language,
        "turns": len(found.said.messages),
        "bytes": found.said.bytes,
        "messages": list(found.said.messages),
        **found.said.facts,
    }


def _not_taken(found: Refused) -> dict[str, Any]:
    return {"reason": found.reason, "detail": found.detail, "size": found.size, "first_bytes": found.first_bytes}


def _path() -> Any:
    return F.expr("substring(file, instr(file, '/') + 1)")


def _refused(rows: DataFrame, job: str) -> DataFrame:
    item = F.concat("file", F.lit(":"), "place", F.lit(" ("), "reason", F.lit(")"))
    return rows.where(F.col("reason").isNotNull()).select(
        F.lit(job).alias("job"),
        item.alias("item"),
        "source",
        F.lit(None).cast("string").alias("repo"),
        _path().alias("path"),
        "reason",
        "detail",
        "size",
        "first_bytes",
    )


def _check_counts(inputs: Inputs, params: IngestParams, reading: Reading, rows: DataFrame) -> None:
    """Raises CountError where a data set has other rows, refused ones among them, than its publisher counts."""
    assert inputs.changed is not None
    wanted = {source.name: source.rows for source in params.sources if source.rows is not None}
    if not wanted:
        return
    before = inputs.current(reading.files).join(inputs.changed, "file", "left_anti")
    kept = before.select("source", (F.col("rows") + F.col("refused")).alias("n"), F.lit(False).alias("read"))
    new = rows.select("source", F.lit(1).cast("bigint").alias("n"), F.lit(True).alias("read"))
    counted = kept.unionByName(new).groupBy("source").agg(F.sum("n").alias("n"), F.max("read").alias("read"))
    for row in counted.where("read").orderBy("source").collect():
        expected = wanted.get(row["source"])
        if expected not in (None, row["n"]):
            raise CountError(
                f"source {row['source']!r} has {row['n']:,} rows; its `rows` says {expected:,}. A file is missing, cut or"
                " doubled: fetch the set again, or correct `rows`."
            )


def _files(
    inputs: Inputs, params: IngestParams, reading: Reading, found: Sequence[tuple[str, str, Source]], rows: DataFrame
) -> DataFrame:
    moved = fingerprints(params)
    said = [(name, source.name, moved[name]) for name, _, source in found]
    declared = inputs.spark.createDataFrame(said, "file string, source string, fingerprint string")
    taken = F.col("messages").isNotNull()
    counted = rows.groupBy("file").agg(
        F.min("layout").alias("layout"), F.count_if(taken).alias("rows"), F.count_if(~taken).alias("refused")
    )
    filled = declared.join(counted, "file", "left").na.fill(0, ["rows", "refused"]).na.fill("", ["layout"])
    return filled.select(*reading.files.column_names)


job = ingest_job(
    Reading("sft.ingest", SftSource, instructions, instruction_files),
    about="read files of instruction data into conversations",
    params=SftIngestParams,
    module=__name__,
)
