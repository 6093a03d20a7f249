"""From a model to what it was made of: runs, releases, tables with version and digest, repositories.

    said = of_checkpoint(checkpoint.named("runs/tiny/checkpoints/anneal_iter_0000100"))
    said["data"]                       # one row a stage and part: release, table, version, digest
    repositories(Lake("lake"), said)   # documents by release, source and repository

An exported folder carries it as `lineage.json`, a registered model as a tag of its version. A model that branched from a
checkpoint of another run has that run's data before its own; stages that come after the checkpoint are not in it.
Reading lineage needs no torch; what writes it imports it when called.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse.config import lock_digest
from lakehouse.errors import ConfigError, InputError
from lakehouse.lake import Lake
from training.config import RunConfig
from training.tracking import SENT

if TYPE_CHECKING:
    from training.checkpoint import Found

FILE, TAG = "lineage.json", "codelake.lineage"
DOCUMENTS = "gold.pretrain"  # the table of a release that names repositories


def config_of(found: Found) -> RunConfig:
    """The configuration of the run that wrote the checkpoint."""
    return RunConfig.model_validate(json.loads((found.folder.parent.parent / "run.json").read_text())["config"])


def of_checkpoint(found: Found) -> dict[str, Any]:
    """All that a model of this checkpoint was made from, as JSON."""
    from training.run import git

    config, sent = config_of(found), found.folder.parent.parent / SENT
    tracked = json.loads(sent.read_text()) if sent.is_file() else {}
    return {
        "run": config.name,
        "checkpoint": found.name,
        "digest": config.digest,
        "steps": found.state["step"],
        "tokens": found.state["tokens"],
        "parameters": config.shape.parameters,
        "seed": config.seed,
        "exported_by": git(),
        "lock": lock_digest(),
        "lake": config.lake if "://" in config.lake else str(Path(config.lake).absolute()),
        "experiment": config.tracking.experiment,
        "mlflow": {key: tracked.get(key) for key in ("uri", "run_id")},
        "data": _data(config, found),
    }


def _data(config: RunConfig, found: Found) -> list[dict[str, Any]]:
    from training.checkpoint import named
    from training.run import pinned

    before = named(config.start) if config.start else None
    rows = _data(config_of(before), before) if before else []
    names = list(config.stages)
    first, last = names.index(config.start_stage or names[0]), names.index(found.state["stage"])
    for stage in names[first : last + 1]:
        for part, said in config.stages[stage].parts.items():
            pin = pinned(config, said)
            rows.append(
                {
                    "run": config.name,
                    "stage": stage,
                    "part": part,
                    "weight": said.weight,
                    "release": pin.release,
                    "table": pin.table or pin.location,
                    "version": pin.version,
                    "digest": pin.digest or "",
                    "query": said.query or "",
                }
            )
    return rows


def newest(run: Path) -> Found:
    """The newest whole checkpoint of a run's folder. Raises ConfigError where there is none."""
    from training.checkpoint import whole

    found = whole(run / "checkpoints")
    if not found:
        raise ConfigError(f"{run}: no whole checkpoint. Name the folder of a run, such as runs/tiny.")
    return found[-1]


def rows_seen(found: Found) -> Iterator[dict[str, Any]]:
    """Every packed row that the run had read at this checkpoint, in its order: stage, part, epoch, file, sequence, documents.

    The rows of the run alone: those of a checkpoint that it branched from are that run's. Cost: each row group's names once
    a window.
    """
    from training.run import opened, resolve, steps_of

    config, row = config_of(found), 0
    names = list(config.stages)
    first, last = names.index(config.start_stage or names[0]), names.index(found.state["stage"])
    for stage in resolve(config)[first : last + 1]:
        with opened(config, stage) as stream:
            begin = row if stage.config.same_order else 0
            rows = stage.config.batch_sequences * stage.config.rows_per_sequence
            ended = stage.name == found.state["stage"]
            row = found.state["row"] if ended else begin + rows * steps_of(stage.config, stream)
            for at in range(begin, row):
                yield {"stage": stage.name, **stream.identify(at)}


def of_folder(folder: Path) -> dict[str, Any] | None:
    """What an exported folder says of itself; None where it says nothing, as a model from elsewhere does."""
    file = folder / FILE
    return json.loads(file.read_text()) if file.is_file() else None


def trained_on(said: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Every table version that a model read, once."""
    keys = ("release", "table", "version", "digest")
    rows = [{key: row[key] for key in keys} for row in (said or {}).get("data", [])]
    return [row for nth, row in enumerate(rows) if row not in rows[:nth]]


def releases(said: Mapping[str, Any]) -> list[str]:
    return sorted({row["release"] for row in said["data"] if row["release"]})


def of_model(name: str, uri: str) -> dict[str, Any]:
    """What a registered model says: NAME, its newest version, or NAME/VERSION.

    Raises ConfigError where the registry has none, InputError where it was registered without lineage.
    """
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client, (model, _, version) = MlflowClient(tracking_uri=uri), name.partition("/")
    try:
        known = list(client.search_model_versions(f"name = '{model}'"))
    except MlflowException as error:
        raise ConfigError(f"model {model!r} in {uri}: {error.message}.") from error
    found = {str(one.version): one for one in known}
    chosen = version or max(found, key=int, default="")
    if chosen not in found:
        models = ", ".join(sorted(one.name for one in client.search_registered_models())) or "none"
        raise ConfigError(
            f"{name!r} is no model of {uri}. Models: {models}."
            + (
                f" Versions of {model}: {', '.join(sorted(found, key=int))}."
                if found
                else " `codelake register` adds one."
            )
        )
    if TAG not in found[chosen].tags:
        raise InputError(f"{model}/{chosen} was registered without lineage. `codelake register` writes it.")
    said: dict[str, Any] = json.loads(found[chosen].tags[TAG])
    return {"model": model, "version": int(chosen), **said}


def repositories(lake: Lake, said: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Documents and bytes by release, source and repository, from the document tables that the releases pin."""
    from lakehouse.pinned import Pinned

    rows: list[dict[str, Any]] = []
    with Pinned(lake) as opened:
        for nth, release in enumerate(releases(said)):
            if DOCUMENTS in opened.add(release, f"r{nth}"):
                rows += opened.rows(
                    f"""SELECT ? AS release, corpus, source, repo, count(*) AS documents, sum(bytes)::BIGINT AS bytes
                    FROM r{nth}."{DOCUMENTS}" GROUP BY ALL ORDER BY bytes DESC, repo""",
                    [release],
                )
    return rows


def by_source(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Repositories counted by release, corpus and source."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in rows:
        key = (row["release"], row["corpus"], row["source"])
        one = found.setdefault(
            key,
            dict(zip(("release", "corpus", "source"), key, strict=True))
            | {"repositories": 0, "documents": 0, "bytes": 0},
        )
        one["repositories"] += 1
        one["documents"] += row["documents"]
        one["bytes"] += row["bytes"]
    return list(found.values())
