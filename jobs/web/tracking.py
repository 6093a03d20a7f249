"""A round's classifier in MLflow: what it is, how good it is on held-out pages, and the pages' lake it came from."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from lakehouse.errors import ConfigError, MachineError
from lakehouse.report.views import Views

_MEASURED = ("precision", "precision_low", "precision_high", "recall", "recall_low", "recall_high")
_COUNTED = ("seed_yes", "seed_no", "pages", "recalled", "bytes", "gained", "domains", "held_out", "tuned_on")


def register_model(views: Views, topic: str, number: int | None, name: str, tracking_uri: str) -> dict[str, Any]:
    """Log and register; the same model under the same name is found, not logged twice.

    Raises MachineError without mlflow, ConfigError for a round that is not there.
    """
    try:
        import mlflow
    except ImportError as error:
        raise MachineError("mlflow is not installed. `pip install 'codelake[training]'` brings it along.") from error
    found = views.rows(
        "SELECT r.*, m.model, m.settings, m.training_id FROM silver.web_rounds r JOIN silver.web_models m USING (topic, round)"
        " WHERE topic = ? AND (round = ? OR ?::INT IS NULL) ORDER BY round DESC LIMIT 1",
        [topic, number, number],
    )
    if not found:
        raise ConfigError(
            f"no classifier of topic {topic!r}{f' in round {number}' if number else ''}. See `codelake web rounds`."
        )
    row = found[0]
    client = mlflow.MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
    names = [model.name for model in client.search_registered_models(f"name = '{name}'")]
    for version in client.search_model_versions(f"name = '{name}'") if names else ():
        if version.tags.get("model_id") == row["model_id"]:
            return {"name": name, "version": int(version.version), "round": row["round"], "known": True}
    experiment = client.get_experiment_by_name(name)
    identity = experiment.experiment_id if experiment else client.create_experiment(name)
    run = client.create_run(identity, run_name=f"round {row['round']}").info.run_id
    for key in ("topic", "round", "model_id", "training_id", "settings", "threshold", "threshold_by"):
        client.log_param(run, key, row[key])
    for key in (*_MEASURED, *_COUNTED):
        if row[key] is not None:
            client.log_metric(run, key, float(row[key]))
    for point in row["curve"]:
        for key in ("precision", "recall"):
            client.log_metric(run, f"curve_{key}", point[key], step=round(100 * point["threshold"]))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "classifier.bin"
        file.write_bytes(row["model"])
        client.log_artifact(run, str(file), "model")
    client.set_terminated(run)
    if not names:
        client.create_registered_model(name)
    source = f"{client.get_run(run).info.artifact_uri}/model"
    made = client.create_model_version(
        name, source, run, tags={"model_id": row["model_id"], "round": str(row["round"])}
    )
    return {"name": name, "version": int(made.version), "round": row["round"], "known": False}
