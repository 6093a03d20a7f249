"""SIGKILL in the middle of a wave: what was answered is not asked again, and the tables are those of an undisturbed run.

codelake build --conf my.yaml synthesis.answers     # killed while the teacher answers
codelake build --conf my.yaml synthesis.answers     # asks for what is missing
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from jobs.synthesis.journal import UNCOMMITTED
from lakehouse import digest, ledger
from lakehouse.lake import Lake
from lakehouse.registry import table
from tests.faults import commands
from tests.jobs.synthesis import lakes
from tests.jobs.synthesis.servers import Server
from tests.jobs.synthesis.writer import reply

pytestmark = [pytest.mark.spark, pytest.mark.slow]

TABLES = ("bronze.teacher_requests", "bronze.teacher_responses")


def build(conf: Path, lake: Lake, *what: str) -> commands.Command:
    log = lake.folder.with_suffix(f".{time.monotonic_ns()}.log")
    return commands.start(*commands.CODELAKE, "build", "--conf", conf, "--lake", lake.root, *what, log=log)


def finished(conf: Path, lake: Lake, *what: str) -> None:
    with build(conf, lake, *what) as command:
        assert command.wait() == 0, command.output


def test_a_kill_while_the_teacher_answers_costs_at_most_what_was_not_written_down(tmp_path: Path) -> None:
    def slow(body: dict[str, object]) -> str:
        time.sleep(0.05)
        return reply(body)

    with Server(reply=slow) as server:
        settings = lakes.settings(server.url, most_at_once=2) | {"lake.docs": False, "spark.master": "local[2]"}
        conf = lakes.configuration(tmp_path / "conf.yaml", settings)
        seeded = Lake(str(tmp_path / "seeded"))
        lakes.write(seeded)
        finished(conf, seeded, "synthesis.seeds")
        killed, undisturbed = Lake(str(tmp_path / "killed")), Lake(str(tmp_path / "undisturbed"))
        shutil.copytree(seeded.folder, killed.folder)
        shutil.copytree(seeded.folder, undisturbed.folder)
        finished(conf, undisturbed, "synthesis.answers")
        whole = len(server.bodies)
        for more in (3, 12, 6):  # of the answers that are still to come
            start = len(server.bodies)
            with build(conf, killed, "synthesis.answers") as command:
                end = time.monotonic() + commands.PATIENCE_SECONDS
                while len(server.bodies) < start + more:
                    assert command.running, command.output
                    assert time.monotonic() < end, command.output
                    time.sleep(0.005)
                command.kill()
        finished(conf, killed, "synthesis.answers")
        asked = len(server.bodies) - whole
    assert whole <= asked <= whole + 3 * (UNCOMMITTED + 2)  # per kill: what was not on disk yet, and two under way
    answers = ledger.read(killed, table("bronze.teacher_responses")).to_pylist()
    assert {row["status"] for row in answers} == {"ok"}
    assert len(answers) == len(ledger.read(killed, table("bronze.teacher_requests"))) == whole
    found = [{name: digest.of_version(lake, table(name))[0] for name in TABLES} for lake in (killed, undisturbed)]
    assert found[0] == found[1]
