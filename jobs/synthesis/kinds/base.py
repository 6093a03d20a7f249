"""How a kind of sample is written down: a generator that yields requests, gets answers and returns a draft.

    def poems(seed: Seed, settings: Settings) -> Writing:
        answer = yield settings.request("poem", {"seed": seed.text})
        return Draft(instruction="Write a poem.", output=answer)

The same function runs twice: while asking, with a teacher behind it, and when samples are made, with the stored answers
behind it. So every sample follows from its seed and the answers by code that can be run again for nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

import jsonschema

from jobs.synthesis.prompts import Template
from jobs.synthesis.teacher.request import Answer, Message, Request


class Rejected(Exception):
    """The answer is no sample. `reason`: a short code; `detail`: what was found; `scores`: what a model said of the seed."""

    def __init__(self, reason: str, detail: str = "", *, scores: Mapping[str, float] | None = None) -> None:
        super().__init__(reason, detail)
        self.reason, self.detail, self.scores = reason, detail, dict(scores or {})


@dataclass(frozen=True)
class Seed:
    """What a sample grows from: a document of the lake, or a row of an open set as JSON (see `open_sets`)."""

    seed_id: str
    kind: str
    language: str
    text: str


@dataclass(frozen=True)
class Draft:
    """A sample before it is verified. Without code there is nothing to run.

    `tests`: one statement of Python each, in other languages one condition; `language`: of the code, null for the seed's;
    `original`: the answer that was there before this one.
    """

    instruction: str
    output: str
    code: str = ""
    entry_point: str = ""
    tests: tuple[str, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    labels: tuple[str, ...] = ()  # what else is known of it, as `name=value`
    language: str | None = None
    original: str | None = None

    @property
    def runs_as(self) -> str:
        """The language of its code."""
        return self.language or "python"


Writing = Generator[Request, Answer, Draft]


@dataclass(frozen=True)
class Settings:
    """What a kind may use: the model with its parameters, its prompts, and numbers of its own."""

    model: str
    parameters: Mapping[str, Any]
    prompts: Mapping[str, Template]
    sample: int = 0
    re_asks: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)

    def request(self, prompt: str, values: Mapping[str, str], schema: Mapping[str, Any] | None = None) -> Request:
        """Raises ValueError where the prompt is not configured or the slots do not fit."""
        if prompt not in self.prompts:
            raise ValueError(f"no prompt {prompt!r}; configured: {', '.join(self.prompts)}")
        template = self.prompts[prompt]
        system, user = template.fill(values)
        messages = (Message("system", system), Message("user", user))
        return Request(self.model, messages, self.parameters, schema, template.label(prompt), self.sample)


@dataclass(frozen=True)
class Kind:
    """`prompts`: names of the templates it needs; `options`: what else it needs to know, each with what it means.

    A kind without prompts asks nothing: its samples follow from their seeds alone. `open_sets`: it grows from rows of open
    sets and not from documents; `uses_packages`: its programs may import the packages that are installed here; `check`:
    what is wrong with options.
    """

    name: str
    about: str
    write: Callable[[Seed, Settings], Writing]
    prompts: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    uses_packages: bool = False
    open_sets: bool = False
    check: Callable[[Mapping[str, Any]], str | None] | None = None

    def wrong(self, options: Mapping[str, Any]) -> str | None:
        """What is wrong with these options; None when nothing is."""
        return self.check(options) if self.check else None


def text_of(request: Request) -> Generator[Request, Answer, str]:
    """The text of an answer that came whole. Raises Rejected."""
    answer = yield request
    if answer.status != "ok":
        raise Rejected(answer.status, answer.problem)
    if answer.finish == "length":
        raise Rejected("cut_off", f"after {answer.tokens_out} tokens")
    return answer.text


def json_of(request: Request, re_asks: int) -> Generator[Request, Answer, Any]:
    """The JSON of an answer that meets the request's schema; what does not is asked for again, a few times.

    Each further request holds the answer that was wrong and what was wrong with it. Raises Rejected.
    """
    assert request.schema is not None
    for left in range(re_asks, -1, -1):
        text = yield from text_of(request)
        try:
            value = json.loads(text)
            jsonschema.validate(value, request.schema)
        except (ValueError, RecursionError, jsonschema.ValidationError) as error:
            wrong = str(getattr(error, "message", error))[:300]
            if left == 0:
                raise Rejected("schema", wrong) from error
            more = (
                Message("assistant", text),
                Message("user", f"That does not meet the schema: {wrong}. Answer again."),
            )
            request = Request(
                request.model,
                (*request.messages, *more),
                request.parameters,
                request.schema,
                request.template,
                request.sample,
            )
        else:
            return value
    raise AssertionError("not reached")


def drive(writing: Writing, answer_of: Callable[[Request], Answer]) -> Draft:
    """Run a kind with answers that are there. Raises Rejected, and whatever `answer_of` raises."""
    try:
        request = next(writing)
        while True:
            request = writing.send(answer_of(request))
    except StopIteration as end:
        draft: Draft = end.value
        return draft
