"""The written part of each table's suite: `<table>.yaml` in this folder, a list of rules.

The other part (columns, not null, unique key, ranges of columns) is derived from the table's declaration.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from expectations.rules import Rule
from lakehouse.errors import ConfigError

_KEYS = {"type", "kwargs", "severity", "note"}


def suite_of(table: str) -> tuple[Rule, ...]:
    """The written rules of a table, in order; none where it has no file. Raises ConfigError naming file and entry."""
    path = Path(__file__).parent / f"{table}.yaml"
    if not path.is_file():
        return ()
    entries = yaml.safe_load(path.read_text("utf-8")) or []
    return tuple(_rule(path, number, entry) for number, entry in enumerate(entries, 1))


def _rule(path: Path, number: int, entry: Any) -> Rule:
    if not isinstance(entry, dict) or not {"type"} <= set(entry) <= _KEYS:
        raise ConfigError(
            f"{path}: entry {number}: expected a mapping with `type` and any of {', '.join(sorted(_KEYS))}."
        )
    if entry.get("severity", "error") not in ("error", "warning", "quarantine"):
        raise ConfigError(
            f"{path}: entry {number}: severity = {entry['severity']!r}. Allowed: error, warning, quarantine."
        )
    return Rule(entry["type"], entry.get("kwargs", {}), entry.get("severity", "error"), entry.get("note", ""))
