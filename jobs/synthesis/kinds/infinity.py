"""Filtered open instructions: a model says which are about code, and how sure it is; those get a new answer.

Decision and score stay with every sample, kept or not. Another limit decides again from the stored answers and asks only
for the answers that it newly needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobs.synthesis.kinds.base import Draft, Kind, Rejected, Seed, Settings, Writing, json_of
from jobs.synthesis.kinds.open_sets import asked_anew, row_of
from jobs.synthesis.kinds.sections import unsound

CHOICE = {
    "type": "object",
    "properties": {"about_code": {"type": "boolean"}, "score": {"type": "integer", "minimum": 1, "maximum": 5}},
    "required": ["about_code", "score"],
    "additionalProperties": False,
}
ANSWERS = ("new", "kept")


def _write(seed: Seed, settings: Settings) -> Writing:
    row = row_of(seed)
    if not row.question or not row.answers:
        raise Rejected("not_one_exchange", "expected a request and an answer")
    said = yield from json_of(settings.request("choice", {"question": row.question}, CHOICE), settings.re_asks)
    scores = {"about_code": float(said["score"] if said["about_code"] else -said["score"])}
    if scores["about_code"] < settings.options["score"]:
        decided = (
            f"about_code {said['about_code']} with {said['score']}: expected yes with {settings.options['score']:g}"
        )
        raise Rejected("not_code", decided, scores=scores)
    old = row.answers[0].strip()
    if settings.options["answers"] == "new":
        answer = yield from asked_anew(row.question, settings)
        return Draft(row.question, answer, scores=scores, labels=("answer=rewritten",), original=old)
    if wrong := unsound(old) or ("" if old else "the answer is empty"):
        raise Rejected("unsound_answer", wrong, scores=scores)
    return Draft(row.question, old, scores=scores, labels=("answer=kept",))


def _wrong(options: Mapping[str, Any]) -> str | None:
    return None if options["answers"] in ANSWERS else f"answers = {options['answers']!r}; allowed: {', '.join(ANSWERS)}"


infinity = Kind(
    "infinity",
    "open instructions that a model finds to be about code",
    _write,
    prompts=("choice", "reply"),
    options={
        "score": "least sureness of a yes, 1 to 5; a no counts as minus its sureness",
        "answers": "new: a teacher answers again; kept: the set's own answer stays",
    },
    open_sets=True,
    check=_wrong,
)
