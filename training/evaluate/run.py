"""An exported model on a benchmark: answers, verdicts, scores and settings, as files beside each other.

    said = evaluate(Path("exported"), "humaneval", Path("HumanEval.jsonl.gz"), Path("scores"), settings, limits, ...)

Written: `answers.jsonl`, one line an answer with what was said, the program made of it and how it ended; `report.json`,
scores and all that they depend on. Bits per byte of the authors' solutions come along: they tell small models apart.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lakehouse.sandbox import Limits, Pool
from training.evaluate import answers, bits, problems
from training.evaluate.generate import Settings, generate
from training.evaluate.score import score


def evaluate(
    model_folder: Path,
    layout: str,
    file: Path,
    out: Path,
    settings: Settings,
    *,
    ks: Sequence[int],
    workers: int,
    limit: int | None,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """The report. Raises ConfigError or InputError for a wrong benchmark, MachineError where there is no sandbox."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    chosen = problems.load(layout, file)[:limit]
    model = AutoModelForCausalLM.from_pretrained(model_folder)
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    prompts = [answers.prompted(problem, chat=settings.chat) for problem in chosen]
    said = {}
    for nth, (problem, samples) in enumerate(
        zip(chosen, generate(model, tokenizer, prompts, settings), strict=True), 1
    ):
        said[problem.name] = samples
        if nth % 20 == 0 or nth == len(chosen):
            say(f"{nth}/{len(chosen)} answered")
    with Pool(Limits.default(), workers) as pool:
        report = score(chosen, said, execute=pool.run, ks=ks, chat=settings.chat)
    solutions = [problem.solution for problem in chosen if problem.solution]
    length = min(model.config.max_position_embeddings, 2048)
    made = {
        "model": str(model_folder),
        "benchmark": layout,
        "file_sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "problems": report.problems,
        "pass_at": report.pass_at,
        "ends": report.ends,
        "timed_out": report.timed_out,
        "bits_per_byte": bits.of_texts(model, solutions, encode=_encode(tokenizer), length=length)
        if solutions
        else None,
        "settings": settings.model_dump(),
        "answers_version": answers.VERSION,
        "limits": Limits.default().model_dump(),
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "answers.jsonl").write_text("".join(json.dumps(asdict(one)) + "\n" for one in report.answers))
    (out / "report.json").write_text(json.dumps(made, indent=1))
    return made


def _encode(tokenizer: Any) -> bits.Encode:
    def encode(text: str) -> Sequence[int]:
        ids: Sequence[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    return encode
