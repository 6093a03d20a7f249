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

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def job(self, name: str, reasons: Sequence[str]) -> None:
        self._live.update(self._task, description=f"[bold]{name}[/] {escape(', '.join(reasons))}")

    def phase(self, name: str, what: str) -> None:
        self._live.update(self._task, description=f"\\[{self._nth + 1}/{self._total}] [bold]{name}[/] {escape(what)}")
        if not self._console.is_terminal and time.monotonic() - self._last > PIPED_EVERY_SECONDS:
            self._say(f"  {name}: {what}")

    def done(self, report: Report) -> None:
        self._nth += 1
        head = f"[{self._nth}/{self._total}] {report.job:<18} "
        if report.status == "skipped":
            self._say(head + f"up to date{_rest(report.reasons)}")
            return
        changes = ", ".join(
            f"{o['name']} +{o['inserted']:,} ~{o['updated']:,} -{o['deleted']:,}"
            for o in report.outputs
            if o["inserted"] or o["updated"] or o["deleted"]
        )
        speed = f" {size(report.bytes_in / report.seconds)}/s" if report.bytes_in and report.seconds else ""
        self._say(head + f"{report.status} in {report.seconds:.1f} s{speed}  {changes or 'nothing changed'}")

    def note(self, text: str) -> None:
        self._say(f"  {text}")

    def _say(self, text: str) -> None:
        self._last = time.monotonic()
        if not self._quiet:
            self._console.print(text, markup=False)


def _rest(reasons: Sequence[str]) -> str:
    rest = [reason for reason in reasons if reason != "up to date"]
    return f" ({', '.join(rest)})" if rest else ""
