"""A request and its answer as data. A request is named by the hash of everything that shapes its answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Status = Literal["ok", "failed", "over_budget", "waiting"]


class TeacherError(ValueError):
    """The teacher cannot be used at all: a wrong key, a missing recording, a damaged file. No request was lost."""


@dataclass(frozen=True)
class Message:
    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Request:
    """One chat request. `sample`: which of several answers to equal messages this asks for.

    `schema`: JSON schema that the answer must meet; `template`: name and version of the prompt it was made from.
    """

    model: str
    messages: tuple[Message, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    schema: Mapping[str, Any] | None = None
    template: str = ""
    sample: int = 0

    @property
    def canonical(self) -> str:
        """JSON with sorted keys: the stable form that is hashed and stored."""
        said = {
            "model": self.model,
            "messages": [[m.role, m.content] for m in self.messages],
            "parameters": dict(self.parameters),
            "schema": self.schema,
            "template": self.template,
            "sample": self.sample,
        }
        return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)

    @property
    def id(self) -> str:
        return hashlib.sha256(self.canonical.encode()).hexdigest()

    @staticmethod
    def parse(canonical: str) -> Request:
        """The request of a canonical text. Raises KeyError or ValueError where it is none."""
        said = json.loads(canonical)
        messages = tuple(Message(role, content) for role, content in said["messages"])
        return Request(said["model"], messages, said["parameters"], said["schema"], said["template"], said["sample"])

    def body(self) -> dict[str, Any]:
        """The JSON body of the chat-completions call. The seed differs by sample, where the server knows seeds."""
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": m.role, "content": m.content} for m in self.messages],
            **self.parameters,
        }
        if "seed" in self.parameters:
            body["seed"] = int(self.parameters["seed"]) + self.sample
        if self.schema is not None:
            wanted = {"name": "answer", "schema": self.schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": wanted}
        return body

    @property
    def most_tokens(self) -> tuple[int, int]:
        """Tokens in and out at the worst: a token is at least one byte, and a message has a few of its own."""
        given = sum(len(m.content.encode()) + 16 for m in self.messages)
        given += len(json.dumps(self.schema)) if self.schema is not None else 0
        return given, int(self.parameters["max_tokens"])


@dataclass(frozen=True)
class Answer:
    """What became of one request. `problem` and `detail`: class and text of the error, empty when all went well."""

    request_id: str
    status: Status
    text: str = ""
    finish: str = ""
    problem: str = ""
    detail: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    money: float = 0.0
    attempts: int = 0
    seconds: float = 0.0


class Teacher(Protocol):
    def complete(self, requests: Sequence[Request]) -> Iterator[Answer]:
        """Exactly one answer per request, in any order. Raises TeacherError where no request can succeed."""
