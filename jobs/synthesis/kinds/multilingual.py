"""Multilingual instructions: a task in the language of the seed, with a solution and tests that are compiled and run.

The languages are in the ratios that `languages` of the seeds asks for, exact to one seed.
"""

from __future__ import annotations

from jobs.synthesis.kinds.base import Draft, Kind, Rejected, Seed, Settings, Writing, text_of
from jobs.synthesis.kinds.forms import FORMS, form_of, wrong_forms
from jobs.synthesis.kinds.sections import one_block, sections


def _write(seed: Seed, settings: Settings) -> Writing:
    form, count = form_of(settings, seed.language), int(settings.options["tests"])
    if form.language != seed.language:
        raise Rejected("no_form", f"{seed.language or 'no language'}: it would be written in {form.name}")
    values = {"language": form.name, "seed": seed.text, "tests": str(count), **form.slots}
    text = yield from text_of(settings.request("multilingual", values))
    parts = sections(text, ("Task", "Solution", "Tests"))
    code, tests = one_block(parts["Solution"], "Solution"), form.tests(one_block(parts["Tests"], "Tests"))
    if len(tests) != count:
        raise Rejected("wrong_number_of_tests", f"{len(tests)}: expected {count}")
    name = form.entry_point(code, tests)
    if name not in parts["Task"]:
        raise Rejected("name_not_in_task", name)
    return Draft(parts["Task"], parts["Solution"], code, name, tests, language=form.language)


multilingual = Kind(
    "multilingual",
    "tasks in many languages after code in the same, with solutions that are compiled and run",
    _write,
    prompts=("multilingual",),
    options={"tests": "number of tests", "forms": FORMS},
    check=wrong_forms,
)
