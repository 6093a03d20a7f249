"""The data card of a release in Markdown: what is in it, where it came from, under which licences, what was left out and why.

Everything is counted in the tables at the versions that the release pins or was made from. A part whose table is not
there is left out of the card.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lakehouse import release
from lakehouse.lake import Lake
from lakehouse.pinned import Pinned
from lakehouse.shown import visible

MOST = 30  # rows of one table of the card
CELL = 120


@dataclass(frozen=True)
class Part:
    """One table of the card. `needs`: tables without which it is left out."""

    title: str
    needs: tuple[str, ...]
    query: str


def _documents(by: str) -> Part:
    query = f"""SELECT corpus, coalesce({by}, 'unknown') AS {by}, count(*) AS documents,
        sum(bytes)::BIGINT AS "bytes of text" FROM r."gold.pretrain" GROUP BY ALL ORDER BY "bytes of text" DESC, corpus, {by}"""
    return Part(f"Documents by {by}", ("gold.pretrain",), query)


_CONVERSATIONS = """SELECT stage::VARCHAR AS stage, source, coalesce(licence, 'unknown') AS licence,
    count(*) AS conversations, sum(turns)::BIGINT AS turns, sum(bytes)::BIGINT AS "bytes of text"
    FROM r."gold.sft" GROUP BY ALL ORDER BY stage, source, licence"""


def _mixture(table: str, what: str) -> Part:
    query = f"""SELECT part, count(*) AS documents, sum(times)::BIGINT AS "documents read",
        round(100 * sum(times) / sum(sum(times)) OVER (), 3) AS "of documents %",
        sum(times * tokens)::BIGINT AS "tokens read",
        round(100 * sum(times * tokens) / sum(sum(times * tokens)) OVER (), 3) AS "share %",
        round(sum(times * tokens) / sum(tokens), 3) AS epochs
        FROM r."{table}" GROUP BY part ORDER BY "tokens read" DESC, part"""
    return Part(f"The mixture of {what} as realised", (table,), query)


_SAMPLES = """SELECT kind, language, coalesce(seed_licence, 'unknown') AS "licence of the seed", model, terms,
    count(*) AS samples, sum(bytes)::BIGINT AS "bytes of text" FROM r."gold.synthetic" GROUP BY ALL ORDER BY samples DESC, 1, 2, 3, 4, 5"""


def _sequences(table: str) -> Part:
    query = f"""SELECT source AS part, count(*) AS sequences, sum(tokens)::BIGINT AS tokens,
        round(100 * sum(tokens) / (count(*) * max(max(tokens)) OVER ()), 2) AS "filled %"
        FROM r."{table}" GROUP BY source ORDER BY tokens DESC, part"""
    return Part(f"Sequences in {table}", (table,), query)


def _left_out(corpus: str, what: str) -> Part:
    table = f"silver.{corpus}_decisions"
    query = f"""SELECT rule, count(*) AS hits, count_if(rules = 1) AS "by this rule alone" FROM (
        SELECT unnest(names) AS rule, len(names) AS rules FROM (
        SELECT list_distinct(list_transform(hits, lambda hit: hit.rule)) AS names FROM r."{table}"))
        GROUP BY rule ORDER BY hits DESC, rule"""
    return Part(f"What was left out of the {what}, by rule", (table,), query)


def _benchmarks(corpus: str, what: str, key: str) -> Part:
    items, hits = f"silver.{corpus}_benchmark_items", f"silver.{corpus}_benchmark_hits"
    query = f"""SELECT i.benchmark AS benchmark, count(DISTINCT i.item) AS items, count(DISTINCT h.item) AS "items found",
        count(DISTINCT h.{key}) AS "documents with one"
        FROM r."{items}" i LEFT JOIN r."{hits}" h USING (benchmark, item) GROUP BY 1 ORDER BY 1"""
    return Part(f"Benchmarks that the {what} was searched for", (items, hits), query)


def _benchmark_sources(corpus: str, what: str, key: str, documents: str) -> Part:
    hits = f"silver.{corpus}_benchmark_hits"
    query = f"""SELECT source, benchmark, count(DISTINCT item) AS "items found", count(DISTINCT {key}) AS documents
        FROM r."{hits}" JOIN r."{documents}" USING ({key}) GROUP BY ALL ORDER BY documents DESC, source, benchmark"""
    return Part(f"Benchmark items found in the {what}, by source", (hits, documents), query)


def _benchmark_items(corpus: str, what: str, key: str) -> Part:
    hits = f"silver.{corpus}_benchmark_hits"
    query = f"""SELECT benchmark, item, count(DISTINCT {key}) AS documents,
        array_to_string(list_sort(list_distinct(array_agg(part || ' by ' || rule))), ', ') AS found
        FROM r."{hits}" GROUP BY benchmark, item ORDER BY documents DESC, benchmark, item"""
    return Part(f"Benchmark items found in the {what}, by item", (hits,), query)


_FUNCTIONAL = """SELECT benchmark, item, count(*) AS samples FROM r."silver.synthetic_functional_hits"
    GROUP BY ALL ORDER BY samples DESC, benchmark, item"""

# Corpus in the names of its tables, what it is, its key, and the table that says where a document came from.
_CORPORA = (
    ("code", "source code", "content_id", "silver.code_files"),
    ("web", "web", "content_id", "silver.web_documents"),
    ("sft", "instruction data", "sample_id", "silver.sft_samples"),
    ("synthetic", "synthetic samples", "sample_id", "silver.synthetic_samples"),
)
PARTS = (
    *map(_documents, ("source", "language", "licence")),
    Part("Conversations by stage and source", ("gold.sft",), _CONVERSATIONS),
    Part("Synthetic samples by kind", ("gold.synthetic",), _SAMPLES),
    _mixture("gold.mixture", "pretraining"),
    _mixture("gold.anneal_mixture", "annealing"),
    _mixture("gold.sft_mixture", "instruction data"),
    *map(
        _sequences, ("gold.packed_pretrain", "gold.packed_anneal", "gold.packed_sft_stage1", "gold.packed_sft_stage2")
    ),
    *(_left_out(corpus, what) for corpus, what, *_ in _CORPORA),
    *(_benchmarks(*said[:3]) for said in _CORPORA),
    *(_benchmark_sources(*said) for said in _CORPORA),
    *(_benchmark_items(*said[:3]) for said in _CORPORA),
    Part("Benchmark items whose tests synthetic functions pass", ("silver.synthetic_functional_hits",), _FUNCTIONAL),
)


def card(lake: Lake, name: str) -> str:
    """The card of a release. Raises ConfigError where there is none of this name."""
    return "\n".join(_lines(lake, name, release.show(lake, name))) + "\n"


def _lines(lake: Lake, name: str, pins: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield f"# {_cell(name)}"
    yield ""
    yield f"Released on {pins[0]['created_at']:%Y-%m-%d}. A digest is equal for equal rows, whatever their order and files."
    yield ""
    columns = ("table", "version", "digest", "rows", "bytes")
    yield from _table([{column: pin[column] for column in columns} for pin in pins])
    with Pinned(lake) as pinned:
        there = pinned.add(name, "r")
        for part in PARTS:
            rows = pinned.rows(part.query) if set(part.needs) <= there else []
            if rows:
                yield from ("", f"## {part.title}", "")
                yield from _table(rows[:MOST])
                if len(rows) > MOST:
                    yield from ("", f"and {len(rows) - MOST} more")
    yield from ("", "## How it was made", "")
    runs = {run["job"]: run for pin in pins for run in reversed(json.loads(pin["made_from"]))}
    yield from _table(
        [{"job": job, "code": run["code"][:16], "parameters": run["params"][:16]} for job, run in sorted(runs.items())]
    )
    yield from ("", f"`codelake release rebuild {_cell(name)} FOLDER` makes it again and compares the digests.")


def _table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not rows:
        return
    names = list(rows[0])
    yield f"| {' | '.join(names)} |"
    yield f"|{'|'.join('---:' if _is_number(rows[0][name]) else '---' for name in names)}|"
    for row in rows:
        yield f"| {' | '.join(_cell(row[name]) for name in names)} |"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _cell(value: Any) -> str:
    """One value; what comes from files cannot end a cell, begin a tag or hide a character."""
    if isinstance(value, float):
        return f"{value:,g}"
    if isinstance(value, int):
        return f"{value:,}"
    text = visible("" if value is None else str(value), CELL)
    for mark in "\\`*[]|":
        text = text.replace(mark, f"\\{mark}")
    return text.replace("<", "&lt;").replace(">", "&gt;")
