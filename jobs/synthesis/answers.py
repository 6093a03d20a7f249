"""Ask the teachers: seeds become requests, requests answers. One job writes both, as later requests hold earlier answers.

Teachers are asked by the driver and not by tasks: rate limits and budgets hold for the run as a whole, a task that Spark
repeats or speculates on would pay twice, and a key stays in one process. One process is enough: its threads hold more
requests under way than a teacher answers. It holds a wave of samples, and rows until a chunk of them is handed to Spark.

What was answered once is never asked again while its seed is there. It is in the table, or, until a run is published, in
the journal, from which a run that was killed goes on. What failed, was over the budget or is waiting for a batch is asked
again by the next run that looks at the seed: `codelake build synthesis.answers --full-refresh` looks at all.

A kind with a number of accepted samples to reach is gone through from its first seed in every run, and its drafts are run
to count them: that costs programs, but no request.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from functools import reduce
from itertools import groupby
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import Field
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from jobs.code.arrow import arrow_schema, spark_schema
from jobs.synthesis.journal import Journal
from jobs.synthesis.kinds import KINDS, Kind, Seed, Settings
from jobs.synthesis.seeds import Asked, asked
from jobs.synthesis.tables import synthesis_seeds, teacher_requests, teacher_responses
from jobs.synthesis.teacher import Answer, Price, Request
from jobs.synthesis.teachers import TeacherParams, Teachers
from jobs.synthesis.verify import Sandboxes
from jobs.synthesis.waves import Written, waves, write_wave
from lakehouse.job import Inputs, Job, Output, Params
from lakehouse.sandbox import Limits
from lakehouse.table import Table

CHUNK_BYTES = 32 << 20  # of requests and answers that are held before Spark gets them
STORED = ("request_id", "status", "text", "finish", "problem", "detail", "tokens_in", "tokens_out", "money", "attempts", "seconds")  # fmt: skip
EXCHANGE = {c.name: c.type for c in (*teacher_requests.columns, *teacher_responses.columns) if c.name != "answers"} | {
    "new": "boolean"
}


class AnswersParams(Params):
    """Where teachers are does not enter the digest: an answer is what its request makes it, whoever gave it."""

    placement: ClassVar[Mapping[str, Any]] = {
        "teachers": {"__all__": {"how", "url", "key_variable", "most_at_once", "timeout_seconds", "path"}},
    }

    teachers: Mapping[str, TeacherParams] = Field(description="who answers, by model")
    prices: tuple[Price, ...] = Field(description="what each model costs when, and under which terms")
    wave: int = Field(ge=1, description="samples that are written side by side")


def answers(inputs: Inputs, params: AnswersParams) -> Mapping[Table, Output]:
    with Journal(inputs.folder) as journal:
        _tidy(inputs, journal)
        with closing(Teachers(params.teachers, params.prices, journal.by_model())) as teachers:
            exchanges = _handed_over(inputs, _exchanges(inputs, params, teachers, journal))
    here = _wanted(inputs).select("seed_id")
    stored = inputs.before(teacher_responses).where("status = 'ok'").join(here, "seed_id", "left_semi")
    names = teacher_responses.column_names
    responses = stored.select(*names).unionByName(exchanges.where("new").select(*names))
    counted = responses.groupBy("seed_id", "request_id").agg(F.count("*").alias("answers"))
    requests = exchanges.join(counted, ["seed_id", "request_id"], "left").select(*teacher_requests.column_names)
    gone_through = _wanted(inputs).select("seed_id")
    scope = None if inputs.changed is None else inputs.changed.unionByName(gone_through).distinct()
    return {teacher_requests: Output(requests, scope), teacher_responses: Output(responses, scope)}


def _tidy(inputs: Inputs, journal: Journal) -> None:
    """Drop from the journal what is published, and what was asked for seeds that are gone."""
    asked = journal.seed_ids()
    if not asked:
        return
    ids = inputs.spark.createDataFrame([(seed_id,) for seed_id in sorted(asked)], "seed_id string")
    here = inputs.whole(synthesis_seeds).join(ids, "seed_id", "left_semi").select("seed_id")
    journal.forget(asked - {row.seed_id for row in here.toLocalIterator()})
    saved = inputs.before(teacher_responses).where("status = 'ok'").join(ids, "seed_id", "left_semi")
    journal.drop(row.request_id for row in saved.select("request_id").toLocalIterator())


def _exchanges(
    inputs: Inputs, params: AnswersParams, teachers: Teachers, journal: Journal
) -> Iterator[Mapping[str, Any]]:
    """One row per request of every sample of the seeds, in the order in which samples were written."""
    with closing(Sandboxes(Limits.default())) as sandboxes:
        for (name, canonical), rows in groupby(_seeds(inputs), key=lambda row: (row.kind, row.settings)):
            kind, wanted = KINDS[name], asked(canonical)
            work = _Kind(kind, wanted.settings.model, teachers, journal)
            accepted = 0
            for wave in waves(work.tasks(rows, wanted), params.wave):
                done = work.write(wave)
                for written in done:
                    yield from work.rows(written)
                if wanted.accepted is not None:
                    accepted += _accepted(done, kind, sandboxes)
                    if accepted >= wanted.accepted:
                        break


@dataclass
class _Kind:
    """The samples of one kind while they are written. `stored`: answers by seed and request, of the wave under way."""

    kind: Kind
    model: str
    teachers: Teachers
    journal: Journal
    stored: dict[str, dict[str, Answer]] = field(default_factory=dict)

    def tasks(self, rows: Iterable[Row], wanted: Asked) -> Iterator[tuple[Seed, Settings]]:
        for row in rows:
            self.stored[row.seed_id] = {found.request_id: Answer(**found.asDict()) for found in row.stored or ()}
            seed = Seed(row.seed_id, row.kind, row.language, row.text)
            for number in range(wanted.samples):
                yield seed, replace(wanted.settings, sample=number)

    def write(self, wave: Sequence[tuple[Seed, Settings]]) -> list[Written]:
        here = {seed.seed_id for seed, _ in wave}
        self.stored = {seed_id: found for seed_id, found in self.stored.items() if seed_id in here}

        def known(seed_id: str, request_id: str) -> Answer | None:
            return self.stored[seed_id].get(request_id) or self.journal.get(request_id)

        def keep(seed_id: str, answer: Answer) -> None:
            self.journal.keep(seed_id, answer, self.model)

        done = write_wave(wave, self.kind, self, known, keep)
        self.journal.flush()
        return done

    def complete(self, requests: Sequence[Request]) -> Iterator[Answer]:
        """The kind's teacher, made when there is something to ask."""
        return self.teachers.ask(self.model, requests)

    def rows(self, written: Written) -> Iterator[Mapping[str, Any]]:
        stored = self.stored[written.seed.seed_id]
        for step, (request, answer) in enumerate(written.exchanges):
            new = request.id not in stored
            about = {
                "seed_id": written.seed.seed_id,
                "kind": written.seed.kind,
                "sample": written.sample,
                "step": step,
                "model": self.model,
                "terms": self.teachers.terms(self.model) if new else "",  # a stored row keeps its own
                "template": request.template,
                "request": request.canonical,
                "new": new,
            }
            yield about | asdict(answer)


