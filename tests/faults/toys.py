"""A lake of the toy pipeline at its first version, its texts already changed for the second.

What its tables must hold in the end comes from plain Python, not from another run.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyspark.sql import SparkSession

from lakehouse import digest
from lakehouse.lake import Lake
from lakehouse.runner import Progress, Runner
from tests.faults import commands
from tests.faults.commands import Command
from tests.lakehouse import toy

FIRST = {"a": "alpha beta beta gamma", "b": "delta up"}
LEAST = 4  # letters of a long word
SECOND = {"a": "alpha beta omega", "c": "gamma gamma epsilon delta"}  # a changed, b gone, c new


def expected(texts: dict[str, str]) -> dict[str, str]:
    """Digest by table name of a lake built from these texts."""
    lines = [(f"{name}.txt", nth, word) for name, text in texts.items() for nth, word in enumerate(text.split())]
    words = Counter(word for _, _, word in lines)
    rows = {
        toy.sources: [(f"{name}.txt", "") for name in texts],
        toy.lines: lines,
        toy.words: list(words.items()),
        toy.long: [(word, len(word)) for word in words if len(word) >= LEAST],
    }
    found = {}
    for table, values in rows.items():
        named = [dict(zip(table.column_names, row, strict=True)) for row in values]
        batches = pa.Table.from_pylist(named, schema=table.arrow_schema).to_batches()
        found[table.name] = digest.of_batches(batches, table).digest(table)
    return found


@dataclass(frozen=True)
class Toys:
    """A lake and its texts; `before` and `after` are the digests by table of both versions."""

    folder: Path
    spark: SparkSession

    @property
    def before(self) -> dict[str, str]:
        return expected(FIRST)

    @property
    def after(self) -> dict[str, str]:
        return expected(SECOND)

    @property
    def lake(self) -> Lake:
        return Lake(str(self.folder / "lake"))

    @property
    def texts(self) -> Path:
        return self.folder / "texts"

    def write(self, texts: dict[str, str]) -> None:
        """These texts and no others."""
        shutil.rmtree(self.texts, ignore_errors=True)
        self.texts.mkdir(parents=True)
        for name, text in texts.items():
            (self.texts / f"{name}.txt").write_text(text)

    def build(self, progress: Progress | None = None) -> set[str]:
        """Run the pipeline in this process; the statuses of its jobs."""
        config = toy.config(self.lake.folder, self.texts, least=LEAST, wait=300)
        reports = Runner(self.lake, toy.GRAPH, config, lambda: self.spark, progress).build(toy.GRAPH.jobs)
        return {report.status for report in reports}

    def start(self, *arguments: str | Path | float) -> Command:
        """`codelake build` on this lake in a process of its own."""
        log = self.folder / f"log-{time.monotonic_ns()}"
        return commands.start("-m", "tests.faults.toy_build", self.lake.root, self.texts, *arguments, log=log)

    def stopped_at(self, phase: str, *more: str | Path | float) -> Command:
        """The same, once it has come to this phase."""
        command = self.start("--stop-at", phase, *more)
        command.until(f"stopped at {phase}")
        return command

    def digests(self) -> dict[str, str]:
        return commands.digests(self.lake, toy.GRAPH)

    def check_books(self, killed: set[str]) -> None:
        commands.check_books(self.lake, toy.GRAPH, killed)


def first_version(folder: Path, spark: SparkSession) -> Toys:
    """The first version below `folder`, to be copied from."""
    made = Toys(folder, spark)
    made.write(FIRST)
    made.build()
    assert made.digests() == made.before
    return made


def copy(first: Toys, folder: Path) -> Toys:
    """The first version in another folder, with the texts of the second."""
    made = Toys(folder, first.spark)
    shutil.copytree(first.lake.folder, made.lake.folder)
    made.write(SECOND)
    return made
