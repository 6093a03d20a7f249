"""MinHash band hashes of each content. Stored, so that new files meet old ones without either being read again."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from pydantic import Field, model_validator
from pyspark.sql import DataFrame

from jobs.code.tables import code_bands, code_contents
from jobs.kernels.decode import texts
from jobs.kernels.minhash import Setting, band_hashes
from lakehouse.job import Inputs, Job, Params


class MinHashParams(Params):
    """What makes a signature what it is. The chance to find a pair of Jaccard J is 1 - (1 - J^rows)^bands."""

    shingle: int = Field(ge=1, description="tokens per shingle")
    bands: int = Field(ge=1)
    rows: int = Field(ge=1, description="permutations per band")
    seed: int = Field(ge=0)

    @model_validator(mode="after")
    def _makes_a_setting(self) -> MinHashParams:
        self.setting  # noqa: B018  raises where the numbers do not fit together
        return self

    @property
    def setting(self) -> Setting:
        permutations = self.bands * self.rows
        return Setting(self.shingle, permutations, self.bands, self.rows, self.seed)


def bands(inputs: Inputs, params: MinHashParams) -> DataFrame:
    setting = params.setting

    def sign(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            hashes = band_hashes(texts(batch["content"]), setting)
            names = pa.array([setting.digest()] * len(batch), pa.string())
            schema = code_bands.arrow_schema
            yield pa.RecordBatch.from_arrays(
                [batch["content_id"], hashes.cast(schema.field("bands").type), names], schema.names
            )

    return inputs[code_contents].select("content_id", "content").mapInArrow(sign, code_bands.spark_schema)


job = Job(
    "code.bands",
    about="MinHash band hashes of each content",
    reads=(code_contents,),
    writes=(code_bands,),
    params=MinHashParams,
    transform=bands,
    scope=("content_id",),
    measures=code_contents,
)
