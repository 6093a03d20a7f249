"""The whole story of one file: where it was found, what was measured and taken out, what decided, where it ended.

Every fact is read from a table of the lake: the story is what jobs wrote, nothing is computed again. A stage that has not
run, or has not seen what came in since, says so instead of staying silent. No JVM. Of texts only sizes and places are
read, so a redacted secret cannot be shown.

Cost: each table's `content_id` column where statistics of files and row groups do not rule it out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic import ValidationError

from lakehouse import ops
from lakehouse.ask import names
from lakehouse.ask.find import CONTENTS, DISTINCT, FILES, PLACE, find
from lakehouse.ask.shelf import SUCCESS, Row, Shelf
from lakehouse.lake import Lake
from lakehouse.rules import RuleSet

NEAR = 0.1  # a signal within this share of a limit is worth showing
SHOWN = 20  # most occurrences and cluster members that are told; a licence file has thousands
NOTICE_LINES, NOTICE_CHARS = 3, 200

MARKS, NOTEBOOKS, LICENCES = "silver.code_marks", "silver.code_notebooks", "silver.code_licences"
LANGUAGES, TEXTS, SIGNALS = "silver.code_languages", "silver.code_texts", "silver.code_signals"
RELEASED = "silver.code_released_signals"
DUPLICATES, PAIRS = "silver.code_duplicates", "silver.code_pairs"
BENCHMARKS = "silver.code_benchmark_hits"
DECISIONS, SAMPLE, PRETRAIN = "silver.code_decisions", "silver.code_sample", "gold.pretrain"

# The stages in order, with the job that writes each.
STAGES = {
    FILES: "code.ingest",
    DISTINCT: "code.exact_dedup",
    LANGUAGES: "code.language",
    DUPLICATES: "code.near_dedup",
    TEXTS: "code.redact",
    LICENCES: "code.licences",
    SIGNALS: "code.signals",
    DECISIONS: "code.decide",
    SAMPLE: "code.sample",
    PRETRAIN: "corpus.pretrain",
}
OCCURRENCE = (*PLACE, "commit", "version", "stars", "committed_at", "licence")


@dataclass(frozen=True)
class Story:
    """What is known of one content, or of items in quarantine. Rows are as in their tables.

    `more_occurrences`: how many are left out. `near`: rules that were nearly hit. `held`: gold tables that hold the content,
    at their newest version (release None) or one that a release pins. `gaps`: by table, why it says nothing yet.
    """

    asked: str
    verdict: str
    content_id: str | None = None
    content: Row | None = None
    occurrences: Sequence[Row] = ()
    more_occurrences: int = 0
    stands: Row | None = None
    language: Row | None = None
    marks: Row | None = None
    notebook: Row | None = None
    licence: Row | None = None
    duplicate: Row | None = None
    members: Sequence[Row] = ()
    text: Row | None = None
    benchmarks: Sequence[Row] = ()
    signals: Row | None = None
    decision: Row | None = None
    near: Sequence[Row] = ()
    sample: Row | None = None
    held: Sequence[Row] = ()
    quarantine: Sequence[Row] = ()
    gaps: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> Row:
        return asdict(self)


def why(lake: Lake, what: str) -> Story:
    """The story of a content id (or 8 and more characters of one), `repo:path`, `source/repo:path`, or a unique path.

    Raises ConfigError when several contents fit, InputError when nothing does; both list what comes near.
    """
    shelf = Shelf(lake)
    content_id, refused = find(shelf, what)
    if content_id is None:
        reasons = ", ".join(sorted({row["reason"] for row in refused}))
        return Story(what, f"refused, in quarantine: {reasons}", quarantine=refused)
    facts = _facts(shelf, content_id)
    gaps = _gaps(shelf, facts)
    return Story(what, _verdict(facts, gaps, refused), content_id, quarantine=refused, gaps=gaps, **facts)


def _facts(shelf: Shelf, content_id: str) -> dict[str, Any]:
    """Every stage's row about one content, by field of the story."""
    this = "content_id = ?"

    def one(name: str, *columns: str) -> Row | None:
        return next(iter(shelf.rows(name, this, [content_id], columns)), None)

    found = shelf.rows(FILES, this, [content_id], OCCURRENCE)
    occurrences = sorted(found, key=lambda row: tuple(row[name] for name in PLACE))
    facts: dict[str, Any] = {
        "content": one(CONTENTS, "size", "swhid"),
        "occurrences": occurrences[:SHOWN],
        "more_occurrences": max(0, len(occurrences) - SHOWN),
        "stands": one(DISTINCT, *OCCURRENCE, "size", "copies"),
        "language": one(LANGUAGES, "language", "type", "how", "encoding", "unreadable"),
        "marks": one(MARKS, "generated", "vendored", "minified"),
        "notebook": one(NOTEBOOKS, "format", "language", "cells", "refused", "triplets", "output_characters", "cut"),
        "licence": one(LICENCES, "expression", "how", "evidence", "share"),
        "duplicate": one(DUPLICATES, "cluster", "kept", "duplicate_of", "jaccard", "members"),
        "text": _text(one(TEXTS, "bytes", "notice", "redactions")),
        "benchmarks": _benchmarks(shelf, content_id),
        "signals": one(SIGNALS, *(name for name in shelf.columns(SIGNALS) if name != "content_id")),
        "decision": one(DECISIONS, "keep", "hits", "rules"),
        "sample": one(SAMPLE, "taken", "cap", "language", "bytes"),
        "held": _held(shelf, content_id),
    }
    facts["members"] = _members(shelf, content_id, facts["duplicate"])
    facts["near"] = _near(shelf, content_id, facts)
    return facts


