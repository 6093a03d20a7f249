"""Near-duplicates of conversations: the jobs of source code over another corpus."""

from __future__ import annotations

from jobs.dedup.bands import bands_job
from jobs.dedup.clusters import clusters_job
from jobs.dedup.pairs import pairs_job
from jobs.sft.samples import SFT

bands, pairs, clusters = bands_job(SFT), pairs_job(SFT), clusters_job(SFT)
