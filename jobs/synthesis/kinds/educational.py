"""Educational instructions: a scorer picks code worth learning from; an exercise, a solution and tests grow from it."""

from __future__ import annotations

from jobs.synthesis.kinds.base import Draft, Kind, Rejected, Seed, Settings, Writing, json_of, text_of
from jobs.synthesis.kinds.sections import assertions, entry_point, one_block, sections

SCORE = {
    "type": "object",
    "properties": {"score": {"type": "integer", "minimum": 1, "maximum": 5}, "reason": {"type": "string"}},
    "required": ["score", "reason"],
    "additionalProperties": False,
}


def _write(seed: Seed, settings: Settings) -> Writing:
    said = yield from json_of(settings.request("score", {"seed": seed.text}, SCORE), settings.re_asks)
    if said["score"] < settings.options["score"]:
        low = f"{said['score']}: expected at least {settings.options['score']:g}"
        raise Rejected("low_score", low, scores={"educational": float(said["score"])})
    count = int(settings.options["tests"])
    text = yield from text_of(settings.request("educational", {"seed": seed.text, "tests": str(count)}))
    parts = sections(text, ("Task", "Analysis", "Solution", "Tests"))
    code, tests = one_block(parts["Solution"], "Solution"), assertions(one_block(parts["Tests"], "Tests"))
    if len(tests) != count:
        raise Rejected("wrong_number_of_tests", f"{len(tests)}: expected {count}")
    name = entry_point(code, tests)
    if name not in parts["Task"]:
        raise Rejected("name_not_in_task", name)
    answer = f"{parts['Analysis']}\n\n```python\n{code}```"
    return Draft(parts["Task"], answer, code, name, tests, {"educational": float(said["score"])}, language="python")


educational = Kind(
    "educational",
    "exercises with solutions and ten tests, after code that a scorer finds worth learning from",
    _write,
    prompts=("score", "educational"),
    options={"score": "least score of a seed, 1 to 5", "tests": "number of tests"},
)
