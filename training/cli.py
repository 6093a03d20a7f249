"""`codelake train`, `export`, `register`, `lineage`, `evaluate`, `ablate`, `perplexity`: train, hand on what came of it, judge it, ask it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lakehouse.cli.common import Settings, as_json, configured, existing, reads_lake, size, table
from lakehouse.errors import ConfigError, JobFailed, MachineError

if TYPE_CHECKING:
    from training.config import RunConfig

NEEDED = ("torch", "transformers", "deepspeed", "mlflow")


@click.command(context_settings={"show_default": True})
@configured
@click.option("--ranks", type=click.IntRange(1), default=1, help="Processes on this machine, one a GPU.")
@click.option("--steps", type=click.IntRange(1), help="End after so many optimizer steps, with a checkpoint.")
@click.option("--json", "json_", is_flag=True, help="One JSON object on stdout.")
@click.option("--quiet", is_flag=True, help="No progress.")
@click.option("--local_rank", type=int, hidden=True, help="Given by the deepspeed launcher; RANK says more.")
def train(settings: Settings, ranks: int, steps: int | None, json_: bool, quiet: bool, local_rank: int | None) -> None:  # noqa: ARG001
    """Train a model on a release. The same command goes on after a kill, with any number of ranks.

    \b
      codelake train --profile tiny                     a small model on the quickstart's release, on two cores
      codelake train --profile tiny --ranks 2           the same on two processes
      codelake train --conf my.yaml --set name=second   your own stages; a new name is a new run
      torchrun --nnodes 4 --nproc_per_node 8 ... -m training --conf my.yaml
      mlflow ui --backend-store-uri sqlite:///runs/mlflow.db

    Profiles and every parameter: conf/training/. Here --profile, --conf and --set are those of training. Ctrl-C and SIGTERM
    end the run after the step under way, with a checkpoint.
    """
    _check()
    if ranks > 1 and "RANK" not in os.environ:
        _launch(ranks)
        return
    config = load(settings)
    from training.run import train as run

    result = run(config, say=(lambda _: None) if quiet else lambda line: click.echo(line, err=True), max_steps=steps)
    if int(os.environ.get("RANK", "0")) == 0:
        said = {
            "run": str(config.run_folder),
            "stage": result.state.stage,
            "steps": result.state.step,
            "tokens": result.state.tokens,
            "loss": result.loss,
            "done": result.done,
            "checkpoint": result.checkpoint,
        }
        as_json({**said, "state": asdict(result.state)}) if json_ else table([said])


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@click.option(
    "--tokenizer", type=click.Path(path_type=Path), help="Folder of the tokenizer; none for a model of bytes."
)
@click.option("--dtype", type=click.Choice(["float32", "bfloat16"]), default="float32", show_default=True)
@click.option("--json", "json_", is_flag=True, help="One JSON object on stdout.")
def export(checkpoint: Path, target: Path, tokenizer: Path | None, dtype: str, json_: bool) -> None:
    """Write a checkpoint as a folder that transformers loads, with tokenizer, chat template and a card that says from what.

    \b
      codelake export runs/tiny/checkpoints/anneal_iter_0000100 exported

    Every tensor is read back and compared before the folder gets its name.
    """
    _check()
    from training.export import export as write

    said = write(checkpoint, target, tokenizer=tokenizer, dtype=dtype)
    as_json(said) if json_ else table([said])


TRACKING = click.option(
    "--tracking-uri", envvar="MLFLOW_TRACKING_URI", help="Of MLflow; default: the store that tracked the training."
)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("name")
@TRACKING
@click.option("--json", "json_", is_flag=True, help="One JSON object on stdout.")
def register(folder: Path, name: str, tracking_uri: str | None, json_: bool) -> None:
    """Add an exported model to MLflow's registry, with signature, data cards of its releases and lineage.

    \b
      codelake register exported tiny
      codelake lineage model:tiny
    """
    _check()
    from training.register import register as add

    said = add(folder, name, uri=tracking_uri)
    as_json(said) if json_ else table([{**said, **{key: ", ".join(said[key]) for key in ("releases", "data_cards")}}])


@click.command()
@click.argument("what")
@click.option("--tracking-uri", envvar="MLFLOW_TRACKING_URI", help="Of MLflow; default: runs/mlflow.db.")
@click.option("--lake", "lake_root", envvar="CODELAKE_LAKE", help="Folder of the lake; default: where it was trained.")
@click.option("--limit", type=click.IntRange(0), default=20, show_default=True, help="Repositories shown; 0 for all.")
@click.option(
    "--rows", "rows_file", type=click.Path(path_type=Path), help="Of a run: write every row it saw, JSON Lines."
)
@click.option("--json", "json_", is_flag=True, help="One JSON object on stdout, with every repository.")
def lineage(
    what: str, tracking_uri: str | None, lake_root: str | None, limit: int, rows_file: Path | None, json_: bool
) -> None:
    """What a model or a run was made of: releases, tables with version and digest, repositories with their documents.

    \b
      codelake lineage model:tiny           a registered model's newest version
      codelake lineage model:tiny/1 --json
      codelake lineage run:runs/tiny --rows seen.jsonl

    WHAT: model:NAME, model:NAME/VERSION, or run: and a run's folder, which stands at its newest checkpoint.
    """
    from lakehouse.lake import Lake
    from training import lineage as module

    kind, _, name = what.partition(":")
    if kind not in ("model", "run") or not name:
        raise ConfigError(f"lineage {what!r}: expected model:NAME, model:NAME/VERSION or run:FOLDER.")
    if rows_file is not None and kind == "model":
        raise ConfigError("--rows needs the run, which has the state of the stream: codelake lineage run:FOLDER.")
    said = _of_model(name, tracking_uri) if kind == "model" else _of_run(Path(name), rows_file)
    found = module.repositories(Lake(lake_root or said["lake"]), said)
    if json_:
        as_json({**said, "releases": module.releases(said), "repositories": found})
        return
    keys = ("model", "version", "run", "checkpoint", "parameters", "tokens", "digest")
    table([{key: said[key] for key in keys if key in said}])
    read = [{**row, "digest": row["digest"][:16]} for row in said["data"]]
    table(read, [key for key in read[0] if key != "query" or any(row["query"] for row in read)], title="\nread")
    table(module.by_source(found), title="\nrepositories by source")
    shown = found[: limit or None]
    table([{**row, "bytes": size(row["bytes"])} for row in shown], title=f"\n{len(shown)} of {len(found)} repositories")


def _of_model(name: str, tracking_uri: str | None) -> dict[str, Any]:
    from training import lineage as module
    from training.tracking import local_uri

    _check(("mlflow",))
    return module.of_model(name, tracking_uri or local_uri(Path("runs")))


def _of_run(folder: Path, rows_file: Path | None) -> dict[str, Any]:
    from training import lineage as module

    _check()
    found = module.newest(folder)
    if rows_file is not None:
        with rows_file.open("w") as file:
            file.writelines(json.dumps(row) + "\n" for row in module.rows_seen(found))
    return module.of_checkpoint(found)


@click.command()
@click.argument("name")
@click.option(
    "--lake", "lake_root", default="lake", show_default=True, envvar="CODELAKE_LAKE", help="Folder of the lake."
)
@click.option(
    "--benchmarks", type=click.Path(path_type=Path), required=True, help="Folder of files <layout>.jsonl(.gz)."
)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Of every arm, as for train. Repeatable.")
@click.option("--json", "json_", is_flag=True, help="One JSON object on stdout.")
def ablate(name: str, lake_root: str, benchmarks: Path, overrides: tuple[str, ...], json_: bool) -> None:
    """Train the arms of an ablation on equal tokens, over its seeds, and compare bits per byte of benchmark solutions.

    \b
      codelake ablate curated_against_raw --benchmarks benchmarks

    Each arm and seed is a run that goes on after a kill. Table and picture: runs/ablation-NAME/report.html. Ablations are the
    files of conf/training/ablations; a wrong name lists them.
    """
    _check()
    from training import ablate as module
    from training.engine import processes

    with processes():
        report = module.ablate(
            name,
            overrides=[f"lake={lake_root!r}", *overrides],
            benchmarks=benchmarks,
            say=lambda line: click.echo(line, err=True),
        )
    if json_:
        as_json(asdict(report))
        return
    table(
        [
            {"arm": a.name, "bits/byte": f"{a.mean:.4f}", "interval": f"{a.low:.4f} to {a.high:.4f}",
             "less the first": f"{a.difference[0]:+.4f} ({a.difference[1]:+.4f} to {a.difference[2]:+.4f})"}
            for a in report.arms
        ]
    )  # fmt: skip


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("layout")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for answers.jsonl and report.json.")
@click.option("--chat", is_flag=True, help="The model answers turns; without, it continues code.")
@click.option("--samples", type=click.IntRange(1), default=1, show_default=True, help="Answers to each problem.")
@click.option("--temperature", type=float, default=0.0, show_default=True, help="0 is greedy.")
@click.option("--top-p", type=float, default=1.0, show_default=True)
@click.option("--max-new-tokens", type=click.IntRange(1), default=512, show_default=True)
@click.option("--seed", type=int, default=7, show_default=True)
@click.option(
    "--k", "ks", type=click.IntRange(1), multiple=True, default=(1,), show_default=True, help="Of pass@k. Repeatable."
)
@click.option("--limit", type=click.IntRange(1), help="Only the first problems.")
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True, help="Sandboxes side by side.")
@click.option("--lake", "lake_root", envvar="CODELAKE_LAKE", help="Lake of gold.evaluations; default: the model's.")
@TRACKING
@click.option("--json", "json_", is_flag=True, help="One JSON object on stdout.")
def evaluate(
    model: Path,
    layout: str,
    file: Path,
    out: Path,
    ks: tuple[int, ...],
    limit: int | None,
    workers: int,
    lake_root: str | None,
    tracking_uri: str | None,
    json_: bool,
    **drawn: Any,
) -> None:
    """Score an exported model on a benchmark: programs run in the sandbox, pass@k is the unbiased estimate.

    \b
      codelake evaluate exported humaneval HumanEval.jsonl.gz --out scores
      codelake evaluate exported mbpp_plus MbppPlus.jsonl.gz --out scores --samples 20 --temperature 0.8 --k 1 --k 10

    LAYOUT says which benchmark FILE is; a wrong name lists them. mbpp_3shot are the original's 500 test items, mbpp_plus the
    378 of EvalPlus. Programs of multipl_e run where their language's toolchain is installed. Every answer, verdict and
    setting is a row of gold.evaluations, and the scores are an MLflow run under that of the model.
    """
    _check()
    from pydantic import ValidationError

    from training.evaluate.generate import Settings as Drawn
    from training.evaluate.run import Where
    from training.evaluate.run import evaluate as run

    try:
        settings = Drawn(**drawn)
    except ValidationError as error:
        raise ConfigError(f"evaluate: {error.errors()[0]['msg']}.") from error
    said = run(
        model,
        layout,
        file,
        out,
        settings,
        Where(lake_root, tracking_uri),
        ks=ks,
        workers=workers,
        limit=limit,
        say=lambda line: click.echo(line, err=True),
    )
    if json_:
        as_json(said)
        return
    scores = {f"pass@{k}": f"{value:.1%}" for k, value in said["pass_at"].items()}
    shown = ("benchmark", "problems", "timed_out", "bits_per_byte", "rows_added", "mlflow_run")
    table([{**{key: said[key] for key in shown}, **scores, "answers": str(out / "answers.jsonl")}])


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@reads_lake
@click.option("--sample", "count", type=click.IntRange(1), default=200, show_default=True, help="Texts that are read.")
@click.option("--ends", type=click.IntRange(1), default=10, show_default=True, help="Texts shown of either end.")
@click.option("--tokens", type=click.IntRange(2), default=1024, show_default=True, help="Of each text that are read.")
@click.option("--language", "languages", multiple=True, metavar="NAME", help="Only texts of this one. Repeatable.")
@click.option("--kept", is_flag=True, help="Only texts that the rules keep.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
@click.option("--json", "json_", is_flag=True, help="Every text that was read, as one JSON array on stdout.")
def perplexity(model: Path, lake_root: str, ends: int, json_: bool, **asked: Any) -> None:
    """Score a sample of texts with a local language model and list both ends, to be read before a rule is changed.

    \b
      codelake perplexity models/small --language python --kept

    MODEL: a folder that transformers loads; nothing is fetched. A reading aid: nothing is stored, no rule can use it.
    """
    _check(("torch", "transformers"), "perplexity")
    from lakehouse.report.views import Views
    from training.perplexity import scored

    with Views(existing(lake_root)) as views:
        found = scored(views, model, **asked)
    if json_:
        as_json([asdict(one) for one in found])
        return
    for title, part in (("reads easiest", found[:ends]), ("reads hardest", found[::-1][:ends])):
        rows = [
            {
                "perplexity": f"{one.perplexity:,.2f}", "bits/byte": f"{one.bits_per_byte:.2f}", "tokens": one.tokens,
                "language": one.language, "kept": one.kept, "file": one.place, "begins": one.begins[:60],
            }
            for one in part
        ]  # fmt: skip
        table(rows, title=f"\n{title}")


def _check(needed: Sequence[str] = NEEDED, what: str = "training") -> None:
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise MachineError(
            f"{what} needs {', '.join(missing)}, which this environment lacks. Install with"
            " `pip install 'codelake[training]'`, or in a checkout run `make training`."
        )


def load(settings: Settings) -> RunConfig:
    """The run's configuration from the options. Raises ConfigError."""
    from training import config

    if settings.profile is None and not settings.files:
        raise ConfigError(f"training needs stages: give --profile ({', '.join(config.profiles())}) or --conf FILE.")
    overrides = [*settings.overrides, *([f"lake={settings.lake_root!r}"] if settings.lake_root else [])]
    return config.load(profile=settings.profile, files=settings.files, overrides=overrides)


def _launch(ranks: int) -> None:
    """The same command once per rank, under torchrun."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(ranks)]
    ended = subprocess.run([*command, "-m", "training", *sys.argv[sys.argv.index("train") + 1 :]], check=False)
    if ended.returncode:
        raise JobFailed(f"a rank ended with an error (torchrun: exit code {ended.returncode}). Its message is above.")
