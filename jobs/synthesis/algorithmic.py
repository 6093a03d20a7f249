"""The algorithmic corpus: documents of gold in which one of a list of keywords is found, of those a seeded share.

The paper names three keywords ("leetcode", "def solution", "class solution") and says that they are not all, and a
"certain proportion", so both are data. Cost: a scan for each keyword; no Python worker.
"""

from __future__ import annotations

from pydantic import Field, field_validator
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.corpus.tables import pretrain
from jobs.synthesis.tables import algorithmic as table
from lakehouse.job import Inputs, Job, Params

_PARTS = 1_000_000


class AlgorithmicParams(Params):
    keywords: tuple[str, ...] = Field(description="a document that holds one of these is chosen; none chooses nothing")
    ignore_case: bool = Field(description="whether A and a are the same")
    languages: tuple[str, ...] | None = Field(description="languages to look at; null for all")
    share: float = Field(ge=0, le=1, description="share of the chosen documents that is taken")
    seed: int = Field(ge=0, description="of the share")

    @field_validator("keywords")
    @classmethod
    def _are_words(cls, keywords: tuple[str, ...]) -> tuple[str, ...]:
        if "" in keywords:
            raise ValueError("an empty keyword is in every document; take it away")
        return keywords


def algorithmic(inputs: Inputs, params: AlgorithmicParams) -> DataFrame:
    if not params.keywords:  # what was chosen stays, but for documents that are gone
        return inputs.before(table).join(inputs[pretrain].select("doc_id"), "doc_id", "left_semi")
    code = inputs[pretrain].where("corpus = 'code'")
    if params.languages is not None:
        code = code.where(F.col("language").isin(*params.languages))
    found = code.withColumn("keywords", _found(params)).where(F.size("keywords") > 0)
    drawn = F.pmod(F.xxhash64("doc_id", F.lit(params.seed)), F.lit(_PARTS)) < round(params.share * _PARTS)
    return found.withColumn("taken", drawn).select(*table.column_names)


def _found(params: AlgorithmicParams) -> Column:
    text = F.lower("text") if params.ignore_case else F.col("text")
    return F.array_compact(
        F.array(
            *(
                F.when(F.contains(text, F.lit(k.lower() if params.ignore_case else k)), F.lit(k))
                for k in params.keywords
            )
        )
    )


def without_keywords(params: AlgorithmicParams) -> str | None:
    return None if params.keywords else "not asked for: name keywords in synthesis.algorithmic.keywords"


job = Job(
    "synthesis.algorithmic",
    about="documents that hold a keyword of algorithmic code",
    reads=(pretrain,),
    writes=(table,),
    params=AlgorithmicParams,
    transform=algorithmic,
    scope=("doc_id",),
    measures=pretrain,
    idle=without_keywords,
    cleans=True,
)
