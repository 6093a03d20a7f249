"""The three tables of near-duplicates, declared once for every corpus."""

from __future__ import annotations

from dataclasses import dataclass

from lakehouse.table import Column, Table, between


@dataclass(frozen=True)
class DuplicateTables:
    """`bands`, `pairs` and `duplicates` of one corpus; `key` is the name of the column that names a document."""

    key: str
    bands: Table
    pairs: Table
    duplicates: Table


def duplicate_tables(corpus: str, key: Column, document: str) -> DuplicateTables:
    """`silver.<corpus>_bands`, `_pairs` and `_duplicates`. `document`: what one document is called in their comments."""
    bands = Table(
        f"silver.{corpus}_bands",
        row=f"the LSH band hashes of one {document}",
        key=(key.name,),
        columns=(
            key,
            Column("bands", "array<bigint>", "one hash per band, its number folded in; empty when there is no token"),
            Column("setting", "string", "the MinHash setting that made them, as JSON"),
        ),
    )
    pairs = Table(
        f"silver.{corpus}_pairs",
        row=f"one {document} and another one that shares a band with it; each pair stands in both directions",
        key=(key.name, "other"),
        columns=(
            key,
            Column("other", "string", f"{key.name} of the other one", checks=key.checks),
            Column("jaccard", "double", "Jaccard similarity of the shingle sets", checks=(between(0, 1),)),
        ),
    )
    duplicates = Table(
        f"silver.{corpus}_duplicates",
        row="one member of a cluster of near-duplicates",
        key=(key.name,),
        columns=(
            key,
            Column("cluster", "string", f"least {key.name} of the cluster"),
            Column("kept", "boolean", "true for the one member that survives"),
            Column("duplicate_of", "string", f"{key.name} of the survivor; null for the survivor", nullable=True),
            Column("nearest", "string", f"{key.name} of the most similar other member"),
            Column("jaccard", "double", "similarity to the nearest", checks=(between(0, 1),)),
            Column("members", "bigint", "size of the cluster", checks=(between(2, None),)),
        ),
    )
    return DuplicateTables(key.name, bands, pairs, duplicates)
