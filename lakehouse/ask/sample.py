"""The story of one conversation of the instruction data: where it lies, its near copies, what decided, where it ended.

Like the story of a file it is read from tables alone, by their names.
"""

from __future__ import annotations

import re
from typing import Any

from lakehouse import ops
from lakehouse.ask.find import PREFIX
from lakehouse.ask.shelf import Row, Shelf
from lakehouse.errors import ConfigError
from lakehouse.lake import Lake

ROWS, SAMPLES, GOLD = "bronze.instructions", "silver.sft_samples", "gold.sft"
DUPLICATES, HITS, DECISIONS = "silver.sft_duplicates", "silver.sft_benchmark_hits", "silver.sft_decisions"
TOKENS, CUT, MIXTURE = "silver.sft_tokens", "silver.sft_cut", "gold.sft_mixture"
SHOWN = 20  # most rows of one table that are told

# What is told of a conversation, in the order of the work: table, columns. Messages themselves are not: `codelake sql` shows them.
_TOLD = (
    (ROWS, ("file", "place", "source", "stage", "seq_id", "tag")),
    (SAMPLES, ("copies", "turns", "bytes", "answer_bytes", "licence", "entry_point", "faults")),
    (DUPLICATES, ("cluster", "kept", "duplicate_of", "nearest", "jaccard", "members")),
    (HITS, ("benchmark", "item", "part", "rule", "share", "start", "end", "matched")),
    (DECISIONS, ("keep", "hits", "rules")),
    (GOLD, ("stage", "turns", "bytes")),
    (TOKENS, ("tokens", "targets", "tokenizer")),
    (CUT, ("tokens", "kept")),
    (MIXTURE, ("part", "times")),
)


def sample(lake: Lake, what: str) -> dict[str, Any] | None:
    """By table, the rows about the conversation with this id (8 and more characters of one) or at `source/file:row`.

    `verdict` says it in one line. None where no conversation is meant; raises ConfigError where several are.
    """
    shelf = Shelf(lake)
    sample_id, refused = _meant(shelf, what)
    if refused:
        return {"verdict": f"refused: {refused[0]['reason']}", ops.quarantine.name: refused}
    if sample_id is None:
        return None
    told: dict[str, Any] = {}
    for table, columns in _TOLD:
        key = "doc_id" if "doc_id" in shelf.columns(table) else "sample_id"
        rows = shelf.rows(table, f"{key} = ?", [sample_id], columns, limit=SHOWN)
        if rows:
            told[table] = sorted(rows, key=lambda row: str(list(row.values())))
    pins = [pin for pin in shelf.releases() if pin["table"] == GOLD and _holds(shelf, pin, sample_id)]
    if pins:
        told[ops.releases.name] = [{key: pin[key] for key in ("release", "table", "version")} for pin in pins]
    mixed = MIXTURE in told or not shelf.columns(MIXTURE)
    return {"verdict": _verdict(told, mixed=mixed), "sample_id": sample_id, **told}


def _meant(shelf: Shelf, what: str) -> tuple[str | None, list[Row]]:
    """The sample_id that is meant, or the refused row."""
    if re.fullmatch(rf"[0-9a-f]{{{PREFIX},64}}", what):
        for table, column in ((SAMPLES, "sample_id"), (GOLD, "doc_id")):
            found = shelf.rows(table, f"{column} >= ? AND {column} < ?", [what, what + "g"], [column])
            ids = sorted({row[column] for row in found})
            if len(ids) > 1:
                raise ConfigError(f"{what}: {len(ids)} conversations begin so: {', '.join(ids[:SHOWN])}.")
            if ids:
                return ids[0], []
    if match := re.fullmatch(r"(.+):(\d+)", what):
        rows = shelf.rows(ROWS, "file = ? AND place = ?", [match[1], int(match[2])], ["sample_id"])
        if rows:
            return rows[0]["sample_id"], []
        columns = ["item", "reason", "detail", "size"]
        return None, shelf.rows(
            ops.quarantine.name, "job = 'sft.ingest' AND starts_with(item, ?)", [f"{what} ("], columns
        )
    return None, []


def _holds(shelf: Shelf, pin: Row, sample_id: str) -> bool:
    return bool(shelf.rows(GOLD, "doc_id = ?", [sample_id], ["doc_id"], version=pin["version"], limit=1))


def _verdict(told: dict[str, Any], *, mixed: bool) -> str:
    """Where the conversation ended, and by what. `mixed`: the mixture takes it, or there is none yet."""
    if GOLD in told:
        if TOKENS in told and not mixed:
            return f"kept: in {GOLD}; not in {MIXTURE}, which takes others of its part"
        cut = told.get(CUT, [{"kept": None}])[0]["kept"]
        packed = {None: "", 0: "; left out of the sequences: no answer within their length"}
        return f"kept: in {GOLD}{packed.get(cut, f'; cut to {cut} tokens')}"
    if DECISIONS not in told:
        return "not decided yet: codelake build sft.*" if SAMPLES in told else "in no source any more"
    (decision,) = told[DECISIONS]
    if decision["keep"]:
        return "kept by the rules, not in gold yet: codelake build sft.gold"
    return f"dropped: {', '.join(hit['rule'] for hit in decision['hits'])}"
