"""The signals of the OpenCoder filter to the digit of its release, for the rule set opencoder-1. Off unless asked for.

The values rest on old parsers at pinned versions, which cost 1 CPU second a megabyte; `silver.code_signals` has what
they mean. The natural language that the release takes from a model is that of `code_signals`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from pydantic import Field
from pyspark.sql import DataFrame

from jobs.code.arrow import Rows, map_rows
from jobs.code.signals import code_signals, files_with_text
from jobs.code.tables import CONTENT_ID, code_languages, code_texts, distinct_files
from jobs.kernels.file_types import extension_of
from jobs.kernels.released.measure import NAMES, measure, missing
from lakehouse.errors import MachineError
from lakehouse.job import Inputs, Job, Params
from lakehouse.table import Column, Table

code_released_signals = Table(
    "silver.code_released_signals",
    row="the signals of one distinct content as the OpenCoder filter was released; no row unless they were asked for",
    key=("content_id",),
    columns=(
        CONTENT_ID,
        *(Column(name, "double", "as the release of the OpenCoder filter calls it", nullable=True) for name in NAMES),
        Column(
            "failures",
            "array<struct<signal:string,reason:string>>",
            "signals that failed; the rest of their family is null, as in the release",
        ),
    ),
)


class ReleasedSignalsParams(Params):
    enabled: bool = Field(description="measure them; needs the extra `opencoder`")


def released_signals(inputs: Inputs, params: ReleasedSignalsParams) -> DataFrame:
    if not params.enabled:
        return inputs.spark.createDataFrame([], code_released_signals.spark_schema)
    if lacking := missing():
        raise MachineError(
            f"code.released_signals.enabled: the release's parsers are not as recorded here. Needed: {', '.join(lacking)}. "
            "Install codelake[opencoder], or set it to false. Nothing was measured."
        )
    natural = inputs[code_signals].select("content_id", "natural_language")
    columns = {column.name: column.type for column in code_released_signals.columns}
    return map_rows(files_with_text(inputs).join(natural, "content_id", "left"), columns, _measured)


def _measured(batches: Iterator[pa.RecordBatch]) -> Rows:
    for batch in batches:
        for row in batch.to_pylist():
            name = row["path"].rpartition("/")[2]
            found = measure(
                row["text"],
                name=name,
                extension=extension_of(name),
                size=len(row["text"].encode()),
                language=row["language"],
                kind=row["type"],
                natural_language="en" if row["natural_language"] in (None, "other") else row["natural_language"],
            )
            failures = [{"signal": signal, "reason": reason} for signal, reason in found.failures.items()]
            yield {"content_id": row["content_id"], **found.values, "failures": failures}


job = Job(
    "code.released_signals",
    about="measure as the released filter did, where asked for",
    reads=(code_texts, distinct_files, code_languages, code_signals),
    writes=(code_released_signals,),
    params=ReleasedSignalsParams,
    transform=released_signals,
    scope=("content_id",),
    measures=code_texts,
)
