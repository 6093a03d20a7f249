"""The tables of synthesis, from seed to gold. Every sample names its seed, every seed its file, repository and licence.

What a teacher answered is stored apart from what is made of it: a changed parser or test reads it again and asks nothing.
"""

from __future__ import annotations

from jobs.corpus.tables import DOC_ID
from jobs.decisions.tables import VERDICT
from jobs.decontamination.tables import benchmark_tables, functional_table
from jobs.dedup.tables import duplicate_tables
from jobs.sft.tables import FACTS, MESSAGES, SIZE, files_of
from lakehouse.table import Column, Table, between, matches, one_of

_HASH = (matches("[0-9a-f]{64}"),)
SEED_ID = Column("seed_id", "string", "digest of kind and document", checks=_HASH)
SAMPLE_ID = Column("sample_id", "string", "digest of seed and number", checks=_HASH)
REQUEST_ID = Column(
    "request_id", "string", "digest of model, messages, parameters, schema, template and sample", checks=_HASH
)
KIND = Column("kind", "string", "kind of sample")
SAMPLE = Column("sample", "bigint", "which of the samples of its seed, from 0", checks=(between(0, None),))
MODEL = Column("model", "string", "the teacher's model")
TERMS = Column("terms", "string", "terms of the teacher's answers when this one was given")
# Where a seed comes from: as in gold.pretrain, and named there by `content_id` = doc_id; a row of an open set is of the
# corpus `open`, its set stands for the repository, and its file with its place in it for the path.
_ORIGIN = (
    Column("content_id", "string", "the document or row that the seed is", checks=_HASH),
    Column("corpus", "string", "where the document came from"),
    Column("source", "string", "its configured source"),
    Column("repo", "string", "its repository, package or open set"),
    Column("path", "string", "its path there"),
    Column("seed_licence", "string", "its licence as an SPDX expression, where known", nullable=True),
)

# What a sample is, before and after the decision.
_CONTENT = (
    Column("language", "string", "programming language of its code"),
    Column("instruction", "string", "the task; empty where the kind has none"),
    Column("output", "string", "the answer to it"),
    Column("code", "string", "what was run; empty where there is nothing to run"),
    Column("entry_point", "string", "the function that the tests call"),
    Column("tests", "array<string>", "one statement of Python each, in other languages one condition"),
    Column("original", "string", "of what was rewritten, the answer before; null where nothing was", nullable=True),
)

algorithmic = Table(
    "silver.algorithmic",
    row="one document of gold.pretrain in which a keyword of algorithmic code was found",
    key=("doc_id",),
    columns=(
        DOC_ID,
        Column("language", "string", "programming language"),
        Column("keywords", "array<string>", "the keywords that were found, in their configured order"),
        Column("taken", "boolean", "true when it is in the configured share"),
        Column("bytes", "bigint", "size of the text in UTF-8", unit="bytes"),
    ),
)

open_files = files_of("bronze.open_files", "an open set")

open_rows = Table(
    "bronze.open_rows",
    row="one row of an open set: a conversation, or a text as one message of the assistant",
    key=("file", "place"),
    columns=(
        Column("file", "string", "source and path of the file, with slashes"),
        Column("place", "bigint", "number of the row in the file, from 0", checks=(between(0, None),)),
        Column("source", "string", "name of the configured source"),
        Column("content_id", "string", "SHA-256 over roles and contents of the messages, hex", checks=_HASH),
        Column("licence", "string", "licence of the set, where the source says one", nullable=True),
        Column("language", "string", "programming language that the row or its first code names, else empty"),
        *FACTS,
        *SIZE,
        MESSAGES,
    ),
)

synthesis_seeds = Table(
    "silver.synthesis_seeds",
    row="one document, or row of an open set, after which samples of one kind are written",
    key=("seed_id",),
    columns=(
        SEED_ID,
        KIND,
        *_ORIGIN,
        Column("language", "string", "programming language"),
        Column("rank", "bigint", "place in the order of asking: a seeded hash"),
        Column("settings", "string", "everything else that shapes the requests, as JSON: model, parameters, prompts"),
        Column("bytes", "bigint", "size of the text in UTF-8", unit="bytes", checks=(between(1, None),)),
        Column("text", "string", "the seed; of an open set the row as JSON"),
    ),
)

