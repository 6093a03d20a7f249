"""Released open sets in the recipe's shape: one instruction and its output, or one text. Asks nothing.

Exact copies are one seed already, near-copies and benchmark items leave later, as of every sample. A row that has code with
tests, such as those of educational instructions, must pass them again.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from jobs.synthesis.kinds.base import Draft, Kind, Rejected, Seed, Settings
from jobs.synthesis.kinds.open_sets import Row, row_of
from jobs.synthesis.kinds.sections import assertions, unsound
from jobs.synthesis.teacher.request import Answer, Request
from lakehouse.errors import nearest

# What the released data sets call their parts.
INSTRUCTIONS = (
    "filtered_infinity_instruct",
    "realuser_instruct",
    "largescale_diverse_instruct",
    "educational_instruct",
    "evol_instruct",
    "mceval_instruct",
    "package_instruct",
)
TEXTS = ("algorithmic_corpus", "synthetic_code_snippet", "synthetic_qa")


def _write(seed: Seed, settings: Settings) -> Generator[Request, Answer, Draft]:
    row, data_sets = row_of(seed), settings.options["data_sets"]
    if row.source not in data_sets:
        raise Rejected("no_data_set", f"{row.source} is none of {', '.join(sorted(data_sets))}")
    made = _text(row) if data_sets[row.source] in TEXTS else _exchange(row)
    if len(made["output"]) < settings.options["characters"]:
        raise Rejected("too_short", f"{len(made['output'])} characters: expected {settings.options['characters']:g}")
    known: dict[str, Any] = {
        "data_set": data_sets[row.source],
        **{k: row.facts[k] for k in ("seq_id", "tag") if k in row.facts},
    }
    return Draft(**made, labels=tuple(f"{name}={value}" for name, value in known.items()))
    yield  # a kind is a generator, also one that asks nothing


def _text(row: Row) -> dict[str, Any]:
    if [role for role, _ in row.messages] != ["assistant"]:
        raise Rejected("not_one_text", f"{len(row.messages)} turns: expected one text")
    return {"instruction": "", "output": row.answers[0]}


def _exchange(row: Row) -> dict[str, Any]:
    roles = [role for role, _ in row.messages if role != "system"]
    if roles != ["user", "assistant"] or not row.question or not row.answers[0].strip():
        raise Rejected("not_one_exchange", f"{', '.join(roles) or 'nothing'}: expected a request and an answer")
    if wrong := unsound(row.answers[0]):
        raise Rejected("unsound_answer", wrong)
    made: dict[str, Any] = {"instruction": row.question, "output": row.answers[0]}
    code, tests = row.facts.get("code"), row.facts.get("testcase")
    if code and tests:
        said = {"code": code, "tests": assertions("\n".join(tests)), "entry_point": row.facts.get("entry_point") or ""}
        made |= said | {"language": "python"}
    return made


def _wrong(options: Mapping[str, Any]) -> str | None:
    known = (*INSTRUCTIONS, *TEXTS)
    for source, data_set in options["data_sets"].items():
        if data_set not in known:
            return f"data_sets.{source} = {data_set!r}; allowed: {', '.join(known)}.{nearest(str(data_set), known)}"
    return None


repack = Kind(
    "repack",
    "rows of released open sets in the shape of the recipe",
    _write,
    options={"data_sets": "which released data set each open set is", "characters": "least length of an output"},
    open_sets=True,
    check=_wrong,
)
