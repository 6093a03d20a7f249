"""A pipeline small enough to read at once: words from text files, counted per word, the long ones kept.

folder/*.txt → toy.ingest → bronze.lines → toy.words → silver.words → toy.long → gold.long
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.config import Config, LakeConfig, SparkConfig
from lakehouse.job import Graph, Inputs, Job, Params
from lakehouse.table import Column, Table, between

WORD = Column("word", "string", "the word")

sources = Table(
    "bronze.sources",
    row="one file",
    key=("source",),
    columns=(
        Column("source", "string", "file name"),
        Column("fingerprint", "string", "changes with it", volatile=True),
    ),
)
lines = Table(
    "bronze.lines",
    row="one line of one file",
    key=("source", "nth"),
    columns=(Column("source", "string", "file name"), Column("nth", "bigint", "line number"), WORD),
)
words = Table(
    "silver.words",
    row="one distinct word",
    key=("word",),
    columns=(WORD, Column("count", "bigint", "lines that hold it", checks=(between(1, None),))),
)
long = Table(
    "gold.long",
    row="one long word",
    key=("word",),
    columns=(WORD, Column("bytes", "bigint", "its length", unit="bytes", checks=(between(1, 40),))),
)


class FolderParams(Params):
    placement: ClassVar[Mapping[str, Any]] = {"folder": True}
    folder: str


class NoParams(Params):
    pass


class LongParams(Params):
    least: int


def _fingerprints(params: FolderParams) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(Path(params.folder).glob("*.txt"))}


def _ingest(inputs: Inputs, params: FolderParams) -> dict[Table, DataFrame]:
    assert inputs.changed is not None
    names = sorted({row["source"] for row in inputs.changed.collect()} & set(_fingerprints(params)))
    rows = [(n, i, w) for n in names for i, w in enumerate((Path(params.folder) / n).read_text().split())]
    prints = [(n, p) for n, p in _fingerprints(params).items() if n in names]
    return {
        lines: inputs.spark.createDataFrame(rows, lines.spark_schema),
        sources: inputs.spark.createDataFrame(prints, sources.spark_schema),
    }


def _words(inputs: Inputs, params: NoParams) -> DataFrame:  # noqa: ARG001
    return inputs[lines].groupBy("word").agg(F.count("*").alias("count"))


def _long(inputs: Inputs, params: LongParams) -> DataFrame:
    counted = inputs[words].select("word", F.length("word").alias("bytes"))
    return counted.where(F.col("bytes") >= params.least)


GRAPH = Graph.of(
    [
        Job("toy.long", "keep long words", (words,), (long,), LongParams, _long, scope=("word",)),
        Job("toy.words", "count words", (lines,), (words,), NoParams, _words, scope=("word",)),
        Job("toy.ingest", "read files", (), (lines, sources), FolderParams, _ingest, ("source",), _fingerprints),
    ]
)


def config(root: Path, folder: Path, *, least: int = 4, wait: float = 5) -> Config:
    return Config(
        LakeConfig(root=str(root), lock_wait_seconds=wait, docs=False),
        SparkConfig(master="local[2]", driver_memory="2g", fast_start=True, conf={}),
        {"toy.ingest": FolderParams(folder=str(folder)), "toy.words": NoParams(), "toy.long": LongParams(least=least)},
    )
