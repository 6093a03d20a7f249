"""Near-duplicates of source code: three jobs over one corpus."""

from __future__ import annotations

from jobs.code.corpus import CODE
from jobs.dedup.bands import bands_job
from jobs.dedup.clusters import clusters_job
from jobs.dedup.pairs import pairs_job

bands, pairs, clusters = bands_job(CODE), pairs_job(CODE), clusters_job(CODE)