def _accepted(done: Sequence[Written], kind: Kind, sandboxes: Sandboxes) -> int:
    """How many would be accepted. The count only says when to stop: samples are judged by the next job."""
    drafts = [written.draft for written in done if written.draft is not None]
    return sum(verified.accepted for verified in sandboxes.verify(drafts, kind))


def _wanted(inputs: Inputs) -> DataFrame:
    """The changed seeds of kinds that ask, and all of the kinds that count accepted samples."""
    asks = F.col("kind").isin(*(name for name, kind in KINDS.items() if kind.prompts))
    seeds = inputs[synthesis_seeds].where(asks)
    if inputs.changed is None:
        return seeds
    counting = inputs.whole(synthesis_seeds).where(F.get_json_object("settings", "$.accepted").isNotNull())
    return seeds.unionByName(counting.where(asks)).dropDuplicates(["seed_id"])


def _seeds(inputs: Inputs) -> Iterator[Row]:
    """The seeds to go through with the answers that they have, by kind in the order of asking."""
    seeds = _wanted(inputs).select("seed_id", "kind", "settings", "language", "rank", "text")
    ok = inputs.before(teacher_responses).where("status = 'ok'")
    theirs = ok.groupBy("seed_id").agg(F.collect_list(F.struct(*STORED)).alias("stored"))
    ordered = seeds.join(theirs, "seed_id", "left").orderBy("kind", "settings", "rank", "seed_id")
    return ordered.toLocalIterator()


def _handed_over(inputs: Inputs, rows: Iterable[Mapping[str, Any]]) -> DataFrame:
    """The rows as one frame, handed to Spark in chunks so that the driver never holds them all."""
    chunks = [_chunk(inputs, found) for found in _chunked(rows)]
    return reduce(DataFrame.unionByName, chunks, inputs.spark.createDataFrame([], spark_schema(EXCHANGE)))


def _chunked(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    held: list[Mapping[str, Any]] = []
    weight = 0
    for row in rows:
        held.append(row)
        weight += len(row["request"]) + len(row["text"])
        if weight >= CHUNK_BYTES:
            yield held
            held, weight = [], 0
    if held:
        yield held


def _chunk(inputs: Inputs, rows: Sequence[Mapping[str, Any]]) -> DataFrame:
    said = "".join(f"{row['seed_id']}{row['request_id']}{row['status']}{row['new']}\n" for row in rows)
    # Named by what it holds: an attempt that died may have got other answers.
    name = f"exchanges-{hashlib.sha256(said.encode()).hexdigest()[:16]}"
    table = pa.Table.from_pylist(list(rows), schema=arrow_schema(EXCHANGE))
    return inputs.hold(name, lambda: inputs.spark.createDataFrame(table))


job = Job(
    "synthesis.answers",
    about="ask teachers what the seeds' samples need, once",
    reads=(synthesis_seeds,),
    writes=(teacher_requests, teacher_responses),
    params=AnswersParams,
    transform=answers,
    scope=("seed_id",),
    measures=synthesis_seeds,
    needs=(synthesis_seeds,),
)
