"""Seeds: documents of gold, or rows of open sets, after which samples are written, chosen per kind by a seeded hash.

A seed's row carries everything that shapes its requests, so that whatever is made of it later follows from the row: a
changed prompt makes the seeds of its kind changed rows, and no other.

Personal data and secrets leave a row of an open set before a teacher sees it. What is only repacked stays as it is.

A kind that is not configured keeps the seeds it has, but for documents that are gone: a build without its profile must
not throw away answers that were paid for. `seeds: 0` takes a kind's seeds, and what grew from them, away.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, partial, reduce
from typing import Any

import pyarrow as pa
import yaml
from pydantic import Field, field_validator, model_validator
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from jobs.code.arrow import Rows, map_rows
from jobs.corpus.tables import pretrain
from jobs.kernels.pii import Redactor
from jobs.sft.tables import FACTS
from jobs.synthesis.kinds import KINDS, Settings
from jobs.synthesis.prompts import Template
from jobs.synthesis.tables import algorithmic, open_rows, synthesis_seeds
from lakehouse.config import conf_dir
from lakehouse.errors import nearest
from lakehouse.job import Inputs, Job, Params


class KindParams(Params):
    """Which documents one kind grows from, and what is asked of which model. A kind that asks nothing needs no model."""

    seeds: int = Field(ge=0, description="documents to write samples after")
    samples: int = Field(1, ge=1, description="samples of each seed")
    model: str = Field("", description="the teacher's model, as the teacher calls it")
    parameters: Mapping[str, Any] = Field({}, description="of the request, such as max_tokens and temperature")
    prompts: Mapping[str, Template] = Field({}, description="a template for each prompt of the kind")
    options: Mapping[str, Any] = Field(description="what else the kind needs to know")
    accepted: int | None = Field(
        None, ge=1, description="no further seed is asked for once so many samples are accepted; null asks for all"
    )
    re_asks: int = Field(0, ge=0, description="how often an answer against the schema is asked for again")
    corpora: tuple[str, ...] = Field(("code",), description="corpora of gold.pretrain")
    open_sets: tuple[str, ...] = Field(
        (), description="names of synthesis.ingest.sources, for kinds that grow from such"
    )
    languages: Mapping[str, float] | None = Field(
        None, description="parts by language, met to one document while there are enough; null takes all as they come"
    )
    licences: tuple[str, ...] | None = Field(
        None, description="SPDX expressions of seeds; null takes all, also unknown"
    )
    algorithmic: bool = Field(False, description="only documents that silver.algorithmic takes")
    least_bytes: int = Field(1, ge=1)
    most_bytes: int = Field(20_000, ge=1, description="a longer document is no seed: it is never cut")

    @field_validator("languages")
    @classmethod
    def _has_parts(cls, languages: Mapping[str, float] | None) -> Mapping[str, float] | None:
        if languages is not None and (not languages or min(languages.values()) < 0 or sum(languages.values()) <= 0):
            raise ValueError("parts by language must be numbers from 0 on, and not all 0")
        return languages

    @property
    def canonical_settings(self) -> str:
        """What the seeds' rows carry."""
        carried = {"samples", "accepted", "model", "parameters", "prompts", "options", "re_asks"}
        return json.dumps(self.model_dump(include=carried, mode="json"), sort_keys=True)


class SeedsParams(Params):
    seed: int = Field(ge=0)
    pii: dict[str, Any] = Field(description="patterns, validators and placeholders, for rows of open sets")
    kinds: Mapping[str, KindParams] = Field(description="kinds of samples by name; none asks for nothing")

    @model_validator(mode="after")
    def _fit_their_kinds(self) -> SeedsParams:
        for name, params in self.kinds.items():
            if name not in KINDS:
                raise ValueError(f"no kind {name!r}; allowed: {', '.join(KINDS)}.{nearest(name, KINDS)}")
            _same_names(f"{name}: prompts", params.prompts, KINDS[name].prompts)
            _same_names(f"{name}: options", params.options, tuple(KINDS[name].options))
            for prompt, template in params.prompts.items():
                _same_names(f"{name}: slots of the prompt {prompt}", template.slots, slots_of(prompt))
            _has_material(name, params)
            if KINDS[name].prompts:
                _can_be_asked(name, params)
            if wrong := KINDS[name].wrong(params.options):
                raise ValueError(f"{name}: {wrong}")
        return self


def _has_material(name: str, params: KindParams) -> None:
    if KINDS[name].open_sets != bool(params.open_sets):
        said = "needs `open_sets`: it grows" if KINDS[name].open_sets else "takes no `open_sets`: it grows"
        where = "rows of synthesis.ingest.sources" if KINDS[name].open_sets else "documents of gold.pretrain"
        raise ValueError(f"{name} {said} from {where}")


def _can_be_asked(name: str, params: KindParams) -> None:
    if not params.model:
        raise ValueError(f"{name} needs a `model` to ask")
    most = params.parameters.get("max_tokens")
    if not isinstance(most, int) or most < 1:
        raise ValueError(f"{name}: max_tokens must be a number of tokens: without it no request has a greatest price")


def _same_names(what: str, given: Any, needed: tuple[str, ...]) -> None:
    missing, extra = sorted(set(needed) - set(given)), sorted(set(given) - set(needed))
    if missing or extra:
        raise ValueError(f"{what} must be {', '.join(needed) or 'none'}; missing {missing}, unknown {extra}")


@cache
def slots_of(prompt: str) -> tuple[str, ...]:
    """The slots that a kind fills in this prompt: those of the template that comes with codelake."""
    said = yaml.safe_load((conf_dir() / "prompts" / f"{prompt}.yaml").read_text("utf-8"))
    return Template.model_validate(said).slots


