"""SIGKILL at any moment, then the same command again: nothing is lost, doubled or half-done.

codelake build --lake L        # killed, with its JVM
codelake build --lake L        # finishes what is left; the tables are those of a run that nobody disturbed
"""

from __future__ import annotations

import json
import os
import random
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from lakehouse import ledger
from lakehouse.errors import JobFailed
from lakehouse.lake import Lake
from lakehouse.lock import Holder, hold
from lakehouse.registry import graph, table
from lakehouse.runner import Progress
from tests.faults import commands
from tests.faults.builds import PRETRAIN, Builds
from tests.faults.toys import FIRST, Toys
from tests.lakehouse import toy

pytestmark = pytest.mark.spark

# bronze.lines, the first table of its job, has its commit by then; bronze.sources, the last, has not.
BETWEEN_TABLES = "toy.ingest: publish bronze.sources"
PUBLISH = "toy.ingest: publish bronze.lines"


def statuses(toys: Toys, job: str) -> list[str]:
    return [row["status"] for row in ledger.runs(toys.lake) if row["job"] == job]


def test_kills_between_two_tables_and_before_the_ledgers_row_leave_what_an_undisturbed_run_leaves(toys: Toys) -> None:
    killed: set[str] = set()
    with commands.reader(toys.lake, toy.long) as seen:
        for phase in (BETWEEN_TABLES, "toy.ingest: record killed", "toy.ingest: record published"):
            with toys.stopped_at(phase) as command:
                command.kill()
            killed |= commands.begun(toys.lake)
        toys.build()
    assert len(killed) == 2  # the one in the middle had not begun: it was still writing down the end of the first
    assert toys.digests() == toys.after
    toys.check_books(killed)
    assert statuses(toys, "toy.ingest") == ["published", "killed", "published"]
    assert set(seen.digests.values()) <= {toys.before["gold.long"], toys.after["gold.long"]}
    assert seen.looks > 10
    assert toys.build() == {"skipped"}


def test_a_jvm_that_outlives_its_driver_is_waited_for(toys: Toys) -> None:
    begun: list[tuple[str, bool]] = []
    let_go = threading.Event()

    class Watch(Progress):
        def job(self, name: str, reasons: Sequence[str]) -> None:  # noqa: ARG002
            begun.append((name, let_go.is_set()))

    with toys.stopped_at(PUBLISH, "--in-spark") as command:
        jvm = json.loads((toys.lake.folder / "_locks" / "bronze.lines.lock").read_text())["jvm"]
        # Left alone, an orphan ends within moments: it is held, as a busy machine would hold it.
        os.kill(jvm, signal.SIGSTOP)
        command.kill_driver()

        def wake() -> None:
            let_go.set()
            os.kill(jvm, signal.SIGCONT)

        timer = threading.Timer(4, wake)
        timer.start()
        toys.build(Watch())
        timer.join()
    assert begun == [("toy.ingest", True), ("toy.words", True), ("toy.long", True)]
    assert toys.digests() == toys.after
    assert statuses(toys, "toy.ingest") == ["published", "killed", "published"]


def test_an_interrupt_ends_with_130_and_the_same_command_finishes(toys: Toys) -> None:
    with toys.stopped_at(PUBLISH, "--in-spark") as command:
        command.signal(signal.SIGINT)
        assert command.wait() == 130, command.output
        assert "interrupted: nothing half-done was published" in command.output
        assert "Traceback" not in command.output, command.output
    me = Holder.me("-", "looking", "now")
    with hold(toys.lake.folder, "bronze.lines", me, wait_seconds=0):
        pass
    interrupted = commands.begun(toys.lake)
    assert len(interrupted) == 1
    toys.build()
    assert toys.digests() == toys.after
    toys.check_books(interrupted)


def test_a_library_that_ends_the_process_is_no_success(toys: Toys) -> None:
    class Exits(Progress):
        def phase(self, name: str, what: str) -> None:
            if f"{name}: {what}" == BETWEEN_TABLES:
                raise SystemExit(0)  # as PySpark does at an import, where a package is missing

    with pytest.raises(JobFailed, match=r"(?s)ended the process with code 0.*bronze\.lines published, the rest not"):
        toys.build(Exits())
    assert statuses(toys, "toy.ingest") == ["published", "failed"]


def test_a_half_published_change_that_is_taken_back_is_undone(toys: Toys) -> None:
    class Died(BaseException):
        """Ends a run where a kill would: nothing in between catches it."""

    class Dies(Progress):
        def phase(self, name: str, what: str) -> None:
            if f"{name}: {what}" == BETWEEN_TABLES:
                raise Died

    with pytest.raises(Died):
        toys.build(Dies())
    assert toys.digests()["bronze.lines"] != toys.before["bronze.lines"]
    toys.write(FIRST)
    toys.build()
    assert toys.digests() == toys.before


WAYS = {"group": 20, "driver": 4, "interrupt": 4}  # how the build is ended, and how often


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(("way", "seed"), [(way, seed) for way, times in WAYS.items() for seed in range(times)])
def test_a_build_that_is_ended_at_any_moment_is_finished_by_the_same_command(
    builds: Builds, tmp_path: Path, way: str, seed: int
) -> None:
    """Even seeds build a lake from nothing, odd ones bring an existing lake to the next version of its sources."""
    lake = builds.copy(tmp_path / "lake") if seed % 2 else Lake(str(tmp_path / "lake"))
    moment = random.Random(seed).uniform(0.02, 1) * (builds.from_first if seed % 2 else builds.from_nothing)
    with commands.reader(lake, table(PRETRAIN)) as seen:
        with builds.start(lake, tmp_path / "ended.log") as command:
            command.sleep(moment)
            ran = command.running
            if way == "group":
                command.kill()
            elif way == "driver":
                command.kill_driver()
            else:
                command.signal(signal.SIGINT)
                assert command.wait() in ((130,) if ran else (0,)), command.output
            killed = commands.begun(lake)
            said = command.output
            # Outside the block the rest of the group is gone: an orphaned JVM must meet the next build.
            with builds.start(lake, tmp_path / "again.log") as again:
                assert again.wait() == 0, again.output
        with builds.start(lake, tmp_path / "third.log", "--json") as third:
            assert third.wait() == 0, third.output
    print(f"{way}, seed {seed}: after {moment:.1f} s, {said.count('published in')} jobs done, running: {ran}, {killed}")
    assert third.output.count('"skipped"') == len(graph().jobs), third.output
    assert commands.digests(lake, graph()) == builds.after
    commands.check_books(lake, graph(), killed)
    assert set(seen.digests.values()) <= builds.whole
    assert seen.looks > 10