teacher_requests = Table(
    "bronze.teacher_requests",
    row="one request that a seed's samples asked",
    key=("seed_id", "request_id"),
    columns=(
        SEED_ID,
        REQUEST_ID,
        KIND,
        SAMPLE,
        Column("step", "bigint", "which request of the sample, from 0", checks=(between(0, None),)),
        MODEL,
        Column("template", "string", "name, version and digest of the prompt"),
        Column("request", "string", "the request in its canonical form, JSON"),
        # Requests = answers + failures, said of each: none is lost, none is counted twice.
        Column("answers", "bigint", "rows in bronze.teacher_responses", checks=(between(1, 1),)),
    ),
)

teacher_responses = Table(
    "bronze.teacher_responses",
    row="what became of one request of one seed; seeds that share a request have a row each",
    key=("seed_id", "request_id"),
    columns=(
        SEED_ID,
        REQUEST_ID,
        MODEL,
        TERMS,
        Column(
            "status",
            "string",
            "ok; failed, over_budget and waiting are asked again by the next run that looks at the seed",
            checks=(one_of("ok", "failed", "over_budget", "waiting"),),
        ),
        Column("text", "string", "the answer"),
        Column("finish", "string", "why the model stopped"),
        Column("problem", "string", "class of the error; empty when all went well"),
        Column("detail", "string", "text of the error"),
        Column("tokens_in", "bigint", "tokens of the request", unit="tokens", checks=(between(0, None),)),
        Column("tokens_out", "bigint", "tokens of the answer", unit="tokens", checks=(between(0, None),)),
        Column("money", "double", "what it cost, lost attempts included", unit="dollars", checks=(between(0, None),)),
        Column("attempts", "bigint", "how often it was sent", volatile=True, checks=(between(0, None),)),
        Column("seconds", "double", "until the answer was there", unit="seconds", volatile=True),
    ),
)

synthetic_samples = Table(
    "silver.synthetic_samples",
    row="one sample that was asked for, accepted or rejected",
    key=("sample_id",),
    columns=(
        SAMPLE_ID,
        SEED_ID,
        KIND,
        SAMPLE,
        Column("accepted", "boolean", "true when it is what it claims to be: its tests pass twice and fail on a stub"),
        Column("reason", "string", "why it was rejected; empty when it was not"),
        Column("detail", "string", "what was found"),
        *_ORIGIN,
        MODEL,
        Column("terms", "string", "terms of the teacher's answers; several are joined by ' AND '"),
        Column("request_ids", "array<string>", "the requests it was made from, in order"),
        *_CONTENT,
        Column("scores", "array<struct<name:string,value:double>>", "what a scorer said of the seed"),
        Column("labels", "array<string>", "what else is known of it, as name=value"),
        Column("sandbox", "string", "what kept the program in; null when none was run", nullable=True),
        Column("limits", "string", "what the program might use, as JSON", nullable=True),
        Column("ended", "string", "how its tests ended", nullable=True),
        Column("ended_in", "string", "solution or tests", nullable=True),
        Column("message", "string", "the program's last words", nullable=True),
        Column("control", "string", "how the tests ended on a stub; null where they did not get so far", nullable=True),
        Column("wall_seconds", "double", "of the first run", unit="seconds", nullable=True, volatile=True),
        Column("cpu_seconds", "double", "of the first run", unit="seconds", nullable=True, volatile=True),
        Column("bytes", "bigint", "size of the text in UTF-8", unit="bytes", checks=(between(0, None),)),
        Column("text", "string", "instruction and output: what near-duplicates are found by"),
    ),
)

near = duplicate_tables("synthetic", SAMPLE_ID, document="sample")
synthetic_duplicates = near.duplicates
synthetic_benchmarks = benchmark_tables("synthetic", SAMPLE_ID, "sample")
synthetic_functional = functional_table("synthetic", SAMPLE_ID, "sample")

synthetic_decisions = Table(
    "silver.synthetic_decisions",
    row="the verdict on one sample",
    key=("sample_id",),
    columns=(
        SAMPLE_ID,
        *VERDICT,
    ),
)

synthetic = Table(
    "gold.synthetic",
    row="one sample that was accepted and kept",
    key=("doc_id",),
    columns=(
        Column("doc_id", "string", "the sample_id", checks=_HASH),
        KIND,
        SEED_ID,
        *_ORIGIN,
        MODEL,
        Column("terms", "string", "terms of the teacher's answers"),
        *_CONTENT,
        Column("labels", "array<string>", "what else is known of it, as name=value"),
        Column("bytes", "bigint", "size of the text in UTF-8", unit="bytes", checks=(between(1, None),)),
        Column("text", "string", "instruction and output"),
    ),
)
