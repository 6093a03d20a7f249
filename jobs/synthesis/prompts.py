"""Prompt templates: a text with declared slots and a version. What does not fit is refused before anything is asked."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, model_validator

_SLOT = re.compile(r"\{\{([a-z_]+)\}\}")


class Template(BaseModel):
    """`{{name}}` stands for a slot. The text that fills one is never looked at for further slots."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = Field(ge=1)
    slots: tuple[str, ...] = Field(description="exactly the slots that the texts use")
    system: str
    user: str

    @model_validator(mode="after")
    def _slots_are_those_used(self) -> Template:
        used = set(_SLOT.findall(self.system + self.user))
        if used != set(self.slots):
            said = f"declared but not used: {sorted(set(self.slots) - used)}; used but not declared: {sorted(used - set(self.slots))}"
            raise ValueError(f"the slots of a prompt must be exactly those in its text; {said}")
        return self

    def label(self, name: str) -> str:
        """Name, version and a digest of the text: a changed text without a new version is another template."""
        digest = hashlib.sha256(f"{self.system}\0{self.user}".encode()).hexdigest()[:8]
        return f"{name}@{self.version}:{digest}"

    def fill(self, values: Mapping[str, str]) -> tuple[str, str]:
        """System and user text. Raises ValueError where a slot is missing or one too many is given."""
        missing, extra = set(self.slots) - values.keys(), values.keys() - set(self.slots)
        if missing or extra:
            raise ValueError(
                f"a prompt with the slots {', '.join(self.slots)} got {', '.join(sorted(values)) or 'none'}:"
                f" missing {sorted(missing)}, unknown {sorted(extra)}. Nothing was asked."
            )
        return _filled(self.system, values), _filled(self.user, values)


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _SLOT.sub(lambda match: values[match[1]], text)
