"""The two tables of a corpus that was searched for benchmark items, declared once for every corpus."""

from __future__ import annotations

from dataclasses import dataclass

from lakehouse.table import Column, Table, between, one_of

_ITEM = (
    Column("benchmark", "string", "file of the benchmark inside its folder, without its suffix"),
    Column("item", "string", "identity of the problem in the benchmark"),
)


@dataclass(frozen=True)
class BenchmarkTables:
    """`items`: what is looked for, found or not. `hits`: what was found, and where."""

    items: Table
    hits: Table


def benchmark_tables(corpus: str, key: Column, document: str) -> BenchmarkTables:
    """`silver.<corpus>_benchmark_items` and `_hits`. `document`: what one document is called in their comments."""
    items = Table(
        f"silver.{corpus}_benchmark_items",
        row=f"one benchmark item that every {document} was searched for",
        key=("benchmark", "item"),
        columns=(
            *_ITEM,
            Column("sought", "array<string>", "parts that can be found; `code` stands for the form of its functions"),
            Column("too_short", "array<string>", "parts that say too little to be told from what everybody writes"),
            Column("entry_point", "string", "name of the function that solves it, where it has one", nullable=True),
        ),
    )
    hits = Table(
        f"silver.{corpus}_benchmark_hits",
        row=f"one part of a benchmark item that stands in one {document}",
        key=(key.name, "benchmark", "item", "part", "rule"),
        columns=(
            key,
            *_ITEM,
            Column("part", "string", "what was found: prompt, solution, tests, code, entry_point ..."),
            Column(
                "rule",
                "string",
                "how: words in sequence, all words of a short part, form of a function, or its name and arguments",
                checks=(one_of("ngram", "exact", "form", "entry_point"),),
            ),
            Column("share", "double", "of the part's sequences that are there", checks=(between(0, 1),)),
            Column("start", "bigint", "where the longest match begins", unit="characters", checks=(between(0, None),)),
            Column("end", "bigint", "where it ends", unit="characters", checks=(between(1, None),)),
            Column("matched", "string", "the beginning of what matched"),
        ),
    )
    return BenchmarkTables(items, hits)


def functional_table(corpus: str, key: Column, document: str) -> Table:
    """`silver.<corpus>_functional_hits`."""
    return Table(
        f"silver.{corpus}_functional_hits",
        row=f"one benchmark item whose tests a function of one {document} passes",
        key=(key.name, "benchmark", "item"),
        columns=(
            key,
            *_ITEM,
            Column("entry_point", "string", "the function that passes"),
            Column("arguments", "bigint", "how many it was called with", checks=(between(0, None),)),
        ),
    )
