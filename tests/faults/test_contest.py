"""Several processes on one lake at once: one writer per table, nobody's commit is lost, who waits is told for whom.

codelake build --lake L &      # both end well: what one has done the other skips
codelake build --lake L
"""

from __future__ import annotations

import json
import re
import signal
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from lakehouse import ledger, ops
from lakehouse.lake import Lake
from lakehouse.registry import graph
from lakehouse.table import Table
from tests.faults import commands, contender
from tests.faults.builds import Builds
from tests.faults.toys import Toys

PUBLISH = "toy.ingest: publish bronze.lines"


@pytest.mark.spark
def test_a_second_build_names_a_stopped_holder_and_a_patient_one_waits_for_it(toys: Toys, tmp_path: Path) -> None:
    go = tmp_path / "go"
    with toys.stopped_at(PUBLISH, "--until", go) as one:
        one.signal(signal.SIGSTOP)
        with toys.start("--wait", 1) as other:
            assert other.wait() == 4, other.output
        said = (
            rf"bronze\.lines is being written by process {one.pid} on {re.escape(socket.gethostname())} \(running toy"
        )
        assert re.search(said + r"\.ingest, since 20\d\d-\d\d-\d\dT[^)]*\); waited 1 s\. Run the same", other.output)
        with toys.start() as patient:
            patient.until(f"bronze.lines: waiting for process {one.pid}")
            one.signal(signal.SIGCONT)
            go.touch()
            assert (one.wait(), patient.wait()) == (0, 0), one.output + patient.output
    assert "done by another process" in patient.output
    assert toys.digests() == toys.after
    toys.check_books(set())


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("wait", [300, 1])
def test_two_builds_at_once_do_the_work_once(builds: Builds, tmp_path: Path, wait: int) -> None:
    lake = builds.copy(tmp_path / "lake")
    with ExitStack() as stack:
        both = [
            stack.enter_context(builds.start(lake, tmp_path / f"{n}.log", "--set", f"lake.lock_wait_seconds={wait}"))
            for n in range(2)
        ]
        codes = sorted(one.wait() for one in both)
    said = "\n".join(one.output for one in both)
    if wait == 300:
        assert codes == [0, 0], said
    else:
        assert codes in ([0, 0], [0, 4]), said
        holders = re.findall(r"is being written by process (\d+) on \S+ \(running \S+, since 20[^)]+\)", said)
        assert len(holders) == codes.count(4)
        assert {int(pid) for pid in holders} <= {one.pid for one in both}
    assert commands.digests(lake, graph()) == builds.after
    commands.check_books(lake, graph(), set())


@pytest.mark.parametrize(
    ("what", "processes", "count"),
    [
        pytest.param("append", 4, 50, id="200 ledger appends"),
        pytest.param("publish", 2, 10, id="20 publishes", marks=pytest.mark.spark),
        pytest.param("publish", 2, 250, id="500 publishes", marks=[pytest.mark.spark, pytest.mark.slow]),
    ],
)
@pytest.mark.timeout(7200)
def test_contested_writes_are_all_there(tmp_path: Path, what: str, processes: int, count: int) -> None:
    lake, go = Lake(str(tmp_path / "lake")), tmp_path / "go"
    lake.folder.mkdir()
    reported: list[dict[str, Any]] = []
    with ExitStack() as stack:
        names = [f"process{n}" for n in range(processes)]
        started = [
            stack.enter_context(
                commands.start("-m", "tests.faults.contender", what, lake.root, name, count, go, log=tmp_path / name)
            )
            for name in names
        ]
        for process in started:
            process.until("ready")
        go.touch()
        for process in started:
            assert process.wait(7000) == 0, process.output
            reported += [json.loads(line) for line in process.output.splitlines() if line.startswith("{")]
    assert len(reported) == processes * count
    table = contender.TABLE if what == "publish" else ops.runs
    assert _versions(lake, table) == list(range(processes * count + 1)), "a version of the log is missing"
    rows = ledger.read(lake, table).to_pylist()
    assert len(rows) == sum(entry["rows"] for entry in reported)
    if what == "publish":
        assert sorted(entry["version"] for entry in reported) == list(range(1, processes * count + 1))
        log = {entry["run_key"] for entry in commands.publishes(lake, table)}
        assert log == {f"{name}-{nth}" for name in names for nth in range(count)}
        newest = {row["word"]: row["count"] for row in rows if row["word"] in {f"{name}-0-0" for name in names}}
        assert set(newest.values()) == {count - 1}, "an update of one process undid another's"
    else:
        assert {row["run_id"] for row in rows} == {entry["run_id"] for entry in reported}


def _versions(lake: Lake, table: Table) -> list[int]:
    log = Path(lake.location(table)) / "_delta_log"
    return sorted(int(path.stem) for path in log.glob("*.json") if path.stem.isdigit())