@dataclass(frozen=True)
class Asked:
    """What a seed's row asks for: samples of each seed, accepted ones of the kind at which to stop, settings of one."""

    samples: int
    accepted: int | None
    settings: Settings


@lru_cache
def asked(canonical: str, sample: int = 0) -> Asked:
    """The settings of a seed's row."""
    said = json.loads(canonical)
    prompts = {name: Template.model_validate(template) for name, template in said["prompts"].items()}
    settings = Settings(said["model"], said["parameters"], prompts, sample, said["re_asks"], said["options"])
    return Asked(said["samples"], said["accepted"], settings)


def quotas(count: int, parts: Mapping[str, float]) -> dict[str, int]:
    """`count` shared out by largest remainders; equal ones go to the lesser name."""
    total = sum(parts.values())
    exact = {name: count * part / total for name, part in parts.items()}
    found = {name: int(value) for name, value in exact.items()}
    by_rest = sorted(parts, key=lambda name: (found[name] - exact[name], name))
    for name in by_rest[: count - sum(found.values())]:
        found[name] += 1
    return found


def seeds(inputs: Inputs, params: SeedsParams) -> DataFrame:
    documents = inputs[pretrain]
    taken = inputs[algorithmic].where("taken").select("doc_id")
    chosen = []
    for name, kind in sorted(params.kinds.items()):
        if kind.seeds and kind.open_sets:
            found = _seeds_of(name, kind, _of_open_sets(inputs[open_rows], kind.open_sets), params.seed)
            chosen.append(_without_pii(found, Redactor.load(params.pii)) if KINDS[name].prompts else found)
        elif kind.seeds:
            fitting = documents.join(taken, "doc_id", "left_semi") if kind.algorithmic else documents
            chosen.append(_seeds_of(name, kind, fitting.where(F.col("corpus").isin(*kind.corpora)), params.seed))
    others = inputs.before(synthesis_seeds).where(~F.col("kind").isin(*params.kinds) if params.kinds else F.lit(True))
    here = documents.select(F.col("doc_id").alias("content_id")).union(inputs[open_rows].select("content_id"))
    kept = others.join(here, "content_id", "left_semi")
    return reduce(DataFrame.unionByName, chosen, kept.select(*synthesis_seeds.column_names))


def _of_open_sets(rows: DataFrame, names: Sequence[str]) -> DataFrame:
    """Distinct rows of these sets in the columns of documents; of several that say the same the first in place stands."""
    copies = Window.partitionBy("content_id").orderBy("file", "place")
    first = rows.where(F.col("source").isin(*names)).withColumn("nth", F.row_number().over(copies)).where("nth = 1")
    said = F.to_json(F.struct("source", "language", *(column.name for column in FACTS), "messages"))
    return first.select(
        F.col("content_id").alias("doc_id"),
        F.lit("open").alias("corpus"),
        "source",
        F.col("source").alias("repo"),
        F.concat_ws(":", "file", F.col("place").cast("string")).alias("path"),
        "language",
        "licence",
        F.octet_length(said).cast("bigint").alias("bytes"),
        said.alias("text"),
    )


def _without_pii(seeds: DataFrame, redactor: Redactor) -> DataFrame:
    columns = {column.name: column.type for column in synthesis_seeds.columns}
    return map_rows(seeds, columns, partial(_redacted, redactor=redactor))


def _redacted(batches: Iterator[pa.RecordBatch], redactor: Redactor) -> Rows:
    for batch in batches:
        for row in batch.to_pylist():
            said = json.loads(row["text"])
            for message in said["messages"]:
                message["content"] = redactor.redact(message["content"]).text
            text = json.dumps(said, ensure_ascii=False)
            yield row | {"text": text, "bytes": len(text.encode())}


def _seeds_of(name: str, kind: KindParams, documents: DataFrame, seed: int) -> DataFrame:
    fitting = documents.where(_fits(kind))
    # Ids first: the texts of all that fits are not put in order for the few that are taken.
    ranked = fitting.select("doc_id", "language", F.xxhash64("doc_id", F.lit(f"{name} {seed}")).alias("rank"))
    parts: dict[str | None, int] = {None: kind.seeds}
    if kind.languages is not None:
        parts = dict(quotas(kind.seeds, kind.languages).items())
    first = [
        (ranked if language is None else ranked.where(F.col("language") == language))
        .orderBy("rank", "doc_id")
        .limit(count)
        for language, count in parts.items()
    ]
    ids = reduce(DataFrame.unionByName, first).select("doc_id", "rank")
    rows = documents.join(F.broadcast(ids), "doc_id").withColumns(
        {
            "seed_id": F.sha2(F.concat(F.lit(f"{name}:"), F.col("doc_id")), 256),
            "kind": F.lit(name),
            "content_id": F.col("doc_id"),
            "seed_licence": F.col("licence"),
            "settings": F.lit(kind.canonical_settings),
        }
    )
    return rows.select(*synthesis_seeds.column_names)


def _fits(kind: KindParams) -> Column:
    fits = F.col("bytes").between(kind.least_bytes, kind.most_bytes)
    if kind.languages is not None:
        fits &= F.col("language").isin(*kind.languages)
    if kind.licences is not None:
        fits &= F.coalesce(F.col("licence").isin(*kind.licences), F.lit(False))
    return fits


def without_kinds(params: SeedsParams) -> str | None:
    return (
        None
        if params.kinds
        else "not asked for: name kinds of samples in synthesis.seeds.kinds, or use --profile synthesis"
    )


job = Job(
    "synthesis.seeds",
    about="documents and rows of open sets after which samples are written",
    reads=(pretrain, algorithmic, open_rows),
    writes=(synthesis_seeds,),
    params=SeedsParams,
    transform=seeds,
    idle=without_kinds,
    cleans=True,
)
