"""What a corpus says of itself to have its near-duplicates found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import Column

from jobs.dedup.tables import DuplicateTables
from lakehouse.table import Table


@dataclass(frozen=True)
class Corpus:
    """`document`: what one is called in messages. `documents` holds the texts in column `text` (string, or bytes to be decoded), `occurrences` what decides who survives.

    Both carry the key of `tables`. `best_first`: a total order over occurrences, the survivor first. `module`: where all
    this is declared, so that a change of it is seen. `within`: a column of `documents`; two that differ in it are never
    compared.
    """

    name: str
    document: str
    tables: DuplicateTables
    documents: Table
    text: str
    occurrences: Table
    best_first: Callable[[], list[Column]]
    module: str
    within: str | None = None
