"""A release: gold tables pinned at a version, each with a content digest and everything it was made from.

A pinned version stays readable, because every table keeps its versions for ten years and only an inventory of what no
release names may be removed before that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from lakehouse import digest, ledger, ops
from lakehouse.errors import ConfigError, InputError, nearest
from lakehouse.job import Graph
from lakehouse.lake import Lake
from lakehouse.table import Table


@dataclass(frozen=True)
class Check:
    """One table of a release, read again: `found` is its digest now, or why it could not be read."""

    table: str
    version: int
    expected: str
    found: str

    @property
    def equal(self) -> bool:
        return self.expected == self.found


def create(lake: Lake, graph: Graph, name: str) -> list[dict[str, Any]]:
    """Pin the newest version of every gold table under `name`; return its rows.

    A release never changes: the same name over the same versions is a no-op, over others a ConfigError.
    """
    pinned = [table for table in graph.tables if table.name.startswith("gold.") and lake.exists(table)]
    if not pinned:
        raise InputError(f"{lake.root}: no gold table to release. Run `codelake build` first.")
    known = ledger.runs(lake)
    rows = [_pin(lake, name, table, known) for table in pinned]
    before = show(lake, name) if name in names(lake) else []
    if before:
        old, new = ({(r["table"], r["table_id"], r["version"]) for r in side} for side in (before, rows))
        if old != new:
            raise ConfigError(
                f"release {name!r} exists and pins other versions; a release never changes. Choose another name."
            )
        return before
    ledger.append(lake, ops.releases, rows)
    return rows


def names(lake: Lake) -> list[str]:
    return sorted({str(name) for name in ledger.read(lake, ops.releases, ["release"])["release"].to_pylist()})


def show(lake: Lake, name: str) -> list[dict[str, Any]]:
    """The rows of a release. Raises ConfigError when there is none of this name."""
    rows: list[dict[str, Any]] = ledger.read(lake, ops.releases).to_pylist()
    found = [row for row in rows if row["release"] == name]
    if not found:
        known = names(lake)
        raise ConfigError(
            f"release {name!r} does not exist. Releases: {', '.join(known) or 'none'}.{nearest(name, known)}"
        )
    return sorted(found, key=lambda row: row["table"])


def verify(lake: Lake, graph: Graph, name: str) -> list[Check]:
    """Read every pinned version again and compare digests."""
    by_name = {table.name: table for table in graph.tables}
    checks = []
    for row in show(lake, name):
        try:
            found, _ = digest.of_version(lake, by_name[row["table"]], row["version"])
        except (OSError, pa.ArrowInvalid, InputError) as error:
            found = f"unreadable: {error}"
        checks.append(Check(row["table"], row["version"], row["digest"], found))
    return checks


def _pin(lake: Lake, name: str, table: Table, known: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    opened = lake.open(table)
    assert opened is not None
    version = opened.version()
    found, counted = digest.of_version(lake, table, version)
    sizes = opened.to_pyarrow_dataset().to_table(
        columns=["bytes"] if "bytes" in table.column_names else [], use_threads=False
    )
    return {
        "release": name,
        "table": table.name,
        "table_id": str(opened.metadata().id),
        "version": version,
        "digest": found,
        "rows": counted.rows,
        "bytes": sum(sizes["bytes"].to_pylist()) if sizes.column_names else 0,
        "made_from": json.dumps(made_from(table, version, known), sort_keys=True),
        "created_at": datetime.now(UTC),
    }


def made_from(table: Table, version: int, known: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every run behind a table version, nearest first: job, run key, code, parameters, lock and input versions."""
    runs: dict[str, dict[str, Any]] = {}
    waiting = [(table.name, version)]
    while waiting:
        name, at = waiting.pop(0)
        run = _run_that_wrote(name, at, known)
        if run is None or run["run_id"] in runs:
            continue
        keep = ("job", "run_id", "run_key", "code", "params", "params_json", "lock", "inputs")
        runs[run["run_id"]] = {key: run[key] for key in keep}
        waiting += [(entry["name"], entry["version"]) for entry in run["inputs"] if entry["version"] >= 0]
    return list(runs.values())


def _run_that_wrote(name: str, version: int, known: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The newest success that left the table at this version, or at the last version before it that a run published."""
    best: tuple[int, str, Mapping[str, Any]] | None = None
    for run in known:
        for output in run["outputs"] or ():
            if run["status"] in ledger.SUCCESS and output["name"] == name and output["version"] <= version:
                candidate = (output["version"], run["run_id"], run)
                best = candidate if best is None or candidate[:2] > best[:2] else best
    return None if best is None else best[2]
