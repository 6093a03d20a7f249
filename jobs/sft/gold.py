"""The conversations to tune on: what was kept, with its messages and where it came from."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import functions as F

from jobs.sft.tables import sft, sft_decisions, sft_samples
from lakehouse.job import Inputs, Job, Output, Params
from lakehouse.table import Table


class GoldParams(Params):
    """Nothing to set: what is kept was decided before."""


def gold(inputs: Inputs, params: GoldParams) -> Mapping[Table, Output]:  # noqa: ARG001  every transform has both
    kept = inputs[sft_decisions].where("keep").select("sample_id")
    rows = inputs[sft_samples].join(kept, "sample_id").withColumn("doc_id", F.col("sample_id"))
    changed = inputs.changed
    scope = None if changed is None else changed.select(F.col("sample_id").alias("doc_id"))
    return {sft: Output(rows.select(*sft.column_names), scope)}


job = Job(
    "sft.gold",
    about="the conversations to tune on",
    reads=(sft_samples, sft_decisions),
    writes=(sft,),
    params=GoldParams,
    transform=gold,
    scope=("sample_id",),
)
