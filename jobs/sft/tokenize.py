"""Conversations as token ids in the ChatML layout, with a mask of what the loss counts: answers (see `kernels.chat`)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pyarrow as pa
from pydantic import Field
from pyspark.sql import DataFrame

from jobs.code.arrow import Rows, map_rows
from jobs.corpus.tokenize import TokenizerParams, no_tokenizer
from jobs.kernels.chat import Chat
from jobs.kernels.encoder import Encoder
from jobs.sft.tables import sft, sft_tokens
from lakehouse.job import Inputs, Job


class TokenizeParams(TokenizerParams):
    system: str = Field(description="system message of a conversation that has none; empty for no such turn")
    start: str = Field(description="special token that opens a turn")
    end: str = Field(description="special token that closes it")

    def specials(self) -> tuple[str, ...]:
        return (self.start, self.end)


def tokenize(inputs: Inputs, params: TokenizeParams) -> DataFrame:
    encoder = params.encoder()
    assert encoder is not None  # else the job is idle
    columns = {column.name: column.type for column in sft_tokens.columns}
    chat = Chat(params.system, params.start, params.end)
    rows = inputs[sft].select("doc_id", "stage", "messages")
    return map_rows(rows, columns, partial(_encode, encoder=encoder, chat=chat))


def _encode(batches: Iterator[pa.RecordBatch], encoder: Encoder, chat: Chat) -> Rows:
    for batch in batches:
        for row in batch.to_pylist():
            document = chat.encode(encoder, row["doc_id"], row["messages"])
            assert document.mask is not None
            yield {
                "doc_id": row["doc_id"],
                "stage": row["stage"],
                "tokenizer": encoder.digest,
                "tokens": len(document),
                "targets": int(document.mask.sum()),
                "input_ids": document.ids.tolist(),
                "loss_mask": document.mask.tolist(),
            }


job = Job(
    "sft.tokenize",
    about="conversations as token ids",
    reads=(sft,),
    writes=(sft_tokens,),
    params=TokenizeParams,
    transform=tokenize,
    scope=("doc_id",),
    measures=sft,
    idle=partial(no_tokenizer, job="sft.tokenize"),
)
