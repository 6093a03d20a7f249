"""`codelake dedup`: what a MinHash setting finds, before anything is built with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lakehouse.cli.common import Settings, as_json, configured, table

if TYPE_CHECKING:
    from lakehouse.job import Params

STEPS = 20  # similarities from 0 to 1
BAR = 30  # characters of a certain find


@click.group()
def dedup() -> None:
    """Near-duplicates: choose how they are found.

    \b
      codelake dedup curve                                    the configured setting
      codelake dedup curve --profile paper                    the paper's 16 x 128
      codelake dedup curve --set code.bands.bands=25 --set code.bands.rows=10
    """


@dedup.command()
@configured
@click.option("--corpus", default="code", show_default=True, help="Whose setting: the job CORPUS.bands.")
@click.option("--json", "wants_json", is_flag=True, help="As JSON.")
def curve(settings: Settings, corpus: str, wants_json: bool) -> None:
    """The chance that two documents of a given similarity become candidates.

    Documents are cut into shingles of some tokens; similarity is the Jaccard similarity of their sets of shingles. A pair
    is found when it agrees in all rows of at least one band: the chance is 1 - (1 - similarity^rows)^bands. Pairs above
    the threshold that are not found stay in the data twice; candidates below it cost time and are dropped after they were
    measured.
    """
    config = settings.config()
    bands = _params(config.jobs, f"{corpus}.bands")
    threshold = float(_params(config.jobs, f"{corpus}.near_dedup").model_dump()["jaccard"])
    points = sorted({*(step / STEPS for step in range(STEPS // 4, STEPS)), 0.98, 0.99, 1.0, threshold})
    rows = [{"similarity": point, "found": bands.found(point)} for point in points]
    if wants_json:
        as_json({"setting": bands.model_dump(mode="json"), "threshold": threshold, "curve": rows})
        return
    said = ", ".join(f"{name} {value}" for name, value in bands.model_dump(mode="json").items())
    click.echo(f"{corpus}.bands: {said}; a pair counts from {threshold:g} ({corpus}.near_dedup.jaccard)\n")
    table(
        [
            {
                "similarity": f"{row['similarity']:.2f}",
                "found": f"{row['found']:7.2%}",
                "": "█" * round(BAR * row["found"]) + ("  ← threshold" if row["similarity"] == threshold else ""),
            }
            for row in rows
        ]
    )


def _params(jobs: Any, name: str) -> Any:
    """The parameters of a job. Raises ConfigError with the corpora there are."""
    from lakehouse.errors import ConfigError, nearest

    if name not in jobs:
        corpora = [job.removesuffix(".bands") for job in jobs if job.endswith(".bands")]
        corpus = name.partition(".")[0]
        raise ConfigError(f"--corpus {corpus}: expected one of {', '.join(corpora)}.{nearest(corpus, corpora)}")
    params: Params = jobs[name]
    return params
