"""The same build on executors of their own, one of which is killed while it works.

codelake build --set 'spark.master=local-cluster[2,1,1024]'      # two executors, a core and 1 GB each
"""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from lakehouse.lake import Lake
from lakehouse.registry import graph
from tests.faults import commands
from tests.faults.builds import Builds

# Three undisturbed builds come first, and executors start without a class-data archive.
pytestmark = [pytest.mark.spark, pytest.mark.slow, pytest.mark.timeout(1800)]

SETTINGS = (
    "spark.master=local-cluster[2,1,1024]",
    'spark.conf={spark.sql.shuffle.partitions: "3"}',
    "code.pairs.driver_rows=0",  # so few documents would fit the driver
    "code.near_dedup.driver_rows=0",
    "code.near_dedup.driver_edges=0",
)
CLUSTER = tuple(word for setting in SETTINGS for word in ("--set", setting))


def executors(pid: int) -> list[psutil.Process]:
    """Executor JVMs below a command, the oldest first."""
    below = psutil.Process(pid).children(recursive=True)
    found = [process for process in below if "CoarseGrainedExecutorBackend" in " ".join(process.cmdline())]
    return sorted(found, key=psutil.Process.create_time)


def test_an_executor_that_dies_while_near_duplicates_are_found_changes_nothing(builds: Builds, tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    with builds.start(lake, tmp_path / "log", *CLUSTER) as command:
        killed = []
        for done in ("code.language", "code.bands"):  # the next job is under way
            command.until(f" {done} ")
            command.sleep(1.0)
            first, *others = executors(command.pid)
            assert others, "one executor is no cluster"
            first.kill()
            killed.append(first.pid)
        assert command.wait(900) == 0, command.output
    assert len(set(killed)) == 2
    assert commands.digests(lake, graph()) == builds.after
    commands.check_books(lake, graph(), set())
