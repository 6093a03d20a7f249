"""The command line over the toy pipeline, made to stop where a test wants to hit it.

usage: python -m tests.faults.toy_build LAKE TEXTS [--wait S] [--file-bytes N]
                                         [--stop-at PHASE [--until FILE] [--in-spark]]

Everything but the jobs and the configuration is the real thing: `codelake build`, its session, its exit codes. A phase
is the job and what it does, such as "toy.words: publish silver.words", or "toy.words: record published" for the moment
between the last commit of a run and its row in `ops.runs`. The process says "stopped at PHASE" and stays there until
FILE exists, in Python or waiting for a Spark job. N: no process of the build may write a file larger than this.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lakehouse import ledger, ops
from lakehouse.cli import build, main
from lakehouse.cli.common import Settings
from lakehouse.cli.progress import Terminal
from lakehouse.lake import Lake
from lakehouse.table import Table
from tests.lakehouse import toy


class Stop:
    """Where to stop, and for how long."""

    def __init__(self, phase: str, until: Path, in_spark: bool) -> None:
        self._phase, self._until, self._in_spark = phase, until, in_spark

    def __call__(self, phase: str) -> None:
        if phase != self._phase:
            return
        print(f"stopped at {phase}", flush=True)
        while not self._until.exists():
            _long_query() if self._in_spark else time.sleep(0.1)


def _long_query() -> None:
    from pyspark.sql import SparkSession

    spark = SparkSession.getActiveSession()
    assert spark is not None
    spark.range(10**12).selectExpr("sum(id % 7)").collect()


def install(stop: Stop) -> None:
    """Put the stop into the progress display and before the ledger's row of a run."""
    phase, append = Terminal.phase, ledger.append

    def stopping(self: Terminal, name: str, what: str) -> None:
        phase(self, name, what)
        stop(f"{name}: {what}")

    def recording(lake: Lake, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        for row in rows if table is ops.runs else ():
            stop(f"{row['job']}: record {row['status']}")
        append(lake, table, rows)

    Terminal.phase = stopping  # type: ignore[method-assign]
    ledger.append = recording


def run() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("lake", type=Path)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--wait", type=float, default=300)
    parser.add_argument("--file-bytes", type=int)
    parser.add_argument("--stop-at", default="")
    parser.add_argument("--until", type=Path, default=Path("never"))
    parser.add_argument("--in-spark", action="store_true")
    given = parser.parse_args()
    if given.file_bytes:
        resource.setrlimit(resource.RLIMIT_FSIZE, (given.file_bytes, given.file_bytes))
    install(Stop(given.stop_at, given.until, given.in_spark))
    config = toy.config(given.lake, given.texts, wait=given.wait)
    build.graph = lambda: toy.GRAPH
    Settings.config = lambda self: config  # type: ignore[method-assign]  # noqa: ARG005
    main(["build"])


if __name__ == "__main__":
    run()
