"""Code textbooks: a task and a function are drawn from real code, then a chapter is written around them."""

from __future__ import annotations

from jobs.synthesis.kinds.base import Draft, Kind, Rejected, Seed, Settings, Writing, text_of
from jobs.synthesis.kinds.sections import one_block, parsed, sections


def _write(seed: Seed, settings: Settings) -> Writing:
    language = seed.language
    text = yield from text_of(settings.request("exercise", {"language": language, "seed": seed.text}))
    parts = sections(text, ("Task", "Function"))
    function = one_block(parts["Function"], "Function")
    if language == "python":
        parsed(function, "function")
    values = {"language": language, "task": parts["Task"], "function": function.rstrip()}
    chapter = yield from text_of(settings.request("textbook", values))
    if len(chapter.split()) < settings.options["words"]:
        raise Rejected("too_short", f"{len(chapter.split())} words: expected at least {settings.options['words']:g}")
    return Draft(instruction=f"{parts['Task']}\n\n```\n{function}```", output=chapter)


textbooks = Kind(
    "textbooks",
    "chapters that explain a function and the idea behind it",
    _write,
    prompts=("exercise", "textbook"),
    options={"words": "least number of words of a chapter"},
)
