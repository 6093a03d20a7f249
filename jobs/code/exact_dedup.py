"""One row per distinct content: exact copies share a SHA-256, one occurrence stands for all of them."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from jobs.code.survivor import best_first
from jobs.code.tables import code_files, distinct_files
from lakehouse.job import Inputs, Job, Params


class ExactDedupParams(Params):
    """Nothing to set: a copy is a copy."""


def exact_dedup(inputs: Inputs, params: ExactDedupParams) -> DataFrame:  # noqa: ARG001  every transform has both
    same = Window.partitionBy("content_id")
    ranked = (
        inputs[code_files]
        .withColumn("nth", F.row_number().over(same.orderBy(*best_first())))
        .withColumn("copies", F.count("*").over(same))
    )
    return ranked.where("nth = 1").select(*distinct_files.column_names)


job = Job(
    "code.exact_dedup",
    about="keep one occurrence of every content, count its copies",
    reads=(code_files,),
    writes=(distinct_files,),
    params=ExactDedupParams,
    transform=exact_dedup,
    scope=("content_id",),
    measures=code_files,
)
