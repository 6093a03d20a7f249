"""Documents as token ids. Special tokens written in a text are text (see `kernels.encoder`).

Where fill-in-the-middle is on, the share of documents that the seed chooses is rearranged here, because that is done by
characters; the marks are the only special tokens that come out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any, ClassVar, Self

import pyarrow as pa
from pydantic import Field, computed_field, model_validator
from pyspark.sql import DataFrame

from jobs.code.arrow import Rows, map_rows
from jobs.corpus.tables import pretrain, pretrain_tokens
from jobs.kernels.encoder import Encoder
from jobs.kernels.fim import FillInMiddle
from lakehouse.job import Inputs, Job, Params
from lakehouse.table import Table

TEXTS_AT_ONCE = 64  # their ids are held as Python lists


class FimParams(Params):
    rate: float = Field(ge=0, le=1, description="share of documents that are rearranged")
    spm_rate: float = Field(ge=0, le=1, description="share of those in which the suffix comes first")
    seed: int = Field(ge=0)
    prefix: str
    middle: str
    suffix: str


class TokenizerParams(Params):
    """Where the folder lies does not enter the digest; the tokenizer's own digest does."""

    placement: ClassVar[Mapping[str, Any]] = {"tokenizer": True}

    tokenizer: str | None = Field(description="folder with a tokenizer.json; null tokenizes nothing")

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        if (encoder := self.encoder()) is not None:
            for name in self.specials():
                encoder.special(name)
        return self

    @computed_field(description="digest of the tokenizer")  # type: ignore[prop-decorator]
    @property
    def digest_of_tokenizer(self) -> str | None:
        encoder = self.encoder()
        return None if encoder is None else encoder.digest

    def encoder(self) -> Encoder | None:
        return None if self.tokenizer is None else loaded(self.tokenizer)

    def specials(self) -> tuple[str, ...]:
        """The special tokens that the job writes; the tokenizer must have them."""
        raise NotImplementedError


class TokenizeParams(TokenizerParams):
    end: str = Field(description="special token behind every document")
    fim: FimParams

    def specials(self) -> tuple[str, ...]:
        marks = (self.fim.prefix, self.fim.middle, self.fim.suffix) if self.fim.rate else ()
        return (self.end, *marks)


@cache
def loaded(folder: str) -> Encoder:
    """The tokenizer of a folder. Raises ValueError where it cannot be read."""
    return Encoder.load(Path(folder))


def no_tokenizer(params: TokenizerParams, job: str) -> str | None:
    """Why a job that tokenizes has nothing to do, if so."""
    return None if params.tokenizer else f"not asked for: name a tokenizer with --set {job}.tokenizer=FOLDER"


def tokenize_job(name: str, about: str, documents: Table, tokens: Table, module: str) -> Job:
    """Job `name`: column `text` of `documents` as ids in `tokens`. `module`: where the tables are chosen."""

    def transform(inputs: Inputs, params: TokenizeParams) -> DataFrame:
        encoder = params.encoder()
        assert encoder is not None  # else the job is idle
        columns = {column.name: column.type for column in tokens.columns}
        fim = FillInMiddle(**params.fim.model_dump()) if params.fim.rate else None
        encode = partial(_encode, encoder=encoder, end=encoder.special(params.end), fim=fim)
        return map_rows(inputs[documents].select("doc_id", "text"), columns, encode)

    return Job(
        name,
        about=about,
        reads=(documents,),
        writes=(tokens,),
        params=TokenizeParams,
        transform=transform,
        scope=("doc_id",),
        modules=(module,),
        measures=documents,
        idle=partial(no_tokenizer, job=name),
    )


def _encode(batches: Iterator[pa.RecordBatch], encoder: Encoder, end: int, fim: FillInMiddle | None) -> Rows:
    for batch in batches:
        for start in range(0, batch.num_rows, TEXTS_AT_ONCE):
            part = batch.slice(start, TEXTS_AT_ONCE)
            names, texts = part.column(0).to_pylist(), part.column(1)
            moved = [
                None if fim is None else fim.encode(encoder, n, t)
                for n, t in zip(names, texts.to_pylist(), strict=True)
            ]
            for name, plain, rearranged in zip(names, encoder.encode(texts), moved, strict=True):
                ids = [*(plain.as_py() if rearranged is None else rearranged), end]
                yield {
                    "doc_id": name,
                    "tokenizer": encoder.digest,
                    "middle": rearranged is not None,
                    "tokens": len(ids),
                    "input_ids": ids,
                }


job = tokenize_job("corpus.tokenize", "documents as token ids", pretrain, pretrain_tokens, __name__)
