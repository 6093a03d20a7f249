"""Benchmark items in samples. They are made on purpose, so a function with an item's name and arguments counts too."""

from __future__ import annotations

from jobs.decontamination.search import decontaminate_job
from jobs.synthesis.near_dedup import SAMPLES
from jobs.synthesis.tables import synthetic_benchmarks

job = decontaminate_job(SAMPLES, synthetic_benchmarks, entry_points=True)
