"""Recall, round by round: train on a seed, score every page, look at domains, let URL labels correct the next seed.

    seed 1 -> model 1 -> scores 1 -> domains 1 -+-> seed 2 -> model 2 -> ...
    labels ...........................URL labels +

A round follows from the tables of the one before and from labels: nothing else is carried along, so each can be made
again. Half of the held-out pages choose its threshold, precision and recall are counted on the other half. Rounds end
after `rounds`, when one gains less than `least_gain`, or when no URL label corrects anything.

Cost is proportional to what changed: a classifier whose pages, labels and settings are those of a stored one is not
trained again, a page whose text that classifier has scored is not scored again. Each phase is held, so a run that was
killed goes on behind the last phase that it finished.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Any

import pyarrow as pa
from pydantic import Field, model_validator
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.code.arrow import Rows, map_rows
from jobs.kernels.estimates import best_threshold, curve, precision_recall
from jobs.kernels.page_classifier import Settings, model_id, train
from jobs.kernels.url_patterns import Pattern, Patterns
from jobs.web import seeds
from jobs.web.models import classifier
from jobs.web.tables import (
    url_labels,
    web_domains,
    web_labels,
    web_models,
    web_recalled,
    web_rounds,
    web_scores,
    web_seeds,
    web_text,
)  # fmt: skip
from lakehouse.job import Inputs, Job, Output, Params
from lakehouse.table import Table

MAX_MODEL_BYTES = 110_000_000  # Spark sends at most 128 MiB with a task


class ClassifierParams(Params):
    pieces: int = Field(ge=257, description="size of the BPE vocabulary")
    sample: int = Field(ge=1, description="pages of the seed that the BPE is learned from")
    characters: int = Field(ge=1, description="of a page's beginning, in training and in scoring")
    dimensions: int = Field(ge=1)
    epochs: int = Field(ge=1, description="times that every page of the seed is read, at least")
    least_updates: int = Field(ge=0, description="pages read in training, at least: a small seed is read more often")
    learning_rate: float = Field(gt=0)
    ngrams: int = Field(ge=1, description="longest run of pieces that is a feature")
    least_count: int = Field(ge=1, description="a piece that is rarer in the seed is no feature")
    buckets: int = Field(
        ge=1, description="of hashed runs of pieces; 4 * dimensions bytes each, in the model and in memory"
    )
    seed: int = Field(ge=0)

    @model_validator(mode="after")
    def _fits_a_task(self) -> ClassifierParams:
        size = 4 * self.dimensions * (self.pieces + self.buckets)
        if size > MAX_MODEL_BYTES:
            raise ValueError(
                f"a model of up to {size:,} bytes (4 * dimensions * (pieces + buckets)), allowed are {MAX_MODEL_BYTES:,}:"
                " one task carries it, and every worker loads it"
            )
        return self

    @property
    def settings(self) -> Settings:
        return Settings(**self.model_dump(exclude={"sample"}))


class RecallParams(Params):
    topics: tuple[str, ...] = Field(description="what to look for; each is a loop of its own")
    rounds: int = Field(ge=1, description="most rounds")
    threshold: float = Field(ge=0, lt=1, description="a page with a higher score is recalled, where nothing tunes this")
    least_precision: float | None = Field(
        ge=0,
        le=1,
        description="a round tunes its threshold: the one of best F1 by which so many of half the held-out pages are wanted;"
        " null: never",
    )
    least_threshold: float = Field(ge=0, lt=1, description="a tuned threshold is not less")
    domain_share: float = Field(ge=0, lt=1, description="a domain with a higher share of recalled pages is related")
    least_pages: int = Field(ge=1, description="pages that a domain must have to be related")
    least_gain: float = Field(ge=0, description="share of new pages among recalled ones below which rounds end")
    seed_pages: int = Field(ge=1, description="most labelled pages of each kind in a seed")
    no_per_yes: float = Field(ge=0, description="unwanted pages per wanted one, filled up from the round before")
    classifier: ClassifierParams


@dataclass(frozen=True)
class Round:
    """The rows of one round, and what the next one asks of it."""

    seed: DataFrame
    model: DataFrame
    scores: DataFrame
    threshold: float
    domains: DataFrame
    recalled: DataFrame
    report: dict[str, Any]


@dataclass(frozen=True)
class Limit:
    """The threshold of a round, how it came about, and on how many held-out pages."""

    threshold: float
    by: str
    tuned_on: int


def recall(inputs: Inputs, params: RecallParams) -> Mapping[Table, DataFrame | Output]:
    loops = [Loop(inputs, params, topic) for topic in params.topics]
    ended = [(loop, loop.run()) for loop in loops]
    rounds = [(loop, n, found) for loop, all_of in ended for n, found in enumerate(all_of, start=1)]

    def gathered(table: Table, part: Callable[[Round], DataFrame]) -> DataFrame:
        keyed = [_keyed(part(found), loop.topic, n).select(*table.column_names) for loop, n, found in rounds]
        return reduce(DataFrame.unionByName, keyed) if keyed else _none(inputs, table)

    final = [loop.result(all_of) for loop, all_of in ended if all_of]
    reports = [row for loop, all_of in ended for row in loop.reports(all_of)]
    return {
        web_seeds: gathered(web_seeds, lambda found: found.seed),
        web_models: gathered(web_models, lambda found: found.model),
        web_scores: gathered(web_scores, lambda found: found.scores),
        web_domains: gathered(web_domains, lambda found: found.domains),
        web_recalled: reduce(DataFrame.unionByName, final) if final else _none(inputs, web_recalled),
        web_rounds: inputs.spark.createDataFrame(
            [tuple(row[name] for name in web_rounds.column_names) for row in reports], web_rounds.spark_schema
        ),
    }


def _none(inputs: Inputs, table: Table) -> DataFrame:
    return inputs.spark.createDataFrame([], table.spark_schema)


def _keyed(rows: DataFrame, topic: str, number: int) -> DataFrame:
    return rows.withColumns({"topic": F.lit(topic), "round": F.lit(number)})


class Loop:
    """The rounds of one topic."""

    def __init__(self, inputs: Inputs, params: RecallParams, topic: str) -> None:
        self.inputs, self.params, self.topic = inputs, params, topic
        self.pages = inputs[web_text].where("bytes > 0")
        self.labels = inputs[web_labels].where(F.col("topic") == topic)
        patterns = inputs[url_labels].where(F.col("topic") == topic).select("pattern", "label").orderBy("pattern")
        self.patterns = [(row["pattern"], row["label"]) for row in patterns.collect()]

    def run(self) -> list[Round]:
        """All rounds, in order; none where the labels are not of both kinds."""
        self.matched = self._held("matched", lambda: matched(self.pages, self.patterns))
        found: list[Round] = []
        while True:
            before = found[-1] if found else None
            n = len(found) + 1
            seed = self._held(f"seed-{n}", partial(self.seed, before))
            kinds = {row["label"]: row["count"] for row in seed.groupBy("label").count().collect()}
            if not (kinds.get(True) and kinds.get(False)):
                self.kinds = kinds
                return found
            made = self.round(n, seed, before, kinds)
            found.append(made)
            if made.report["ended"]:
                return found

    def seed(self, before: Round | None) -> DataFrame:
        """The seed of a round, from the one before (None for the first), with the text that each page has."""
        labelled = seeds.labelled(self.labels, self.params.seed_pages)
        parts = [labelled]
        if before is not None:
            earlier = before.seed.where("why = 'url'").select("page_id", "label", "why")
            parts += [earlier, self.wrong(before)]
        known = seeds.union(*parts)
        more = seeds.unwanted(
            known,
            self.pages.select("page_id", "domain"),
            self.labels,
            self.matched,
            before,
            per_yes=self.params.no_per_yes,
            hash_seed=self.params.classifier.seed,
        )
        return seeds.union(known, more).join(self.pages.select("page_id", "text_id"), "page_id")

    def wrong(self, made: Round) -> DataFrame:
        """Pages of a round that a URL label corrects, held-out ones apart."""
        found = seeds.corrected(self.matched, made.scores, made.domains, made.threshold)
        return found.join(self.labels.where("held_out").select("page_id").distinct(), "page_id", "left_anti")

    def round(self, n: int, seed: DataFrame, before: Round | None, kinds: Mapping[bool, int]) -> Round:
        model = self._held(f"model-{n}", lambda: self.model(seed))
        (row,) = model.select("model_id").collect()
        scores = self._held(f"scores-{n}", lambda: self.scores(n, model, row["model_id"]))
        limit = self.limit(scores)
        domains = self._held(f"domains-{n}", lambda: self.domains(scores, limit.threshold))
        recalled = scores.where(F.col("score") > limit.threshold).select("page_id", "score")
        made = Round(seed, model, scores, limit.threshold, domains, recalled, {})
        return replace(made, report=self.report(n, row["model_id"], kinds, made, before, limit))

    def model(self, seed: DataFrame) -> DataFrame:
        """The classifier of this seed: a stored one that was trained on just this, else a new one. One row."""
        settings = self.params.classifier
        order = F.xxhash64("page_id", F.lit(settings.seed))
        # The pieces are learned from the seed too: from all pages, any new page would make another model.
        sample = seed.orderBy(order, "page_id").limit(settings.sample).select("page_id")
        said = [json.dumps(settings.model_dump(), sort_keys=True)]
        said += [f"{row[0]}\t{row[1]}" for row in seed.orderBy("page_id").select("text_id", "label").toLocalIterator()]
        training_id = hashlib.sha256("\n".join(said).encode()).hexdigest()
        columns = [name for name in web_models.column_names if name not in ("topic", "round")]
        stored = self.inputs.current(web_models).where(F.col("training_id") == training_id).select(*columns).limit(1)
        if not stored.isEmpty():
            return stored
        texts = seed.join(self.pages.select("page_id", "text"), "page_id").orderBy("page_id").select("label", "text")
        some = sample.join(self.pages.select("page_id", "text"), "page_id").orderBy("page_id").select("text")
        made = train(
            (row["text"] for row in some.toLocalIterator()),
            ((row["label"], row["text"]) for row in texts.toLocalIterator()),
            settings.settings,
        )
        row = (model_id(made), training_id, said[0], made)
        return self.inputs.spark.createDataFrame(
            [row], "model_id string, training_id string, settings string, model binary"
        )

    def scores(self, n: int, model: DataFrame, name: str) -> DataFrame:
        """The score of every page by this model; pages that it has scored are not scored again."""
        pages = self.pages.select("page_id", "text_id", "text")
        earlier = self.inputs.current(web_scores).where(
            (F.col("topic") == self.topic) & (F.col("round") == n) & (F.col("model_id") == name)
        )
        known = earlier.join(pages.select("page_id", "text_id"), ["page_id", "text_id"], "left_semi")
        new = pages.join(known.select("page_id"), "page_id", "left_anti")
        scored = map_rows(
            new,
            {"page_id": "string", "text_id": "string", "score": "double"},
            partial(_scored, files=tuple(sorted(model.inputFiles())), name=name),
        )
        both = known.select("page_id", "text_id", "score").unionByName(scored)
        return both.withColumn("model_id", F.lit(name))

    def limit(self, scores: DataFrame) -> Limit:
        """Of the thresholds that are as precise as asked for the best, by pages held out for this; else the configured one."""
        given, precision = self.params.threshold, self.params.least_precision
        if precision is None:
            return Limit(given, "given", 0)
        apart = self._apart(scores, measured=False)
        if not apart:
            return Limit(given, "given", 0)
        found = best_threshold(apart, precision, self.params.least_threshold)
        return Limit(given, "unmet", len(apart)) if found is None else Limit(found, "tuned", len(apart))

    def _apart(self, scores: DataFrame, *, measured: bool) -> list[tuple[float, bool]]:
        """Score and label of the held-out pages: of those that figures are counted on, or that choose the threshold."""
        held_out = self.labels.where("in_force AND held_out").select("page_id", "label")
        if self.params.least_precision is not None:
            half = F.pmod(F.xxhash64("page_id", F.lit("threshold"), F.lit(self.params.classifier.seed)), F.lit(2))
            held_out = held_out.where(half == int(measured))
        found = held_out.join(scores.select("page_id", "score"), "page_id").select("score", "label").collect()
        return [(row["score"], row["label"]) for row in found]

    def domains(self, scores: DataFrame, threshold: float) -> DataFrame:
        """Pages, recalled pages and share per domain; the limit itself is out."""
        recalled = F.col("score") > threshold
        rows = scores.join(self.pages.select("page_id", "domain", "bytes"), "page_id").where("domain <> ''")
        wanted = self.matched.where("label").select("page_id", F.lit(True).alias("wanted"))
        counted = (
            rows.join(wanted, "page_id", "left")
            .groupBy("domain")
            .agg(
                F.count("*").alias("pages"),
                F.sum("bytes").alias("bytes"),
                F.count_if(recalled).alias("recalled"),
                F.count_if(F.col("wanted") & ~recalled).alias("missed"),
            )
        )
        share = F.col("recalled") / F.col("pages")
        related = (share > self.params.domain_share) & (F.col("pages") >= self.params.least_pages)
        return counted.withColumns({"share": share, "related": related})

    def report(
        self, n: int, name: str, kinds: Mapping[bool, int], made: Round, before: Round | None, limit: Limit
    ) -> dict[str, Any]:
        pages, domains = self._counts(made, before), made.domains
        related = domains.where("related").select("domain")
        old = related.limit(0) if before is None else before.domains.where("related").select("domain")
        (gained_domains,) = related.join(old, "domain", "left_anti").agg(F.count("*")).collect()[0]
        (count, missed) = domains.agg(F.count_if("related"), F.coalesce(F.sum("missed"), F.lit(0))).collect()[0]
        held = self._apart(made.scores, measured=True)
        precision, found = precision_recall(held, limit.threshold)
        return {
            "topic": self.topic,
            "round": n,
            "model_id": name,
            "seed_yes": kinds[True],
            "seed_no": kinds[False],
            **pages,
            "domains": count,
            "gained_domains": gained_domains,
            "missed": missed,
            "held_out": len(held),
            "threshold": limit.threshold,
            "threshold_by": limit.by,
            "tuned_on": limit.tuned_on,
            **{f"precision{end}": value for end, value in _ends(precision)},
            **{f"recall{end}": value for end, value in _ends(found)},
            "curve": curve(held),
            "ended": self._why_end(n, pages, made, before),
        }

    def _counts(self, made: Round, before: Round | None) -> dict[str, int]:
        sized = made.scores.join(self.pages.select("page_id", "bytes"), "page_id")
        earlier = sized.select("page_id").limit(0) if before is None else before.recalled.select("page_id")
        marked = sized.join(earlier.withColumn("old", F.lit(True)), "page_id", "left")
        hit = F.col("score") > made.threshold
        new = hit & F.col("old").isNull()
        (row,) = marked.agg(
            F.count("*").alias("pages"),
            F.count_if(hit).alias("recalled"),
            F.coalesce(F.sum(F.when(hit, F.col("bytes"))), F.lit(0)).alias("bytes"),
            F.count_if(new).alias("gained"),
            F.coalesce(F.sum(F.when(new, F.col("bytes"))), F.lit(0)).alias("gained_bytes"),
        ).collect()
        return dict(row.asDict())

    def _why_end(self, n: int, pages: Mapping[str, int], made: Round, before: Round | None) -> str | None:
        if n >= self.params.rounds:
            return f"round {n} of {self.params.rounds} (rounds)"
        gain = pages["gained"] / max(1, pages["recalled"])
        if before is not None and gain < self.params.least_gain:
            return f"it gained {gain:.4f} of what it recalled, less than {self.params.least_gain} (least_gain)"
        known = made.seed.select("page_id", "label")
        if self.wrong(made).join(known, ["page_id", "label"], "left_anti").isEmpty():
            return "no URL label corrects it: the next seed would learn nothing new"
        return None

    def result(self, rounds: list[Round]) -> DataFrame:
        """What the last round recalls, and what is wanted by its URL in related domains; never what a URL label refuses."""
        last = rounds[-1]
        rows = (
            last.scores.select("page_id", "score")
            .join(self.pages.select("page_id", "domain"), "page_id")
            .join(self.matched.select("page_id", "label", "pattern"), "page_id", "left")
        )
        related = last.domains.where("related").select("domain", F.lit(True).alias("related"))
        hit = F.col("score") > last.threshold
        by_url = F.col("label") & F.col("related")
        refused = F.coalesce(~F.col("label"), F.lit(False))
        kept = rows.join(related, "domain", "left").where(~refused & (hit | F.coalesce(by_url, F.lit(False))))
        how = F.when(hit, "classifier").otherwise("url").alias("how")
        ended = kept.select("page_id", "score", how, "pattern")
        return _keyed(ended, self.topic, len(rounds)).select(*web_recalled.column_names)

    def reports(self, rounds: list[Round]) -> list[dict[str, Any]]:
        """One row per round; one that says why, where there was none."""
        if rounds:
            return [found.report for found in rounds]
        empty = dict.fromkeys(web_rounds.column_names)
        numbers = (
            "recalled", "bytes", "gained", "gained_bytes", "domains", "gained_domains", "missed", "held_out", "tuned_on",
        )  # fmt: skip
        yes, no = self.kinds.get(True, 0), self.kinds.get(False, 0)
        said = f"{yes} pages labelled yes and {no} labelled no: label some (web.label.rules, web.annotations.files)"
        return [
            empty
            | dict.fromkeys(numbers, 0)
            | {"topic": self.topic, "round": 1, "seed_yes": yes, "seed_no": no, "pages": self.pages.count()}
            | {"threshold": self.params.threshold, "threshold_by": "given", "curve": [], "ended": said}
        ]

    def _held(self, name: str, rows: Callable[[], DataFrame]) -> DataFrame:
        return self.inputs.hold(f"{self.topic}-{name}", rows)


def _ends(estimate: Any) -> tuple[tuple[str, float | None], ...]:
    return (("", estimate.value), ("_low", estimate.low), ("_high", estimate.high))


def matched(pages: DataFrame, patterns: list[tuple[str, bool]]) -> DataFrame:
    """Pages that a URL label is about: page_id, domain, label and the longest pattern that fits."""
    columns = {"page_id": "string", "domain": "string", "label": "boolean", "pattern": "string"}
    return map_rows(pages.select("page_id", "domain", "url"), columns, partial(_matched, patterns=patterns))


def _matched(batches: Iterator[pa.RecordBatch], patterns: list[tuple[str, bool]]) -> Rows:
    known = Patterns(Pattern(text, label) for text, label in patterns)
    for batch in batches if patterns else ():
        for page in batch.to_pylist():
            if found := known.match(page["url"]):
                yield {
                    "page_id": page["page_id"],
                    "domain": page["domain"],
                    "label": found.label,
                    "pattern": found.text,
                }


def _scored(batches: Iterator[pa.RecordBatch], files: tuple[str, ...], name: str) -> Rows:
    for batch in batches:
        texts = batch["text"].to_pylist()
        scores = classifier(files, name).scores(texts)
        for page_id, text_id, score in zip(
            batch["page_id"].to_pylist(), batch["text_id"].to_pylist(), scores, strict=True
        ):
            yield {"page_id": page_id, "text_id": text_id, "score": score}


job = Job(
    "web.recall",
    about="recall wanted pages, round by round",
    reads=(web_text, web_labels, url_labels),
    writes=(web_seeds, web_models, web_scores, web_domains, web_recalled, web_rounds),
    params=RecallParams,
    transform=recall,
    measures=web_text,
)
