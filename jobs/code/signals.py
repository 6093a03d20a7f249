"""Measure every text once. Judging is another job, so that a new threshold measures nothing again.

A new measure is a new column, null until its rows are measured again. What is measured is that of `jobs.kernels.measures`;
code and comments are told apart by the comment marks of the configuration.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from pydantic import Field
from pyspark.sql import DataFrame

from jobs.code.tables import CONTENT_ID, code_languages, code_texts, distinct_files
from jobs.kernels import measures as kernel
from jobs.kernels import notices
from jobs.kernels.document import Measure
from jobs.kernels.signals import SIGNALS, Signal
from lakehouse.job import Inputs, Job, Params
from lakehouse.table import Column, Table

_SQL_TYPES = {pa.bool_(): "boolean", pa.int64(): "bigint", pa.float64(): "double", pa.string(): "string"}

_MEASURED: tuple[Signal | Measure, ...] = (*SIGNALS, *kernel.MEASURES)


def _column(one: Signal | Measure) -> Column:
    return Column(one.name, _SQL_TYPES[one.type], one.description, unit=one.unit, nullable=True)


# What is counted of any text, for tables of other texts than files.
counted_columns = tuple(map(_column, SIGNALS))

code_signals = Table(
    "silver.code_signals",
    row="the measured signals of one distinct content",
    key=("content_id",),
    columns=(
        CONTENT_ID,
        *map(_column, _MEASURED),
        Column(
            "failures",
            "array<struct<signal:string,reason:string>>",
            "signals that are null because they failed, each with the reason",
        ),
    ),
)


class SignalsParams(Params):
    comments: dict[str, Any] = Field(description="comment syntax per language")


def signals(inputs: Inputs, params: SignalsParams) -> DataFrame:
    comments = params.comments

    def measure(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        syntaxes = notices.load(comments)
        for batch in batches:
            path, language, kind = (batch[name].to_pylist() for name in ("path", "language", "type"))
            measured = kernel.measure(batch["text"], list(zip(path, language, kind, strict=True)), syntaxes)
            yield pa.RecordBatch.from_arrays(
                [batch["content_id"], *measured.columns], ["content_id", *measured.schema.names]
            )

    return files_with_text(inputs).mapInArrow(measure, code_signals.spark_schema)


def files_with_text(inputs: Inputs) -> DataFrame:
    """content_id, path, language, type and text of every content that is text."""
    files = inputs[distinct_files].select("content_id", "path")
    languages = inputs[code_languages].select("content_id", "language", "type")
    return inputs[code_texts].select("content_id", "text").join(files, "content_id").join(languages, "content_id")


job = Job(
    "code.signals",
    about="measure every text once",
    reads=(code_texts, distinct_files, code_languages),
    writes=(code_signals,),
    params=SignalsParams,
    transform=signals,
    scope=("content_id",),
    measures=code_texts,
)
