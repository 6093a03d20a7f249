"""Runs jobs on lakes as `codelake build` does, but starts the session first and says what that alone cost.

    ran = run([Step(lake, ("code.bands", "code.pairs", "code.near_dedup"))])
    ran.start_seconds, ran.steps[0].cpu_seconds

Steps share one process and one session: the first finds a cold JVM, the next a warm one.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lakehouse import ledger
from lakehouse.lake import Lake
from tests.bench.usage import Usage, measure


@dataclass(frozen=True)
class Step:
    """One build: these jobs on this lake, configured as `codelake build` is by --profile, --set and --conf."""

    lake: Lake
    jobs: tuple[str, ...]
    profile: str | None = None
    overrides: tuple[str, ...] = ()
    conf: Path | None = None

    @property
    def text(self) -> str:
        said = {"lake": self.lake.root, "jobs": self.jobs, "profile": self.profile, "overrides": self.overrides}
        return json.dumps(said | {"conf": str(self.conf) if self.conf else None})


@dataclass(frozen=True)
class Built:
    """What one step did: its rows in `ops.runs`, and the time from before the plan until after the last job."""

    runs: tuple[Mapping[str, Any], ...]
    started: datetime
    ended: datetime

    def run(self, job: str) -> Mapping[str, Any] | None:
        return next((run for run in self.runs if run["job"] == job), None)

    @property
    def cpu_seconds(self) -> float:
        """Of all jobs."""
        return float(sum(run["cpu_seconds"] for run in self.runs))


@dataclass(frozen=True)
class Ran:
    """One process: all it used, what the start of the session used of that, what each step did."""

    usage: Usage
    start_seconds: float
    start_cpu_seconds: float
    steps: tuple[Built, ...]

    @property
    def seconds(self) -> float:
        """Without the start of the session."""
        return self.usage.seconds - self.start_seconds

    @property
    def cpu_seconds(self) -> float:
        """Without the start of the session."""
        return self.usage.cpu_seconds - self.start_cpu_seconds


def run(steps: Sequence[Step]) -> Ran:
    """Run the steps in a process of its own. Raises subprocess.CalledProcessError where it fails."""
    usage = measure([sys.executable, "-m", "tests.bench.lake_jobs", *(step.text for step in steps)])
    said = json.loads(usage.output.splitlines()[-1])
    built = []
    for step, span in zip(steps, said["steps"], strict=True):
        started, ended = (datetime.fromisoformat(at) for at in span)
        runs = tuple(run for run in ledger.runs(step.lake) if started <= run["started_at"] <= ended)
        built.append(Built(runs, started, ended))
    return Ran(usage, said["start_seconds"], said["start_cpu_seconds"], tuple(built))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("steps", nargs="+", type=json.loads, help="JSON: lake, jobs, profile, overrides, conf")
    given = parser.parse_args()
    with redirect_stdout(sys.stderr):  # stdout is for the answer
        facts = _run(given.steps)
    print(json.dumps(facts))


def _run(steps: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    from lakehouse.config import load
    from lakehouse.registry import graph
    from lakehouse.runner import Runner

    clock = ledger.Clock()
    gate = threading.Thread(target=_import_gate)  # as the command line does it: while the JVM starts
    gate.start()
    from lakehouse import session

    configs = [
        load(
            graph(),
            profile=step["profile"],
            files=[Path(step["conf"])] if step["conf"] else [],
            overrides=[*step["overrides"], f"lake.root={json.dumps(step['lake'])}"],
        )
        for step in steps
    ]
    spark = session.build(configs[0].spark)
    gate.join()
    started, spans = clock.stop(), []
    for step, config in zip(steps, configs, strict=True):
        begin = datetime.now(UTC)
        Runner(Lake(config.lake.root), graph(), config, lambda: spark).build(graph().select(step["jobs"]))
        spans.append((begin.isoformat(), datetime.now(UTC).isoformat()))
    spark.stop()
    return {"start_seconds": started["seconds"], "start_cpu_seconds": started["cpu_seconds"], "steps": spans}


def _import_gate() -> None:
    import great_expectations  # noqa: F401


if __name__ == "__main__":
    main()
