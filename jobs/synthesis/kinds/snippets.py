"""Verified code snippets: a function of its own after an idea in real code, with tests that it passes."""

from __future__ import annotations

from jobs.synthesis.kinds.base import Draft, Kind, Rejected, Seed, Settings, Writing, text_of
from jobs.synthesis.kinds.forms import FORMS, form_of, wrong_forms
from jobs.synthesis.kinds.sections import blocks


def _write(seed: Seed, settings: Settings) -> Writing:
    form = form_of(settings, seed.language)
    text = yield from text_of(settings.request("snippets", {"language": form.name, "seed": seed.text, **form.slots}))
    found = blocks(text)
    if len(found) != 2:
        raise Rejected("code_blocks", f"{len(found)}: expected two")
    code, tests = found[0], form.tests(found[1])
    if len(tests) < settings.options["tests"]:
        raise Rejected("too_few_tests", f"{len(tests)}: expected at least {settings.options['tests']:g}")
    name = form.entry_point(code, tests)
    return Draft(instruction="", output=code, code=code, entry_point=name, tests=tests, language=form.language)


snippets = Kind(
    "snippets",
    "self-contained functions with tests, after ideas of the algorithmic corpus",
    _write,
    prompts=("snippets",),
    options={"tests": "least number of tests", "forms": FORMS},
    check=wrong_forms,
)
