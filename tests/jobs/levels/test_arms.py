"""Six arms of the same files: what each level of deduplication drops, and that arms differ in nothing else.

codelake dedup arms --language python
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.kernels.chunks import byte_starts, cut, joint
from jobs.levels.tables import ARMS
from lakehouse import ledger
from lakehouse.ask import arms as counted
from lakehouse.config import load
from lakehouse.lake import Lake
from lakehouse.registry import graph, table
from lakehouse.report.views import Views
from lakehouse.runner import Report, Runner

pytestmark = pytest.mark.spark

TOKENS = 512  # bytes of a chunk here
WORDS = [f"word{i}" for i in range(500)]


def code(seed: int, lines: int = 60) -> str:
    draw = random.Random(seed)
    return "".join(f"{draw.choice(WORDS)} = {draw.choice(WORDS)} + {draw.choice(WORDS)}\n" for _ in range(lines))


REPOSITORIES = {
    "alpha": {"a.py": code(1), "b.py": code(2), "c.py": code(3)},
    # A fork: equal but for one file more, so a near-duplicate as a whole.
    "fork": {"a.py": code(1), "b.py": code(2), "c.py": code(3), "d.py": code(4, 4)},
    # Another project that copied one file of it, and changed a line of another: no near-duplicate as a whole.
    "other": {
        "b.py": code(5),
        "copied.py": code(1),
        "near.py": code(2).replace("word1 ", "word2 "),
        "z.py": code(6, 150),
    },
    # Nearly half of this one stands elsewhere too, as a part of a file that is none of a copy.
    "parts": {"long.py": code(7, 200), "tail.py": code(6, 150)[: TOKENS * 4] + code(8, 120)},
    "notes": {"README.md": "# Nothing of the chosen language\n"},
}


class Arms:
    def __init__(self, folder: Path, spark: SparkSession) -> None:
        self.lake, self._spark, self._folder = Lake(str(folder / "lake")), spark, folder
        for repo, files in REPOSITORIES.items():
            (folder / repo).mkdir()
            for name, text in files.items():
                (folder / repo / name).write_text(text)

    def build(self, *overrides: str) -> dict[str, Report]:
        sources = [
            {"name": repo, "kind": "folder", "location": str(self._folder / repo), "stars": 9 - number}
            for number, repo in enumerate(REPOSITORIES)
        ]
        said = [
            f"lake.root={self.lake.root}", "lake.docs=false", f"code.ingest.sources={json.dumps(sources)}",
            f"chunk.texts.tokens={TOKENS}", *overrides,
        ]  # fmt: skip
        runner = Runner(self.lake, graph(), load(graph(), overrides=said), lambda: self._spark)
        return {one.job: one for one in runner.build(graph().select(["+gold.dedup_arms"]))}

    def rows(self, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = ledger.read(self.lake, table(name)).to_pylist()
        return found

    def texts(self, arm: str) -> list[str]:
        return sorted(row["text"] for row in self.rows("gold.dedup_arms") if row["source"] == arm)

    def counted(self) -> dict[str, counted.Arm]:
        with Views(self.lake) as views:
            return {one.arm: one for one in counted.arms(views)}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Iterator[Arms]:
    arms = Arms(tmp_path_factory.mktemp("arms"), spark)
    assert not arms.lake.exists(table("silver.level_files"))
    arms.build("levels.files.languages=[python]")
    yield arms


def chunks_of(repositories: dict[str, dict[str, str]]) -> list[str]:
    return sorted(
        chunk.text for files in repositories.values() for chunk in cut(sorted(files.items()), TOKENS, byte_starts)
    )


def test_raw_holds_every_file_of_the_language_copies_included(built: Arms) -> None:
    python = {repo: files for repo, files in REPOSITORIES.items() if repo != "notes"}
    assert built.texts("raw") == chunks_of(python)
    raw = built.counted()["raw"]
    assert (raw.repositories, raw.files) == (4, 13)
    assert raw.bytes == raw.tokens == sum(len(joint(text)) for files in python.values() for text in files.values())
    assert raw.share == 1


def test_file_level_keeps_one_of_equal_and_of_similar_files(built: Arms) -> None:
    left = {
        "alpha": REPOSITORIES["alpha"],
        "fork": {"d.py": REPOSITORIES["fork"]["d.py"]},
        "other": {name: REPOSITORIES["other"][name] for name in ("b.py", "z.py")},
        "parts": REPOSITORIES["parts"],
    }
    assert built.texts("file") == chunks_of(left)


def test_repository_level_drops_the_fork_whole_and_keeps_copied_files(built: Arms) -> None:
    assert built.texts("repository") == chunks_of({repo: REPOSITORIES[repo] for repo in ("alpha", "other", "parts")})
    clusters = {row["repository_id"]: row for row in built.rows("silver.repository_duplicates")}
    names = {row["repository_id"]: row["repo"] for row in built.rows("silver.repositories")}
    assert {names[key]: row["kept"] for key, row in clusters.items()} == {"alpha": True, "fork": False}


def test_chunk_level_drops_equal_pieces_of_files_that_are_not_alike(built: Arms) -> None:
    arms = built.counted()
    for arm, (given, chunked) in ARMS.items():
        if chunked:
            assert set(built.texts(arm)) <= set(built.texts(given))
            assert len(built.texts(arm)) == len(set(built.texts(arm)))  # no two equal chunks are left
    assert len(set(built.texts("raw"))) <= len(built.texts("raw")) - 8  # of the fork
    assert arms["chunk"].tokens < arms["raw"].tokens
    assert arms["file_chunk"].tokens <= arms["file"].tokens


def test_chunks_of_one_input_are_never_compared_with_those_of_another(built: Arms) -> None:
    given = {row["chunk_id"]: row["input"] for row in built.rows("silver.chunks")}
    pairs = built.rows("silver.chunk_pairs")
    assert pairs
    assert all(given[row["chunk_id"]] == given[row["other"]] for row in pairs)


def test_a_chunk_is_full_but_for_the_last_of_a_repository(built: Arms) -> None:
    rows = built.rows("silver.chunks")
    last: dict[tuple[str, str], int] = {}
    for row in rows:
        last[row["input"], row["repo"]] = max(row["number"], last.get((row["input"], row["repo"]), 0))
    assert all(row["tokens"] == TOKENS for row in rows if row["number"] < last[row["input"], row["repo"]])


def test_nothing_runs_twice_and_without_a_language_nothing_runs(built: Arms) -> None:
    again = built.build("levels.files.languages=[python]")
    assert {report.status for report in again.values() if report.job.startswith(("levels", "chunk", "repository"))} == {
        "skipped"
    }
