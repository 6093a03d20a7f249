"""The tables of instruction data. A conversation is named by what its messages say, whatever file it came from."""

from __future__ import annotations

from jobs.corpus.tables import mixture_of, packed
from jobs.decisions.tables import VERDICT
from jobs.decontamination.tables import benchmark_tables
from jobs.dedup.tables import duplicate_tables
from lakehouse.table import Column, Table, between, matches

_SHA256 = (matches("[0-9a-f]{64}"),)
SAMPLE_ID = Column("sample_id", "string", "SHA-256 over roles and contents of the messages, hex", checks=_SHA256)
DOC_ID = Column("doc_id", "string", "identity of the conversation: its sample_id", checks=_SHA256)
STAGE = Column("stage", "bigint", "stage of the tuning that it is for", checks=(between(1, 2),))
MESSAGES = Column("messages", "array<struct<role:string,content:string>>", "the turns, in order")

# What the released layouts say of a row beside the conversation itself.
FACTS = (
    Column("seq_id", "string", "number or name of the row in its data set, where it has one", nullable=True),
    Column("tag", "string", "tag of the data set, where it has one", nullable=True),
    Column("code", "string", "the solution alone, where it is told apart", nullable=True),
    Column("entry_point", "string", "name of the function that is asked for, where known", nullable=True),
    Column("testcase", "array<string>", "tests of the solution, where there are any", nullable=True),
)
_PLACE = (
    Column("source", "string", "name of the configured source"),
    Column("file", "string", "source and path of the file, with slashes"),
    Column("place", "bigint", "number of the row in the file, from 0", checks=(between(0, None),)),
)
SIZE = (
    Column("turns", "bigint", "number of messages", checks=(between(1, None),)),
    Column("bytes", "bigint", "size of all contents in UTF-8", unit="bytes", checks=(between(0, None),)),
)


def files_of(name: str, what: str) -> Table:
    """A table of the files that a job of ingest has read."""
    return Table(
        name,
        row=f"one file of {what} as it was last read",
        key=("file",),
        columns=(
            Column("file", "string", "source and path of the file, with slashes"),
            Column("source", "string", "name of the configured source"),
            Column("layout", "string", "how its rows are laid out; empty when it holds none"),
            Column("fingerprint", "string", "changes whenever what would be read changes", volatile=True),
            Column("rows", "bigint", "conversations taken in"),
            Column("refused", "bigint", "rows in quarantine"),
        ),
    )


instruction_files = files_of("bronze.instruction_files", "instruction data")

_INSTRUCTION = (
    Column("file", "string", "source and path of the file, with slashes"),
    Column("place", "bigint", "number of the row in the file, from 0", checks=(between(0, None),)),
    Column("source", "string", "name of the configured source"),
    SAMPLE_ID,
    STAGE,
    Column("licence", "string", "licence of the data set, where the source says one", nullable=True),
    *FACTS,
    *SIZE,
    MESSAGES,
)

instructions = Table(
    "bronze.instructions",
    row="one row of a file of instruction data",
    key=("file", "place"),
    columns=_INSTRUCTION,
)

sft_synthetic = Table(
    "silver.sft_synthetic",
    row="one sample of gold.synthetic as a conversation; file and place are made of its kind and its id",
    key=("doc_id",),
    columns=(Column("doc_id", "string", "the sample in gold.synthetic", checks=_SHA256), *_INSTRUCTION),
)

sft_samples = Table(
    "silver.sft_samples",
    row="one distinct conversation, with the row that stands for its copies",
    key=("sample_id",),
    columns=(
        SAMPLE_ID,
        *_PLACE,
        STAGE,
        Column("licence", "string", "licence of the data set, where the source says one", nullable=True),
        Column("copies", "bigint", "rows with these very messages", checks=(between(1, None),)),
        *FACTS,
        *SIZE,
        Column("answer_bytes", "bigint", "size of the assistant's messages in UTF-8", unit="bytes"),
        Column("faults", "array<string>", "why it is no conversation to learn from; empty when it is one"),
        MESSAGES,
        Column("text", "string", "all contents, one after the other: what is compared and searched"),
    ),
)

sft_near = duplicate_tables("sft", SAMPLE_ID, "conversation")
sft_benchmarks = benchmark_tables("sft", SAMPLE_ID, "conversation")

sft_decisions = Table(
    "silver.sft_decisions",
    row="the verdict on one distinct conversation",
    key=("sample_id",),
    columns=(
        SAMPLE_ID,
        *VERDICT,
        Column("rules", "string", "digest of the rules that decided"),
    ),
)

sft = Table(
    "gold.sft",
    row="one conversation to tune on",
    key=("doc_id",),
    columns=(
        DOC_ID,
        STAGE,
        Column("source", "string", "name of the configured source"),
        Column("licence", "string", "licence of the data set, where the source says one", nullable=True),
        Column("copies", "bigint", "rows with these very messages", checks=(between(1, None),)),
        *FACTS,
        *SIZE,
        MESSAGES,
    ),
)

sft_tokens = Table(
    "silver.sft_tokens",
    row="one conversation of gold.sft as token ids",
    key=("doc_id",),
    columns=(
        DOC_ID,
        STAGE,
        Column("tokenizer", "string", "digest of the tokenizer that made the ids", checks=(matches("[0-9a-f]{16}"),)),
        Column("tokens", "bigint", "number of ids", unit="tokens", checks=(between(1, None),)),
        Column("targets", "bigint", "ids that the loss counts", unit="tokens", checks=(between(1, None),)),
        Column("input_ids", "array<int>", "the ids of all turns"),
        Column("loss_mask", "array<boolean>", "which ids are targets: answers, with the token that ends them"),
    ),
)

sft_mixture = mixture_of("gold.sft_mixture", "conversation")

sft_cut = Table(
    "silver.sft_cut",
    row="one conversation that is longer than the sequences of its stage, whether the mixture takes it or not",
    key=("doc_id",),
    columns=(
        DOC_ID,
        STAGE,
        Column("tokens", "bigint", "number of ids", unit="tokens", checks=(between(1, None),)),
        Column("kept", "bigint", "ids that were packed; 0 where none of them was a target", unit="tokens"),
    ),
)

packed_stages = {1: packed("gold.packed_sft_stage1"), 2: packed("gold.packed_sft_stage2")}
