"""Near-duplicates of samples: the jobs of source code over another corpus. An accepted sample survives a rejected one."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from jobs.dedup.bands import bands_job
from jobs.dedup.clusters import clusters_job
from jobs.dedup.corpus import Corpus
from jobs.dedup.pairs import pairs_job
from jobs.synthesis.tables import near, synthetic_samples


def best_first() -> list[Column]:
    """Which of several near-copies survives: an accepted one, then the longer text, then the least name."""
    return [F.desc("accepted"), F.desc("bytes"), F.col("sample_id").asc()]


SAMPLES = Corpus(
    name="synthesis",
    document="sample",
    tables=near,
    documents=synthetic_samples,
    text="text",
    occurrences=synthetic_samples,
    best_first=best_first,
    module=__name__,
)

bands, pairs, clusters = bands_job(SAMPLES), pairs_job(SAMPLES), clusters_job(SAMPLES)
