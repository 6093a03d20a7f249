"""`codelake plan`, `build` and `run`: what would run, and running it."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from lakehouse.cli.common import Settings, as_json, configured, table
from lakehouse.cli.progress import UP_TO_DATE, Terminal
from lakehouse.config import Config
from lakehouse.errors import ConfigError, nearest
from lakehouse.job import Job
from lakehouse.lake import Lake
from lakehouse.plan import plan as make_plan
from lakehouse.registry import graph
from lakehouse.runner import Report, Runner

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ACTIONS = {
    "skip": "up to date",
    "changes": "run on what changed",
    "whole": "run on everything",
    "after": "decided later",
}


@click.command()
@click.argument("selectors", nargs=-1)
@configured
@click.option("--full-refresh", is_flag=True, help="As if nothing had been computed before.")
@click.option("--json", "json_", is_flag=True, help="One JSON array on stdout.")
def plan(
    selectors: tuple[str, ...],
    settings: Settings,
    full_refresh: bool,
    json_: bool,
) -> None:
    """Say what would run and why. Reads table logs only: no Spark, nothing is written.

    SELECTORS: a job or table name, code.* for all of a layer, +name with what it needs, name+ with what needs it.
    """
    config = settings.config()
    show_plan(config, graph().select(selectors), force=full_refresh, json_=json_)


def show_plan(config: Config, jobs: Sequence[Job], *, force: bool, json_: bool) -> None:
    steps = make_plan(Lake(config.lake.root), config, jobs, force=force)
    rows = [
        {
            "job": s.job.name,
            "action": "nothing to do" if s.action == "skip" and s.reasons != UP_TO_DATE else ACTIONS[s.action],
            "why": "; ".join(s.reasons),
            "writes": ", ".join(t.name for t in s.job.writes),
        }
        for s in steps
    ]
    as_json(rows) if json_ else table(rows)
    for step in steps:
        warning = step.job.warning(config.jobs[step.job.name].canonical)
        if warning and (step.action != "skip" or Lake(config.lake.root).exists(step.job.writes[-1])):
            click.echo(f"WARNING {step.job.name}: {warning}", err=True)


@click.command()
@click.argument("selectors", nargs=-1)
@configured
@click.option("--full-refresh", is_flag=True, help="Compute everything again, whatever is there.")
@click.option("--dry-run", is_flag=True, help="Only show the plan.")
@click.option("--json", "json_", is_flag=True, help="One JSON array on stdout.")
@click.option("--quiet", is_flag=True, help="No progress.")
def build(
    selectors: tuple[str, ...],
    settings: Settings,
    full_refresh: bool,
    dry_run: bool,
    json_: bool,
    quiet: bool,
) -> None:
    """Bring tables up to date: run what changed, gate it, publish it. A second time does nothing.

    SELECTORS: a job or table name, code.* for all of a layer, +name with what it needs, name+ with what needs it.
    """
    config = settings.config()
    jobs = graph().select(selectors)
    if dry_run:
        show_plan(config, jobs, force=full_refresh, json_=json_)
        return
    reports = build_all(config, jobs, force=full_refresh, quiet=quiet)
    if json_:
        as_json([asdict(report) for report in reports])


@click.command()
@click.argument("names", nargs=-1, required=True)
@configured
@click.option("--full-refresh", is_flag=True, help="Compute everything again, whatever is there.")
def run(
    names: tuple[str, ...],
    settings: Settings,
    full_refresh: bool,
) -> None:
    """Run the named jobs and no others: what a scheduler calls, one job per task."""
    config = settings.config()
    known = {job.name for job in graph().jobs}
    for name in names:
        if name not in known:
            raise ConfigError(
                f"{name!r} is no job.{nearest(name, known)} Jobs: {', '.join(job.name for job in graph().jobs)}."
                " `build` takes selectors."
            )
    build_all(config, graph().select(names), force=full_refresh, quiet=False)


def build_all(config: Config, jobs: Sequence[Job], *, force: bool, quiet: bool) -> list[Report]:
    """Build with progress on stderr; the session ends with it."""
    with Terminal(len(jobs), quiet=quiet) as progress, Session(config, progress) as session:
        return Runner(Lake(config.lake.root), graph(), config, session.get, progress).build(jobs, force=force)


class Session:
    """The Spark session, built when a job first asks for it and stopped at the end if it was ours."""

    def __init__(self, config: Config, progress: Terminal) -> None:
        self._config, self._progress = config, progress
        self._spark: SparkSession | None = None
        self._ours = False

    def get(self) -> SparkSession:
        if self._spark is None:
            from pyspark.sql import SparkSession

            from lakehouse import session

            # Great Expectations takes 5 s to import; Spark's JVM takes about as long to start, in another process.
            threading.Thread(target=_import_gate, daemon=True).start()
            self._ours = SparkSession.getActiveSession() is None
            self._progress.job("Spark", ["starting"])
            with _own_interrupts():
                self._spark = session.build(self._config.spark, say=self._progress.note)
        return self._spark

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: Any) -> None:
        if self._spark is not None and self._ours:
            self._spark.stop()


@contextmanager
def _own_interrupts() -> Iterator[None]:
    """Leaves Ctrl-C to Python. PySpark's handler asks the JVM from inside the very call that was interrupted, which fails.

    py4j logs an interrupted call with its traceback; whoever pressed Ctrl-C knows.
    """
    before = signal.getsignal(signal.SIGINT)
    yield
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, before)
        logging.getLogger().addFilter(lambda record: "while sending command" not in str(record.msg))


def _import_gate() -> None:
    import great_expectations  # noqa: F401
