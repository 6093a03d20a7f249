"""Conversations in the ChatML layout as token ids, with the tokens that an answer's loss is taken of.

    <|im_start|>system\\nYou are ...<|im_end|>\\n<|im_start|>user\\nHello<|im_end|>\\n<|im_start|>assistant\\nHi<|im_end|>\\n

Ids are built turn by turn, never by encoding a joined string: the end of the prompt cannot merge with the beginning of the
answer, and "<|im_end|>" written by a user stays text. Targets are the answers with the token that ends them; the line
break behind it is none, because nobody samples it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jobs.kernels.encoder import Encoder
from jobs.kernels.packing import Document

ROLES = ("system", "user", "assistant", "tool")


@dataclass(frozen=True)
class Chat:
    """How turns are written. `system`: the message of a conversation that has none; "" for no such turn."""

    system: str
    start: str = "<|im_start|>"
    end: str = "<|im_end|>"

    def encode(self, encoder: Encoder, name: str, messages: Sequence[Mapping[str, str]]) -> Document:
        """One conversation. `messages`: role and content of each turn.

        Raises ValueError for an unknown role, a system message that is not the first, or no answer at all.
        """
        turns = [(message["role"], message["content"]) for message in messages]
        self._check(name, turns)
        if self.system and turns[0][0] != "system":
            turns.insert(0, ("system", self.system))
        start, end, line = encoder.special(self.start), encoder.special(self.end), encoder.plain("\n")
        ids: list[int] = []
        mask: list[bool] = []
        for role, content in turns:
            opening, said = [start, *encoder.plain(f"{role}\n")], [*encoder.plain(content), end]
            ids += [*opening, *said, *line]
            mask += [False] * len(opening) + [role == "assistant"] * len(said) + [False] * len(line)
        return Document(name, np.array(ids, np.int32), np.array(mask, np.bool_))

    def _check(self, name: str, turns: Sequence[tuple[str, str]]) -> None:
        for place, (role, _) in enumerate(turns):
            if role not in ROLES:
                raise ValueError(f"conversation {name}: role {role!r}. Allowed: {', '.join(ROLES)}.")
            if role == "system" and place:
                raise ValueError(f"conversation {name}: message {place} is a system message; only the first may be.")
        if not any(role == "assistant" for role, _ in turns):
            raise ValueError(f"conversation {name}: no message of the assistant, so there is nothing to learn.")
