"""A release made again in another folder, from its sources, with the parameters that made it.

What a result depends on is recorded with the release and taken from there. Where things lie (sources, folders of benchmarks and
tokenizers) is not part of it and comes from the configuration. Code and lock file are those that run now: where they are
others than those of the release, it is said, and equal digests then prove that the change made no difference.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from lakehouse import digest, release
from lakehouse.config import Config, lock_digest, overlaid
from lakehouse.errors import ConfigError
from lakehouse.job import Graph, Job, Params
from lakehouse.lake import Lake
from lakehouse.plan import difference
from lakehouse.runner import Progress, Runner

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class Recipe:
    """What to run to make a release again. `notes`: what is not as it was."""

    jobs: tuple[Job, ...]
    config: Config
    notes: tuple[str, ...]


def recipe(lake: Lake, graph: Graph, name: str, config: Config, into: Lake) -> Recipe:
    """The jobs behind a release with their recorded parameters, to be run in the lake `into`.

    Raises ConfigError where a job of it is not known any more, or where what the configuration names (files of benchmarks,
    a tokenizer) is not what the release was made with.
    """
    if into.folder.absolute() == lake.folder.absolute():
        raise ConfigError(f"{into.root}: is the lake of the release itself. Name another folder to build in.")
    runs = _runs(release.show(lake, name))
    jobs = tuple(job for job in graph.jobs if job.name in runs)
    if unknown := sorted(runs.keys() - {job.name for job in jobs}):
        raise ConfigError(f"release {name!r} was made by {', '.join(unknown)}, which codelake no longer has.")
    chosen = {job.name: _params(job, runs[job.name], config.jobs[job.name]) for job in jobs}
    notes = [f"{job.name}: its code is not that of the release" for job in jobs if job.code != runs[job.name]["code"]]
    if any(run["lock"] != lock_digest() for run in runs.values()):
        notes.append("the lock file is not that of the release: other versions of packages are installed")
    settings = config.lake.model_copy(update={"root": into.root, "docs": False})
    return Recipe(jobs, replace(config, lake=settings, jobs={**config.jobs, **chosen}), tuple(notes))


def rebuild(
    lake: Lake,
    graph: Graph,
    name: str,
    recipe: Recipe,
    session: Callable[[], SparkSession],
    progress: Progress | None = None,
) -> list[release.Check]:
    """Run the recipe and compare every pinned table with what came out of it. The same command goes on after a kill."""
    into = Lake(recipe.config.lake.root)
    Runner(into, graph, recipe.config, session, progress).build(recipe.jobs)
    tables = {table.name: table for table in graph.tables}
    checks = []
    for row in release.show(lake, name):
        table = tables[row["table"]]
        found = digest.of_version(into, table)[0] if into.exists(table) else "was not made"
        checks.append(release.Check(row["table"], row["version"], row["digest"], found))
    return checks


def _runs(pins: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The newest run of every job behind the release, by job."""
    runs = [run for pin in pins for run in json.loads(pin["made_from"])]
    return {run["job"]: run for run in sorted(runs, key=lambda run: str(run["run_id"]))}


def _params(job: Job, run: Mapping[str, Any], given: Params) -> Params:
    """The parameters of a run, with the places of the configuration."""
    recorded = json.loads(run["params_json"])
    for name in job.params.model_computed_fields:
        recorded.pop(name, None)
    placed = given.model_dump(mode="json", include=dict(job.params.placement)) if job.params.placement else {}
    try:
        params = job.params.model_validate(overlaid(recorded, placed))
    except ValidationError as error:
        raise ConfigError(f"{job.name}: the release's parameters are none that it takes today: {error}") from error
    if params.digest != run["params"]:
        differs = difference(run["params_json"], params.canonical) or "in a way that its parameters do not show"
        raise ConfigError(
            f"{job.name}: what the configuration names is not what the release was made with: {differs}."
            " Name the files that it was made with, by --conf or --set. Nothing was built."
        )
    return params
