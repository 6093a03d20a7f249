"""Benchmark items in source code: the texts as gold would hold them, without notices and personal data."""

from __future__ import annotations

from jobs.code.corpus import CODE
from jobs.code.tables import code_benchmarks
from jobs.decontamination.search import decontaminate_job

job = decontaminate_job(CODE, code_benchmarks)
