"""A release is made again from its sources, on any number of cores, and comes out with the same digests.

codelake release rebuild 2026-11 /data/again --conf my.yaml
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lakehouse import ledger, ops, planted
from lakehouse.config import Config, load, lock_digest
from lakehouse.errors import ConfigError
from lakehouse.job import Job
from lakehouse.lake import Lake
from lakehouse.rebuild import recipe
from lakehouse.registry import graph
from tests.faults import commands, corpus
from tests.faults.commands import CODELAKE

JOBS = {job.name: job for job in graph().jobs}


def run_of(job: Job, config: Config, **said: Any) -> dict[str, Any]:
    params = config.jobs[job.name]
    facts = {"job": job.name, "run_id": "1", "code": job.code, "lock": lock_digest(), "inputs": []}
    return {**facts, "params": params.digest, "params_json": params.canonical, **said}


def released(root: Path, *runs: Mapping[str, Any]) -> Lake:
    """A lake of which only its books are there: what a release was made from."""
    lake = Lake(str(root))
    said = {
        "release": "r",
        "table": "gold.pretrain",
        "table_id": "i",
        "version": 0,
        "digest": "d" * 64,
        "rows": 1,
        "bytes": 1,
    }
    ledger.append(
        lake, ops.releases, [{**said, "made_from": json.dumps(runs), "created_at": datetime(2026, 1, 1, tzinfo=UTC)}]
    )
    return lake


def test_parameters_are_those_of_the_release_and_places_those_of_the_configuration(tmp_path: Path) -> None:
    then = planted.make_benchmarks(tmp_path / "then")
    built = load(graph(), overrides=["code.sample.seed=5", f"code.decontaminate.benchmarks=[{then}]"])
    runs = [run_of(JOBS[name], built) for name in ("code.sample", "code.decontaminate", "code.ingest")]
    lake = released(tmp_path / "lake", *runs)
    now = planted.make_benchmarks(tmp_path / "now")
    source = '{name: a, kind: folder, location: "."}'
    given = load(graph(), overrides=[f"code.decontaminate.benchmarks=[{now}]", f"code.ingest.sources=[{source}]"])
    found = recipe(lake, graph(), "r", given, Lake(str(tmp_path / "again")))
    assert [job.name for job in found.jobs] == ["code.ingest", "code.decontaminate", "code.sample"]
    said = {name: found.config.jobs[name].model_dump() for name in ("code.sample", "code.decontaminate", "code.ingest")}
    assert said["code.sample"]["seed"] == 5
    assert said["code.decontaminate"]["benchmarks"] == (str(now),)
    assert [row["name"] for row in said["code.ingest"]["sources"]] == ["a"]
    assert (found.config.lake.root, found.notes) == (str(tmp_path / "again"), ())


def test_what_the_configuration_names_must_be_what_the_release_was_made_with(tmp_path: Path) -> None:
    built = load(graph(), overrides=[f"code.decontaminate.benchmarks=[{planted.make_benchmarks(tmp_path / 'then')}]"])
    lake = released(tmp_path / "lake", run_of(JOBS["code.decontaminate"], built))
    with pytest.raises(ConfigError, match=r"code\.decontaminate: .*files\.planted\.jsonl"):
        recipe(lake, graph(), "r", load(graph()), Lake(str(tmp_path / "again")))


def test_other_code_and_another_lock_file_are_said(tmp_path: Path) -> None:
    lake = released(tmp_path / "lake", run_of(JOBS["code.sample"], load(graph()), code="c", lock="l"))
    notes = recipe(lake, graph(), "r", load(graph()), Lake(str(tmp_path / "again"))).notes
    assert notes[0] == "code.sample: its code is not that of the release"
    assert notes[1].startswith("the lock file is not that of the release")


def test_a_job_that_is_no_more_and_the_lake_itself_are_refused(tmp_path: Path) -> None:
    lake = released(tmp_path / "lake", {**run_of(JOBS["code.sample"], load(graph())), "job": "code.gone"})
    with pytest.raises(ConfigError, match=r"made by code\.gone, which codelake no longer has"):
        recipe(lake, graph(), "r", load(graph()), Lake(str(tmp_path / "again")))
    with pytest.raises(ConfigError, match="is the lake of the release itself"):
        recipe(lake, graph(), "r", load(graph()), lake)


def say(log: Path, *command: object) -> str:
    with commands.start(*CODELAKE, *map(str, command), log=log) as started:
        code = started.wait(900)
        assert code == 0, started.output
    return started.output


@pytest.mark.spark
@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_release_grown_in_two_steps_is_made_again_at_once_on_one_core_and_on_two(tmp_path: Path) -> None:
    conf = corpus.make(tmp_path / "corpus")
    chats = tmp_path / "chats.jsonl"
    rows = [{"instruction": f"Say {n} in words, please.", "output": f"It is the number {n}."} for n in range(20)]
    chats.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    more = tmp_path / "more.yaml"
    more.write_text(
        f"code: {{decontaminate: {{benchmarks: [{planted.make_benchmarks(tmp_path / 'benchmarks')}]}}}}\n"
        f"sft: {{ingest: {{sources: [{{name: chats, location: {chats}, stage: 1}}]}}}}\n"
    )
    given = ("--conf", conf, "--conf", more)
    lake = tmp_path / "lake"
    say(tmp_path / "first.log", "build", *given, "--lake", lake, "--set", "code.sample.seed=5")
    corpus.change(tmp_path / "corpus")
    say(tmp_path / "second.log", "build", *given, "--lake", lake, "--set", "code.sample.seed=5")
    say(tmp_path / "release.log", "release", "create", "grown", "--lake", lake)
    for cores, parts in ((1, 3), (2, 2)):
        again = tmp_path / f"again{cores}"
        settings = (
            "--set",
            f"spark.master=local[{cores}]",
            "--set",
            f"spark.conf={{spark.sql.shuffle.partitions: '{parts}'}}",
        )
        said = say(tmp_path / f"{cores}.log", "release", "rebuild", "grown", again, "--lake", lake, *given, *settings)
        assert "gold.pretrain" in said and "gold.sft" in said
