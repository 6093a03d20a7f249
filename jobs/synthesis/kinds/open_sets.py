"""Rows of open sets as seeds: what a row says, and what an answer to it must be.

row = row_of(seed)
row.question, row.answers          # the first request, and everything the assistant said
"""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from jobs.synthesis.kinds.base import Rejected, Seed, Settings, text_of
from jobs.synthesis.kinds.sections import unsound
from jobs.synthesis.teacher.request import Answer, Request


@dataclass(frozen=True)
class Row:
    """One row of an open set, as `synthesis.seeds` writes it into a seed's text. `facts`: what its layout says beside."""

    source: str
    messages: tuple[tuple[str, str], ...]  # role and content
    facts: dict[str, Any]

    @property
    def answers(self) -> list[str]:
        return [content for role, content in self.messages if role == "assistant"]

    @property
    def question(self) -> str:
        """What stands before the first answer, a system message included; empty where nothing does."""
        roles = [role for role, _ in self.messages]
        before = self.messages[: roles.index("assistant")] if "assistant" in roles else self.messages
        return "\n\n".join(content for _, content in before).strip()

    @property
    def dialogue(self) -> str:
        """All turns as text; answers are numbered from 1."""
        said, number = [], 0
        for role, content in self.messages:
            number += role == "assistant"
            name = f"Answer {number}" if role == "assistant" else role.capitalize()
            said.append(f"[{name}]\n{content}")
        return "\n\n".join(said)


def row_of(seed: Seed) -> Row:
    """The row that a seed holds."""
    said = json.loads(seed.text)
    messages = tuple((message["role"], message["content"]) for message in said.pop("messages"))
    return Row(said.pop("source"), messages, said)


def asked_anew(question: str, settings: Settings) -> Generator[Request, Answer, str]:
    """A new answer to a question, by the prompt `reply`. Raises Rejected where its code blocks are broken."""
    answer = yield from text_of(settings.request("reply", {"question": question}))
    if wrong := unsound(answer):
        raise Rejected("unsound_answer", wrong)
    if not answer.strip():
        raise Rejected("no_answer", "the answer is empty")
    return answer.strip()
