"""An exported model in MLflow's registry: signature, data cards of its releases, and lineage.

    said = register(Path("exported"), "tiny", uri=None)       # {"model": "tiny", "version": 1, ...}

The model goes as MLflow's transformers flavor into the artifacts of the training run, so that `models:/tiny/1` loads by
`mlflow.transformers` and `mlflow.pyfunc`. Nothing is asked of a model hub. Memory: the model once; MLflow 3.17 can copy a
folder without loading it, but not with transformers 5, whose pipelines are named by texts.
"""

from __future__ import annotations

import json
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lakehouse.errors import CodelakeError, InputError
from lakehouse.lake import Lake
from lakehouse.report.card import card
from training import lineage
from training.config import NAME
from training.tracking import experiment_of

TASK = "text-generation"
PACKAGES = ("mlflow", "torch", "transformers")


def register(folder: Path, name: str, *, uri: str | None) -> dict[str, Any]:
    """A new version of the model `name`. `uri`: of the registry; None for the store that tracked the training.

    Raises InputError for a folder that `codelake export` did not write, or a name that is none.
    """
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    said = lineage.of_folder(folder)
    if said is None:
        raise InputError(f"{folder}: no {lineage.FILE} in it. Name a folder that `codelake export` wrote.")
    if not NAME.fullmatch(name):
        raise InputError(f"{name!r} is no name of a model: letters, digits, dots, dashes and underscores.")
    tracked, store = said["mlflow"], uri or said["mlflow"]["uri"]
    if store is None:
        raise InputError(f"{folder}: its training was never tracked. Name the registry with --tracking-uri.")
    client = MlflowClient(tracking_uri=store)
    run = tracked["run_id"] if store == tracked["uri"] else None
    run = run or client.create_run(experiment_of(client, said["experiment"]), run_name=said["run"]).info.run_id
    cards = _cards(said)
    with tempfile.TemporaryDirectory() as temporary:
        made = Path(temporary) / "model"
        _save(folder, made, said, cards)
        client.log_artifacts(run, str(made), f"model-{said['checkpoint']}")
    try:
        client.create_registered_model(name, description=f"Llama models of codelake, first from run {said['run']}.")
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    source = f"{client.get_run(run).info.artifact_uri}/model-{said['checkpoint']}"
    tags = {lineage.TAG: json.dumps(said), "codelake.releases": ", ".join(lineage.releases(said))}
    text = (folder / "README.md").read_text()
    made_version = client.create_model_version(name, source, run, tags=tags, description=text)
    return {
        "model": name,
        "version": int(made_version.version),
        "run": run,
        "releases": lineage.releases(said),
        "data_cards": sorted(cards),
        "registry": store,
    }


def _cards(said: dict[str, Any]) -> dict[str, str]:
    """Data cards by file name. A release that is gone, or a lake that is elsewhere, leaves a card that says so."""
    cards = {}
    for release in lineage.releases(said):
        try:
            text = card(Lake(said["lake"]), release)
        except CodelakeError as error:
            text = f"# {release}\n\nThe release could not be read when the model was registered: {error}\n"
        cards[f"data-card-{release}.md"] = text
    return cards


def _save(folder: Path, made: Path, said: dict[str, Any], cards: dict[str, str]) -> None:
    """The folder in MLflow's layout, with the cards beside the model."""
    import mlflow.transformers
    from huggingface_hub import ModelCard
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema
    from transformers import AutoModelForCausalLM, AutoTokenizer

    text = Schema([ColSpec(DataType.string, "prompt")])
    model = AutoModelForCausalLM.from_pretrained(folder, dtype="auto", local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    # MLflow asks a hub for the licence of whatever could be a name there; with a colon it could not.
    model.name_or_path = tokenizer.name_or_path = f"codelake:{said['run']}/{said['checkpoint']}"
    mlflow.transformers.save_model(
        {"model": model, "tokenizer": tokenizer},
        str(made),
        task=TASK,
        signature=ModelSignature(inputs=text, outputs=Schema([ColSpec(DataType.string, "generated_text")])),
        model_card=ModelCard((folder / "README.md").read_text()),
        pip_requirements=[f"{package}=={version(package)}" for package in PACKAGES],
        metadata={"codelake": {key: said[key] for key in ("run", "checkpoint", "digest", "data")}},
    )
    # MLflow points to a page of a model hub; what applies is said by the data cards.
    (made / "LICENSE.txt").write_text("See the data cards for the licences of what the model was trained on.\n")
    (made / lineage.FILE).write_text(json.dumps(said, indent=1))
    for name, card_text in cards.items():
        (made / name).write_text(card_text)
