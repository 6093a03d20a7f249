"""How rows of instruction data are laid out, and the conversation that each of them is.

- `messages`: a list of {role, content}, as chat templates take it.
- `conversations`: a list of {from, value}, as ShareGPT has it.
- `instruction`: columns instruction and output (the OpenCoder releases of both stages, with seq_id, tag, code, entry_point
  and testcase where a data set has them), and `input` where Alpaca's layout has one.

The first that fits a row's columns reads it. A row is refused with a reason; nothing is guessed.
"""

from __future__ import annotations

import hashlib
import json
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


class RowError(ValueError):
    """A row is no conversation. `reason`: a code for the quarantine."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True)
class Conversation:
    """What one row says. `facts`: seq_id, tag, code, entry_point and testcase where the row has them."""

    messages: tuple[Message, ...]
    facts: Mapping[str, Any]

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


def layout_of(columns: Sequence[str], named: Mapping[str, str], wanted: str | None) -> str | None:
    """The layout that rows with these columns have; None where none fits, or not the wanted one.

    `named`: our names for other columns.
    """
    there = {named.get(column, column) for column in columns}
    fitting = [name for name, needs in _NEEDS.items() if needs <= there and wanted in (None, name)]
    return fitting[0] if fitting else None


def conversation(row: Mapping[str, Any], layout: str, named: Mapping[str, str]) -> Conversation:
    """Raises RowError where the row is no conversation."""
    ours = {named.get(column, column): value for column, value in row.items()}
    messages = tuple(_READERS[layout](ours))
    if not messages:
        raise RowError("no_message", f"{layout}: the list is empty; expected at least one message.")
    for message in messages:
        _encodable(message["content"])
    return Conversation(messages, _facts(ours))


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


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise RowError("bad_layout", f"{where} is {type(value).__name__}; expected text.")
    return value


def _facts(row: Mapping[str, Any]) -> dict[str, Any]:
    tests = row.get("testcase")
    facts = {
        name: None if row.get(name) is None else str(row[name]) for name in ("seq_id", "tag", "code", "entry_point")
    }
    return {
        **facts,
        "testcase": None if tests is None else [str(t) for t in (tests if isinstance(tests, list) else [tests])],
    }


_NEEDS = {"messages": {"messages"}, "conversations": {"conversations"}, "instruction": {"instruction", "output"}}
_READERS: dict[str, Callable[[Mapping[str, Any]], list[Message]]] = {
    "messages": _of_messages,
    "conversations": _of_conversations,
    "instruction": _of_instruction,
}
LAYOUTS = tuple(_NEEDS)
