"""Read the configured crawls into bronze: pages as rows, broken records into quarantine, everything else counted.

Incremental by file: a file is read again only when its fingerprint moved, and then replaces exactly what it brought
before. Reading the same files a second time adds nothing.
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

from jobs.code.arrow import Rows, map_rows
from jobs.web.sources import Limits, Page, Refused, Shard, SourceFile, Tally, WebSource, files, read, shards
from jobs.web.tables import web_files, web_pages
from lakehouse.job import Inputs, Job, Output, Params
from lakehouse.ops import quarantine
from lakehouse.table import Table

NAME = "web.ingest"

READ = {column.name: column.type for column in web_pages.columns} | {
    "reason": "string",
    "detail": "string",
    "first_bytes": "binary",
    "records": "bigint",  # of a tally's reason; null for pages and refused records
}


class IngestParams(Params):
    """`sources` and how the work is cut up do not enter the digest: each file has its own fingerprint."""

    placement: ClassVar[Mapping[str, Any]] = {"sources": True, "limits": {"shard_bytes"}}

    sources: tuple[WebSource, ...] = Field(description="where pages come from")
    limits: Limits

    @model_validator(mode="after")
    def _names_are_unique(self) -> IngestParams:
        names = [spec.name for spec in self.sources]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"sources named twice: {', '.join(twice)}; give each its own name")
        return self


def fingerprints(params: IngestParams) -> dict[str, str]:
    """Per file of every source, what changes when it does. Raises WebSourceError for a source that is not there."""
    return {f"{spec.name}/{file.path}": file.fingerprint for spec in params.sources for file in files(spec)}


def ingest(inputs: Inputs, params: IngestParams) -> Mapping[Table, DataFrame | Output]:
    assert inputs.changed is not None
    changed = {row["file"] for row in inputs.changed.collect()}
    found = [(spec, [file for file in files(spec) if f"{spec.name}/{file.path}" in changed]) for spec in params.sources]
    rows = inputs.hold("read", _read(inputs, found, params.limits))
    pages = rows.where(F.col("body").isNotNull()).select(*web_pages.column_names)
    return {
        web_pages: Output(pages, inputs.changed),
        quarantine: Output(_refused(rows), _items(inputs.changed)),
        web_files: Output(_files(inputs, found, rows), inputs.changed),
    }


def _read(inputs: Inputs, found: list[tuple[WebSource, list[SourceFile]]], limits: Limits) -> DataFrame:
    """One row per page, refused record and reason to pass over; one task per shard."""
    work = [(shard.model_dump_json(),) for spec, part in found for shard in shards(spec, part, limits)]
    frame = inputs.spark.createDataFrame(work, "shard string").repartition(max(1, len(work)))
    return map_rows(frame, READ, partial(_rows, limits=limits))


def _rows(batches: Iterator[pa.RecordBatch], limits: Limits) -> Rows:
    for batch in batches:
        for text in batch["shard"].to_pylist():
            shard = Shard.model_validate_json(text)
            said = {"file": shard.file, "source": shard.spec.name}
            for row in read(shard, limits):
                if isinstance(row, Tally):
                    yield from ({**said, "reason": why, "records": n} for why, n in sorted(row.passed_over.items()))
                else:
                    yield {**said, **(_taken(shard.file, row) if isinstance(row, Page) else _not_taken(row))}


def page_id(file: str, offset: int, inside: int) -> str:
    return hashlib.sha256(f"{file}\0{offset}\0{inside}".encode("utf-8", "surrogateescape")).hexdigest()


def _taken(file: str, page: Page) -> dict[str, Any]:
    return {
        "page_id": page_id(file, page.offset, page.inside),
        "place": page.offset,
        "inside": page.inside,
        "url": page.url,
        "dump": page.dump,
        "fetched_at": page.fetched_at,
        "status": page.status,
        "content_type": page.content_type,
        "charset": page.charset,
        "truncated": page.truncated,
        "kind": page.kind,
        "body_id": hashlib.sha256(page.body).hexdigest(),
        "size": len(page.body),
        "body": page.body,
    }


def _not_taken(found: Refused) -> dict[str, Any]:
    return {
        "place": found.offset,
        "inside": found.inside,
        "url": found.url,
        "reason": str(found.reason),
        "detail": found.detail,
        "size": found.size,
        "first_bytes": found.first_bytes,
    }


def _path() -> Any:
    return F.expr("substring(file, instr(file, '/') + 1)")


def _items(changed: DataFrame) -> DataFrame:
    """Which rows of the quarantine belong to these files."""
    return changed.select(
        F.lit(NAME).alias("job"), F.substring_index("file", "/", 1).alias("source"), _path().alias("path")
    )


def _refused(rows: DataFrame) -> DataFrame:
    place = F.concat("file", F.lit("@"), "place", F.lit("+"), "inside", F.lit(" ("), "reason", F.lit(")"))
    named = rows.where(F.col("reason").isNotNull() & F.col("records").isNull()).select(
        F.lit(NAME).alias("job"),
        place.alias("item"),
        "source",
        F.lit(None).cast("string").alias("repo"),
        _path().alias("path"),
        "reason",
        F.concat_ws(": ", "url", "detail").alias("detail"),
        "size",
        "first_bytes",
    )
    # Shards of one file may meet the same damage, as two that find no footer.
    rest = [name for name in quarantine.column_names if name not in quarantine.key]
    least = named.groupBy(*quarantine.key).agg(F.min(F.struct(*rest)).alias("one"))
    return least.select(*quarantine.key, *(F.col(f"one.{name}").alias(name) for name in rest))


def _files(inputs: Inputs, found: list[tuple[WebSource, list[SourceFile]]], rows: DataFrame) -> DataFrame:
    said = [(f"{s.name}/{f.path}", s.name, s.kind, f.fingerprint) for s, part in found for f in part]
    declared = inputs.spark.createDataFrame(said, "file string, source string, kind string, fingerprint string")
    taken, counted = F.col("body").isNotNull(), F.col("records").isNotNull()
    sums = rows.groupBy("file").agg(
        F.count_if(taken).alias("pages"),
        F.sum(F.when(taken, F.col("size")).otherwise(0)).alias("bytes"),
        F.count_if(F.col("reason").isNotNull() & ~counted).alias("refused"),
    )
    by_reason = rows.where(counted).groupBy("file", "reason").agg(F.sum("records").alias("records"))
    passed = by_reason.groupBy("file").agg(
        F.sort_array(F.collect_list(F.struct("reason", "records"))).alias("passed_over")
    )
    filled = declared.join(sums, "file", "left").na.fill(0, ["pages", "bytes", "refused"]).join(passed, "file", "left")
    none = F.array().cast("array<struct<reason:string,records:bigint>>")
    return filled.withColumn("passed_over", F.coalesce("passed_over", none)).select(*web_files.column_names)


job = Job(
    NAME,
    about="read crawls into pages",
    reads=(),
    writes=(web_pages, quarantine, web_files),
    params=IngestParams,
    transform=ingest,
    scope=("file",),
    fingerprints=fingerprints,
    measures="read",
)
