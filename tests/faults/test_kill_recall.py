"""SIGKILL in every phase of every round: the same command goes on behind the last phase that was finished.

codelake build --conf my.yaml web.recall     # killed while round 2 scores
codelake build --conf my.yaml web.recall     # scores again; round 1 and the model of round 2 are there
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from lakehouse import digest
from lakehouse.lake import Lake
from lakehouse.registry import table
from tests.faults import commands
from tests.jobs.web import corpus

pytestmark = [pytest.mark.spark, pytest.mark.slow]

PHASES = ("matched", "seed-1", "model-1", "scores-1", "domains-1", "seed-2", "model-2", "scores-2", "domains-2")
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


def digests(lake: Lake) -> dict[str, str]:
    return {name: digest.of_version(lake, table(name))[0] for name in TABLES}


def test_a_kill_behind_any_phase_loses_that_phase_s_successors_only(tmp_path: Path) -> None:
    conf, before = tmp_path / "conf.yaml", Lake(str(tmp_path / "before"))
    settings = corpus.write(tmp_path / "web") | {"lake.docs": False, "spark.master": "local[2]"}
    nested: dict[str, object] = {}
    for key, value in settings.items():
        *folders, name = key.split(".")
        inner = nested
        for folder in folders:
            inner = inner.setdefault(folder, {})  # type: ignore[assignment]
        inner[name] = value
    conf.write_text(json.dumps(nested))  # JSON is YAML
    finished(conf, before, "+silver.web_labels")
    undisturbed, killed = Lake(str(tmp_path / "undisturbed")), Lake(str(tmp_path / "killed"))
    shutil.copytree(before.folder, undisturbed.folder)
    shutil.copytree(before.folder, killed.folder)
    finished(conf, undisturbed, "web.recall")
    done: dict[str, int] = {}
    for phase in PHASES:
        with build(conf, killed, "web.recall") as command:
            end = time.monotonic() + commands.PATIENCE_SECONDS
            while phase not in held(killed):
                assert command.running, command.output
                assert time.monotonic() < end, command.output
                time.sleep(0.02)
            command.kill()
        now = held(killed)
        assert done.items() <= now.items()  # what was finished before was not computed again
        done = now
    finished(conf, killed, "web.recall")
    assert digests(killed) == digests(undisturbed)
