"""Training sequences of conversations, one table per stage, packed so that none is cut where it could be whole.

A conversation that is longer than a sequence keeps its beginning, as in the paper's scripts: the rest of an answer without
its question teaches nothing. `silver.sft_cut` names each of them with what is left; one whose beginning holds no target is
left out.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, model_validator
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.corpus.pack import PackParams as Packing
from jobs.corpus.pack import in_buckets, repeated
from jobs.sft.tables import packed_stages, sft_cut, sft_mixture, sft_tokens
from lakehouse.job import Inputs, Job, Params
from lakehouse.table import Table


class PackParams(Params):
    lengths: Mapping[int, int] = Field(description="tokens of a sequence, by stage")
    seed: int = Field(ge=0)
    bucket_tokens: int = Field(ge=1, description="tokens that are packed at once")

    @model_validator(mode="after")
    def _names_every_stage(self) -> PackParams:
        if set(self.lengths) != set(packed_stages) or min(self.lengths.values()) < 2:
            raise ValueError(
                f"lengths = {dict(self.lengths)}; expected a length of at least 2 for {list(packed_stages)}"
            )
        return self


def pack(inputs: Inputs, params: PackParams) -> Mapping[Table, DataFrame]:
    length = F.element_at(F.create_map(*(F.lit(n) for pair in sorted(params.lengths.items()) for n in pair)), _stage())
    rows = inputs[sft_tokens].withColumn("length", length)
    shown = rows.withColumns(
        {"ids": F.slice("input_ids", F.lit(1), length), "mask": F.slice("loss_mask", F.lit(1), length)}
    )
    learns = F.exists("mask", lambda target: target)
    long = shown.where(F.col("tokens") > F.col("length"))
    cut = long.select("doc_id", "stage", "tokens", F.when(learns, F.col("length")).otherwise(0).alias("kept"))
    fits = shown.where(learns).select(
        "doc_id", "stage", F.size("ids").cast("bigint").alias("tokens"), F.col("ids").alias("input_ids"), "mask"
    )
    mixed = repeated(inputs[sft_mixture]).drop("tokens").join(fits, "doc_id")
    made: dict[Table, DataFrame] = {sft_cut: cut}
    for stage, table in packed_stages.items():
        packing = Packing(
            length=params.lengths[stage], method="best_fit", seed=params.seed, bucket_tokens=params.bucket_tokens
        )
        made[table] = in_buckets(mixed.where(F.col("stage") == stage).drop("stage"), packing)
    return made


def _stage() -> Column:
    return F.col("stage").cast("int")


job = Job(
    "sft.pack",
    about="training sequences of conversations",
    reads=(sft_mixture, sft_tokens),
    writes=(sft_cut, *packed_stages.values()),
    params=PackParams,
    transform=pack,
    needs=(sft_mixture,),
)
