"""Samples that a teacher wrote, as conversations: by kind the stage that they are for.

So a document that is erased takes along what grew from it as far as the packed sequences. The sample's id is in the row, and
`codelake synthesis why` leads from it to requests, seed and licence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import pyarrow as pa
from pydantic import Field, field_validator
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.code.arrow import Rows, map_rows
from jobs.sft.sources.layouts import sample_id
from jobs.sft.tables import sft_synthetic
from jobs.synthesis.tables import synthetic
from lakehouse.job import Inputs, Job, Params

PLACE_DIGITS = 13  # of a sample's id, hex: 52 bits


class SyntheticParams(Params):
    kinds: Mapping[str, int] = Field(
        description="stage of the tuning by kind of sample; kinds that are not named stay out"
    )

    @field_validator("kinds")
    @classmethod
    def _are_stages(cls, kinds: Mapping[str, int]) -> Mapping[str, int]:
        if wrong := {name: stage for name, stage in kinds.items() if stage not in (1, 2)}:
            raise ValueError(f"stages {wrong}; allowed are 1 and 2")
        return kinds


def conversations(inputs: Inputs, params: SyntheticParams) -> DataFrame:
    if not params.kinds:  # what was taken stays, but for samples that are gone
        return inputs.before(sft_synthetic).join(inputs[synthetic].select("doc_id"), "doc_id", "left_semi")
    rows = inputs[synthetic].where(F.col("kind").isin(*params.kinds) & (F.col("instruction") != ""))
    columns = {column.name: column.type for column in sft_synthetic.columns}
    wanted = ("doc_id", "kind", "seed_licence", "instruction", "output", "code", "entry_point", "tests")
    return map_rows(rows.select(*wanted), columns, partial(_conversations, stages=dict(params.kinds)))


def _conversations(batches: Iterator[pa.RecordBatch], stages: Mapping[str, int]) -> Rows:
    for batch in batches:
        for row in batch.to_pylist():
            yield _conversation(row, stages[row["kind"]])


def _conversation(row: Mapping[str, Any], stage: int) -> dict[str, Any]:
    messages = [{"role": "user", "content": row["instruction"]}, {"role": "assistant", "content": row["output"]}]
    return {
        "doc_id": row["doc_id"],
        "file": f"synthesis/{row['kind']}",
        "place": int(row["doc_id"][:PLACE_DIGITS], 16),
        "source": f"synthesis-{row['kind']}",
        "sample_id": sample_id(messages),
        "stage": stage,
        "licence": row["seed_licence"],
        "tag": row["kind"],
        "code": row["code"] or None,
        "entry_point": row["entry_point"] or None,
        "testcase": row["tests"] or None,
        "turns": len(messages),
        "bytes": sum(len(message["content"].encode()) for message in messages),
        "messages": messages,
    }


def without_kinds(params: SyntheticParams) -> str | None:
    return None if params.kinds else "not asked for: name kinds of samples and their stages in sft.synthetic.kinds"


job = Job(
    "sft.synthetic",
    about="samples that a teacher wrote, as conversations",
    reads=(synthetic,),
    writes=(sft_synthetic,),
    params=SyntheticParams,
    transform=conversations,
    scope=("doc_id",),
    measures=synthetic,
    needs=(synthetic,),
    idle=without_kinds,
    cleans=True,
)
