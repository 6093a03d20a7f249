"""SIGKILL in every job of the web and every phase of every round: the same command goes on behind what was finished.

codelake build --conf my.yaml web.recall     # killed while round 2 scores
codelake build --conf my.yaml web.recall     # scores again; round 1 and the model of round 2 are there
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lakehouse import digest
from lakehouse.lake import Lake
from lakehouse.registry import graph, table
from tests.faults import commands
from tests.jobs.web import corpus

pytestmark = [pytest.mark.spark, pytest.mark.slow, pytest.mark.timeout(3600)]

PHASES = ("matched", "seed-1", "model-1", "scores-1", "domains-1", "seed-2", "model-2", "scores-2", "domains-2")
JOBS = ("web.ingest", "web.extract", "web.label", "web.documents", "web.decide")  # of those beside recall
TABLES = ("silver.web_seeds", "silver.web_models", "silver.web_scores", "silver.web_domains", "silver.web_recalled", "silver.web_rounds")  # fmt: skip


def build(conf: Path, lake: Lake, *what: str) -> commands.Command:
    log = lake.folder.with_suffix(f".{time.monotonic_ns()}.log")
    return commands.start("-m", "lakehouse.cli.main", "build", "--conf", conf, "--lake", lake.root, *what, log=log)


def finished(conf: Path, lake: Lake, *what: str) -> str:
    with build(conf, lake, *what) as command:
        assert command.wait() == 0, command.output
        return command.output


def held(lake: Lake) -> dict[str, int]:
    """The phases that are held, with the time at which each was finished."""
    marks = (lake.folder / "_stage" / "web.recall").glob("*/held/*/code-*/_SUCCESS")
    return {mark.parent.name.removeprefix("code-"): mark.stat().st_mtime_ns for mark in marks}


def until(command: commands.Command, met: Callable[[], bool]) -> None:
    end = time.monotonic() + commands.PATIENCE_SECONDS
    while not met():
        assert command.running, command.output
        assert time.monotonic() < end, command.output
        time.sleep(0.02)


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    """The settings of a lake over the small web, as a file."""
    settings = corpus.write(tmp_path / "web") | {"lake.docs": False, "spark.master": "local[2]"}
    nested: dict[str, object] = {}
    for key, value in settings.items():
        *folders, name = key.split(".")
        inner = nested
        for folder in folders:
            inner = inner.setdefault(folder, {})  # type: ignore[assignment]
        inner[name] = value
    path = tmp_path / "conf.yaml"
    path.write_text(json.dumps(nested))  # JSON is YAML
    return path


def digests(lake: Lake) -> dict[str, str]:
    return {name: digest.of_version(lake, table(name))[0] for name in TABLES}


def test_a_kill_behind_any_phase_loses_that_phase_s_successors_only(conf: Path, tmp_path: Path) -> None:
    before = Lake(str(tmp_path / "before"))
    finished(conf, before, "+silver.web_labels")
    undisturbed, killed = Lake(str(tmp_path / "undisturbed")), Lake(str(tmp_path / "killed"))
    shutil.copytree(before.folder, undisturbed.folder)
    shutil.copytree(before.folder, killed.folder)
    finished(conf, undisturbed, "web.recall")
    done: dict[str, int] = {}
    for phase in PHASES:
        with build(conf, killed, "web.recall") as command:
            until(command, lambda phase=phase: phase in held(killed))  # type: ignore[misc]
            command.kill()
        now = held(killed)
        assert done.items() <= now.items()  # what was finished before was not computed again
        done = now
    finished(conf, killed, "web.recall")
    assert digests(killed) == digests(undisturbed)


def test_a_kill_in_any_job_from_crawl_to_decision_is_made_good_by_the_same_command(conf: Path, tmp_path: Path) -> None:
    undisturbed, lake = Lake(str(tmp_path / "undisturbed")), Lake(str(tmp_path / "killed"))
    finished(conf, undisturbed, "web.*")
    killed: set[str] = set()
    for job in JOBS:
        with build(conf, lake, "web.*") as command:
            until(command, lambda job=job: any((lake.folder / "_stage" / job).glob("*/*")))  # type: ignore[misc]
            command.kill()
        killed |= commands.begun(lake)
    finished(conf, lake, "web.*")
    web = [table for table in graph().tables if table.name.partition(".")[2].startswith(("web_", "url_"))]
    assert {t.name: digest.of_version(lake, t)[0] for t in web if lake.exists(t)} == {
        t.name: digest.of_version(undisturbed, t)[0] for t in web if undisturbed.exists(t)
    }
    commands.check_books(lake, graph(), killed)
