"""Every job of the pipeline. The order of work is derived from what they read and write, not from this list."""

from __future__ import annotations

from jobs.code import (
    decide,
    exact_dedup,
    ingest,
    language,
    licence_claims,
    licences,
    near_dedup,
    redact,
    released_signals,
    sample,
    signals,
)
from jobs.corpus import mix, pack, pretrain, tokenize
from lakehouse.job import Graph

GRAPH = Graph.of(
    [
        ingest.job,
        exact_dedup.job,
        language.job,
        near_dedup.bands,
        near_dedup.pairs,
        near_dedup.clusters,
        redact.job,
        licence_claims.job,
        licences.job,
        signals.job,
        released_signals.job,
        decide.job,
        sample.job,
        pretrain.job,
        tokenize.job,
        mix.job,
        pack.job,
    ]
)
