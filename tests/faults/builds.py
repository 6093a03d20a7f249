"""The whole pipeline over the small corpus: a lake at its first version, and what the second one must look like."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from lakehouse.digest import Sum
from lakehouse.lake import Lake
from lakehouse.registry import graph
from tests.faults import commands, corpus
from tests.faults.commands import CODELAKE, Command

PRETRAIN = "gold.pretrain"


@dataclass(frozen=True)
class Builds:
    """`conf` names the corpus, which is at its second version. Digests are by table, seconds those of a build to it.

    `from_nothing` and `from_first`: how long an undisturbed build took.
    """

    conf: Path
    first: Lake
    before: dict[str, str]
    after: dict[str, str]
    from_nothing: float
    from_first: float

    def copy(self, folder: Path) -> Lake:
        """The lake at its first version, in another folder."""
        return Lake(str(shutil.copytree(self.first.folder, folder)))

    def start(self, lake: Lake, log: Path, *more: str) -> Command:
        """`codelake build` of the corpus."""
        return start(self.conf, lake, log, *more)

    @property
    def whole(self) -> set[str]:
        """The digests of gold.pretrain that a reader may see: made but empty, first version, second version."""
        (table,) = (table for table in graph().tables if table.name == PRETRAIN)
        return {Sum().digest(table), self.before[PRETRAIN], self.after[PRETRAIN]}


def start(conf: Path, lake: Lake, log: Path, *more: str) -> Command:
    return commands.start(*CODELAKE, "build", "--conf", conf, "--lake", lake.root, *more, log=log)


def undisturbed(folder: Path) -> Builds:
    """Three builds below `folder`: the first version, the second on top of it, and the second from nothing."""
    conf = corpus.make(folder / "corpus")
    first, second, whole = (Lake(str(folder / name)) for name in ("first", "second", "whole"))
    _build(conf, first)
    shutil.copytree(first.folder, second.folder)
    before = commands.digests(first, graph())
    corpus.change(folder / "corpus")
    from_first, from_nothing = _build(conf, second), _build(conf, whole)
    after = commands.digests(whole, graph())
    assert commands.digests(second, graph()) == after
    assert before[PRETRAIN] != after[PRETRAIN]
    return Builds(conf, first, before, after, from_nothing, from_first)


def _build(conf: Path, lake: Lake) -> float:
    begin = time.monotonic()
    with start(conf, lake, lake.folder.with_suffix(".log")) as command:
        assert command.wait() == 0, command.output
    return time.monotonic() - begin
