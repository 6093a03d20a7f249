"""An evaluation in `gold.evaluations` and in MLflow: every answer with its verdict and all that it depends on.

    run = tracked(evaluation, out, uri, say=print)        # MLflow run, or None where the server is broken
    added = recorded(Lake("lake"), evaluation, run)       # rows; 0 where the lake has this evaluation

Written beside the lake's books, as releases are: one commit under the table's lock, no Spark. The same model, benchmark
and settings are one evaluation; a second time adds no rows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from lakehouse import ledger, ops
from lakehouse.lake import Lake
from lakehouse.sandbox import Limits
from training import lineage
from training.evaluate import answers
from training.evaluate.generate import Settings
from training.evaluate.problems import Problem
from training.evaluate.score import Report
from training.tracking import Beside, log_beside

EXPERIMENT = "codelake"  # of evaluations of models whose training is not known
NO_WEIGHTS = ("README.md", lineage.FILE)  # files of a model's folder that do not change what it says


@dataclass(frozen=True)
class Evaluation:
    """What was evaluated, how, and what came out. `scales`, `bits`: by problem, limits and the solution's bits."""

    model: Path
    benchmark: str
    file: Path
    settings: Settings
    problems: Sequence[Problem]
    report: Report
    scales: Mapping[str, float]
    bits: Mapping[str, float]
    code: str

    @cached_property
    def lineage(self) -> dict[str, Any] | None:
        return lineage.of_folder(self.model)

    @property
    def model_name(self) -> str:
        said = self.lineage
        return f"{said['run']}/{said['checkpoint']}" if said else str(self.model)

    @cached_property
    def model_digest(self) -> str:
        return model_digest(self.model)

    @cached_property
    def digest(self) -> str:
        """Identity: everything that fixes the answers and their verdicts."""
        said = {
            "model": self.model_digest,
            "benchmark": [self.benchmark, file_digest(self.file), [problem.name for problem in self.problems]],
            "settings": self.settings.model_dump(),
            "scoring": answers.VERSION,
            "limits": Limits.default().model_dump(),
        }
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def model_digest(folder: Path) -> str:
    """Of every file of the folder that has a say in what the model says."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in NO_WEIGHTS:
            digest.update(f"{path.relative_to(folder)}\0{file_digest(path)}\n".encode())
    return digest.hexdigest()


def file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def rows(evaluation: Evaluation, mlflow_run: str | None) -> list[dict[str, Any]]:
    """One row of `gold.evaluations` an answer."""
    problems = {problem.name: problem for problem in evaluation.problems}
    said = evaluation.lineage
    common = {
        "evaluation": evaluation.digest,
        "benchmark": evaluation.benchmark,
        "benchmark_digest": file_digest(evaluation.file),
        "model": evaluation.model_name,
        "model_digest": evaluation.model_digest,
        "trained_on": lineage.trained_on(said),
        "chat": evaluation.settings.chat,
        "settings": json.dumps(evaluation.settings.model_dump(exclude={"chat"}), sort_keys=True),
        "limits": json.dumps(Limits.default().model_dump(), sort_keys=True),
        "scoring": answers.VERSION,
        "code": evaluation.code,
        "mlflow_run": mlflow_run,
        "at": datetime.now(UTC),
    }
    made = []
    for one in evaluation.report.answers:
        problem = problems[one.problem]
        bits = evaluation.bits.get(one.problem)
        made.append(
            {
                **common,
                "problem": one.problem,
                "sample": one.sample,
                "language": problem.language,
                "prompt": answers.prompted(problem, chat=evaluation.settings.chat),
                "stops": [] if evaluation.settings.chat else list(problem.stops),
                "said": one.said,
                "program": one.program,
                "end": one.end,
                "detail": one.detail,
                "passed": one.passed,
                "timed_out": one.timed_out,
                "cpu_seconds": one.cpu,
                "limit_scale": evaluation.scales[one.problem],
                "solution_bits": bits,
                "solution_bytes": None if bits is None else len(problem.solution.encode()),
            }
        )
    return made


def recorded(lake: Lake, evaluation: Evaluation, mlflow_run: str | None) -> int:
    """Add the rows to the lake; how many: none where it has this evaluation. Raises StorageError, Locked."""
    return ledger.append(lake, ops.evaluations, rows(evaluation, mlflow_run), once="evaluation")


def tracked(
    evaluation: Evaluation, said: Mapping[str, Any], out: Path, uri: str, say: Callable[[str], None]
) -> str | None:
    """The report as an MLflow run under the model's own, where that is known; its id, None where MLflow cannot be reached."""
    made = evaluation.lineage or {}
    own = made.get("mlflow", {})
    metrics = {f"{evaluation.benchmark}.pass_at_{k}": value for k, value in said["pass_at"].items()}
    for key in ("bits_per_byte", "timed_out", "problems", "reference_faults"):
        value = said[key]
        if value is not None:
            metrics[f"{evaluation.benchmark}.{key}"] = len(value) if isinstance(value, Mapping) else value
    params = {**evaluation.settings.model_dump(), "benchmark": evaluation.benchmark, "model": evaluation.model_name}
    tags = {
        "codelake.evaluation": evaluation.digest,
        "codelake.model": evaluation.model_name,
        "codelake.releases": ", ".join(lineage.releases(made)) if made else "",
        "codelake.git": evaluation.code,
    }
    what = Beside(
        f"{evaluation.benchmark} of {evaluation.model_name}",
        tags,
        metrics,
        out,
        params,
        parent=own.get("run_id") if own.get("uri") == uri else None,
    )
    try:
        return log_beside(uri, made.get("experiment", EXPERIMENT), what)
    except Exception as error:  # noqa: BLE001  whatever is wrong with tracking must not cost the evaluation
        say(f"tracking: {error}. The evaluation is in {out}.")
        return None
