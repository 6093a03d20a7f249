"""Measure every text once. Judging is another job, so that a new threshold measures nothing again."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import DataFrame

from jobs.code.tables import code_signals, code_texts
from jobs.kernels import signals as kernel
from lakehouse.job import Inputs, Job, Params


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
