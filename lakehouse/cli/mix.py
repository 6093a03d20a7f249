"""`codelake mix`: what a mixture would take, before anything is written."""

from __future__ import annotations

import click

from lakehouse.cli.common import Settings, as_json, configured, table
from lakehouse.errors import ConfigError, InputError, nearest
from lakehouse.lake import Lake
from lakehouse.registry import graph

DEFAULT = "corpus.mix"


@click.group()
def mix() -> None:
    """Mixtures: parts, shares, epochs."""


@mix.command()
@click.argument("job", default=DEFAULT, metavar="[JOB]")
@configured
@click.option("--json", "json_", is_flag=True, help="One JSON array on stdout.")
def plan(job: str, settings: Settings, json_: bool) -> None:
    """Show what each part has, gives, how often it is read, and what is short. Nothing is written.

    JOB: corpus.mix (pretraining, the default), anneal.mix or sft.mix.

    \b
    codelake mix plan --set "corpus.mix.parts=${conf:mixtures/paper-pretrain.yaml}"
    codelake mix plan anneal.mix --profile paper_1_5b
    codelake mix plan --set corpus.mix.tokens=1000000000

    Exit code 1 when a part is short: `build` would refuse.
    """
    mixing = {job.name: job for job in graph().jobs if job.preview is not None}
    if job not in mixing:
        raise ConfigError(f"{job}: mixes nothing. Allowed: {', '.join(mixing)}.{nearest(job, mixing)}")
    preview, config = mixing[job].preview, settings.config()
    assert preview is not None
    try:
        rows = preview(Lake(config.lake.root), config.jobs[job])
    except ValueError as error:
        raise InputError(str(error)) from error
    as_json(rows) if json_ else table(rows)
    if any(row["short"] for row in rows):
        raise click.exceptions.Exit(1)
