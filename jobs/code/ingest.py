"""Read the configured sources into bronze: occurrences as rows, contents once, what cannot be read into quarantine.

Incremental by source: a source is read again only when its fingerprint moved, and then replaces exactly what it
brought before. A content that no occurrence names any more goes away with the last one that did.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import Field, model_validator
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from jobs.code.arrow import Rows, map_rows
from jobs.code.sources import Limits, Occurrence, Shard, SourceSpec, Unreadable, fingerprint, read, shards
from jobs.code.tables import code_contents, code_files, code_sources
from lakehouse.job import Inputs, Job, Output, Params
from lakehouse.ops import quarantine
from lakehouse.table import Table

NAME = "code.ingest"

READ = {
    "source": "string",
    "repo": "string",
    "path": "string",
    "commit": "string",
    "version": "string",
    "stars": "bigint",
    "committed_at": "timestamp",
    "licence": "string",
    "content_id": "string",
    "swhid": "string",
    "size": "bigint",
    "content": "binary",
    "reason": "string",
    "detail": "string",
    "first_bytes": "binary",
}


class IngestParams(Params):
    """`sources` and how the work is cut up do not enter the digest: each source has its own fingerprint."""

    placement: ClassVar[Mapping[str, Any]] = {"sources": True, "limits": {"shard_bytes"}}

    sources: tuple[SourceSpec, ...] = Field(description="where raw code comes from")
    limits: Limits

    @model_validator(mode="after")
    def _names_are_unique(self) -> IngestParams:
        names = [spec.name for spec in self.sources]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"sources named twice: {', '.join(twice)}; give each its own name")
        return self


def fingerprints(params: IngestParams) -> dict[str, str]:
    """Per source, what changes when its files do. Raises SourceError for a source that is not there."""
    return {spec.name: fingerprint(spec) for spec in params.sources}


def ingest(inputs: Inputs, params: IngestParams) -> Mapping[Table, DataFrame | Output]:
    assert inputs.changed is not None
    changed = {row["source"] for row in inputs.changed.collect()}
    specs = [spec for spec in params.sources if spec.name in changed]
    read_rows = _first_of_each(inputs.hold("read", _read(inputs, specs, params.limits)), specs)
    occurrences = read_rows.where(F.col("content_id").isNotNull())
    return {
        code_contents: Output(
            _one_of_each(occurrences).select(*code_contents.column_names),
            _orphans(inputs, occurrences),
        ),
        code_files: Output(occurrences.select(*code_files.column_names), inputs.changed),
        quarantine: Output(_refused(read_rows), inputs.changed.withColumn("job", F.lit(NAME))),
        code_sources: Output(_sources(inputs, specs, read_rows), inputs.changed),
    }


def _read(inputs: Inputs, specs: list[SourceSpec], limits: Limits) -> DataFrame:
    """One row per file or refused item; one task per shard."""
    work = [(shard.spec.name, shard.model_dump_json()) for spec in specs for shard in shards(spec, limits)]
    frame = inputs.spark.createDataFrame(work, "source string, shard string").repartition(max(1, len(work)))
    return map_rows(frame, READ, partial(_rows, limits=limits))


def _first_of_each(rows: DataFrame, specs: list[SourceSpec]) -> DataFrame:
    """A path that a source gives twice is taken once, the least content; the others go to quarantine.

    Only Parquet can repeat a path over shards: folders and git trees cannot, and archives are read by one task.
    """
    if all(spec.kind != "parquet" for spec in specs):
        return rows
    key = ["source", "repo", "path"]
    nth = F.row_number().over(Window.partitionBy(*key).orderBy(F.col("content_id").asc_nulls_last(), "reason"))
    again = (F.col("nth") > 1) & F.col("content_id").isNotNull()
    said = F.concat(F.lit("the path occurs more than once; this is content "), F.col("content_id"))
    numbered = rows.withColumn("nth", nth)
    marked = numbered.withColumns(
        {
            "reason": F.when(again, F.lit("duplicate_path")).otherwise(F.col("reason")),
            "detail": F.when(again, said).otherwise(F.col("detail")),
            "content_id": F.when(~again, F.col("content_id")),
        }
    )
    return marked.drop("nth")


def _rows(batches: Iterator[pa.RecordBatch], limits: Limits) -> Rows:
    for batch in batches:
        for source, shard in zip(batch["source"].to_pylist(), batch["shard"].to_pylist(), strict=True):
            for found in read(Shard.model_validate_json(shard), limits):
                row = _taken(found) if isinstance(found, Occurrence) else _not_taken(found)
                yield {"source": source, **row}


def _taken(found: Occurrence) -> dict[str, Any]:
    blob = b"blob %d\x00" % len(found.content)
    return {
        "repo": found.repo,
        "path": found.path,
        "commit": found.commit,
        "version": found.version,
        "stars": found.stars,
        "committed_at": found.committed_at,
        "licence": found.licence,
        "content_id": hashlib.sha256(found.content).hexdigest(),
        "swhid": "swh:1:cnt:" + hashlib.sha1(blob + found.content, usedforsecurity=False).hexdigest(),
        "size": len(found.content),
        "content": found.content,
    }


def _not_taken(found: Unreadable) -> dict[str, Any]:
    return {
        "repo": found.repo,
        "path": found.path,
        "reason": str(found.reason),
        "detail": found.detail,
        "size": found.size,
        "first_bytes": found.first_bytes,
    }


def _orphans(inputs: Inputs, occurrences: DataFrame) -> DataFrame | None:
    """Contents that only the changed sources named before and nobody names now; None when everything is read anew."""
    assert inputs.changed is not None
    before = inputs.current(code_files).select("source", "content_id")
    if before.isEmpty():
        return None
    gone = before.join(inputs.changed, "source", "left_semi").select("content_id").distinct()
    elsewhere = before.join(inputs.changed, "source", "left_anti").select("content_id")
    named = occurrences.select("content_id").unionByName(elsewhere)
    return gone.join(named, "content_id", "left_anti")


def _one_of_each(occurrences: DataFrame) -> DataFrame:
    """One occurrence of every content, chosen by keys alone.

    `dropDuplicates` would put all contents in order and move them, copies included: 240 MB for 210 that are kept.
    """
    key = ["source", "repo", "path"]
    first = occurrences.groupBy("content_id").agg(F.min(F.struct(*key)).alias("first"))
    return occurrences.join(first.select("content_id", "first.*"), ["content_id", *key], "left_semi")


def _refused(rows: DataFrame) -> DataFrame:
    """Quarantine rows; an item refused twice for one reason (a name that an archive holds often) is one row."""
    item = F.concat_ws("", "source", F.lit("/"), "repo", F.lit(":"), "path", F.lit(" ("), "reason", F.lit(")"))
    named = rows.where(F.col("reason").isNotNull()).withColumn("job", F.lit(NAME)).withColumn("item", item)
    rest = [name for name in quarantine.column_names if name not in quarantine.key]
    first = F.min(F.struct("detail", *[name for name in rest if name != "detail"])).alias("first")
    more = F.when(F.col("n") > 1, F.concat(F.lit(" ("), F.col("n") - 1, F.lit(" more like it)"))).otherwise("")
    values = {name: F.col(f"first.{name}") for name in rest} | {"detail": F.concat("first.detail", more)}
    counted = named.groupBy(*quarantine.key).agg(first, F.count("*").alias("n"))
    return counted.select(*quarantine.key, *(values[name].alias(name) for name in rest))


def _sources(inputs: Inputs, specs: list[SourceSpec], rows: DataFrame) -> DataFrame:
    said = [(spec.name, spec.kind, spec.location, fingerprint(spec)) for spec in specs]
    declared = inputs.spark.createDataFrame(said, "source string, kind string, location string, fingerprint string")
    taken = F.col("content_id").isNotNull()
    counted = rows.groupBy("source").agg(
        F.count_if(taken).alias("files"),
        F.sum(F.when(taken, F.col("size")).otherwise(0)).alias("bytes"),
        F.count_if(~taken).alias("refused"),
    )
    filled = declared.join(counted, "source", "left").na.fill(0, ["files", "bytes", "refused"])
    return filled.select(*code_sources.column_names)


job = Job(
    NAME,
    about="read sources into occurrences and distinct contents",
    reads=(),
    writes=(code_contents, code_files, quarantine, code_sources),
    params=IngestParams,
    transform=ingest,
    scope=("source",),
    fingerprints=fingerprints,
    measures="read",
)
