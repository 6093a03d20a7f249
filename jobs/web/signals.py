"""Measure every recalled text once, by the signals of source code."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import DataFrame

from jobs.code.signals import counted_columns
from jobs.kernels import signals as kernel
from jobs.web.tables import DOCUMENT_ID, web_documents
from lakehouse.job import Inputs, Job, Params
from lakehouse.table import Table

web_signals = Table(
    "silver.web_signals",
    row="the measured signals of one recalled text",
    key=("content_id",),
    columns=(DOCUMENT_ID, *counted_columns),
)


class SignalsParams(Params):
    """Nothing to set: signals are measurements."""


def signals(inputs: Inputs, params: SignalsParams) -> DataFrame:  # noqa: ARG001  every transform has both
    def measure(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            measured = kernel.signals(batch["text"])
            names = ["content_id", *measured.schema.names]
            yield pa.RecordBatch.from_arrays([batch["content_id"], *measured.columns], names)

    return inputs[web_documents].select("content_id", "text").mapInArrow(measure, web_signals.spark_schema)


job = Job(
    "web.signals",
    about="measure every recalled text once",
    reads=(web_documents,),
    writes=(web_signals,),
    params=SignalsParams,
    transform=signals,
    scope=("content_id",),
    measures=web_documents,
)
