"""Keep a conversation or not: what it is, near-duplicates, benchmark items, limits. Every rule that is hit is recorded."""

from __future__ import annotations

import hashlib

from pydantic import Field
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.decisions.hits import hit
from jobs.decontamination import rule as benchmarks
from jobs.dedup.rule import near_copy
from jobs.sft.tables import sft_benchmarks, sft_decisions, sft_near, sft_samples
from lakehouse.job import Inputs, Job, Params


class DecideParams(Params):
    least_answer_bytes: int | None = Field(ge=0, description="bytes of all answers together; null sets no limit")
    most_bytes: int | None = Field(ge=1, description="bytes of all messages together; null sets no limit")
    most_turns: int | None = Field(ge=1, description="messages of a conversation; null sets no limit")
    licences: tuple[str, ...] | None = Field(description="SPDX expressions that may be kept; null allows all")

    @property
    def rules_digest(self) -> str:
        return hashlib.sha256(self.canonical.encode()).hexdigest()[:16]


def decide(inputs: Inputs, params: DecideParams) -> DataFrame:
    near = inputs[sft_near.duplicates].select("sample_id", "kept", "duplicate_of", "jaccard")
    rows = (
        inputs[sft_samples]
        .select("sample_id", "licence", "turns", "bytes", "answer_bytes", "faults")
        .join(near, "sample_id", "left")
    )
    rows = rows.join(benchmarks.worst(inputs[sft_benchmarks.hits], "sample_id"), "sample_id", "left")
    judged = rows.select("sample_id", F.array_compact(F.array(*_rules(params))).alias("hits"))
    return judged.select(
        "sample_id", (F.size("hits") == 0).alias("keep"), "hits", F.lit(params.rules_digest).alias("rules")
    )


def _rules(params: DecideParams) -> list[Column]:
    found = [
        hit("malformed", F.size("faults") > 0, detail=F.concat_ws("; ", "faults")),
        near_copy(),
        benchmarks.found(),
    ]
    if params.licences is not None:
        allowed = F.coalesce(F.col("licence").isin(*params.licences), F.lit(False))
        found.append(hit("licence", ~allowed, detail=F.coalesce("licence", F.lit("unknown"))))
    limits = (
        ("short_answer", "answer_bytes", params.least_answer_bytes, -1),
        ("too_long", "bytes", params.most_bytes, 1),
        ("too_many_turns", "turns", params.most_turns, 1),
    )
    for rule, column, limit, side in limits:
        if limit is not None:
            value = F.col(column)
            found.append(hit(rule, value < limit if side < 0 else value > limit, value=value, limit=F.lit(limit)))
    return found


job = Job(
    "sft.decide",
    about="keep or drop conversations, with every rule that was hit",
    reads=(sft_samples, sft_near.duplicates, sft_benchmarks.hits),
    writes=(sft_decisions,),
    params=DecideParams,
    transform=decide,
    scope=("sample_id",),
    measures=sft_samples,
)
