"""Texts searched for benchmark items. Finding is apart from dropping: `<corpus>.decide` says what a hit means.

What was found stays in force while no benchmark is configured: a build that forgets to name the folder lets nothing
back into gold. Another folder, or another file in it, searches every text anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

import pyarrow as pa
from pydantic import Field, computed_field, model_validator
from pyspark.sql import DataFrame

from jobs.code.arrow import Rows, map_rows
from jobs.corpus.benchmarks import Layout, digests, load
from jobs.decontamination.tables import BenchmarkTables
from jobs.dedup.corpus import Corpus
from jobs.kernels.contamination import Index, Item, Setting
from jobs.kernels.phrases import MAX_WIDTH
from lakehouse.job import Inputs, Job, Output, Params
from lakehouse.table import Table


class BenchmarkParams(Params):
    """Where the folders lie does not enter the digest; what is in them does."""

    placement: ClassVar[Mapping[str, Any]] = {"benchmarks": True}

    benchmarks: tuple[str, ...] = Field(description="folders with problem files; none searches for nothing")
    layouts: Mapping[str, Layout] = Field(description="how problem files are laid out")

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        self.files  # noqa: B018  raises where a folder is missing or holds a name that another one holds too
        return self

    @computed_field(description="SHA-256 of each problem file")  # type: ignore[prop-decorator]
    @property
    def files(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for folder in self.benchmarks:
            here = digests(Path(folder))
            if both := sorted(found.keys() & here.keys()):
                raise ValueError(f"{folder}: another folder holds {both[0]} too; a benchmark needs a name of its own.")
            found |= here
        return found

    def items(self) -> list[Item]:
        """Every item of every file. Raises ValueError for a file that no layout fits."""
        return [item for folder in self.benchmarks for item in load(Path(folder), self.layouts)]


class DecontaminateParams(BenchmarkParams):
    width: int = Field(ge=1, le=MAX_WIDTH, description="words in sequence that are a hit")
    shortest: int = Field(ge=1, description="words of a part that is matched whole, being shorter than `width`")
    distinct: int = Field(ge=1, description="different words that a sequence must hold")
    least_nodes: int = Field(ge=1, description="nodes of the syntax tree of a function whose form is looked for")

    def index(self) -> Index:
        """What is looked for, made once for all corpora that a build searches for the same."""
        made_for = self.canonical, self.benchmarks
        if made_for not in _INDEX:
            _INDEX.clear()
            setting = Setting(self.width, self.shortest, self.distinct, self.least_nodes)
            _INDEX[made_for] = Index.of(self.items(), setting)
        return _INDEX[made_for]


_INDEX: dict[tuple[str, tuple[str, ...]], Index] = {}


def decontaminate_job(corpus: Corpus, tables: BenchmarkTables, *, entry_points: bool = False) -> Job:
    """`<corpus>.decontaminate`. `entry_points`: a definition with an item's name and arguments is a hit too."""

    def transform(inputs: Inputs, params: DecontaminateParams) -> Mapping[Table, DataFrame | Output]:
        index = params.index()
        documents = inputs[corpus.documents].select(corpus.tables.key, corpus.text)
        columns = {column.name: column.type for column in tables.hits.columns}
        find = partial(_find, index=index, entry_points=entry_points)
        return {
            tables.items: Output(inputs.spark.createDataFrame(_sought(index), tables.items.spark_schema)),
            tables.hits: map_rows(documents, columns, find),
        }

    return Job(
        f"{corpus.name}.decontaminate",
        about=f"benchmark items in each {corpus.document}",
        reads=(corpus.documents,),
        writes=(tables.items, tables.hits),
        params=DecontaminateParams,
        transform=transform,
        scope=(corpus.tables.key,),
        modules=(corpus.module,),
        measures=corpus.documents,
        idle=partial(no_benchmark, job=f"{corpus.name}.decontaminate"),
    )


def _sought(index: Index) -> list[tuple[str, str, list[str], list[str], str | None]]:
    rows = []
    for item, sought in zip(index.items, index.sought(), strict=True):
        too_short = [part for part in item.parts if part not in sought]
        rows.append((item.benchmark, item.item, list(sought), too_short, item.entry_point or None))
    return rows


def _find(batches: Iterator[pa.RecordBatch], index: Index, entry_points: bool) -> Rows:
    for batch in batches:
        names = batch.column(0).to_pylist()
        for hit in index.find(batch.column(1), entry_points=entry_points):
            yield {
                batch.schema.names[0]: names[hit.row],
                "benchmark": hit.benchmark,
                "item": hit.item,
                "part": hit.part,
                "rule": hit.rule,
                "share": hit.share,
                "start": hit.start,
                "end": hit.end,
                "matched": hit.matched,
            }


def no_benchmark(params: BenchmarkParams, job: str) -> str | None:
    """Why a job that compares with benchmarks has nothing to do, if so."""
    if params.benchmarks:
        return None
    return f"no benchmark is configured: name folders with --set {job}.benchmarks=[FOLDER]"
