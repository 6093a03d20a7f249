"""Samples out of stored answers: each kind's own function runs again with the answers behind it, then the sandbox judges.

Nothing is asked. A changed parser, limit or test of what counts as accepted is a rebuild of this job for nothing but CPU.
Each task has a sandbox of its own, which starts with the first program (a tenth of a second) and runs them one by one;
where the machine cannot isolate, the job fails and runs none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import partial
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import Field
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.code.arrow import Rows, map_rows
from jobs.synthesis.kinds import KINDS, Draft, Rejected, Seed, drive
from jobs.synthesis.seeds import asked
from jobs.synthesis.tables import synthesis_seeds, synthetic_samples, teacher_requests, teacher_responses
from jobs.synthesis.teacher import Answer, Request
from jobs.synthesis.verify import Sandboxes, Verified
from lakehouse.job import Inputs, Job, Params
from lakehouse.sandbox import Limits

SANDBOX = "bwrap"
PLACE = ("corpus", "source", "repo", "path", "seed_licence")
ANSWER = ("request_id", "status", "text", "finish", "problem", "detail", "tokens_in", "tokens_out", "model", "terms")


class SamplesParams(Params):
    placement: ClassVar[Mapping[str, Any]] = {"tasks": True}

    limits: Limits = Field(description="what one program may use")
    tasks: int = Field(ge=1, description="pieces that the work is cut into, with a sandbox each")


def samples(inputs: Inputs, params: SamplesParams) -> DataFrame:
    theirs = inputs[teacher_responses].groupBy("seed_id").agg(F.collect_list(F.struct(*ANSWER)).alias("answers"))
    numbers = inputs[teacher_requests].groupBy("seed_id").agg(F.collect_set("sample").alias("asked"))
    joined = inputs[synthesis_seeds].join(theirs, "seed_id", "left").join(numbers, "seed_id", "left")
    silent = [name for name, kind in KINDS.items() if not kind.prompts]
    seeds = joined.where(F.col("asked").isNotNull() | F.col("kind").isin(*silent))
    columns = {column.name: column.type for column in synthetic_samples.columns}
    # Seeds are few and each costs programs: spread by number, not by bytes.
    spread = seeds.repartition(params.tasks, "seed_id")
    return map_rows(spread, columns, partial(_samples, limits=params.limits))


def _samples(batches: Iterator[pa.RecordBatch], limits: Limits) -> Rows:
    with closing(Sandboxes(limits)) as sandboxes:
        for batch in batches:
            for seed in batch.to_pylist():
                numbers = seed["asked"] if KINDS[seed["kind"]].prompts else range(asked(seed["settings"]).samples)
                for number in sorted(numbers):
                    yield _sample(seed, number, sandboxes, limits)


def _sample(seed: Mapping[str, Any], number: int, sandboxes: Sandboxes, limits: Limits) -> dict[str, Any]:
    used: list[Mapping[str, Any]] = []
    made = _draft(seed, number, used)
    if isinstance(made, Rejected):
        outcome = {"accepted": False, "reason": made.reason, "detail": made.detail}
        draft = Draft("", "", scores=made.scores)
    else:
        draft = made
        (verified,) = sandboxes.verify([draft], KINDS[seed["kind"]])
        outcome = {"accepted": verified.accepted, "reason": verified.reason, "detail": verified.detail}
        outcome |= _ran(verified, limits)
    carried = {key: seed[key] for key in ("seed_id", "kind", "content_id", *PLACE)}
    teacher = {key: " AND ".join(sorted({answer[key] for answer in used})) for key in ("model", "terms")}
    return {
        "sample_id": hashlib.sha256(f"{seed['seed_id']}:{number}".encode()).hexdigest(),
        "sample": number,
        "request_ids": [answer["request_id"] for answer in used],
        "language": draft.language or seed["language"],
        **carried,
        **teacher,
        **_columns(draft),
        **outcome,
    }


def _columns(draft: Draft) -> dict[str, Any]:
    text = "\n\n".join(part for part in (draft.instruction, draft.output) if part)
    return {
        "instruction": draft.instruction,
        "output": draft.output,
        "code": draft.code,
        "entry_point": draft.entry_point,
        "tests": list(draft.tests),
        "scores": [{"name": name, "value": value} for name, value in sorted(draft.scores.items())],
        "labels": list(draft.labels),
        "original": draft.original,
        "bytes": len(text.encode()),
        "text": text,
    }


def _draft(seed: Mapping[str, Any], number: int, used: list[Mapping[str, Any]]) -> Draft | Rejected:
    """What the kind makes of the stored answers, which are appended to `used`."""
    stored = {answer["request_id"]: answer for answer in seed["answers"] or ()}
    settings = asked(seed["settings"], number).settings

    def answer_of(request: Request) -> Answer:
        found = stored[request.id]  # every request of the settings has its row: the gate of the requests says so
        used.append(found)
        return Answer(**{key: found[key] for key in ANSWER if key not in ("model", "terms")})

    writing = KINDS[seed["kind"]].write(Seed(seed["seed_id"], seed["kind"], seed["language"], seed["text"]), settings)
    try:
        return drive(writing, answer_of)
    except Rejected as verdict:
        return verdict


def _ran(verified: Verified, limits: Limits) -> dict[str, Any]:
    """What the sandbox said, in the table's columns; nothing where nothing was run."""
    verdict = verified.verdict
    if verdict is None:
        return {}
    return {
        "sandbox": SANDBOX,
        "limits": limits.model_dump_json(),
        "ended": verdict.end,
        "ended_in": verdict.where,
        "message": verdict.detail,
        "control": verified.control or None,
        "wall_seconds": verdict.wall,
        "cpu_seconds": verdict.cpu,
    }


job = Job(
    "synthesis.samples",
    about="parse answers, run what they hold, accept or reject with a reason",
    reads=(synthesis_seeds, teacher_requests, teacher_responses),
    writes=(synthetic_samples,),
    params=SamplesParams,
    transform=samples,
    scope=("seed_id",),
    measures=synthesis_seeds,
    needs=(teacher_responses,),
)
