"""A mixture: which documents are read, and how often, so that each part has its share of the tokens.

Within a part, documents stand in the order of a seeded hash of their id. A part that gives less than once takes them from
the beginning of that order until the next does not fit; one that gives more than once takes all, and the beginning once
more. So the same seed takes the same documents on any machine, and a larger mixture holds the smaller one.

The order is cut by ranges of the hash first (their sums fit on the driver), then inside the one range where the cut
falls: no part is sorted as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import duckdb
from pydantic import Field, model_validator
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from jobs.corpus.tables import mixture, pretrain, pretrain_tokens
from jobs.kernels.mixture import Planned, Wanted, passes, plan
from lakehouse.job import Inputs, Job, Params
from lakehouse.lake import Lake

RANGES = 1 << 12  # of the hash; sums per part and range go to the driver


class MixPart(Params):
    """Rows of gold.pretrain whose columns have one of the values; of several parts that fit, the first takes a row."""

    name: str = Field(min_length=1)
    share: float = Field(ge=0, description="share of the mixture's tokens, percent")
    epochs: float = Field(gt=0, description="how often the part may be read")
    category: str | None = Field(None, description="parts of a category can be left out together")
    where: Mapping[str, tuple[str, ...]] = Field(
        description="values by column; a column that is not named may hold any"
    )

    @model_validator(mode="after")
    def _names_columns(self) -> MixPart:
        allowed = ("corpus", "source", "repo", "language", "licence")
        for column in self.where:
            if column not in allowed:
                raise ValueError(f"{self.name}: no column {column!r} to choose by; allowed: {', '.join(allowed)}")
        return self


class MixParams(Params):
    seed: int = Field(ge=0)
    tokens: int | None = Field(gt=0, description="tokens of the whole mixture; null for as many as there can be")
    exclude: tuple[str, ...] = Field(description="categories that are left out")
    parts: tuple[MixPart, ...] | None = Field(description="null takes every document once, a part per corpus")

    @model_validator(mode="after")
    def _fits_together(self) -> MixParams:
        names = [part.name for part in self.parts or ()]
        if len(set(names)) != len(names):
            raise ValueError(f"two parts have the same name: {', '.join(names)}")
        unknown = set(self.exclude) - {part.category for part in self.parts or ()}
        if unknown:
            raise ValueError(f"exclude names {sorted(unknown)}, which is no category of a part")
        if self.tokens is not None and self.parts is None:
            raise ValueError("a number of tokens needs parts to share them")
        return self

    @property
    def used(self) -> tuple[MixPart, ...]:
        return tuple(part for part in self.parts or () if part.category not in self.exclude)


class Short(ValueError):
    """A part has fewer tokens than the mixture asks for."""


def mix(inputs: Inputs, params: MixParams) -> DataFrame:
    tokens = inputs[pretrain_tokens].select("doc_id", "tokens")
    rows = inputs[pretrain].select("doc_id", "corpus", "source", "repo", "language", "licence").join(tokens, "doc_id")
    if params.parts is None:
        return rows.select("doc_id", F.col("corpus").alias("part"), F.lit(1).alias("times"), "tokens")
    rank = F.shiftrightunsigned(F.xxhash64("doc_id", F.lit(params.seed)), 64 - RANGES.bit_length() + 1)
    placed = rows.select("doc_id", _part(params.parts).alias("part"), "tokens", rank.alias("range"))
    placed = placed.where(F.col("part").isin([part.name for part in params.used]))
    sums = placed.groupBy("part", "range").agg(F.sum("tokens").alias("tokens")).collect()
    by_part: dict[str, dict[int, int]] = {part.name: {} for part in params.used}
    for row in sums:
        by_part[row["part"]][int(row["range"])] = int(row["tokens"])
    planned = _planned(params, {name: sum(ranges.values()) for name, ranges in by_part.items()})
    taken = [
        _taken(placed.where(F.col("part") == p.name), by_part[p.name], p, params.seed) for p in planned if p.tokens
    ]
    if not taken:
        return placed.limit(0).select("doc_id", "part", F.lit(1).alias("times"), "tokens")
    return reduce(DataFrame.unionByName, taken)


def _planned(params: MixParams, available: Mapping[str, int]) -> list[Planned]:
    planned = plan([Wanted(p.name, p.share, p.epochs, available.get(p.name, 0)) for p in params.used], params.tokens)
    short = [f"{p.name} by {p.short:,} of {p.tokens + p.short:,}" for p in planned if p.short]
    if short:
        raise Short(
            f"the mixture is short of tokens: {'; '.join(short)}. `codelake mix plan` shows all parts. Add data, raise"
            " a part's `epochs`, or ask for fewer `tokens` (null: as many as there can be)."
        )
    if not any(p.tokens for p in planned):
        empty = ", ".join(p.name for p in planned if p.share and not p.available)
        raise Short(
            f"the mixture holds nothing, because there is nothing of {empty or 'any part'}. Say which rows they take in"
            " `where`, leave their category out with `exclude`, or give the mixture a number of `tokens`."
        )
    return planned


def _part(parts: Sequence[MixPart]) -> Column:
    """The first part that a row fits; null where none does."""
    cases = [
        F.when(reduce(Column.__and__, [F.col(c).isin(*v) for c, v in part.where.items()], F.lit(True)), part.name)
        for part in parts
    ]
    return F.coalesce(*cases, F.lit(None).cast("string"))


def _taken(rows: DataFrame, ranges: Mapping[int, int], planned: Planned, seed: int) -> DataFrame:
    """Documents of one part with how often they are read, those that are not left out."""
    whole, rest = passes(planned.tokens, planned.available)
    cut, before = _cut(ranges, rest)
    order = Window.orderBy(F.xxhash64("doc_id", F.lit(seed)), "doc_id")
    # One task, but over one range of RANGES.
    inside = rows.where(F.col("range") == cut).withColumn("more", before + F.sum("tokens").over(order) <= rest)
    outside = rows.where(F.col("range") != cut).withColumn("more", F.col("range") < cut)
    times = (F.lit(whole) + F.col("more").cast("int")).alias("times")
    return inside.unionByName(outside).select("doc_id", "part", times, "tokens").where("times > 0")


def _cut(ranges: Mapping[int, int], rest: int) -> tuple[int, int]:
    """The range in which the cut falls, and the tokens before it."""
    before = 0
    for number in sorted(ranges):
        if before + ranges[number] > rest:
            return number, before
        before += ranges[number]
    return RANGES, before


def preview(lake: Lake, params: MixParams) -> list[dict[str, Any]]:
    """The plan, part by part, from the newest tables; nothing is written. Rows that fit no part are the last line."""
    tables = {"documents": pretrain, "counts": pretrain_tokens}
    with duckdb.connect() as connection:
        for name, table in tables.items():
            opened = lake.open(table)
            if opened is None:
                raise ValueError(
                    f"{table.name} is not there. Run `codelake build corpus.tokenize` with a tokenizer first."
                )
            columns = [c for c in table.column_names if c not in ("text", "input_ids")]
            connection.register(name, opened.to_pyarrow_dataset().to_table(columns=columns, use_threads=False))
        names = ["corpus"] if params.parts is None else sorted({c for part in params.parts for c in part.where})
        chosen = "".join(f"{name}, " for name in names)
        groups = connection.execute(
            f"SELECT {chosen} sum(tokens) FROM documents JOIN counts USING (doc_id) GROUP BY ALL"
        ).fetchall()
    available: dict[str, int] = {}
    for *values, tokens in groups:
        row = dict(zip(names, values, strict=True))
        part = row["corpus"] if params.parts is None else _first(params.parts, row)
        available[part] = available.get(part, 0) + int(tokens)
    if params.parts is None:
        wanted = [Wanted(name, tokens, 1, tokens) for name, tokens in sorted(available.items()) if tokens]
        planned = plan(wanted, sum(available.values())) if wanted else []
    else:
        planned = plan(
            [Wanted(p.name, p.share, p.epochs, available.get(p.name, 0)) for p in params.used], params.tokens
        )
    rows = [
        {"part": p.name, "share %": round(p.share, 3), "available": p.available, "takes": p.tokens,
         "epochs": round(p.epochs, 3), "short": p.short}
        for p in planned
    ]  # fmt: skip
    if available.get(""):
        rows.append(
            {"part": "(in no part)", "share %": 0.0, "available": available[""], "takes": 0, "epochs": 0.0, "short": 0}
        )
    return rows


def _first(parts: Sequence[MixPart], row: Mapping[str, Any]) -> str:
    return next((p.name for p in parts if all(row[c] in values for c, values in p.where.items())), "")


job = Job(
    "corpus.mix",
    about="which documents are read, and how often",
    reads=(pretrain, pretrain_tokens),
    writes=(mixture,),
    params=MixParams,
    transform=mix,
    needs=(pretrain_tokens,),
    preview=preview,
)
