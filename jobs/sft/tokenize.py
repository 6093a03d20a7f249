"""Conversations as token ids in the ChatML layout, with a mask of what the loss counts: answers (see `kernels.chat`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import Field, computed_field, model_validator
from pyspark.sql import DataFrame

from jobs.code.arrow import Rows, map_rows
from jobs.corpus.tokenize import loaded
from jobs.kernels.chat import Chat
from jobs.kernels.encoder import Encoder
from jobs.sft.tables import sft, sft_tokens
from lakehouse.job import Inputs, Job, Params


class TokenizeParams(Params):
    """Where the folder lies does not enter the digest; the tokenizer's own digest does."""

    placement: ClassVar[Mapping[str, Any]] = {"tokenizer": True}

    tokenizer: str | None = Field(description="folder with a tokenizer.json; null tokenizes nothing")
    system: str = Field(description="system message of a conversation that has none; empty for no such turn")
    start: str = Field(description="special token that opens a turn")
    end: str = Field(description="special token that closes it")

    @model_validator(mode="after")
    def _can_be_read(self) -> TokenizeParams:
        encoder = self.encoder()
        for name in (self.start, self.end):
            if encoder is not None:
                encoder.special(name)
        return self

    @computed_field(description="digest of the tokenizer")  # type: ignore[prop-decorator]
    @property
    def digest_of_tokenizer(self) -> str | None:
        encoder = self.encoder()
        return None if encoder is None else encoder.digest

    def encoder(self) -> Encoder | None:
        return None if self.tokenizer is None else loaded(self.tokenizer)


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


def no_tokenizer(params: TokenizeParams) -> str | None:
    if params.tokenizer is not None:
        return None
    return "not asked for: name a tokenizer with --set sft.tokenize.tokenizer=FOLDER"


job = Job(
    "sft.tokenize",
    about="conversations as token ids",
    reads=(sft,),
    writes=(sft_tokens,),
    params=TokenizeParams,
    transform=tokenize,
    scope=("doc_id",),
    measures=sft,
    idle=no_tokenizer,
)
