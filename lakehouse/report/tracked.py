"""A release in MLflow: its tables as data sets, what is in them as metrics, the card and the Croissant metadata as files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lakehouse import registry, release
from lakehouse.errors import MachineError
from lakehouse.lake import Lake
from lakehouse.pinned import Pinned
from lakehouse.report.card import card
from lakehouse.report.croissant import croissant

DIGEST_CHARS = 36  # MLflow takes no longer digest of a data set; the whole one is a tag
MIXTURES = ("gold.mixture", "gold.anneal_mixture", "gold.sft_mixture")


def log(lake: Lake, name: str, tracking_uri: str, experiment: str) -> tuple[str, bool]:
    """The MLflow run of a release, and whether it was there already.

    Raises MachineError without mlflow, ConfigError for a release that is not there.
    """
    try:
        import mlflow
    except ImportError as error:
        raise MachineError("mlflow is not installed. `pip install 'codelake[training]'` brings it along.") from error
    pins = release.show(lake, name)
    client = mlflow.MlflowClient(tracking_uri=tracking_uri)
    found = client.get_experiment_by_name(experiment)
    identity = found.experiment_id if found else client.create_experiment(experiment)
    tags = {"release": name, "digests": json.dumps({pin["table"]: pin["digest"] for pin in pins}, sort_keys=True)}
    for run in client.search_runs([identity], "attributes.status = 'FINISHED'"):
        if all(run.data.tags.get(key) == value for key, value in tags.items()):
            return str(run.info.run_id), True
    run_id = str(client.create_run(identity, run_name=name, tags=tags).info.run_id)
    for key, value in _metrics(lake, name, pins):
        client.log_metric(run_id, key, value)
    for pin in pins:
        client.log_param(run_id, pin["table"], f"version {pin['version']}, {pin['digest'][:16]}")
    client.log_inputs(run_id, [_data_set(lake, pin) for pin in pins])
    client.log_text(run_id, card(lake, name), "card.md")
    client.log_text(run_id, croissant(lake, name), "croissant.json")
    client.set_terminated(run_id)
    return run_id, False


def _metrics(lake: Lake, name: str, pins: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, float]]:
    for pin in pins:
        yield f"{pin['table']}.rows", float(pin["rows"])
        yield f"{pin['table']}.bytes", float(pin["bytes"])
    with Pinned(lake) as pinned:
        there = pinned.add(name, "r")
        for table in (one for one in MIXTURES if one in there):
            for row in pinned.rows(
                f'SELECT part, sum(times * tokens) AS n FROM r."{table}" GROUP BY part ORDER BY part'
            ):
                yield f"{table}.tokens.{_plain(row['part'])}", float(row["n"])


def _plain(part: str) -> str:
    """A part's name with what MLflow takes in the name of a metric."""
    return "".join(c if c.isalnum() or c in "_-. /" else "_" for c in part)


def _data_set(lake: Lake, pin: Mapping[str, Any]) -> Any:
    from mlflow.data.delta_dataset_source import DeltaDatasetSource
    from mlflow.data.meta_dataset import MetaDataset
    from mlflow.entities import DatasetInput, InputTag

    location = lake.location(registry.table(pin["table"]))
    source = DeltaDatasetSource(path=location, delta_table_version=pin["version"], delta_table_id=pin["table_id"])
    said = MetaDataset(source, name=pin["table"], digest=pin["digest"][:DIGEST_CHARS])
    tags = {"mlflow.data.context": "release", "release": pin["release"], "digest": pin["digest"]}
    return DatasetInput(said._to_mlflow_entity(), [InputTag(key, value) for key, value in tags.items()])
