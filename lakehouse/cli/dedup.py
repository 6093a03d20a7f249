"""`codelake dedup`: what a MinHash setting finds before anything is built with it, and levels of deduplication compared."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

from lakehouse.cli.common import Settings, as_json, configured, size, table

if TYPE_CHECKING:
    from lakehouse.job import Params

STEPS = 20  # similarities from 0 to 1
BAR = 30  # characters of a certain find


@click.group()
def dedup() -> None:
    """Near-duplicates: choose how they are found, compare files, repositories and chunks as what is deduplicated.

    \b
      codelake dedup arms --language python                   six arms of the same files, ready to train on
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


@dedup.command()
@configured
@click.option(
    "--language",
    "languages",
    multiple=True,
    metavar="NAME",
    help="Whose files are compared; repeatable. Default: levels.files.languages.",
)
@click.option("--json", "wants_json", is_flag=True, help="One JSON array on stdout.")
@click.option("--quiet", is_flag=True, help="No progress.")
def arms(settings: Settings, languages: tuple[str, ...], wants_json: bool, quiet: bool) -> None:
    """Deduplicate the same files at the level of files, repositories and chunks, and count what each arm keeps.

    \b
      codelake dedup arms --language python
      codelake dedup arms --language python --set chunk.texts.tokenizer=tokenizers/code-32k
      codelake release create dedup-arms                      pins gold.dedup_arms
      codelake ablate dedup_level --benchmarks benchmarks     trains the same model on each arm

    Builds what is missing; a second time it only counts. Arms are those of the recipe: raw, file, repository, and each of
    them with chunk level on top. Without a tokenizer a token is a byte.
    """
    from lakehouse.ask import arms as counted
    from lakehouse.cli.build import build_all
    from lakehouse.errors import ConfigError
    from lakehouse.lake import Lake
    from lakehouse.registry import graph
    from lakehouse.report.views import Views

    chosen = [f"levels.files.languages={json.dumps(languages)}"] if languages else []
    config = replace(settings, overrides=(*settings.overrides, *chosen)).config()
    if not config.jobs["levels.files"].model_dump()["languages"]:
        raise ConfigError("no language is chosen, so there is nothing to compare: --language python, for instance.")
    build_all(config, graph().select([f"+{counted.TABLE}"]), force=False, quiet=quiet)
    with Views(Lake(config.lake.root)) as views:
        found = counted.arms(views)
    if wants_json:
        as_json([asdict(one) for one in found])
        return
    table([{**asdict(one), "bytes": size(one.bytes), "share": f"{one.share:.1%}"} for one in found])


def _params(jobs: Any, name: str) -> Any:
    """The parameters of a job. Raises ConfigError with the corpora there are."""
    from lakehouse.errors import ConfigError, nearest

    if name not in jobs:
        corpora = [job.removesuffix(".bands") for job in jobs if job.endswith(".bands")]
        corpus = name.partition(".")[0]
        raise ConfigError(f"--corpus {corpus}: expected one of {', '.join(corpora)}.{nearest(corpus, corpora)}")
    params: Params = jobs[name]
    return params
