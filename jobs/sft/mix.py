"""Which conversations each stage reads, and how often. Shares are of conversations: the recipe states samples, not tokens."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any, ClassVar

from pydantic import Field, model_validator
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.corpus.mix import Drawn, Parts, grouped, mixed, shown
from jobs.sft.tables import packed_stages, sft, sft_mixture, sft_tokens
from lakehouse.job import Inputs, Job, Params
from lakehouse.lake import Lake

COLUMNS = ("source", "licence", "tag")
DRAWN = Drawn(sft, sft_tokens, {column: column for column in (*COLUMNS, "stage")})
UNIT = "conversations"


class StageParts(Parts):
    columns: ClassVar[tuple[str, ...]] = COLUMNS

    conversations: int | None = Field(gt=0, description="of the whole mixture; null for as many as there can be")

    @model_validator(mode="after")
    def _has_parts_to_share(self) -> StageParts:
        if self.conversations is not None and self.parts is None:
            raise ValueError("a number of conversations needs parts to share them")
        return self


class MixParams(Params):
    seed: int = Field(ge=0)
    stages: Mapping[int, StageParts] = Field(description="by stage")

    @model_validator(mode="after")
    def _names_every_stage(self) -> MixParams:
        if set(self.stages) != set(packed_stages):
            raise ValueError(f"stages {sorted(self.stages)}; expected {sorted(packed_stages)}")
        return self


def mix(inputs: Inputs, params: MixParams) -> DataFrame:
    rows = DRAWN.rows(inputs)
    stages = [_stage(rows.where(F.col("stage") == n), n, wanted, params.seed) for n, wanted in params.stages.items()]
    return reduce(DataFrame.unionByName, stages)


def _stage(rows: DataFrame, stage: int, wanted: StageParts, seed: int) -> DataFrame:
    if wanted.parts is None:
        return rows.select("doc_id", F.lit(_all_of(stage)).alias("part"), F.lit(1).alias("times"), "tokens")
    return mixed(rows.withColumn("amount", F.lit(1)), wanted, wanted.conversations, seed, UNIT)


def _all_of(stage: int) -> str:
    return f"sft_stage{stage}"


def preview(lake: Lake, params: MixParams) -> list[dict[str, Any]]:
    """The plan of each stage, from the newest tables; nothing is written."""
    groups = grouped(lake, [DRAWN], (*COLUMNS, "stage"), "count(*)")
    rows = []
    for stage, wanted in sorted(params.stages.items()):
        here = [{**row, "all": _all_of(stage)} for row in groups if row["stage"] == stage]
        rows += [{"stage": stage, **row} for row in shown(here, wanted, wanted.conversations, "all")]
    return rows


job = Job(
    "sft.mix",
    about="which conversations are read, and how often",
    reads=(sft, sft_tokens),
    writes=(sft_mixture,),
    params=MixParams,
    transform=mix,
    needs=(sft_tokens,),
    preview=preview,
)
