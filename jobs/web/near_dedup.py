"""Near-duplicates of recalled texts: the jobs of source code over another corpus."""

from __future__ import annotations

from jobs.dedup.bands import bands_job
from jobs.dedup.clusters import clusters_job
from jobs.dedup.pairs import pairs_job
from jobs.web.documents import WEB

bands, pairs, clusters = bands_job(WEB), pairs_job(WEB), clusters_job(WEB)
