"""Cut over-represented languages to a cap in bytes, in an order that only the content decides.

A language is filled in the order of a seeded hash of the content id until the next file does not fit; so a smaller cap
takes a subset of what a larger one takes, and the same seed takes the same files on any machine.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from jobs.code.tables import code_decisions, code_languages, code_sample, code_texts
from lakehouse.job import Inputs, Job, Params


class SampleParams(Params):
    seed: int = Field(ge=0)
    caps: Mapping[str, int] = Field(description="bytes of text per language; a language that is not named has no cap")


def sample(inputs: Inputs, params: SampleParams) -> DataFrame:
    kept = inputs[code_decisions].where("keep").select("content_id")
    languages = inputs[code_languages].select("content_id", "language")
    rows = kept.join(inputs[code_texts].select("content_id", "bytes"), "content_id").join(languages, "content_id")
    caps = F.create_map(*(F.lit(x) for pair in sorted(params.caps.items()) for x in pair)) if params.caps else None
    cap = F.lit(None).cast("bigint") if caps is None else F.try_element_at(caps, F.col("language")).cast("bigint")
    capped = rows.withColumn("cap", cap)
    order = Window.partitionBy("language").orderBy(F.xxhash64("content_id", F.lit(params.seed)), "content_id")
    # Only capped languages are put in order: a window over one of them is one task.
    within = capped.where(F.col("cap").isNotNull()).withColumn("taken", F.sum("bytes").over(order) <= F.col("cap"))
    free = capped.where(F.col("cap").isNull()).withColumn("taken", F.lit(True))
    return within.unionByName(free).select(*code_sample.column_names)


job = Job(
    "code.sample",
    about="cut over-represented languages to their caps",
    reads=(code_decisions, code_languages, code_texts),
    writes=(code_sample,),
    params=SampleParams,
    transform=sample,
)
