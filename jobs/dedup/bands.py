"""MinHash band hashes of each document. Stored, so that new documents meet old ones without either being read again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator
from pyspark.sql import DataFrame

from jobs.dedup.corpus import Corpus
from jobs.kernels.decode import texts
from jobs.kernels.hashes import Hash
from jobs.kernels.minhash import Setting, band_hashes, candidate_probability
from jobs.kernels.shingles import Shingling
from jobs.kernels.tokens import Unit
from lakehouse.job import Inputs, Job, Params


class MinHashParams(Params):
    """What makes a signature what it is. The chance to find a pair of Jaccard J is 1 - (1 - J^rows)^bands."""

    unit: Unit = Field(description="what a token is: see jobs/kernels/tokens.py")
    shingle: int = Field(ge=1, description="tokens per shingle")
    hash: Hash = Field(description="hash of a shingle; sha1 is datasketch's default")
    bands: int = Field(ge=1)
    rows: int = Field(ge=1, description="permutations per band")
    seed: int = Field(ge=0)

    @model_validator(mode="after")
    def _makes_a_setting(self) -> MinHashParams:
        self.setting  # noqa: B018  raises where the numbers do not fit together
        return self

    @property
    def setting(self) -> Setting:
        permutations = self.bands * self.rows
        shingling = Shingling(self.unit, self.shingle, self.hash)
        return Setting(shingling, permutations, self.bands, self.rows, self.seed)

    def found(self, jaccard: float) -> float:
        """The chance that a pair of this similarity shares a band."""
        return candidate_probability(jaccard, self.setting)


def bands_job(corpus: Corpus) -> Job:
    """`<corpus>.bands`: a row of bands for every document, one with no token included."""

    def transform(inputs: Inputs, params: MinHashParams) -> DataFrame:
        documents = inputs[corpus.documents].select(
            corpus.tables.key, corpus.text, *([corpus.within] if corpus.within else [])
        )
        return documents.mapInArrow(_signer(corpus, params.setting), corpus.tables.bands.spark_schema)

    return Job(
        f"{corpus.name}.bands",
        about=f"MinHash band hashes of each {corpus.document}",
        reads=(corpus.documents,),
        writes=(corpus.tables.bands,),
        params=MinHashParams,
        transform=transform,
        scope=(corpus.tables.key,),
        modules=(corpus.module,),
        measures=corpus.documents,
    )


def _signer(corpus: Corpus, setting: Setting) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    key, text, schema = corpus.tables.key, corpus.text, corpus.tables.bands.arrow_schema

    def sign(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            hashes = band_hashes(text_of(batch[text]), setting)
            if corpus.within is not None:
                hashes = apart(hashes, batch[corpus.within])
            hashes = hashes.cast(schema.field("bands").type)
            names = pa.array([setting.canonical] * len(batch), pa.string())
            yield pa.RecordBatch.from_arrays([batch[key], hashes, names], schema.names)

    return sign


def text_of(column: pa.Array) -> pa.Array:
    """The texts of a column: strings as they are, bytes decoded."""
    return texts(column) if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type) else column


def apart(hashes: pa.ListArray, groups: pa.Array) -> pa.ListArray:
    """The band hashes with their document's group mixed in, so that no band is shared by two groups."""
    coded = groups.dictionary_encode()
    names = [hashlib.sha256(name.encode()).digest()[:8] for name in coded.dictionary.to_pylist()]
    salt = np.frombuffer(b"".join(names), np.int64)[coded.indices.to_numpy()]
    offsets = hashes.offsets.to_numpy()
    values = hashes.values.to_numpy()[offsets[0] : offsets[-1]] ^ np.repeat(salt, np.diff(offsets))
    return pa.ListArray.from_arrays(pa.array(offsets - offsets[0], pa.int32()), pa.array(values))
