"""Real-user instructions: dialogues about code are found, the request is written clean, a poor answer is written anew.

A good answer stays as it was. What is rewritten keeps the old answer beside it, and the whole dialogue is the seed.
"""

from __future__ import annotations

from typing import Any

from jobs.synthesis.kinds.base import Draft, Kind, Rejected, Seed, Settings, Writing, json_of
from jobs.synthesis.kinds.open_sets import asked_anew, row_of
from jobs.synthesis.kinds.sections import unsound

READ = {
    "type": "object",
    "properties": {
        "about_code": {"type": "boolean"},
        "request": {"type": "string"},
        "answer": {"type": "integer", "minimum": 0},
        "score": {"type": "integer", "minimum": 1, "maximum": 5},
    },
    "required": ["about_code", "request", "answer", "score"],
    "additionalProperties": False,
}


def _write(seed: Seed, settings: Settings) -> Writing:
    row = row_of(seed)
    values = {"dialogue": row.dialogue, "answers": str(len(row.answers))}
    said = yield from json_of(settings.request("dialogue", values, READ), settings.re_asks)
    _check(said, len(row.answers))
    question, scores = said["request"].strip(), {"answer": float(said["score"])}
    old = row.answers[said["answer"] - 1].strip() if said["answer"] else ""
    if old and said["score"] >= settings.options["score"] and not unsound(old):
        return Draft(question, old, scores=scores, labels=("answer=kept",))
    answer = yield from asked_anew(question, settings)
    return Draft(question, answer, scores=scores, labels=("answer=rewritten",), original=old or None)


def _check(said: dict[str, Any], answers: int) -> None:
    """Raises Rejected where the dialogue gives nothing."""
    scores = {"answer": float(said["score"])}
    if not said["about_code"]:
        raise Rejected("not_code", said["request"][:300], scores=scores)
    if not said["request"].strip():
        raise Rejected("no_request", "the request is empty", scores=scores)
    if said["answer"] > answers:
        raise Rejected("no_such_answer", f"{said['answer']} of {answers}", scores=scores)


realuser = Kind(
    "realuser",
    "requests of real users about code, cleaned, with poor answers written anew",
    _write,
    prompts=("dialogue", "reply"),
    options={"score": "least score of an answer that stays, 1 to 5"},
    open_sets=True,
)
