"""Candidate pairs out of the bands, each with the true Jaccard similarity of its shingle sets.

A bucket (equal band hash) joins its least member to every other, never all to all, so a bucket of a million copies costs
a million pairs. That alone loses documents that resemble another member but not the least one. So whoever is less
similar to the least than `exact_to` is also compared with `others` further members of the bucket. Then, at every
threshold up to `exact_to`, the connected components are those of all pairs of every bucket of up to `others` + 1 members:
members at or above the threshold are joined by the least one, and each pair of the rest was measured. In larger
buckets each of the rest meets the `others` members that follow it in the order of keys, the end joined to the beginning.

What is measured follows from what the bands hold, not from the order in which documents came. A pair of which neither
changed is not measured again.

Here Spark does all of this; what fits the driver is done there, to the same rows (`jobs/dedup/gathered.py`).

Cost: a scan of the bands, then work in the buckets that changed documents share. One pair costs a merge of two sorted
sets, 6 us for two files of 13 kB; a set takes 0.4 bytes per byte of source code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from jobs.dedup.bands import text_of
from jobs.dedup.corpus import Corpus
from jobs.dedup.gathered import DoesNotFitError, Limits, Texts, gathered
from jobs.kernels.minhash import Setting
from jobs.kernels.shingles import Shingling
from jobs.kernels.similarity import shingle_sets, similarities
from lakehouse.errors import ConfigError
from lakehouse.job import Inputs, Job, Output, Params

PAIR = "left string, right string, jaccard double"


class PairsParams(Params):
    # Where pairs are found changes no result.
    placement: ClassVar[Mapping[str, Any]] = {"driver_rows": True}

    exact_to: float = Field(ge=0, le=1, description="clusters are exact at any threshold up to this similarity")
    others: int = Field(ge=1, description="members of its bucket that one below `exact_to` is compared with")
    driver_rows: int = Field(ge=0, description="most documents, and most pairs, whose buckets are formed on the driver")


def pairs_job(corpus: Corpus) -> Job:
    """`<corpus>.pairs`: each measured pair, in both directions."""

    def transform(inputs: Inputs, params: PairsParams) -> Output:
        run = _Pairs(inputs, corpus, params)
        try:
            return gathered(
                Texts(inputs, corpus, run.setting, run.sets_of),
                Limits(params.exact_to, params.others, params.driver_rows),
            )
        except DoesNotFitError:
            return run.output()

    return Job(
        f"{corpus.name}.pairs",
        about=f"candidate pairs of near-duplicate {corpus.document}s with their true Jaccard similarity",
        reads=(corpus.tables.bands, corpus.documents),
        writes=(corpus.tables.pairs,),
        params=PairsParams,
        transform=transform,
        scope=(corpus.tables.key,),
        modules=(corpus.module,),
    )


@dataclass
class _Pairs:
    """One run. Inside it the key is called `id`, and a pair is (left, right) with left < right."""

    inputs: Inputs
    corpus: Corpus
    params: PairsParams

    def output(self) -> Output:
        members = self._members()
        affected = self._affected(members)
        buckets = self.inputs.hold("buckets", _ranked(members if affected is None else _within(members, affected)))
        bands = self.inputs.whole(self.corpus.tables.bands)
        setting = self.setting(sorted(row.setting for row in bands.select("setting").distinct().collect()))
        known = self._known()
        wanted = _stars(buckets)
        sets = self._shingle_sets("sets", _unmeasured(wanted, known), setting)
        stars = self.inputs.hold("stars", _measured(wanted, known, sets))
        rest = _rest(buckets, stars, self.params).join(stars, ["left", "right"], "left_anti")
        if affected is not None:  # else every member of a bucket already has its set
            rest = self.inputs.hold("rest", rest)
            sets = sets.unionByName(self._shingle_sets("more_sets", _unmeasured(rest, known), setting, but=sets))
        both = stars.unionByName(_measured(rest, known, sets))
        rows = _both_ways(both).toDF(*self.corpus.tables.pairs.column_names)
        if affected is None:
            return Output(rows)
        scope = affected.toDF(self.corpus.tables.key)
        return Output(rows.join(scope, self.corpus.tables.key, "left_semi"), scope)

    def _members(self) -> DataFrame:
        """(id, band) of every document."""
        bands = self.inputs.whole(self.corpus.tables.bands)
        return bands.select(F.col(self.corpus.tables.key).alias("id"), F.explode("bands").alias("band"))

    def _affected(self, members: DataFrame) -> DataFrame | None:
        """Everybody who shares, or shared, a bucket with a changed document; None when all are looked at.

        One that is gone or reads otherwise now shared its buckets with its partners, and with theirs: among them is the
        least of each bucket, who was compared with every other.
        """
        if self.inputs.changed is None:
            return None
        changed = self.inputs.changed.toDF("id")
        bands = members.join(changed, "id", "left_semi").select("band").distinct()
        near = members.join(bands, "band", "left_semi").select("id")
        before = self._before()
        partners = before.join(changed, "id", "left_semi").select(F.col("other").alias("id")).distinct()
        theirs = before.join(partners, "id", "left_semi").select(F.col("other").alias("id"))
        every = changed.unionByName(near).unionByName(partners).unionByName(theirs).distinct()
        return self.inputs.hold("affected", every)

    def _before(self) -> DataFrame:
        """(id, other, jaccard) as the last run left them."""
        return self.inputs.current(self.corpus.tables.pairs).toDF("id", "other", "jaccard")

    def _known(self) -> DataFrame | None:
        """The pairs whose similarity still holds: neither of the two changed. None when all are measured."""
        changed = self.inputs.changed
        if changed is None:
            return None
        known = self._before().where(F.col("id") < F.col("other")).toDF("left", "right", "jaccard")
        return known.join(changed.toDF("left"), "left", "left_anti").join(changed.toDF("right"), "right", "left_anti")

    def setting(self, found: Sequence[str]) -> Setting:
        """The one setting of the stored bands. Raises ConfigError where there are several, or one that is not ours."""
        name = self.corpus.tables.bands.name
        if len(found) > 1:
            raise ConfigError(
                f"{name} holds bands of {len(found)} settings, which cannot be compared: {' and '.join(found[:2])}."
                f" Make them anew: `codelake build {self.corpus.name}.bands --full-refresh`."
            )
        if not found:  # without bands nothing is measured
            return Setting(Shingling("ascii_words", 1, "xxh3"), 1, 1, 1, 0)
        try:
            return Setting.parse(found[0])
        except ValueError as error:
            raise ConfigError(
                f"{name}: {error} Make the bands anew: `codelake build {self.corpus.name}.bands --full-refresh`."
            ) from error

    def sets_of(self, ids: DataFrame, setting: Setting) -> DataFrame:
        """(id, shingles) of these documents, for what is found on the driver."""
        return self._sets("gathered_sets", ids, setting)

    def _shingle_sets(self, name: str, pairs: DataFrame, setting: Setting, but: DataFrame | None = None) -> DataFrame:
        """(id, shingles) of every document in a pair, of those in `but` not again."""
        ids = pairs.select(F.explode(F.array("left", "right")).alias("id")).distinct()
        return self._sets(name, ids if but is None else ids.join(but, "id", "left_anti"), setting)

    def _sets(self, name: str, ids: DataFrame, setting: Setting) -> DataFrame:
        key, text = self.corpus.tables.key, self.corpus.text
        documents = self.inputs.whole(self.corpus.documents).select(key, text).join(ids.toDF(key), key, "left_semi")

        def measure(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                sets = shingle_sets(text_of(batch[text]), setting.shingling)
                yield pa.RecordBatch.from_arrays([batch[key], sets], ["id", "shingles"])

        return self.inputs.hold(name, documents.mapInArrow(measure, "id string, shingles array<int>"))


def _unmeasured(pairs: DataFrame, known: DataFrame | None) -> DataFrame:
    return pairs if known is None else pairs.join(known, ["left", "right"], "left_anti")


def _measured(pairs: DataFrame, known: DataFrame | None, sets: DataFrame) -> DataFrame:
    """These pairs with their similarity: as stored where it is, else from the sets.

    Behind the set of a document on the left come those of all it is compared with: a set travels once for each pair,
    not twice.
    """
    new = _unmeasured(pairs, known)
    left = new.select("left").distinct().join(sets.toDF("left", "shingles"), "left")
    right = new.join(sets.toDF("right", "shingles"), "right").select("left", "right", "shingles")
    rows = left.select("left", F.lit("").alias("right"), "shingles").unionByName(right)
    measured = rows.repartition("left").sortWithinPartitions("left", "right").mapInArrow(_compare, PAIR)
    return measured if known is None else measured.unionByName(known.join(pairs, ["left", "right"], "left_semi"))


def _within(members: DataFrame, affected: DataFrame) -> DataFrame:
    """The members of every bucket that one of the affected is in."""
    bands = members.join(affected, "id", "left_semi").select("band").distinct()
    return members.join(bands, "band", "left_semi")


def _ranked(members: DataFrame) -> DataFrame:
    """(id, band, least, nth, members) of buckets with company: nth counts from 0 in the order of ids."""
    bucket = Window.partitionBy("band")
    ordered = bucket.orderBy("id")
    ranked = members.select(
        "id",
        "band",
        F.min("id").over(bucket).alias("least"),
        (F.row_number().over(ordered) - 1).alias("nth"),
        F.count("*").over(bucket).alias("members"),
    )
    return ranked.where("members > 1")


def _stars(buckets: DataFrame) -> DataFrame:
    return buckets.where("nth > 0").select(F.col("least").alias("left"), F.col("id").alias("right")).distinct()


def _rest(buckets: DataFrame, stars: DataFrame, params: PairsParams) -> DataFrame:
    """Pairs of those that are unlike the least of their bucket with the members that follow them."""
    unlike = stars.where(F.col("jaccard") < params.exact_to).toDF("least", "id", "jaccard")
    # A bucket of two holds no other pair.
    low = buckets.where("members > 2").join(unlike, ["least", "id"]).select("id", "band", "nth", "members")
    steps = F.explode(F.sequence(F.lit(1), F.least(F.lit(params.others), F.col("members") - 1).cast("int")))
    places = low.select("band", "members", F.col("id").alias("x"), "nth", steps.alias("step"))
    meets = places.select("band", "x", ((F.col("nth") + F.col("step")) % F.col("members")).cast("int").alias("nth"))
    pairs = meets.join(buckets.select("band", "nth", F.col("id").alias("y")), ["band", "nth"])
    return pairs.select(F.least("x", "y").alias("left"), F.greatest("x", "y").alias("right")).distinct()


def _both_ways(pairs: DataFrame) -> DataFrame:
    def ends(first: str, second: str) -> list[Column]:
        return [F.col(first).alias("id"), F.col(second).alias("other"), F.col("jaccard")]

    return pairs.select(*ends("left", "right")).unionByName(pairs.select(*ends("right", "left")))


def _compare(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """(left, "", set) begins the rows (left, right, set) of one document."""
    first = pa.array([[]], pa.list_(pa.int32()))
    for batch in batches:
        begins = pc.equal(batch["right"], "").to_numpy(zero_copy_only=False)
        sets = pa.concat_arrays([first, batch["shingles"].cast(first.type)])
        at = np.maximum.accumulate(np.where(begins, np.arange(1, len(batch) + 1), 0))
        pairs = np.flatnonzero(~begins)
        similar = similarities(sets, at[pairs], pairs + 1)
        ends = [batch[side].take(pa.array(pairs)) for side in ("left", "right")]
        yield pa.RecordBatch.from_arrays([*ends, similar], ["left", "right", "jaccard"])
        first = sets.slice(at[-1], 1) if len(batch) else first
