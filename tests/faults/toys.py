"""A lake of the toy pipeline at its first version, its texts already changed for the second."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import SparkSession

from lakehouse.lake import Lake
from lakehouse.runner import Progress, Runner
from tests.faults import commands
from tests.faults.commands import Command
from tests.lakehouse import toy

FIRST = {"a": "alpha beta beta gamma", "b": "delta up"}
SECOND = {"a": "alpha beta omega", "c": "gamma gamma epsilon delta"}  # a changed, b gone, c new


@dataclass(frozen=True)
class Toys:
    """A lake, its texts, and the digests by table of both versions when nobody disturbs the build."""

    folder: Path
    spark: SparkSession
    before: dict[str, str]
    after: dict[str, str]

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
        config = toy.config(self.lake.folder, self.texts, wait=300)
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
    """Build both versions undisturbed; return the first one, below `folder`, to be copied from."""
    made = Toys(folder / "first", spark, {}, {})
    made.write(FIRST)
    made.build()
    second = copy(made, folder / "second")
    second.build()
    return Toys(made.folder, spark, made.digests(), second.digests())


def copy(first: Toys, folder: Path) -> Toys:
    """The first version in another folder, with the texts of the second."""
    made = Toys(folder, first.spark, first.before, first.after)
    shutil.copytree(first.lake.folder, made.lake.folder)
    made.write(SECOND)
    return made
