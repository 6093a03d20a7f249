"""`codelake mix`: what a mixture would take, before anything is written."""

from __future__ import annotations

import click

from lakehouse.cli.common import Settings, as_json, configured, table
from lakehouse.errors import InputError
from lakehouse.lake import Lake
from lakehouse.registry import graph

JOB = "corpus.mix"


@click.group()
def mix() -> None:
    """Mixtures by tokens: parts, shares, epochs."""


@mix.command()
@configured
@click.option("--json", "json_", is_flag=True, help="One JSON array on stdout.")
def plan(settings: Settings, json_: bool) -> None:
    """Show the tokens of each part: there, wanted, how often read, short. Nothing is written.

    \b
    codelake mix plan --set "corpus.mix.parts=${conf:mixtures/paper-pretrain.yaml}"
    codelake mix plan --set corpus.mix.tokens=1000000000

    Exit code 1 when a part is short: `build` would refuse.
    """
    config = settings.config()
    (job,) = graph().select([JOB])
    assert job.preview is not None
    try:
        rows = job.preview(Lake(config.lake.root), config.jobs[JOB])
    except ValueError as error:
        raise InputError(str(error)) from error
    as_json(rows) if json_ else table(rows)
    if any(row["short"] for row in rows):
        raise click.exceptions.Exit(1)
