"""Verified code snippets: a function of its own after an idea in real code, with tests that it passes."""

from __future__ import annotations

from jobs.synthesis.kinds.base import Draft, Kind, Rejected, Seed, Settings, Writing, text_of
from jobs.synthesis.kinds.sections import assertions, blocks, entry_point


def _write(seed: Seed, settings: Settings) -> Writing:
    text = yield from text_of(settings.request("snippets", {"language": "Python", "seed": seed.text}))
    found = blocks(text)
    if len(found) != 2:
        raise Rejected("code_blocks", f"{len(found)}: expected two")
    code, tests = found[0], assertions(found[1])
    if len(tests) < settings.options["tests"]:
        raise Rejected("too_few_tests", f"{len(tests)}: expected at least {settings.options['tests']:g}")
    name = entry_point(code, tests)
    return Draft(instruction="", output=code, code=code, entry_point=name, tests=tests)


snippets = Kind(
    "snippets",
    "self-contained functions with tests, after ideas of the algorithmic corpus",
    _write,
    prompts=("snippets",),
    options={"tests": "least number of tests"},
)
