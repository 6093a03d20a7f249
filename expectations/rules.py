"""One expectation as inert data, and what it said about one batch.

Declaring rules imports nothing heavy; the gate turns them into Great Expectations objects when a batch is judged.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Severity = Literal["error", "warning", "quarantine"]


@dataclass(frozen=True)
class Rule:
    """`type` is the Great Expectations class in snake case, `kwargs` its arguments.

    Severity: `error` stops the batch, `warning` is recorded, `quarantine` takes the failing rows out of the batch.
    """

    type: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    severity: Severity = "error"
    note: str = ""

    def on(self, column: str) -> Rule:
        """The same rule about this column."""
        return replace(self, kwargs={"column": column, **self.kwargs})

    @property
    def id(self) -> str:
        """A stable, readable name: the type with its arguments, such as `expect_column_to_exist(column="a")`."""
        said = ", ".join(f"{k}={json.dumps(v, sort_keys=True, default=str)}" for k, v in sorted(self.kwargs.items()))
        return f"{self.type}({said})"


@dataclass(frozen=True)
class Outcome:
    """What one expectation says about one batch.

    `observed` is JSON: the observed value, or how many of how many values were unexpected, or why it could not be
    evaluated. `unexpected` counts failing rows, None for rules about the whole batch. `rows` is the size of the batch.
    `examples` are up to five failing rows as JSON, key columns first; values are cut to 200 characters.
    """

    expectation: str
    severity: Severity
    success: bool
    observed: str
    unexpected: int | None
    rows: int
    examples: tuple[str, ...] = ()
