"""Keep a recalled text or not, by rules held as data; every rule that is hit is recorded with its value and limit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from pydantic import Field, model_validator
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.decisions.hits import hit
from jobs.decontamination import rule as benchmarks
from jobs.dedup.rule import near_copy
from jobs.web.signals import web_signals
from jobs.web.tables import web_benchmarks, web_decisions, web_documents, web_near
from lakehouse.job import Inputs, Job, Params


class Limit(Params):
    """A text is hit when the signal is above or below the limit. A null signal never hits."""

    signal: str
    above: float | None = None
    below: float | None = None

    @model_validator(mode="after")
    def _is_one_comparison(self) -> Limit:
        if (self.above is None) == (self.below is None):
            raise ValueError("a rule needs exactly one of `above` and `below`")
        names = [name for name in web_signals.column_names if name != "content_id"]
        if self.signal not in names:
            raise ValueError(f"no signal {self.signal!r}; allowed: {', '.join(names)}")
        return self


class DecideParams(Params):
    rules: Mapping[str, Limit | None] = Field(description="limits by rule name; null turns a rule off")

    @property
    def rules_digest(self) -> str:
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()[:16]


def decide(inputs: Inputs, params: DecideParams) -> DataFrame:
    near = inputs[web_near.duplicates].select("content_id", "kept", "duplicate_of", "jaccard")
    rows = inputs[web_documents].select("content_id").join(near, "content_id", "left")
    rows = rows.join(benchmarks.worst(inputs[web_benchmarks.hits], "content_id"), "content_id", "left")
    measured = rows.join(inputs[web_signals], "content_id", "left")
    found = [
        near_copy(),
        benchmarks.found(),
    ]
    found += [_crossed(name, rule) for name, rule in sorted(params.rules.items()) if rule is not None]
    judged = measured.select("content_id", F.array_compact(F.array(*found)).alias("hits"))
    return judged.select(
        "content_id", (F.size("hits") == 0).alias("keep"), "hits", F.lit(params.rules_digest).alias("rules")
    )


def _crossed(name: str, rule: Limit) -> Column:
    value, limit = F.col(rule.signal), F.lit(rule.below if rule.above is None else rule.above)
    return hit(name, value < limit if rule.above is None else value > limit, value=value, limit=limit)


job = Job(
    "web.decide",
    about="keep or drop recalled texts, with every rule that was hit",
    reads=(web_documents, web_near.duplicates, web_benchmarks.hits, web_signals),
    writes=(web_decisions,),
    params=DecideParams,
    transform=decide,
    scope=("content_id",),
    measures=web_documents,
)
