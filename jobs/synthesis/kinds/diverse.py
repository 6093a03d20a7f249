"""Diverse instructions in four modules: sentences from a text, a task specification, an answer that is run, a refined answer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from jobs.synthesis.kinds.base import Draft, Kind, Rejected, Seed, Settings, Writing, json_of, text_of
from jobs.synthesis.kinds.forms import FORMS, NAMES, form_of, wrong_forms
from jobs.synthesis.kinds.sections import blocks, one_block

SENTENCES = {
    "type": "object",
    "properties": {"sentences": {"type": "array", "items": {"type": "string"}, "maxItems": 3}},
    "required": ["sentences"],
    "additionalProperties": False,
}


def _write(seed: Seed, settings: Settings) -> Writing:
    found = yield from json_of(settings.request("sentences", {"seed": seed.text}, SENTENCES), settings.re_asks)
    kept = [s for s in found["sentences"] if _plain(s) and _plain(s) in _plain(seed.text)]
    if not kept:
        raise Rejected("no_sentences", f"{len(found['sentences'])} given, none of them from the text")
    task = specification(f"{seed.seed_id} {settings.sample}", settings.options["specification"])
    question = yield from text_of(settings.request("question", {"sentences": "\n".join(kept), **task}))
    form, count = form_of(settings, _language(task["language"])), int(settings.options["tests"])
    values = {"question": question, "tests": str(count), **form.slots}
    text = yield from text_of(settings.request("answer", values))
    parts = blocks(text)
    if len(parts) != 2:
        raise Rejected("code_blocks", f"{len(parts)}: expected two")
    tests = form.tests(parts[1])
    if len(tests) != count:
        raise Rejected("wrong_number_of_tests", f"{len(tests)}: expected {count}")
    name = form.entry_point(parts[0], tests)
    refined = yield from text_of(settings.request("refine", {"question": question, "code": parts[0].rstrip()}))
    code = one_block(refined, "the refined answer")  # this is what is run: refining may have broken it
    form.entry_point(code, tests)
    labels = tuple(f"{key}={value}" for key, value in sorted(task.items()))
    return Draft(question, refined, code, name, tests, labels=labels, language=form.language)


def _language(name: str) -> str:
    """The language that prompts call so."""
    return next(language for language, called in NAMES.items() if called == name)


def _wrong(options: Mapping[str, Any]) -> str | None:
    called = [NAMES.get(language, language) for language in options["forms"]]
    other = sorted(set(options["specification"].get("language", {})) - set(called))
    if other or "language" not in options["specification"]:
        return f"specification.language: {', '.join(other) or 'missing'}; with a form are {', '.join(called)}"
    return wrong_forms(options)


def _plain(text: str) -> str:
    return " ".join(text.split())


def specification(key: str, parts: Mapping[str, Mapping[str, float]]) -> dict[str, str]:
    """One value for each property, by the hash of the key: over many keys each value has its configured part."""
    return {name: _choice(f"{name} {key}", shares) for name, shares in parts.items()}


def _choice(key: str, shares: Mapping[str, float]) -> str:
    place = int(hashlib.sha256(key.encode()).hexdigest()[:13], 16) / 16**13 * sum(shares.values())
    for value, share in shares.items():
        place -= share
        if place < 0:
            return value
    return next(reversed(list(shares)))


diverse = Kind(
    "diverse",
    "questions of a configured variety, inspired by sentences of texts, with answers that are run",
    _write,
    prompts=("sentences", "question", "answer", "refine"),
    options={"specification": "parts of language, difficulty and type", "tests": "number of tests", "forms": FORMS},
    check=_wrong,
)
