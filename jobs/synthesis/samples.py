"""Samples out of stored answers: each kind's own function runs again with the answers behind it, then the sandbox judges.

Nothing is asked. A changed parser, limit or test of what counts as accepted is a rebuild of this job for nothing but CPU.
Each task has a sandbox of its own, which starts with the first program (a tenth of a second) and runs them one by one;
where the machine cannot isolate, the job fails and runs none.
"""

from __future__ import annotations

import hashlib
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import Field
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.code.arrow import Rows, map_rows
from jobs.synthesis.kinds import KINDS, Draft, Rejected, Seed, drive
from jobs.synthesis.seeds import settings_of
from jobs.synthesis.tables import synthesis_seeds, synthetic_samples, teacher_requests, teacher_responses
from jobs.synthesis.teacher import Answer, Request
from jobs.synthesis.verify import Verified, verify
from lakehouse.job import Inputs, Job, Params
from lakehouse.sandbox import Limits, Pool

SANDBOX = "bwrap"
PLACE = ("corpus", "source", "repo", "path", "seed_licence")
ANSWER = ("request_id", "status", "text", "finish", "problem", "detail", "tokens_in", "tokens_out", "model", "terms")


class SamplesParams(Params):
    placement: ClassVar[Mapping[str, Any]] = {"tasks": True}

    limits: Limits = Field(description="what one program may use")
    tasks: int = Field(ge=1, description="pieces that the work is cut into, with a sandbox each")


def samples(inputs: Inputs, params: SamplesParams) -> DataFrame:
    theirs = inputs[teacher_responses].groupBy("seed_id").agg(F.collect_list(F.struct(*ANSWER)).alias("answers"))
    asked = inputs[teacher_requests].groupBy("seed_id").agg(F.collect_set("sample").alias("asked"))
    seeds = inputs[synthesis_seeds].join(theirs, "seed_id").join(asked, "seed_id")
    columns = {column.name: column.type for column in synthetic_samples.columns}
    # Seeds are few and each costs programs: spread by number, not by bytes.
    spread = seeds.repartition(params.tasks, "seed_id")
    return map_rows(spread, columns, partial(_samples, limits=params.limits))


class Sandboxes:
    """A sandbox without packages and one with those that are installed here, each from its first program on."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self._open = limits, ExitStack()
        self._made: dict[bool, Pool] = {}

    def of(self, kind: str) -> Pool:
        packages = KINDS[kind].uses_packages
        if packages not in self._made:
            folder = Path(sysconfig.get_path("purelib")) if packages else None
            self._made[packages] = self._open.enter_context(Pool(self._limits, 1, packages=folder))
        return self._made[packages]

    def close(self) -> None:
        self._open.close()


def _samples(batches: Iterator[pa.RecordBatch], limits: Limits) -> Rows:
    sandboxes = Sandboxes(limits)
    try:
        for batch in batches:
            for seed in batch.to_pylist():
                for number in sorted(seed["asked"]):
                    yield _sample(seed, number, sandboxes, limits)
    finally:
        sandboxes.close()


def _sample(seed: Mapping[str, Any], number: int, sandboxes: Sandboxes, limits: Limits) -> dict[str, Any]:
    used: list[Mapping[str, Any]] = []
    made = _draft(seed, number, used)
    if isinstance(made, Rejected):
        outcome = {"accepted": False, "reason": made.reason, "detail": made.detail}
        draft = Draft("", "")
    else:
        draft = made
        (verified,) = verify([draft], sandboxes.of(seed["kind"]) if draft.code else None)
        outcome = {"accepted": verified.accepted, "reason": verified.reason, "detail": "", **_ran(verified, limits)}
    carried = {key: seed[key] for key in ("seed_id", "kind", "content_id", *PLACE)}
    teacher = {key: " AND ".join(sorted({answer[key] for answer in used})) for key in ("model", "terms")}
    return {
        "sample_id": hashlib.sha256(f"{seed['seed_id']}:{number}".encode()).hexdigest(),
        "sample": number,
        "request_ids": [answer["request_id"] for answer in used],
        "language": "python" if draft.code else seed["language"],
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
        "scores": dict(draft.scores),
        "labels": list(draft.labels),
        "bytes": len(text.encode()),
        "text": text,
    }


def _draft(seed: Mapping[str, Any], number: int, used: list[Mapping[str, Any]]) -> Draft | Rejected:
    """What the kind makes of the stored answers, which are appended to `used`."""
    stored = {answer["request_id"]: answer for answer in seed["answers"]}
    settings = settings_of(seed["settings"], number)[1]

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
