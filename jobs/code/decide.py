"""Keep a content or not, by rules held as data. Every rule that is hit is recorded with its value and limit.

Four kinds of reasons meet here: what the file is (type, licence, readable or not), whether it is a near-duplicate, and
its signals against limits. Nothing is measured: a new threshold is a join and a few comparisons per row.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Literal

from pydantic import Field, model_validator
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.code.signals import code_signals
from jobs.code.tables import code_decisions, code_duplicates, code_languages, distinct_files
from jobs.kernels.signals import SIGNALS
from lakehouse.job import Inputs, Job, Params

HIT = "struct<rule:string,value:double,limit:double,detail:string>"


class Rule(Params):
    """A content is hit when the signal is above or below the limit. A null signal never hits."""

    signal: str
    above: float | None = None
    below: float | None = None
    types: tuple[Literal["code", "data", "text"], ...] = Field(description="the types that the rule applies to")

    @model_validator(mode="after")
    def _is_one_comparison(self) -> Rule:
        if (self.above is None) == (self.below is None):
            raise ValueError("a rule needs exactly one of `above` and `below`")
        if self.signal not in {signal.name for signal in SIGNALS}:
            raise ValueError(f"no signal {self.signal!r}; allowed: {', '.join(s.name for s in SIGNALS)}")
        return self


class DecideParams(Params):
    types: tuple[str, ...] = Field(description="types that may be kept")
    licences: tuple[str, ...] | None = Field(
        description="licences that may be kept; null allows all, also unknown ones"
    )
    rules: Mapping[str, Rule | None] = Field(description="limits by rule name; null turns a rule off")

    @property
    def rules_digest(self) -> str:
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()[:16]


def decide(inputs: Inputs, params: DecideParams) -> DataFrame:
    files = inputs[distinct_files].select("content_id", "licence")
    languages = inputs[code_languages].select("content_id", "language", "type", "unreadable")
    duplicates = inputs[code_duplicates].select("content_id", "kept", "duplicate_of", "jaccard")
    joined = files.join(languages, "content_id").join(duplicates, "content_id", "left")
    rows = joined.join(inputs[code_signals], "content_id", "left")
    hits = F.array_compact(F.array(*_about_the_file(params), *_about_signals(params)))
    judged = rows.select("content_id", hits.alias("hits"))
    return judged.select(
        "content_id", (F.size("hits") == 0).alias("keep"), "hits", F.lit(params.rules_digest).alias("rules")
    )


def _about_the_file(params: DecideParams) -> list[Column]:
    kind = F.col("type")
    found = [
        _hit("unreadable", F.col("unreadable").isNotNull(), detail=F.col("unreadable")),
        _hit("file_type", ~kind.isin(*params.types), detail=F.concat(kind, F.lit(": "), F.col("language"))),
        _hit(
            "near_duplicate",
            ~F.coalesce("kept", F.lit(True)),
            value=F.col("jaccard"),
            detail=F.concat(F.lit("of "), F.col("duplicate_of")),
        ),
    ]
    if params.licences is not None:
        allowed = F.coalesce(F.col("licence").isin(*params.licences), F.lit(False))
        found.append(_hit("licence", ~allowed, detail=F.coalesce("licence", F.lit("unknown"))))
    return found


def _about_signals(params: DecideParams) -> list[Column]:
    found = []
    for name, rule in sorted(params.rules.items()):
        if rule is None:
            continue
        value = F.col(rule.signal).cast("double")
        limit = F.lit(rule.below if rule.above is None else rule.above)
        trips = value < limit if rule.above is None else value > limit
        found.append(_hit(name, trips & F.col("type").isin(*rule.types), value=value, limit=limit))
    return found


def _hit(
    rule: str, trips: Column, *, value: Column | None = None, limit: Column | None = None, detail: Column | None = None
) -> Column:
    nothing = F.lit(None)
    said = F.struct(
        F.lit(rule).alias("rule"),
        (nothing if value is None else value).cast("double").alias("value"),
        (nothing if limit is None else limit).cast("double").alias("limit"),
        (nothing if detail is None else detail).cast("string").alias("detail"),
    )
    return F.when(trips, said).cast(HIT)


job = Job(
    "code.decide",
    about="keep or drop, with every rule that was hit",
    reads=(distinct_files, code_languages, code_duplicates, code_signals),
    writes=(code_decisions,),
    params=DecideParams,
    transform=decide,
    scope=("content_id",),
    measures=distinct_files,
)
