"""Which samples are gold: accepted, no near-copy of another, free of benchmark items, under licences and terms that are allowed."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.decisions.hits import hit
from jobs.decontamination import rule as benchmarks
from jobs.dedup.rule import near_copy
from jobs.synthesis.tables import (
    synthetic,
    synthetic_benchmarks,
    synthetic_decisions,
    synthetic_duplicates,
    synthetic_functional,
    synthetic_samples,
)
from lakehouse.job import Inputs, Job, Output, Params
from lakehouse.table import Table


class DecideParams(Params):
    licences: tuple[str, ...] | None = Field(
        description="licences of seeds, as SPDX expressions; null allows all, also unknown"
    )
    terms: tuple[str, ...] | None = Field(description="terms of teachers; null allows all")


def decide(inputs: Inputs, params: DecideParams) -> Mapping[Table, DataFrame | Output]:
    duplicates = inputs[synthetic_duplicates].select("sample_id", "kept", "duplicate_of", "jaccard")
    rows = inputs[synthetic_samples].join(duplicates, "sample_id", "left")
    passed = benchmarks.functional(inputs[synthetic_functional])
    copied = inputs[synthetic_benchmarks.hits].unionByName(passed, allowMissingColumns=True)
    rows = rows.join(benchmarks.worst(copied, "sample_id"), "sample_id", "left")
    judged = rows.withColumn("hits", F.array_compact(F.array(*_hits(params)))).withColumn("keep", F.size("hits") == 0)
    gold = judged.where("keep").withColumn("doc_id", F.col("sample_id")).select(*synthetic.column_names)
    scope = None if inputs.changed is None else inputs.changed.select(F.col("sample_id").alias("doc_id"))
    decisions = judged.select(*synthetic_decisions.column_names)
    return {synthetic_decisions: decisions, synthetic: Output(gold, scope)}


def _hits(params: DecideParams) -> list[Column]:
    said = F.concat_ws(": ", "reason", F.when(F.col("detail") != "", F.col("detail")))
    found = [
        hit("rejected", ~F.col("accepted"), detail=said),
        near_copy(),
        benchmarks.found(),
    ]
    for rule, column, allowed in (("licence", "seed_licence", params.licences), ("terms", "terms", params.terms)):
        if allowed is not None:
            permitted = F.coalesce(F.col(column).isin(*allowed), F.lit(False))
            found.append(hit(rule, ~permitted, detail=F.coalesce(column, F.lit("unknown"))))
    return found


job = Job(
    "synthesis.decide",
    about="which samples are gold, with every rule that was hit",
    reads=(synthetic_samples, synthetic_duplicates, synthetic_benchmarks.hits, synthetic_functional),
    writes=(synthetic_decisions, synthetic),
    params=DecideParams,
    transform=decide,
    scope=("sample_id",),
    measures=synthetic_samples,
    needs=(synthetic_samples,),
)
