"""Which pages are wanted, and who says so: people and models by file, rules by what a page is.

Every statement is kept; one per page and topic is in force: a person's before a model's before a rule's, then the later
one. A share of the labelled pages, by a seeded hash of the page, is held out: no classifier ever sees them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import pyarrow as pa
from pydantic import Field, model_validator
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from jobs.code.arrow import Rows, map_rows
from jobs.kernels.url_patterns import Pattern, forms_of
from jobs.web.tables import page_statements, url_labels, url_statements, web_labels, web_text
from lakehouse.job import Inputs, Job, Output, Params
from lakehouse.table import Table

_RANK = ("person", "model", "rule")
_STATEMENT = {
    "topic": "string",
    "page_id": "string",
    "label": "boolean",
    "author": "string",
    "how": "string",
    "said_at": "timestamp",
    "note": "string",
    "score": "double",
    "apart": "boolean",
}


class LabelRule(Params):
    """Pages that meet every condition get the label. A condition that is null is not asked."""

    topic: str = Field(pattern="^[a-z][a-z0-9_]*$")
    label: bool
    url: str | None = Field(default=None, description="URL pattern, % for any run of characters")
    code_share_above: float | None = Field(default=None, ge=0, le=1, description="share of the text that is code")
    code_share_below: float | None = Field(default=None, ge=0, le=1)
    least_bytes: int | None = Field(default=None, ge=0, description="size of the text")

    @model_validator(mode="after")
    def _asks_something(self) -> LabelRule:
        if self.url is not None:
            Pattern(self.url, True)
        if all(v is None for v in (self.url, self.code_share_above, self.code_share_below, self.least_bytes)):
            raise ValueError("a rule without a condition labels every page: give it one")
        return self

    def holds(self, url: str | None, code_share: float, size: int) -> bool:
        above = self.code_share_above is None or code_share > self.code_share_above
        below = self.code_share_below is None or code_share < self.code_share_below
        large = self.least_bytes is None or size >= self.least_bytes
        if not (above and below and large):
            return False
        return self.url is None or (bool(url) and Pattern(self.url, True).fits(forms_of(url or "")))


class LabelParams(Params):
    rules: Mapping[str, LabelRule | None] = Field(description="rules by name; null turns one off")
    held_out: float = Field(ge=0, lt=1, description="share of the labelled pages that is kept apart")
    seed: int = Field(ge=0)


def label(inputs: Inputs, params: LabelParams) -> Mapping[Table, DataFrame | Output]:
    pages = inputs[web_text].where("bytes > 0").select("page_id", "url", "code_share", "bytes")
    rules = {name: rule for name, rule in params.rules.items() if rule is not None}
    by_rule = map_rows(pages, _STATEMENT, partial(_by_rule, rules=rules)) if rules else None
    said = _by_file(inputs[page_statements], pages.select("page_id", "url"))
    statements = said if by_rule is None else said.unionByName(by_rule)
    return {url_labels: _patterns(inputs[url_statements]), web_labels: _in_force(statements, params)}


def _by_rule(batches: Iterator[pa.RecordBatch], rules: Mapping[str, LabelRule]) -> Rows:
    for batch in batches:
        for page in batch.to_pylist():
            for name, rule in sorted(rules.items()):
                if rule.holds(page["url"], page["code_share"], page["bytes"]):
                    yield {
                        "topic": rule.topic,
                        "page_id": page["page_id"],
                        "label": rule.label,
                        "author": f"rule:{name}",
                        "how": "rule",
                        "score": float(rule.label),
                    }


def _by_file(said: DataFrame, pages: DataFrame) -> DataFrame:
    """Statements of files with the pages they are about; one author's last word on a page counts."""
    columns = ("topic", "label", "author", "how", "said_at", "note", "file", "nth")
    score = F.coalesce("score", F.col("label").cast("double")).alias("score")
    kept = said.select(*columns, score, F.col("held_out").alias("apart"), F.col("page_id").alias("named"), "url")
    by_id = (
        kept.where("named IS NOT NULL").drop("url").join(pages.select("page_id"), F.col("named") == F.col("page_id"))
    )
    by_url = kept.where("named IS NULL").join(pages, "url")
    both = by_id.select("page_id", *columns, "score", "apart").unionByName(
        by_url.select("page_id", *columns, "score", "apart")
    )
    last = Window.partitionBy("topic", "page_id", "author").orderBy(
        F.col("said_at").desc_nulls_last(), F.desc("file"), F.desc("nth")
    )
    return both.withColumn("n", F.row_number().over(last)).where("n = 1").select(*_STATEMENT)


def _rank() -> list[Column]:
    ranks = F.array(*map(F.lit, _RANK))
    return [F.array_position(ranks, F.col("how")).asc(), F.col("said_at").desc_nulls_last(), F.col("author").asc()]


def _in_force(statements: DataFrame, params: LabelParams) -> DataFrame:
    page = Window.partitionBy("topic", "page_id")
    drawn = F.pmod(F.xxhash64("page_id", F.lit(params.seed)), F.lit(1_000_000)) < round(params.held_out * 1_000_000)
    ranked = statements.withColumns(
        {
            "nth": F.row_number().over(page.orderBy(*_rank())),
            "stated": F.max("apart").over(page),  # a page is apart as a whole, whoever labels it
        }
    )
    held = ranked.withColumn("held_out", F.coalesce("stated", drawn)).withColumn("in_force", F.col("nth") == 1)
    return held.select(*web_labels.column_names)


def _patterns(statements: DataFrame) -> DataFrame:
    """One label per pattern, with a mark where authors disagree."""
    pattern = Window.partitionBy("topic", "pattern")
    ranked = statements.withColumns(
        {
            "rank": F.row_number().over(pattern.orderBy(*_rank(), F.col("file").asc(), F.col("nth").asc())),
            "statements": F.count("*").over(pattern),
            "conflict": F.min("label").over(pattern) != F.max("label").over(pattern),
        }
    )
    return ranked.where("rank = 1").select(*url_labels.column_names)


job = Job(
    "web.label",
    about="which pages and URL patterns are wanted, and who says so",
    reads=(web_text, page_statements, url_statements),
    writes=(url_labels, web_labels),
    params=LabelParams,
    transform=label,
)
