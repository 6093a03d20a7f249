"""What a build prints when nobody watches: a line per job that ran, one for a row of jobs that did not.

with Terminal(total=6) as progress: progress.done(report)
"""

from __future__ import annotations

import pytest

from lakehouse.cli.progress import Terminal
from lakehouse.runner import Report

UP_TO_DATE = ("up to date",)


def skipped(job: str, *reasons: str) -> Report:
    return Report(job, "skipped", reasons or UP_TO_DATE)


def lines(reports: list[Report], capsys: pytest.CaptureFixture[str]) -> list[str]:
    with Terminal(len(reports)) as progress:
        for report in reports:
            progress.done(report)
    return capsys.readouterr().err.splitlines()


def test_jobs_in_a_row_that_had_nothing_to_do_are_one_line_with_the_first_ones_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ran = Report("code.sample", "published", ("inputs moved",), (), 2.0)
    said = lines(
        [
            *(skipped(f"code.{name}") for name in ("ingest", "language")),
            ran,
            skipped("web.ingest", "no source is configured"),
            skipped("web.extract", "bronze.web_pages not there yet"),
            skipped("corpus.pretrain"),
        ],
        capsys,
    )
    assert said == [
        "[1-2/6] code.*             2 jobs, up to date",
        "[3/6] code.sample        published in 2.0 s  nothing changed",
        "[4-5/6] web.*              2 jobs, nothing to do (no source is configured)",
        "[6/6] corpus.pretrain    up to date",
    ]


def test_up_to_date_and_idle_jobs_of_one_layer_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    assert lines(
        [skipped("code.ingest", "no source is configured; the 2 that were read stay"), skipped("code.a")], capsys
    ) == [
        "[1/2] code.ingest        nothing to do (no source is configured; the 2 that were read stay)",
        "[2/2] code.a             up to date",
    ]