def _text(row: Row | None) -> Row | None:
    """Sizes and places only. A notice may name people: its first lines are told without their addresses."""
    if row is None:
        return None
    notice = row["notice"]
    lines = notice.splitlines() if notice else []
    head = [re.sub(r"\S+@\S+", "<email>", line)[:NOTICE_CHARS] for line in lines if line.strip()][:NOTICE_LINES]
    said = {"lines": len(lines), "characters": len(notice), "begins": head} if notice else None
    places = [{key: span[key] for key in ("kind", "start", "end", "placeholder")} for span in row["redactions"] or ()]
    return {"bytes": row["bytes"], "notice": said, "redactions": places}


def _benchmarks(shelf: Shelf, content_id: str) -> list[Row]:
    """The benchmark items that the text holds, those first of which most is there."""
    columns = ("benchmark", "item", "part", "rule", "share", "start", "end", "matched")
    found = shelf.rows(BENCHMARKS, "content_id = ?", [content_id], columns)
    return sorted(found, key=lambda row: (-row["share"], *(row[name] for name in columns[:4])))


def _members(shelf: Shelf, content_id: str, duplicate: Row | None) -> list[Row]:
    """The cluster, survivor first: where each member is, and its similarity to this one where the two were compared."""
    if duplicate is None:
        return []
    rows = shelf.rows(DUPLICATES, "cluster = ?", [duplicate["cluster"]], ["content_id", "kept"])
    rows = sorted(rows, key=lambda row: (not row["kept"], row["content_id"] != content_id, row["content_id"]))[:SHOWN]
    ids = [row["content_id"] for row in rows]
    files = shelf.rows(DISTINCT, "content_id IN (SELECT unnest(?))", [ids], ["content_id", *PLACE])
    places = {row["content_id"]: row for row in files}
    pairs = shelf.rows(PAIRS, "content_id = ?", [content_id], ["other", "jaccard"])
    similar = {row["other"]: row["jaccard"] for row in pairs}
    return [{**row, **places.get(row["content_id"], {}), "jaccard": similar.get(row["content_id"])} for row in rows]


def _near(shelf: Shelf, content_id: str, facts: Mapping[str, Any]) -> list[Row]:
    """Rules that were not hit, but nearly, by the parameters of the last decision."""
    measured, language, decision, rules = facts["signals"], facts["language"], facts["decision"], _rules(shelf)
    if measured is None or language is None or decision is None or rules is None:
        return []
    if rules.signals == "released":
        found = shelf.rows(RELEASED, "content_id = ?", [content_id], shelf.columns(RELEASED))
        values: Row = found[0] if found else {}
    else:
        values = measured
    hit = {row["rule"] for row in decision["hits"]}
    close = []
    table = rules.table(language["type"], language["language"], measured.get("natural_language"))
    for name, rule in sorted(table.items()):
        signal = rule.signal or name
        value = values.get(signal)
        near = None if name in hit or value is None else rule.near(float(value), NEAR)
        if near is not None:
            close.append({"rule": name, "signal": signal, "value": value, "hit_when": near[0], "limit": near[1]})
    return close


