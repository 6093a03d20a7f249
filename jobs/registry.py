"""Every job of the pipeline. The order of work is derived from what they read and write, not from this list."""

from __future__ import annotations

from jobs.code import (
    decide,
    decontaminate,
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
    text_recall,
)
from jobs.corpus import anneal, mix, pack, pretrain, tokenize
from jobs.levels import arms, chunks, files, repositories
from jobs.sft import decide as sft_decide
from jobs.sft import decontaminate as sft_decontaminate
from jobs.sft import gold as sft_gold
from jobs.sft import ingest as sft_ingest
from jobs.sft import mix as sft_mix
from jobs.sft import near_dedup as sft_near_dedup
from jobs.sft import pack as sft_pack
from jobs.sft import samples as sft_samples
from jobs.sft import synthetic as sft_synthetic
from jobs.sft import tokenize as sft_tokenize
from jobs.synthesis import algorithmic, answers, functional, samples, seeds
from jobs.synthesis import decide as synthesis_decide
from jobs.synthesis import decontaminate as synthesis_decontaminate
from jobs.synthesis import ingest as synthesis_ingest
from jobs.synthesis import near_dedup as synthesis_near_dedup
from jobs.web import annotations as web_annotations
from jobs.web import decide as web_decide
from jobs.web import decontaminate as web_decontaminate
from jobs.web import documents as web_documents
from jobs.web import extract as web_extract
from jobs.web import ingest as web_ingest
from jobs.web import label as web_label
from jobs.web import near_dedup as web_near_dedup
from jobs.web import recall as web_recall
from jobs.web import signals as web_signals
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
        decontaminate.job,
        text_recall.job,
        decide.job,
        sample.job,
        files.job,
        repositories.texts,
        repositories.bands,
        repositories.pairs,
        repositories.clusters,
        chunks.texts,
        chunks.bands,
        chunks.pairs,
        chunks.clusters,
        arms.job,
        web_ingest.job,
        web_extract.job,
        web_annotations.job,
        web_label.job,
        web_recall.job,
        web_documents.job,
        web_near_dedup.bands,
        web_near_dedup.pairs,
        web_near_dedup.clusters,
        web_signals.job,
        web_decontaminate.job,
        web_decide.job,
        pretrain.job,
        tokenize.job,
        mix.job,
        pack.job,
        sft_ingest.job,
        sft_synthetic.job,
        sft_samples.job,
        sft_near_dedup.bands,
        sft_near_dedup.pairs,
        sft_near_dedup.clusters,
        sft_decontaminate.job,
        sft_decide.job,
        sft_gold.job,
        sft_tokenize.job,
        sft_mix.job,
        sft_pack.job,
        algorithmic.job,
        synthesis_ingest.job,
        seeds.job,
        answers.job,
        samples.job,
        synthesis_near_dedup.bands,
        synthesis_near_dedup.pairs,
        synthesis_near_dedup.clusters,
        synthesis_decontaminate.job,
        functional.job,
        synthesis_decide.job,
        anneal.tokenize,
        anneal.mix,
        anneal.pack,
    ]
)
