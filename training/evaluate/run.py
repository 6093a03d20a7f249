"""An exported model on a benchmark: answers, verdicts, scores and settings, as files, in the lake and in MLflow.

    said = evaluate(Path("exported"), "humaneval", Path("HumanEval.jsonl.gz"), Path("scores"), settings, where, ...)

Written: `answers.jsonl`, one line an answer with what was said, the program made of it and how it ended; `report.json`,
scores and all that they depend on; the same as rows of `gold.evaluations` and as an MLflow run under that of the
model. Bits per byte of the authors' solutions come along: they tell small models apart.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lakehouse.errors import ConfigError, InputError
from lakehouse.lake import Lake
from lakehouse.sandbox import Limits
from training import lineage
from training.evaluate import answers, bits, multipl_e, problems
from training.evaluate.execute import Executor
from training.evaluate.generate import Settings, generate
from training.evaluate.problems import Problem
from training.evaluate.record import Evaluation, file_digest, recorded, tracked
from training.evaluate.score import references, score
from training.evaluate.scores import bits_per_byte
from training.run import git
from training.tracking import local_uri

WINDOW = 2048  # tokens of a window in which the authors' solutions are read, where the model takes as many

Say = Callable[[str], None]


@dataclass(frozen=True)
class Where:
    """Places beside the folder of files. None: those of the model's training, as its lineage says."""

    lake: str | None
    tracking: str | None


def evaluate(
    model_folder: Path,
    layout: str,
    file: Path,
    out: Path,
    settings: Settings,
    where: Where,
    *,
    ks: Sequence[int],
    workers: int,
    limit: int | None,
    say: Say,
) -> dict[str, Any]:
    """The report. Raises ConfigError or InputError for a wrong benchmark, MachineError where there is no sandbox."""
    if not (model_folder / "config.json").is_file():
        raise ConfigError(
            f"{model_folder}: no model there. Name a folder that `codelake export` wrote, or one like it."
        )
    chosen, skipped = _chosen(layout, file, limit, say)
    with Executor(Limits.default(), workers) as executor:
        faults = executor.calibrate(references(chosen))
        for name, why in faults.items():
            say(f"{name}: the authors' solution does not pass here: {why}")
        model, tokenizer = _loaded(model_folder)
        said = _answered(model, tokenizer, chosen, settings, say)
        report = score(chosen, said, execute=executor.run, ks=ks, chat=settings.chat)
        scales, machine = {problem.name: executor.scale(problem) for problem in chosen}, executor.machine
    measured = _bits(model, tokenizer, chosen)
    made = Evaluation(model_folder, layout, file, settings, chosen, report, scales, measured, git())
    found = {
        "evaluation": made.digest,
        "model": str(model_folder),
        "benchmark": layout,
        "file_sha256": file_digest(file),
        "problems": report.problems,
        "skipped": skipped,
        "pass_at": report.pass_at,
        "ends": report.ends,
        "timed_out": report.timed_out,
        "reference_faults": faults,
        "bits_per_byte": _per_byte(chosen, measured),
        "settings": settings.model_dump(),
        "answers_version": answers.VERSION,
        "limits": Limits.default().model_dump(),
        "machine_scale": machine,
    }
    _write(out, made, found)
    return found | _kept(made, found, out, where, say)


def _chosen(layout: str, file: Path, limit: int | None, say: Say) -> tuple[list[Problem], dict[str, str]]:
    kept, skipped = multipl_e.runnable(problems.load(layout, file))
    for language, why in skipped.items():
        say(f"{language}: left out: {why}")
    if not kept:
        raise InputError(f"{file}: no problem can be run here: {'; '.join(skipped.values()) or 'the file has none'}.")
    return kept[:limit], skipped


def _loaded(folder: Path) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    here = {"local_files_only": True}  # a name that is no folder must not be looked up elsewhere
    return AutoModelForCausalLM.from_pretrained(folder, **here), AutoTokenizer.from_pretrained(folder, **here)


def _answered(
    model: Any, tokenizer: Any, chosen: Sequence[Problem], settings: Settings, say: Say
) -> dict[str, list[str]]:
    prompts = [answers.prompted(problem, chat=settings.chat) for problem in chosen]
    said: dict[str, list[str]] = {}
    drawn: Iterable[list[str]] = generate(model, tokenizer, prompts, settings)
    for nth, (problem, samples) in enumerate(zip(chosen, drawn, strict=True), 1):
        said[problem.name] = samples
        if nth % 20 == 0 or nth == len(chosen):
            say(f"{nth}/{len(chosen)} answered")
    return said


def _bits(model: Any, tokenizer: Any, chosen: Sequence[Problem]) -> dict[str, float]:
    """Bits of the authors' solution under the model, by problem."""
    solved = [problem for problem in chosen if problem.solution]
    length = min(model.config.max_position_embeddings, WINDOW)

    def encode(text: str) -> Sequence[int]:
        ids: Sequence[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    nats = bits.of_each(model, [problem.solution for problem in solved], encode=encode, length=length)
    return {problem.name: bits_per_byte(found, 1) for problem, found in zip(solved, nats, strict=True)}


def _per_byte(chosen: Sequence[Problem], measured: dict[str, float]) -> float | None:
    size = sum(len(problem.solution.encode()) for problem in chosen if problem.name in measured)
    return sum(measured.values()) / size if size else None


def _write(out: Path, made: Evaluation, found: dict[str, Any]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "answers.jsonl").write_text("".join(json.dumps(asdict(one)) + "\n" for one in made.report.answers))
    (out / "report.json").write_text(json.dumps(found, indent=1))


def _kept(made: Evaluation, found: dict[str, Any], out: Path, where: Where, say: Say) -> dict[str, Any]:
    """In MLflow and in the lake: the run's id, and how many rows were added to which lake."""
    known = lineage.of_folder(made.model) or {}
    uri = where.tracking or known.get("mlflow", {}).get("uri") or local_uri(Path("runs"))
    run = tracked(made, found, out, uri, say)
    root = where.lake or known.get("lake")
    if root is None:
        say("gold.evaluations: the lake that the model comes from is not known: name one with --lake.")
        return {"mlflow_run": run, "rows_added": 0}
    added = recorded(Lake(root), made, run)
    if not added:
        say(f"gold.evaluations of {root} has this evaluation ({made.digest[:16]}): nothing was added.")
    return {"mlflow_run": run, "rows_added": added, "lake": root}