def _rules(shelf: Shelf) -> RuleSet | None:
    """The rules of the last decision, from the ledger or the table's own log; None where neither knows them."""
    mine = ("job = ? AND status IN (?, ?)", [STAGES[DECISIONS], *SUCCESS])
    runs = sorted(shelf.rows(ops.runs.name, *mine, ["run_id", "params_json"]), key=lambda row: str(row["run_id"]))
    commit = shelf.lake.last_publish(names.named(DECISIONS))
    facts = runs[-1] if runs else commit.facts if commit else {}
    try:
        return RuleSet.model_validate(json.loads(facts.get("params_json") or "{}").get("rules", {}))
    except ValidationError:  # decided before rules had tables: nothing is near a limit that is not known
        return None


def _held(shelf: Shelf, content_id: str) -> list[Row]:
    """Gold tables that hold the content now, then releases that pin a version which does."""

    def holds(name: str, version: int | None = None) -> bool:
        return bool(shelf.rows(name, "doc_id = ?", [content_id], ["doc_id"], version=version, limit=1))

    held: list[Row] = []
    for name in shelf.documents():
        table = shelf.table(name)
        if table is not None and holds(name):
            held.append({"table": name, "version": table.version(), "release": None})
    pins = [pin for pin in shelf.releases() if "doc_id" in shelf.columns(pin["table"], pin["version"])]
    found = [pin for pin in pins if holds(pin["table"], pin["version"])]
    return held + [{key: pin[key] for key in ("table", "version", "release")} for pin in found]


def _gaps(shelf: Shelf, facts: Mapping[str, Any]) -> dict[str, str]:
    """Stages that say nothing because they have not got there. What is not text has none; what is dropped goes no further."""
    unreadable = facts["language"] is not None and facts["language"]["unreadable"] is not None
    dropped = facts["decision"] is not None and not facts["decision"]["keep"]
    cut = facts["sample"] is not None and not facts["sample"]["taken"]
    silent = {
        FILES: not facts["occurrences"],
        DISTINCT: facts["stands"] is None,
        LANGUAGES: facts["language"] is None,
        DUPLICATES: facts["duplicate"] is None,
        LICENCES: facts["licence"] is None,
        TEXTS: facts["text"] is None and not unreadable,
        SIGNALS: facts["signals"] is None and not unreadable,
        DECISIONS: facts["decision"] is None,
        SAMPLE: facts["sample"] is None and not dropped,
        PRETRAIN: not any(row["release"] is None for row in facts["held"]) and not dropped and not cut,
    }
    found = {name: shelf.gap(name, STAGES[name]) for name, is_silent in silent.items() if is_silent}
    return {name: gap for name, gap in found.items() if gap is not None}


def _verdict(facts: Mapping[str, Any], gaps: Mapping[str, str], refused: Sequence[Row]) -> str:
    """One line: where the content ended, and by what."""
    decision, sample = facts["decision"], facts["sample"]
    by = f"refused by {', '.join(sorted({row['job'] for row in refused}))}, in quarantine" if refused else None
    now = [f"{row['table']}@{row['version']}" for row in facts["held"] if row["release"] is None]
    if now:
        return f"kept: in {', '.join(now)}"
    if not facts["occurrences"]:
        pins = ", ".join(f"{row['release']} ({row['table']}@{row['version']})" for row in facts["held"])
        return f"{gaps.get(FILES, 'no source brings it any more')}{f'; releases that hold it: {pins}' if pins else ''}"
    if decision is None:
        return f"undecided: {by or gaps.get(DECISIONS) or 'code.decide wrote no row for it'}"
    if not decision["keep"]:
        return f"dropped: {', '.join(hit['rule'] for hit in decision['hits'])}"
    if sample is not None and not sample["taken"]:
        return (
            f"kept by the rules, then cut: the cap of {sample['language']} ({sample['cap']:,} bytes) had no room for it"
        )
    behind = [gaps[name] for name in (SAMPLE, PRETRAIN) if name in gaps]
    return f"kept by the rules, not in gold: {by or '; '.join(behind) or 'corpus.pretrain wrote no row for it'}"
