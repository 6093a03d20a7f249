"""A model as judge: two yes-or-no questions about a text, and the probability of "yes" read off the answer's first token.

    judge = Judge(endpoint="http://localhost:8000/v1", model="base", prompt=Prompt.load(path), key=None)
    judge.score("def f(): ...")     # P(yes to the first question) * P(yes to the second), 0 to 1

The score of AutoDS (arXiv 2402.07625): no text is generated beyond one token, and the score is a number that can be
ranked, not a verdict. Works with any OpenAI-style endpoint that returns `top_logprobs`. Retries: what may pass
(429, 5xx, a broken connection), with waiting; anything else is an error at once.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3
import yaml

ATTEMPTS = 5
PAUSE_SECONDS = 1.0  # after the first attempt, doubled after each
TOP = 20  # alternatives of the first token that are asked for; servers give at most 20
TIMEOUT_SECONDS = 120.0


class JudgeError(ValueError):
    """The endpoint did not give a score. `passing`: it may do so later."""

    def __init__(self, said: str, *, passing: bool = False) -> None:
        super().__init__(said)
        self.passing = passing


@dataclass(frozen=True)
class Prompt:
    """`system` and the questions, each with the slot {text}; `characters` of a text are shown."""

    system: str
    questions: tuple[str, ...]
    characters: int

    @staticmethod
    def load(path: Path) -> Prompt:
        """Raises JudgeError for a file that is no prompt."""
        try:
            said = yaml.safe_load(path.read_text("utf-8"))
            prompt = Prompt(str(said["system"]), tuple(map(str, said["questions"])), int(said["characters"]))
        except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
            raise JudgeError(f"{path}: expected system, questions and characters: {error}") from error
        if not prompt.questions or any(question.count("{text}") != 1 for question in prompt.questions):
            raise JudgeError(f"{path}: each question needs the slot {{text}} once.")
        return prompt

    @property
    def digest(self) -> str:
        said = json.dumps([self.system, self.questions, self.characters])
        return hashlib.sha256(said.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Judge:
    endpoint: str
    model: str
    prompt: Prompt
    key: str | None = None
    attempts: int = ATTEMPTS

    def score(self, text: str) -> float:
        """The product over the questions. Raises JudgeError."""
        shown = text[: self.prompt.characters]
        found = 1.0
        for question in self.prompt.questions:
            found *= yes_share(self._first_token(question.replace("{text}", shown)))
        return round(found, 6)

    def _first_token(self, question: str) -> list[Mapping[str, Any]]:
        messages = [{"role": "system", "content": self.prompt.system}, {"role": "user", "content": question}]
        asked = {"model": self.model, "messages": messages, "max_tokens": 1, "temperature": 0}
        body = json.dumps(asked | {"logprobs": True, "top_logprobs": TOP}).encode()
        for attempt in range(self.attempts):
            try:
                return _alternatives(self._post(body))
            except JudgeError as error:
                if not error.passing or attempt + 1 == self.attempts:
                    raise
            time.sleep(PAUSE_SECONDS * 2**attempt)
        raise AssertionError("unreachable")

    def _post(self, body: bytes) -> Any:
        address = f"{self.endpoint.rstrip('/')}/chat/completions"
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {self.key}"} if self.key else {})
        try:
            answer = urllib3.request(
                "POST", address, body=body, headers=headers, timeout=TIMEOUT_SECONDS, retries=False
            )
        except urllib3.exceptions.HTTPError as error:
            raise JudgeError(f"{address}: {type(error).__name__}. Is the server up?", passing=True) from error
        if answer.status != 200:
            said = answer.data[:200].decode("utf-8", "replace")
            passing = answer.status == 429 or answer.status >= 500
            raise JudgeError(f"{address}: status {answer.status}: {said}", passing=passing)
        try:
            return json.loads(answer.data)
        except ValueError as error:
            raise JudgeError(f"{address}: the answer is no JSON.", passing=True) from error


def _alternatives(answer: Any) -> list[Mapping[str, Any]]:
    try:
        found: list[Mapping[str, Any]] = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        return found
    except (KeyError, IndexError, TypeError) as error:
        raise JudgeError(
            "the answer has no top_logprobs for its first token. Allowed: an endpoint and model that return them."
        ) from error


def yes_share(alternatives: Sequence[Mapping[str, Any]]) -> float:
    """exp(yes) / (exp(yes) + exp(no)) over the spellings of both words among the first token's alternatives.

    Raises JudgeError where neither is among them: the model did not take the question for one.
    """
    sums = {"yes": 0.0, "no": 0.0}
    for one in alternatives:
        word = str(one.get("token", "")).strip().strip(".,:!\"'").lower()
        if word in sums:
            sums[word] += math.exp(float(one["logprob"]))
    if not sum(sums.values()):
        shown = ", ".join(repr(one.get("token")) for one in alternatives[:5])
        raise JudgeError(f"neither yes nor no is among the first tokens: {shown}.")
    return sums["yes"] / (sums["yes"] + sums["no"])
