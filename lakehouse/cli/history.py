"""What `codelake runs` says of the ledger: many runs as a list, or one in full."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click

from lakehouse import ledger, ops
from lakehouse.ask.shelf import Shelf
from lakehouse.cli.common import size, table
from lakehouse.errors import ConfigError, nearest
from lakehouse.lake import Lake
from lakehouse.shown import visible

Row = dict[str, Any]

ERROR_CHARS = 80  # of an error in the list; one run is shown with all of it


def runs(lake: Lake, job: str | None = None, status: str | None = None) -> list[Row]:
    """Runs, newest first. Raises ConfigError for a job that never ran and a status that does not exist."""
    known = ledger.runs(lake)[::-1]
    jobs = list(dict.fromkeys(row["job"] for row in known))
    if job is not None and job not in jobs:
        raise ConfigError(
            f"--job {job}: has no run here.{nearest(job, jobs)} Jobs with runs: {', '.join(jobs) or 'none'}."
        )
    if status is not None and status not in ops.STATUSES:
        raise ConfigError(f"--status {status}: allowed are {', '.join(ops.STATUSES)}.{nearest(status, ops.STATUSES)}")
    return [row for row in known if job in (None, row["job"]) and status in (None, row["status"])]


def run(lake: Lake, run_id: str) -> Row:
    """One run by its id or the beginning of it, with every expectation that its batches did not meet."""
    known = runs(lake)
    found = [row for row in known if row["run_id"].startswith(run_id)]
    if len(found) != 1:
        some = [row["run_id"] for row in (found or known)][:5]
        what = f"begins {len(found)} runs" if found else "is no run"
        raise ConfigError(f"{run_id!r} {what}. {'Newest' if not found else 'They are'}: {', '.join(some) or 'none'}.")
    columns = ["table", "expectation", "severity", "observed", "unexpected", "rows", "examples"]
    failed = "run_id = ? AND NOT success"
    unmet = Shelf(lake).rows(ops.expectation_results.name, failed, [found[0]["run_id"]], columns)
    params = json.loads(found[0]["params_json"] or "{}")
    return {**found[0], "params_json": params, "unmet_expectations": unmet}


def show_all(found: Sequence[Row]) -> None:
    if not found:
        click.echo("no run fits")
        return
    table(
        [
            {
                "run": row["run_id"],
                "job": row["job"],
                "status": row["status"],
                "started": f"{row['started_at']:%m-%d %H:%M}",
                "seconds": row["seconds"],
                "MB/s": row["bytes_in"] / 1e6 / row["seconds"] if row["bytes_in"] and row["seconds"] else None,
                "CPU s": row["cpu_seconds"],
                "peak MB": round(row["peak_mb"]),
                "rows": row["rows_out"],
                "error": visible(row["error"].replace("\n", " "), ERROR_CHARS),
            }
            for row in found
        ]
    )


def show(row: Row) -> None:
    """One run in full, but for large parameters, which `--json` holds."""
    speed = f", {size(row['bytes_in'] / row['seconds'])}/s" if row["bytes_in"] and row["seconds"] else ""
    click.echo(f"{row['run_id']} {row['job']}: {row['status']}")
    for name, text in (
        ("started", f"{row['started_at']:%Y-%m-%d %H:%M:%S} UTC on {row['host']}"),
        ("took", f"{row['seconds']:.1f} s, {row['cpu_seconds']:.1f} CPU s, peak {row['peak_mb']:,.0f} MB{speed}"),
        ("rows", f"{row['rows_out']:,} inserted, updated or deleted; {size(row['bytes_in'])} looked at"),
        ("run key", row["run_key"]),
        ("code", row["code"] or "-"),
        ("parameters", row["params"] or "-"),
        ("lock file", row["lock"] or "-"),
    ):
        click.echo(f"  {name:<11} {visible(text, 1000)}")
    for line in row["error"].splitlines():
        click.echo(f"  error       {visible(line, 1000)}")
    params = json.dumps(row["params_json"], ensure_ascii=False)
    click.echo(f"\nvalues of the parameters: {visible(params, 1000)}")
    table(
        [{**one, "version": _version(one["version"])} for one in row["inputs"]],
        ["name", "version", "id"],
        title="\nread",
    )
    table(row["outputs"], ["name", "version", "inserted", "updated", "deleted"], title="\nwrote")
    if row["unmet_expectations"]:
        shown = [{**one, "examples": "\n".join(one["examples"] or ())} for one in row["unmet_expectations"]]
        table(shown, title="\nexpectations that were not met")


def _version(version: int) -> int | None:
    return None if version < 0 else version
