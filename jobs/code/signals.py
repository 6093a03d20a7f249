"""Measure every text once. Judging is another job, so that a new threshold measures nothing again."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import DataFrame

from jobs.code.tables import CONTENT_ID, code_texts
from jobs.kernels import signals as kernel
from lakehouse.job import Inputs, Job, Params
from lakehouse.table import Column, Table


def _sql_type(kind: pa.DataType) -> str:
    return {pa.bool_(): "boolean", pa.int64(): "bigint", pa.float64(): "double"}[kind]


code_signals = Table(
    "silver.code_signals",
    row="the measured signals of one distinct content",
    key=("content_id",),
    columns=(
        CONTENT_ID,
        *(Column(s.name, _sql_type(s.type), s.description, unit=s.unit, nullable=True) for s in kernel.SIGNALS),
    ),
)


class SignalsParams(Params):
    """Nothing to set: signals are measurements."""


def signals(inputs: Inputs, params: SignalsParams) -> DataFrame:  # noqa: ARG001  every transform has both
    def measure(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            measured = kernel.signals(batch["text"])
            yield pa.RecordBatch.from_arrays(
                [batch["content_id"], *measured.columns], ["content_id", *measured.schema.names]
            )

    return inputs[code_texts].select("content_id", "text").mapInArrow(measure, code_signals.spark_schema)


job = Job(
    "code.signals",
    about="measure every text once",
    reads=(code_texts,),
    writes=(code_signals,),
    params=SignalsParams,
    transform=signals,
    scope=("content_id",),
    measures=code_texts,
)
