"""Commands as processes that can be killed, and what a lake must look like however often they were.

    build = start(*CODELAKE, "build", "--lake", lake, log=tmp_path / "log")
    build.until("stage silver.words")
    build.kill()

A process leads its own group, as under a scheduler: `kill` ends its JVM too. Output goes to a file: nobody has to
read a pipe while something else is stopped.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lakehouse import digest, ledger, ops
from lakehouse.job import Graph
from lakehouse.lake import Lake
from lakehouse.table import Table

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 400.0  # for a machine that is busy with other work; never what a test measures
POLL_SECONDS = 0.05
CODELAKE = (Path(sys.executable).with_name("codelake"),)  # the script that an installation puts beside its Python


class Command:
    """A started command. Leaving the `with` block kills what is left of its group."""

    def __init__(self, arguments: list[str], log: Path, environment: Mapping[str, str], folder: Path) -> None:
        self._log = log
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment, cwd=folder,
                start_new_session=True, preexec_fn=_interruptible,
            )  # fmt: skip
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def output(self) -> str:
        return self._log.read_text("utf-8", "replace")

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def until(self, text: str) -> None:
        """Wait until the output holds `text`. Fails when the command ends or takes for ever."""
        end = time.monotonic() + PATIENCE_SECONDS
        while text not in self.output:
            assert self.running, f"ended with {self._process.returncode} before {text!r}:\n{self.output}"
            assert time.monotonic() < end, f"no {text!r} after {PATIENCE_SECONDS:g} s:\n{self.output}"
            time.sleep(POLL_SECONDS)

    def wait(self, seconds: float = PATIENCE_SECONDS) -> int:
        """The exit code, as a shell would see it."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {seconds:g} s:\n{self.output}") from None
        return code if code >= 0 else 128 - code

    def sleep(self, seconds: float) -> None:
        """Let it work for this long, or to its end."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)

    def signal(self, number: signal.Signals) -> None:
        """To every process of the group, as a terminal or a scheduler sends it."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def kill(self) -> None:
        """SIGKILL to the whole group, stopped members included."""
        self.signal(signal.SIGKILL)
        self._process.wait()

    def kill_driver(self) -> None:
        """SIGKILL to the Python process alone: its JVM is left to find out."""
        self._process.kill()
        self._process.wait()


def _interruptible() -> None:
    """In the child: a background job of a shell ignores SIGINT, and what it starts would inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(*arguments: str | Path | float, log: Path, **environment: str) -> Command:
    """`python arguments`, run in the folder of its log; `environment` is added to ours."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    added = {**os.environ, "PYTHONPATH": path, **environment}
    return Command([sys.executable, *map(str, arguments)], log, added, log.parent)


def run(*arguments: str | Path | float, log: Path, **environment: str) -> tuple[int, str]:
    """The same, to its end: exit code and output."""
    with start(*arguments, log=log, **environment) as command:
        return command.wait(), command.output


@dataclass
class Seen:
    """What a reader saw: digest of each version that it met, and how often it looked."""

    digests: dict[int, str] = field(default_factory=dict)
    looks: int = 0
    errors: list[BaseException] = field(default_factory=list)


@contextmanager
def reader(lake: Lake, table: Table) -> Iterator[Seen]:
    """Reads the table over and over in a thread, as a training run or an analyst would, and notes what it saw."""
    seen, ended = Seen(), threading.Event()

    def look() -> None:
        while not ended.wait(POLL_SECONDS):
            try:
                opened = lake.open(table)
                if opened is not None:
                    version = opened.version()
                    found = digest.of_version(lake, table, version)[0]
                    assert seen.digests.setdefault(version, found) == found, (
                        f"version {version} changed under the reader"
                    )
                seen.looks += 1
            except BaseException as error:  # noqa: BLE001  a thread's error must reach the test
                seen.errors.append(error)
                return

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()
    if seen.errors:
        raise seen.errors[0]


def digests(lake: Lake, graph: Graph) -> dict[str, str]:
    """Content digest by table name, of the tables that there are."""
    return {table.name: digest.of_version(lake, table)[0] for table in graph.tables if lake.exists(table)}


def begun(lake: Lake) -> set[str]:
    """Run ids in the lock files: jobs whose process ended without releasing its locks."""
    found = set()
    for path in (lake.folder / "_locks").glob("*.lock"):
        text = path.read_text()
        if text and (holder := json.loads(text))["doing"].startswith("running "):
            found.add(holder["run_id"])
    return found


def publishes(lake: Lake, table: Table) -> list[dict[str, Any]]:
    """What each publish wrote into the table's log, oldest first."""
    opened = lake.open(table)
    history = [] if opened is None else opened.history()
    return [json.loads(entry["userMetadata"]) for entry in reversed(history) if entry.get("userMetadata")]


def check_books(lake: Lake, graph: Graph, killed: set[str]) -> None:
    """What must hold in every lake that nobody is writing, whatever happened before.

    `killed`: run ids of jobs that were begun and killed.
    """
    for table in graph.tables:
        keys = Counter((facts["job"], facts["run_key"]) for facts in publishes(lake, table))
        assert not [key for key, n in keys.items() if n > 1], f"{table.name}: published twice under one run key"
    runs = ledger.runs(lake)
    assert not [run_id for run_id, n in Counter(row["run_id"] for row in runs).items() if n > 1]
    assert {row["status"] for row in runs} <= set(ops.STATUSES)
    status = {row["run_id"]: row["status"] for row in runs}
    committed = {facts["run_id"] for job in graph.jobs for facts in publishes(lake, job.writes[-1])}
    assert {run_id: status.get(run_id) for run_id in killed} == {
        run_id: "published" if run_id in committed else "killed" for run_id in killed
    }
    assert committed <= {run_id for run_id, how in status.items() if how == "published"}
    assert not [path for path in (lake.folder / "_stage").rglob("*") if path.is_file()], "left in the stage"
