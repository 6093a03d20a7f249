"""How rows of instruction data are laid out, and the conversation that each of them is.

- `messages`: a list of {role, content}, as chat templates take it.
- `conversations`: a list of {from, value}, as ShareGPT has it.
- `instruction`: columns instruction and output (the OpenCoder releases of both stages, with seq_id, tag, code, entry_point
  and testcase where a data set has them), and `input` where Alpaca's layout has one.
- `text`: a column text with nothing to answer (the OpenCoder release of annealing data, with lang or program_lang). It is
  no conversation to tune on, so only those who ask for it by `allowed` get it: as one message of the assistant.

The first that fits a row's columns reads it. A row is refused with a reason; nothing is guessed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Message = dict[str, str]

# What data sets call the roles of ChatML.
ROLES = {
    "system": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bard": "assistant",
    "model": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
}

# Columns that say a row's programming language, and how else the languages of the sandbox are called.
_LANGUAGE = ("language", "lang", "program_lang", "programming_language")
_ALSO = {
    "py": "python", "python3": "python", "js": "javascript", "node": "javascript", "golang": "go", "c++": "cpp", "rs": "rust",
    "bash": "shell", "sh": "shell", "c#": "csharp", "cs": "csharp", "ts": "typescript",
}  # fmt: skip
_FENCE = re.compile(r"^[ \t]{0,3}(?:`{3,}|~{3,})[ \t]*([A-Za-z][\w+#.-]*)", re.MULTILINE)


class RowError(ValueError):
    """A row is no conversation. `reason`: a code for the quarantine."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True)
class Conversation:
    """What one row says. `facts`: seq_id, tag, code, entry_point and testcase where the row has them.

    `language`: the programming language that the row names, else that of its first fenced block; else empty.
    """

    messages: tuple[Message, ...]
    facts: Mapping[str, Any]
    language: str = ""

    @property
    def sample_id(self) -> str:
        return sample_id(self.messages)

    @property
    def bytes(self) -> int:
        return sum(len(message["content"].encode()) for message in self.messages)


def sample_id(messages: Sequence[Mapping[str, str]]) -> str:
    """Digest of roles and contents. Framed as JSON, so no two conversations read the same."""
    said = [[message["role"], message["content"]] for message in messages]
    return hashlib.sha256(b"sft:" + json.dumps(said, ensure_ascii=False).encode()).hexdigest()


def layout_of(
    columns: Sequence[str], named: Mapping[str, str], wanted: str | None, allowed: Sequence[str] = ()
) -> str | None:
    """The layout that rows with these columns have; None where none fits, or not the wanted one.

    `named`: our names for other columns; `allowed`: layouts to choose from, those of conversations where none is named.
    """
    there = {named.get(column, column) for column in columns}
    fitting = [name for name in allowed or LAYOUTS if _NEEDS[name] <= there and wanted in (None, name)]
    return fitting[0] if fitting else None


def conversation(row: Mapping[str, Any], layout: str, named: Mapping[str, str]) -> Conversation:
    """Raises RowError where the row is no conversation."""
    ours = {named.get(column, column): value for column, value in row.items()}
    messages = tuple(_READERS[layout](ours))
    if not messages:
        raise RowError("no_message", f"{layout}: the list is empty; expected at least one message.")
    for message in messages:
        _encodable(message["content"])
    return Conversation(messages, _facts(ours), _language(ours, messages))


def _encodable(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RowError("bad_text", f"half a surrogate pair at character {error.start}, which is no text.") from error


def _of_messages(row: Mapping[str, Any]) -> list[Message]:
    return _turns(row["messages"], "messages", "role", "content")


def _of_conversations(row: Mapping[str, Any]) -> list[Message]:
    return _turns(row["conversations"], "conversations", "from", "value")


def _turns(given: Any, column: str, who: str, what: str) -> list[Message]:
    if not isinstance(given, list):
        raise RowError("bad_layout", f"{column} is {type(given).__name__}; expected a list of {who} and {what}.")
    return [_turn(turn, f"{column}[{place}]", who, what) for place, turn in enumerate(given)]


def _turn(turn: Any, where: str, who: str, what: str) -> Message:
    if not isinstance(turn, dict):
        raise RowError("bad_layout", f"{where} is {type(turn).__name__}; expected {who} and {what}.")
    if turn.get("tool_calls"):
        raise RowError(
            "tool_calls", f"{where} calls tools beside its text, which ChatML as it is written here cannot say."
        )
    role = ROLES.get(str(turn.get(who)).strip().lower())
    if role is None:
        raise RowError("unknown_role", f"{where}.{who} = {turn.get(who)!r}. Allowed: {', '.join(ROLES)}.")
    return {"role": role, "content": _text(turn.get(what), f"{where}.{what}")}


def _of_instruction(row: Mapping[str, Any]) -> list[Message]:
    asked = _text(row["instruction"], "instruction")
    if row.get("input"):
        asked = f"{asked}\n\n{_text(row['input'], 'input')}"
    said = [{"role": "user", "content": asked}, {"role": "assistant", "content": _text(row["output"], "output")}]
    if row.get("system"):
        said.insert(0, {"role": "system", "content": _text(row["system"], "system")})
    return said


def _of_text(row: Mapping[str, Any]) -> list[Message]:
    return [{"role": "assistant", "content": _text(row["text"], "text")}]


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise RowError("bad_layout", f"{where} is {type(value).__name__}; expected text.")
    return value


def _language(row: Mapping[str, Any], messages: Sequence[Message]) -> str:
    said = [row[name] for name in _LANGUAGE if isinstance(row.get(name), str) and row[name].strip()]
    if not said:
        said = [found[1] for message in messages if (found := _FENCE.search(message["content"]))]
    name = said[0].strip().lower() if said else ""
    return _ALSO.get(name, name)


def _facts(row: Mapping[str, Any]) -> dict[str, Any]:
    tests = row.get("testcase")
    facts = {
        name: None if row.get(name) is None else str(row[name]) for name in ("seq_id", "tag", "code", "entry_point")
    }
    return {
        **facts,
        "testcase": None if tests is None else [str(t) for t in (tests if isinstance(tests, list) else [tests])],
    }


LAYOUTS = ("messages", "conversations", "instruction")
WITH_TEXTS = (*LAYOUTS, "text")
_NEEDS = {
    "messages": {"messages"},
    "conversations": {"conversations"},
    "instruction": {"instruction", "output"},
    "text": {"text"},
}
_READERS: dict[str, Callable[[Mapping[str, Any]], list[Message]]] = {
    "messages": _of_messages,
    "conversations": _of_conversations,
    "instruction": _of_instruction,
    "text": _of_text,
}
