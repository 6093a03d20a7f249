"""A mixture: which documents are read, and how often, so that each part has its share of the tokens.

Within a part, documents stand in the order of a seeded hash of their id. A part that gives less than once takes them from
the beginning of that order until the next does not fit; one that gives more than once takes all, and the beginning once
more. So the same seed takes the same documents on any machine, and a larger mixture holds the smaller one.

The order is cut by ranges of the hash first (their sums fit on the driver), then inside the one range where the cut
falls: no part is sorted as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, ClassVar

from pydantic import Field, model_validator
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from jobs.corpus.tables import mixture, pretrain, pretrain_tokens
from jobs.kernels.mixture import Planned, Wanted, passes, plan
from lakehouse.job import Inputs, Job, Params
from lakehouse.lake import Lake
from lakehouse.report.views import Views
from lakehouse.table import Table

RANGES = 1 << 12  # of the hash; sums per part and range go to the driver
COLUMNS = ("corpus", "source", "repo", "language", "licence")


class MixPart(Params):
    """Documents whose columns have one of the values; of several parts that fit, the first takes a document."""

    name: str = Field(min_length=1)
    share: float = Field(ge=0, description="share of the mixture, percent")
    epochs: float = Field(gt=0, description="how often the part may be read")
    category: str | None = Field(None, description="parts of a category can be left out together")
    where: Mapping[str, tuple[str, ...]] = Field(
        description="values by column; a column that is not named may hold any"
    )

    def takes(self, row: Mapping[str, Any]) -> bool:
        return all(row[column] in values for column, values in self.where.items())


class Parts(Params):
    """How a mixture is put together."""

    columns: ClassVar[tuple[str, ...]] = COLUMNS

    exclude: tuple[str, ...] = Field(description="categories that are left out")
    parts: tuple[MixPart, ...] | None = Field(description="null takes every document once")

    @model_validator(mode="after")
    def _fits_together(self) -> Parts:
        names = [part.name for part in self.parts or ()]
        if len(set(names)) != len(names):
            raise ValueError(f"two parts have the same name: {', '.join(names)}")
        unknown = set(self.exclude) - {part.category for part in self.parts or ()}
        if unknown:
            raise ValueError(f"exclude names {sorted(unknown)}, which is no category of a part")
        for part in self.parts or ():
            for column in sorted(set(part.where) - set(self.columns)):
                raise ValueError(f"{part.name}: no column {column!r} to choose by; allowed: {', '.join(self.columns)}")
        return self

    @property
    def used(self) -> tuple[MixPart, ...]:
        return tuple(part for part in self.parts or () if part.category not in self.exclude)

    def planned(self, available: Mapping[str, int], total: int | None) -> list[Planned]:
        return plan([Wanted(p.name, p.share, p.epochs, available.get(p.name, 0)) for p in self.used], total)


class MixParams(Parts):
    seed: int = Field(ge=0)
    tokens: int | None = Field(gt=0, description="tokens of the whole mixture; null for as many as there can be")

    @model_validator(mode="after")
    def _has_parts_to_share(self) -> MixParams:
        if self.tokens is not None and self.parts is None:
            raise ValueError("a number of tokens needs parts to share them")
        return self


class Short(ValueError):
    """A part has fewer tokens than the mixture asks for."""


class OtherTokenizer(ValueError):
    """Ids of two vocabularies would be put side by side."""


@dataclass(frozen=True)
class Drawn:
    """Documents that a mixture may take, with the table of their ids.

    `columns`: ours, and what the documents call them. `instead`: tables of doc_id and taken; what is taken there is of the
    corpus of that name, and of no other.
    """

    documents: Table
    tokens: Table
    columns: Mapping[str, str]
    instead: Mapping[str, Table] = field(default_factory=dict)

    @property
    def reads(self) -> tuple[Table, ...]:
        return (self.documents, self.tokens, *self.instead.values())

    def rows(self, inputs: Inputs) -> DataFrame:
        """doc_id, our columns, tokens."""
        ours = [F.col(theirs).alias(name) for name, theirs in self.columns.items()]
        named = inputs[self.documents].select("doc_id", *ours)
        for corpus, table in self.instead.items():
            chosen = inputs[table].where("taken").select("doc_id", F.lit(corpus).alias("instead"))
            other = F.coalesce("instead", "corpus")
            named = named.join(chosen, "doc_id", "left").withColumn("corpus", other).drop("instead")
        return named.join(inputs[self.tokens].select("doc_id", "tokens"), "doc_id")

    def query(self, views: Views) -> str | None:
        """The same rows in SQL; None where there are none yet."""
        if not views.has(self.documents.name, self.tokens.name):
            return None
        there = {corpus: table.name for corpus, table in self.instead.items() if views.has(table.name)}
        others = "".join(f"WHEN doc_id IN (SELECT doc_id FROM {t} WHERE taken) THEN '{c}' " for c, t in there.items())
        ours = {**self.columns}
        if others:
            ours["corpus"] = f"CASE {others}ELSE {ours['corpus']} END"
        columns = ", ".join(f"{theirs} AS {name}" for name, theirs in ours.items())
        counts = f"(SELECT doc_id, tokens FROM {self.tokens.name})"
        return f"SELECT {columns}, tokens FROM {self.documents.name} JOIN {counts} USING (doc_id)"


def mix_job(name: str, about: str, drawn: Sequence[Drawn], writes: Table, module: str, *, asked: bool) -> Job:
    """Job `name`. `module`: where the tables are chosen. `asked`: without parts there is nothing to do."""

    def transform(inputs: Inputs, params: MixParams) -> DataFrame:
        same_tokenizer(inputs, [one.tokens for one in drawn])
        rows = reduce(DataFrame.unionByName, [one.rows(inputs) for one in drawn])
        if params.parts is None and asked:  # what was mixed stays, but for documents that are gone
            return inputs.before(writes).join(rows.select("doc_id"), "doc_id", "left_semi")
        if params.parts is None:
            return rows.select("doc_id", F.col("corpus").alias("part"), F.lit(1).alias("times"), "tokens")
        return mixed(rows.withColumn("amount", F.col("tokens")), params, params.tokens, params.seed, "tokens")

    def preview(lake: Lake, params: MixParams) -> list[dict[str, Any]]:
        return shown(grouped(lake, drawn, COLUMNS, "sum(tokens)"), params, params.tokens, "corpus")

    def not_asked_for(params: MixParams) -> str | None:
        if params.parts is not None or not asked:
            return None
        return f"not asked for: name parts with --set '{name}.parts=${{conf:mixtures/FILE.yaml}}'"

    return Job(
        name,
        about=about,
        reads=tuple(dict.fromkeys(table for one in drawn for table in one.reads)),
        writes=(writes,),
        params=MixParams,
        transform=transform,
        modules=(module,),
        needs=(drawn[0].tokens,),
        idle=not_asked_for,
        cleans=asked,
        preview=preview,
    )


def same_tokenizer(inputs: Inputs, tokens: Sequence[Table]) -> None:
    """Raises OtherTokenizer where the tables were not made by the same one."""
    made = {
        row["tokenizer"]: table.name
        for table in tokens
        for row in inputs[table].select("tokenizer").distinct().collect()
    }
    if len(made) > 1:
        said = ", ".join(f"{table} by {tokenizer}" for tokenizer, table in sorted(made.items()))
        raise OtherTokenizer(f"ids of two tokenizers cannot be mixed: {said}. Name the same folder for both jobs.")


def mixed(rows: DataFrame, wanted: Parts, total: int | None, seed: int, unit: str) -> DataFrame:
    """doc_id, part, times, tokens of what is taken. `rows`: doc_id, columns to choose by, tokens, amount.

    Shares and `total` are of `amount`, which is called `unit` where it is short. Raises Short.
    """
    rank = F.shiftrightunsigned(F.xxhash64("doc_id", F.lit(seed)), 64 - RANGES.bit_length() + 1)
    placed = rows.select("doc_id", _part(wanted.parts or ()).alias("part"), "tokens", "amount", rank.alias("range"))
    placed = placed.where(F.col("part").isin([part.name for part in wanted.used]))
    by_part: dict[str, dict[int, int]] = {part.name: {} for part in wanted.used}
    for row in placed.groupBy("part", "range").agg(F.sum("amount").alias("amount")).collect():
        by_part[row["part"]][int(row["range"])] = int(row["amount"])
    available = {name: sum(ranges.values()) for name, ranges in by_part.items()}
    planned = _checked(wanted.planned(available, total), unit)
    taken = [_taken(placed.where(F.col("part") == p.name), by_part[p.name], p, seed) for p in planned if p.tokens]
    return reduce(DataFrame.unionByName, taken)


def _checked(planned: list[Planned], unit: str) -> list[Planned]:
    short = [f"{p.name} by {p.short:,} of {p.tokens + p.short:,}" for p in planned if p.short]
    if short:
        raise Short(
            f"the mixture is short of {unit}: {'; '.join(short)}. `codelake mix plan` shows all parts. Add data, raise"
            f" a part's `epochs`, or ask for fewer `{unit}` (null: as many as there can be)."
        )
    if not any(p.tokens for p in planned):
        empty = ", ".join(p.name for p in planned if p.share and not p.available)
        raise Short(
            f"the mixture holds nothing, because there is nothing of {empty or 'any part'}. Say which rows they take in"
            f" `where`, leave their category out with `exclude`, or give the mixture a number of `{unit}`."
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
    inside = rows.where(F.col("range") == cut).withColumn("more", before + F.sum("amount").over(order) <= rest)
    outside = rows.where(F.col("range") != cut).withColumn("more", F.col("range") < cut)
    times = (F.lit(whole) + F.col("more").cast("int")).alias("times")
    return inside.unionByName(outside).select("doc_id", "part", times, "tokens").where("times > 0")


def _cut(ranges: Mapping[int, int], rest: int) -> tuple[int, int]:
    """The range in which the cut falls, and the amount before it."""
    before = 0
    for number in sorted(ranges):
        if before + ranges[number] > rest:
            return number, before
        before += ranges[number]
    return RANGES, before


def grouped(lake: Lake, drawn: Sequence[Drawn], columns: Sequence[str], amount: str) -> list[dict[str, Any]]:
    """What there is, by the columns that parts choose by, from the newest tables; `amount` in SQL."""
    with Views(lake, {table.name for one in drawn for table in one.reads}) as views:
        queries = [query for one in drawn if (query := one.query(views)) is not None]
        if not queries:
            first = drawn[0]
            raise ValueError(
                f"{first.documents.name} with {first.tokens.name} is not there. Run `codelake build` with a tokenizer first."
            )
        return views.rows(
            f"SELECT {', '.join(columns)}, ({amount})::BIGINT AS amount FROM ({' UNION ALL BY NAME '.join(queries)}) GROUP BY ALL"
        )


def shown(
    groups: Sequence[Mapping[str, Any]], wanted: Parts, total: int | None, otherwise: str
) -> list[dict[str, Any]]:
    """The plan, part by part; what fits none is the last line. Without parts a document's part is its column `otherwise`."""
    available: dict[str, int] = {}
    for row in groups:
        named = [str(row[otherwise])] if wanted.parts is None else [p.name for p in wanted.parts if p.takes(row)]
        part = named[0] if named else ""
        available[part] = available.get(part, 0) + int(row["amount"])
    if wanted.parts is not None:
        planned = wanted.planned(available, total)
    else:
        all_of = [Wanted(name, amount, 1, amount) for name, amount in sorted(available.items()) if amount]
        planned = plan(all_of, sum(available.values())) if all_of else []
    rows = [
        {"part": p.name, "share %": round(p.share, 3), "available": p.available, "takes": p.tokens,
         "epochs": round(p.epochs, 3), "short": p.short}
        for p in planned
    ]  # fmt: skip
    if rest := available.get(""):
        nothing = {"share %": 0.0, "available": rest, "takes": 0, "epochs": 0.0, "short": 0}
        rows.append({"part": "(in no part)", **nothing})
    return rows


job = mix_job(
    "corpus.mix",
    "which documents are read, and how often",
    [Drawn(pretrain, pretrain_tokens, {column: column for column in COLUMNS})],
    mixture,
    __name__,
    asked=False,
)
