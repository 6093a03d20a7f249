"""The pairs of `jobs/dedup/pairs.py` found on the driver, where bands, pairs and shingle sets fit there.

Spark runs eleven queries for them, each of which costs it a second however few rows there are. Here it reads three
tables and makes the shingle sets; the pairs are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.dedup.corpus import Corpus
from jobs.kernels.arrays import Index
from jobs.kernels.buckets import Buckets, Mask, buckets, ends, is_in
from jobs.kernels.minhash import Setting
from jobs.kernels.similarity import similarities
from lakehouse.errors import ConfigError
from lakehouse.job import Inputs, Output

Jaccard = npt.NDArray[np.float64]
SHINGLES_PER_ROW = 500  # that fit beside each of the rows that fit: 2 kB, the set of 5 kB of source code


class DoesNotFitError(Exception):
    """Something is larger than what the driver may hold."""


@dataclass(frozen=True)
class Limits:
    """What the pairs are (see PairsParams), and how many rows of one thing the driver may hold."""

    exact_to: float
    others: int
    rows: int


@dataclass(frozen=True)
class Texts:
    """Where shingle sets come from. `setting`: the one among those of the bands; `sets`: (id, shingles) of these documents."""

    inputs: Inputs
    corpus: Corpus
    setting: Callable[[Sequence[str]], Setting]
    sets: Callable[[DataFrame, Setting], DataFrame]


def gathered(texts: Texts, limits: Limits) -> Output:
    """What `<corpus>.pairs` gives. Raises DoesNotFitError."""
    inputs, tables = texts.inputs, texts.corpus.tables
    bands = fetched(inputs.whole(tables.bands), limits.rows)
    setting = texts.setting(sorted(bands["setting"].unique().to_pylist()))
    before, changed = tables.pairs.arrow_schema.empty_table(), None
    if inputs.changed is not None:
        before, changed = (fetched(rows, limits.rows) for rows in (inputs.current(tables.pairs), inputs.changed))
    names = _ordered(table[tables.key] for table in (bands, before, changed) if table is not None)
    every = buckets(bands["bands"].combine_chunks(), _places(names, bands[tables.key]))
    known = Known(_places(names, before[tables.key]), _places(names, before["other"]), before["jaccard"].to_numpy())
    affected = None
    if changed is not None:
        moved = _mask(len(names), _places(names, changed[tables.key]))
        affected = _affected(every, known, moved)
        every, known = every.with_any(affected), known.without(moved)
    pairs, jaccard = _Pairs(texts, setting, names, every, known, limits).measured()
    return _output(texts, names, pairs, jaccard, affected)


def fetched(rows: DataFrame, at_most: int) -> pa.Table:
    """The rows, on the driver. Raises DoesNotFitError where there are more than this."""
    found = rows.limit(at_most + 1).toArrow()  # no second pass to count what most often fits
    if len(found) > at_most:
        raise DoesNotFitError
    return found


@dataclass(frozen=True)
class Known:
    """Stored pairs, each in both directions, with their similarity."""

    of: Index
    other: Index
    jaccard: Jaccard

    def partners(self, documents: Mask) -> Mask:
        return _mask(len(documents), self.other[documents[self.of]])

    def without(self, documents: Mask) -> Known:
        """One direction of the pairs in which none of these is, in the order of pairs."""
        stay = np.flatnonzero((self.of < self.other) & ~documents[self.of] & ~documents[self.other])
        stay = stay[np.argsort(self.pairs[stay])]
        return Known(self.of[stay], self.other[stay], self.jaccard[stay])

    @property
    def pairs(self) -> Index:
        return self.of << 32 | self.other


def _affected(every: Buckets, known: Known, moved: Mask) -> Mask:
    """Everybody who shares, or shared, a bucket with a changed document: see `jobs/dedup/pairs.py`."""
    near = _mask(len(moved), every.with_any(moved).member)
    partners = known.partners(moved)
    return moved | near | partners | known.partners(partners)


@dataclass(frozen=True)
class _Pairs:
    """The pairs of buckets, each with its similarity: as stored where it is known, else from the shingle sets."""

    texts: Texts
    setting: Setting
    names: pa.StringArray
    buckets: Buckets
    known: Known
    limits: Limits

    def measured(self) -> tuple[Index, Jaccard]:
        stars, known = self.buckets.stars(), self.known.pairs
        possible = stars
        if len(known):  # one scan of the texts: as if every star that is not known yet turned out to be unlike
            stored = is_in(stars, known)
            unlike = ~stored
            unlike[stored] = self._stored(stars[stored]) < self.limits.exact_to
            possible = np.union1d(stars, self._rest(stars[unlike]))
        sets, place = self._sets(possible[~is_in(possible, known)])
        similar = self._similar(stars, sets, place)
        rest = np.setdiff1d(self._rest(stars[similar < self.limits.exact_to]), stars, assume_unique=True)
        return np.r_[stars, rest], np.r_[similar, self._similar(rest, sets, place)]

    def _rest(self, unlike: Index) -> Index:
        found = self.buckets.rest(unlike, self.limits.others, self.limits.rows)
        if found is None:
            raise DoesNotFitError
        return found

    def _sets(self, pairs: Index) -> tuple[pa.ListArray, Index]:
        """The shingle sets of the documents in these pairs, and the place among them of each document."""
        documents, place = np.unique(np.r_[ends(pairs)]), np.full(len(self.names), -1)
        if not len(documents):
            return pa.array([], pa.list_(pa.int32())), place
        ids = pa.table({"id": self.names.take(pa.array(documents))})
        held = self.texts.sets(F.broadcast(self.texts.inputs.spark.createDataFrame(ids)), self.setting)
        size = held.select(F.sum(F.size("shingles")).alias("size")).toArrow()["size"][0].as_py() or 0
        if size > self.limits.rows * SHINGLES_PER_ROW:
            raise DoesNotFitError
        sets = held.toArrow()
        place[_places(self.names, sets["id"])] = np.arange(len(sets))
        self._check(documents[place[documents] < 0])
        return sets["shingles"].combine_chunks(), place

    def _check(self, missing: Index) -> None:
        if len(missing):
            corpus, first = self.texts.corpus, self.names[int(missing[0])].as_py()
            raise ConfigError(
                f"{corpus.tables.bands.name} names {len(missing)} documents that are not in {corpus.documents.name},"
                f" such as {first}. Make the bands anew: `codelake build {corpus.name}.bands --full-refresh`."
            )

    def _similar(self, pairs: Index, sets: pa.ListArray, place: Index) -> Jaccard:
        stored = is_in(pairs, self.known.pairs)
        similar = np.empty(len(pairs))
        similar[stored] = self._stored(pairs[stored])
        left, right = ends(pairs[~stored])
        similar[~stored] = similarities(sets, place[left], place[right]).to_numpy()
        return similar

    def _stored(self, pairs: Index) -> Jaccard:
        return self.known.jaccard[np.searchsorted(self.known.pairs, pairs)]


def _output(texts: Texts, names: pa.StringArray, pairs: Index, jaccard: Jaccard, affected: Mask | None) -> Output:
    """Each pair in both directions; of an increment those that are of somebody affected."""
    tables, spark = texts.corpus.tables, texts.inputs.spark
    left, right = ends(pairs)
    of, other, both = np.r_[left, right], np.r_[right, left], np.r_[jaccard, jaccard]
    if affected is not None:
        theirs = affected[of]
        of, other, both = of[theirs], other[theirs], both[theirs]
    columns = [names.take(pa.array(of)), names.take(pa.array(other)), pa.array(both)]
    rows = spark.createDataFrame(pa.table(columns, schema=tables.pairs.arrow_schema))
    if affected is None:
        return Output(rows)
    return Output(rows, spark.createDataFrame(pa.table({tables.key: names.filter(pa.array(affected))})))


def _mask(size: int, documents: Index) -> Mask:
    found = np.zeros(size, np.bool_)
    found[documents] = True
    return found


def _ordered(columns: Iterable[pa.ChunkedArray]) -> pa.StringArray:
    """The distinct names, in order."""
    chunks = [chunk.cast(pa.string()) for column in columns for chunk in column.chunks]
    names = pa.concat_arrays([pa.array([], pa.string()), *chunks]).unique()
    return names.take(pc.array_sort_indices(names))


def _places(names: pa.StringArray, column: pa.ChunkedArray) -> Index:
    """Where each of the column is among the names; all of them are there."""
    found: Index = pc.index_in(column.combine_chunks().cast(pa.string()), names).to_numpy().astype(np.int64)
    return found
