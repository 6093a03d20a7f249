"""Distinct conversations: each set of messages once, with the row that stands for its copies.

Samples that a teacher wrote are among them, where `sft.synthetic` is asked for them. Of several rows that say the same, the
one of the later stage stands (it is trained on last and longest), then the one with tests, then the least place.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from jobs.dedup.corpus import Corpus
from jobs.sft.tables import instructions, sft_near, sft_samples, sft_synthetic
from lakehouse.job import Inputs, Job, Params


class SamplesParams(Params):
    """Nothing to set: a copy is a matter of the messages."""


def samples(inputs: Inputs, params: SamplesParams) -> DataFrame:  # noqa: ARG001  every transform has both
    copies = Window.partitionBy("sample_id")
    order = [F.desc("stage"), F.col("testcase").isNull().asc(), F.col("file").asc(), F.col("place").asc()]
    written = inputs[sft_synthetic].select(*instructions.column_names)
    ranked = (
        inputs[instructions]
        .unionByName(written)
        .withColumns({"nth": F.row_number().over(copies.orderBy(*order)), "copies": F.count("*").over(copies)})
    )
    contents = F.transform("messages", lambda message: message["content"])
    answers = F.filter("messages", lambda message: message["role"] == "assistant")
    said = F.aggregate(
        answers, F.lit(0).cast("bigint"), lambda size, message: size + F.octet_length(message["content"])
    )
    kept = ranked.where("nth = 1").withColumns(
        {"text": F.array_join(contents, "\n\n"), "answer_bytes": said, "faults": _faults()}
    )
    return kept.select(*sft_samples.column_names)


def _faults() -> Column:
    """What a chat template cannot write, or what has nothing to learn from."""
    roles = F.transform("messages", lambda message: message["role"])
    behind = F.slice(roles, 2, F.greatest(F.size(roles), F.lit(1)))
    first_said = F.filter(roles, lambda role: role != "system")
    empty = F.exists("messages", lambda m: (m["role"] == "assistant") & ~m["content"].rlike(r"\S"))
    found = {
        "no answer": ~F.array_contains(roles, "assistant"),
        "an empty answer": empty,
        "a system message behind the first": F.array_contains(behind, "system"),
        "does not begin with the user": F.coalesce(F.get(first_said, 0) != "user", F.lit(True)),
        "does not end with an answer": F.element_at(roles, -1) != "assistant",
    }
    return F.array_compact(F.array(*(F.when(condition, name) for name, condition in found.items())))


def best_first() -> list[Column]:
    """Which of several near-copies survives: the later stage, then the longer answer, then the least name."""
    return [F.desc("stage"), F.desc("answer_bytes"), F.col("sample_id").asc()]


SFT = Corpus(
    name="sft",
    document="conversation",
    tables=sft_near,
    documents=sft_samples,
    text="text",
    occurrences=sft_samples,
    best_first=best_first,
    module=__name__,
)

job = Job(
    "sft.samples",
    about="distinct conversations",
    reads=(instructions, sft_synthetic),
    writes=(sft_samples,),
    params=SamplesParams,
    transform=samples,
    scope=("sample_id",),
    measures=instructions,
)
