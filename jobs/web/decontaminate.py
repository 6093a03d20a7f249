"""Benchmark items in recalled texts: the search of source code over another corpus."""

from __future__ import annotations

from jobs.decontamination.search import decontaminate_job
from jobs.web.documents import WEB
from jobs.web.tables import web_benchmarks

job = decontaminate_job(WEB, web_benchmarks)
