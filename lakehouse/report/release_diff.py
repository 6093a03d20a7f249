"""Two releases side by side: which rows were gained, lost or changed, and by what cause.

The cause of a lost row is what the decision behind the second release says of it, that of a gained row what the one behind
the first said. A row that both decisions keep was cut by a cap, or taken out by the gate.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lakehouse import release
from lakehouse.ask.duck import quoted
from lakehouse.errors import ConfigError
from lakehouse.lake import Lake
from lakehouse.pinned import Pinned

Row = dict[str, Any]


@dataclass(frozen=True)
class _Corpus:
    """Rows of a gold table whose fate is in one table of decisions. `where` picks them; `sample` says what a cap cut."""

    table: str
    where: str
    decisions: str
    key: str
    sample: str | None = None


_CORPORA = (
    _Corpus("gold.pretrain", "corpus = 'code'", "silver.code_decisions", "content_id", "silver.code_sample"),
    _Corpus("gold.pretrain", "corpus = 'web'", "silver.web_decisions", "content_id"),
    _Corpus("gold.sft", "true", "silver.sft_decisions", "sample_id"),
    _Corpus("gold.synthetic", "true", "silver.synthetic_decisions", "sample_id"),
)
_OTHER_SIDE = {
    "lost": ("a", "b"),
    "gained": ("b", "a"),
}  # which side has the row, and whose decision says why the other has not


def difference(lake: Lake, first: str, second: str) -> list[Row]:
    """Per table, what happened (lost, gained, changed, and how many stayed) and cause: rows, bytes of text.

    Raises ConfigError for a release that is not there, or two that share no table of documents.
    """
    with Pinned(lake) as pinned:
        there = {"a": pinned.add(first, "a"), "b": pinned.add(second, "b")}
        pins = {side: _pins(lake, name) for side, name in (("a", first), ("b", second))}
        found: list[Row] = []
        for corpus in _CORPORA:
            if corpus.table in pins["a"] and corpus.table in pins["b"]:
                found += _of(pinned, corpus, there)
        if not found:
            raise ConfigError(f"{first} and {second} share no table of documents: nothing to compare.")
        return found


def _pins(lake: Lake, name: str) -> set[str]:
    return {row["table"] for row in release.show(lake, name)}


def _of(pinned: Pinned, corpus: _Corpus, there: dict[str, frozenset[str]]) -> Iterator[Row]:
    sides = {side: f"(SELECT * FROM {side}.{quoted(corpus.table)} WHERE {corpus.where})" for side in there}
    for what, (has, lacks) in _OTHER_SIDE.items():
        cause = _cause(corpus, what, lacks, there[lacks])
        query = f"""SELECT {cause.case} AS cause, count(*) AS rows, sum(d.bytes)::BIGINT AS bytes
            FROM (SELECT x.* FROM {sides[has]} x ANTI JOIN {sides[lacks]} y USING (doc_id)) d {cause.joins}
            GROUP BY 1 ORDER BY rows DESC, cause"""
        yield from ({"table": corpus.table, "of": corpus.where, "what": what, **row} for row in pinned.rows(query))
    yield from _stayed(pinned, corpus, sides)


@dataclass(frozen=True)
class _Cause:
    case: str
    joins: str


def _cause(corpus: _Corpus, what: str, side: str, there: frozenset[str]) -> _Cause:
    """SQL of the cause of a row `d`, by the tables behind the release that lacks it."""
    if corpus.decisions not in there:
        return _Cause(f"'unknown: {corpus.decisions} of then is gone'", "")
    now = what == "lost"
    rules = "array_to_string(list_sort(list_distinct(list_transform(v.hits, lambda hit: hit.rule))), ' + ')"
    cases = [
        f"WHEN v.{corpus.key} IS NULL THEN '{'in no source any more' if now else 'new'}'",
        f"WHEN NOT v.keep THEN '{'' if now else 'no longer: '}' || {rules}",
    ]
    joins = f"LEFT JOIN {side}.{quoted(corpus.decisions)} v ON v.{corpus.key} = d.doc_id"
    if corpus.sample is not None and corpus.sample in there:
        joins += f" LEFT JOIN {side}.{quoted(corpus.sample)} s ON s.{corpus.key} = d.doc_id"
        cases.append(f"WHEN NOT s.taken THEN '{'cut by a cap' if now else 'no longer cut by a cap'}'")
    rest = "taken out by the gate" if now else "no longer taken out by the gate"
    return _Cause(f"CASE {' '.join(cases)} ELSE '{rest}' END", joins)


def _stayed(pinned: Pinned, corpus: _Corpus, sides: dict[str, str]) -> Iterator[Row]:
    """Rows that both have; one is changed when any column differs."""
    query = f"""SELECT CASE WHEN x = y THEN 'same' ELSE 'changed' END AS what, count(*) AS rows,
        sum(y.bytes)::BIGINT AS bytes FROM {sides["a"]} x JOIN {sides["b"]} y ON x.doc_id = y.doc_id GROUP BY 1 ORDER BY 1"""
    for row in pinned.rows(query):
        cause = "" if row["what"] == "same" else "another value of a column"
        yield {"table": corpus.table, "of": corpus.where, **row, "cause": cause}
