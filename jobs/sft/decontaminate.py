"""Benchmark items in conversations. Instruction data is small and made on purpose, so a function with an item's name and
arguments counts too, as in the paper."""

from __future__ import annotations

from jobs.decontamination.search import decontaminate_job
from jobs.sft.samples import SFT
from jobs.sft.tables import sft_benchmarks

job = decontaminate_job(SFT, sft_benchmarks, entry_points=True)
