"""Progress of a build: a live line per job on a terminal, one quiet line per finished job when piped."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress as RichProgress
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

from lakehouse.cli.common import size
from lakehouse.runner import Progress, Report

UP_TO_DATE = ("up to date",)
PIPED_EVERY_SECONDS = 30.0  # a job that works longer says so this often when nobody sees the live line


class Terminal(Progress):
    """Shows a build on stderr. `total`: number of jobs."""

    def __init__(self, total: int, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._quiet, self._total, self._nth = quiet, total, 0
        self._live = RichProgress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=quiet or not self._console.is_terminal,
        )
        self._task = self._live.add_task("starting", total=None)
        self._last = time.monotonic()
        self._skipped: list[Report] = []  # in a row, of one layer and one kind: said in one line

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._say_skipped()
        self._live.stop()

    def job(self, name: str, reasons: Sequence[str]) -> None:
        self._say_skipped()
        self._live.update(self._task, description=f"[bold]{name}[/] {escape(', '.join(reasons))}")

    def phase(self, name: str, what: str) -> None:
        self._live.update(self._task, description=f"\\[{self._nth + 1}/{self._total}] [bold]{name}[/] {escape(what)}")
        if not self._console.is_terminal and time.monotonic() - self._last > PIPED_EVERY_SECONDS:
            self._say(f"  {name}: {what}")

    def done(self, report: Report) -> None:
        if report.status == "skipped":
            if self._skipped and _kind(report) != _kind(self._skipped[0]):
                self._say_skipped()
            self._skipped.append(report)
            return
        self._say_skipped()
        self._nth += 1
        head = f"[{self._nth}/{self._total}] {report.job:<18} "
        changes = ", ".join(
            f"{o['name']} +{o['inserted']:,} ~{o['updated']:,} -{o['deleted']:,}"
            for o in report.outputs
            if o["inserted"] or o["updated"] or o["deleted"]
        )
        speed = f" {size(report.bytes_in / report.seconds)}/s" if report.bytes_in and report.seconds else ""
        self._say(head + f"{report.status} in {report.seconds:.1f} s{speed}  {changes or 'nothing changed'}")

    def _say_skipped(self) -> None:
        reports, self._skipped = self._skipped, []
        if not reports:
            return
        first, self._nth = self._nth + 1, self._nth + len(reports)
        if len(reports) == 1:
            self._say(f"[{first}/{self._total}] {reports[0].job:<18} {_why_skipped(reports[0])}")
            return
        layer = f"{reports[0].job.partition('.')[0]}.*"
        self._say(f"[{first}-{self._nth}/{self._total}] {layer:<18} {len(reports)} jobs, {_why_skipped(reports[0])}")

    def note(self, text: str) -> None:
        self._say(f"  {text}")

    def _say(self, text: str) -> None:
        self._last = time.monotonic()
        if not self._quiet:
            self._console.print(text, markup=False)


def _kind(report: Report) -> tuple[str, bool]:
    return report.job.partition(".")[0], report.reasons == UP_TO_DATE


def _why_skipped(report: Report) -> str:
    """The first of a row speaks for those behind it, which wait for what it does not make."""
    rest = [reason for reason in report.reasons if reason not in UP_TO_DATE]
    return f"nothing to do ({', '.join(rest)})" if rest else UP_TO_DATE[0]
