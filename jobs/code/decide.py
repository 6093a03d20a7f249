"""Keep a content or not, by rules held as data. Every rule that is hit is recorded with its value and limit.

Four kinds of reasons meet here: what the file is (type, licence, readable or not, text that is not of code), whether it is a
near-duplicate, whether it holds an item of a benchmark, and its signals against limits. Nothing is measured: a new threshold is a join and a few
comparisons per row.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import Field, field_validator, model_validator
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.code.licence_rule import is_permitted
from jobs.code.released_signals import code_released_signals
from jobs.code.signals import code_signals
from jobs.code.tables import (
    code_benchmarks,
    code_decisions,
    code_duplicates,
    code_languages,
    code_licences,
    code_text_recall,
    distinct_files,
)
from jobs.decisions.hits import hit
from jobs.decisions.tables import HIT
from jobs.decontamination import rule as benchmarks
from jobs.dedup.rule import near_copy
from lakehouse.errors import nearest
from lakehouse.job import Inputs, Job, Params
from lakehouse.rules import RuleSet, values_of

# The tables that a rule set may compare, by what it calls them.
MEASURED = {"measured": code_signals, "released": code_released_signals}
_NOT_MEASURED = (
    "code.decide.rules compare the released signals, which were not measured: set code.released_signals.enabled=true, "
    "or use --profile opencoder, which sets both."
)


class DecideParams(Params):
    types: tuple[str, ...] = Field(description="types that may be kept")
    licences: tuple[str, ...] | None = Field(
        description="SPDX ids that may be kept; null allows all, also unknown licences"
    )
    rules: RuleSet = Field(description="rules by type and language; a name stands for the set of that name")

    @field_validator("rules", mode="before")
    @classmethod
    def _by_name(cls, given: Any) -> Any:
        return values_of(given) if isinstance(given, str) else given

    @model_validator(mode="after")
    def _knows_its_signals(self) -> DecideParams:
        known = MEASURED[self.rules.signals].column_names
        for signal in sorted(self.rules.signal_names - set(known)):
            raise ValueError(f"no signal {signal!r}; allowed: {', '.join(known[1:])}.{nearest(signal, known)}")
        return self

    @property
    def rules_digest(self) -> str:
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()[:16]


def decide(inputs: Inputs, params: DecideParams) -> DataFrame:
    licences = inputs[code_licences].select("content_id", F.col("expression").alias("licence"), "alternatives")
    files = inputs[distinct_files].select("content_id").join(licences, "content_id", "left")
    languages = inputs[code_languages].select("content_id", "language", "type", "unreadable")
    duplicates = inputs[code_duplicates].select("content_id", "kept", "duplicate_of", "jaccard")
    joined = files.join(languages, "content_id").join(duplicates, "content_id", "left")
    joined = joined.join(benchmarks.worst(inputs[code_benchmarks.hits], "content_id"), "content_id", "left")
    recall = inputs[code_text_recall].select("content_id", F.expr("named OR recalled").alias("of_code"), "score")
    joined = joined.join(recall, "content_id", "left")
    natural = inputs[code_signals].select(
        "content_id", F.col("natural_language").alias("written_in"), F.lit(True).alias("has_signals")
    )
    measured = inputs[MEASURED[params.rules.signals]].alias("measured")
    rows = joined.join(natural, "content_id", "left").join(measured, "content_id", "left")
    rows = rows.withColumn("rule_table", F.expr(params.rules.table_sql("type", "language", "written_in")))
    hits = F.array_compact(F.array(*_about_the_file(params), *_about_signals(params)))
    judged = rows.select("content_id", hits.alias("hits"))
    return judged.select(
        "content_id", (F.size("hits") == 0).alias("keep"), "hits", F.lit(params.rules_digest).alias("rules")
    )


def _about_the_file(params: DecideParams) -> list[Column]:
    kind = F.col("type")
    found = [
        hit("unreadable", F.col("unreadable").isNotNull(), detail=F.col("unreadable")),
        hit("file_type", ~kind.isin(*params.types), detail=F.concat(kind, F.lit(": "), F.col("language"))),
        hit("text_not_of_code", ~F.coalesce("of_code", F.lit(True)), value=F.col("score")),
        near_copy(),
        benchmarks.found(),
    ]
    if params.licences is not None:
        allowed = is_permitted(F.col("alternatives"), params.licences)
        found.append(hit("licence", ~allowed, detail=F.coalesce("licence", F.lit("unknown"))))
    return found


def _about_signals(params: DecideParams) -> list[Column]:
    found = []
    if params.rules.signals == "released":
        # A rule that reads nothing never hits: without this check a set without its signals would keep everything.
        lacking = F.col("has_signals") & F.col("measured.failures").isNull()
        found.append(F.when(lacking, F.raise_error(F.lit(_NOT_MEASURED)).cast(HIT)))
    for rule, condition, value, limit in params.rules.hits_sql("rule_table", "measured", "content_id"):
        found.append(hit(rule, F.expr(condition), value=F.expr(value), limit=F.expr(limit)))
    return found


job = Job(
    "code.decide",
    about="keep or drop, with every rule that was hit",
    reads=(
        distinct_files,
        code_languages,
        code_licences,
        code_duplicates,
        code_benchmarks.hits,
        code_text_recall,
        code_signals,
        code_released_signals,
    ),
    writes=(code_decisions,),
    params=DecideParams,
    transform=decide,
    scope=("content_id",),
    measures=distinct_files,
)
