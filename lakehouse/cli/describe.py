"""What `codelake show` says of a table or a job: the declaration, and what is on disk."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import click
from pydantic import BaseModel

from expectations.rules import Rule
from expectations.suites import suite_of
from lakehouse import ledger
from lakehouse.ask import names, sql
from lakehouse.ask.listing import commits, holding
from lakehouse.cli.common import size, table
from lakehouse.config import load
from lakehouse.errors import ConfigError, nearest
from lakehouse.job import Job
from lakehouse.lake import Lake
from lakehouse.registry import graph, tables
from lakehouse.shown import visible
from lakehouse.table import Table

HISTORY = 5  # newest commits
SAMPLE = 3  # rows
ENTRIES = 40  # a parameter with more entries is only counted
VALUE_CHARS = 110
SAMPLE_CHARS = 44

Said = dict[str, Any]


def about(lake: Lake, name: str) -> Said:
    """What there is to say of a table or job. Raises ConfigError for a name that is neither."""
    job = next((job for job in graph().jobs if job.name == name), None)
    if job is not None:
        return _job(lake, job)
    declared = next((known for known in tables() if known.name == name), None)
    there = names.found(lake)
    if declared is None and name not in there:
        known = [*(job.name for job in graph().jobs), *dict.fromkeys([*(t.name for t in tables()), *there])]
        raise ConfigError(f"{name!r} is no table or job.{nearest(name, known)} Names: {', '.join(known)}.")
    said = _declared(declared) if declared is not None else {"kind": "table", "name": name}
    return {**said, **(_on_disk(lake, name, declared) if name in there else {"there": None})}


def show(said: Said) -> None:
    _show_job(said) if said["kind"] == "job" else _show_table(said)


def _declared(declared: Table) -> Said:
    writers = [job.name for job in graph().jobs if declared in job.writes]
    return {
        "kind": "table",
        "name": declared.name,
        "one_row_is": declared.row,
        "key": list(declared.key),
        "written_by": writers,
        "read_by": [job.name for job in graph().jobs if declared in job.reads],
        "columns": [
            {
                "column": column.name,
                "type": column.type,
                "unit": column.unit,
                "nulls": column.nullable,
                "checks": [_short(rule) for rule in column.checks],
                "meaning": column.comment,
            }
            for column in declared.columns
        ],
        "expectations": [_expectation(rule) for rule in (*declared.checks, *suite_of(declared.name))],
        "derived_expectations": len(declared.base_rules()) - len(declared.checks),
    }


def _short(rule: Rule) -> str:
    said = ", ".join(f"{k} {json.dumps(v)}" for k, v in sorted(rule.kwargs.items()) if k != "column" and v is not None)
    return f"{rule.type.removeprefix('expect_column_values_to_').replace('_', ' ')} ({said})"


def _expectation(rule: Rule) -> Said:
    return {"expectation": rule.id, "severity": rule.severity, "note": rule.note}


def _on_disk(lake: Lake, name: str, declared: Table | None) -> Said:
    opened = names.opened(lake, name)
    metadata = opened.metadata()
    said: Said = {
        "there": {**asdict(holding(lake, name)), "location": lake.location(names.named(name)), "id": str(metadata.id)},
        "history": commits(opened, HISTORY),
        "properties": dict(sorted(metadata.configuration.items())),
    }
    if declared is None:
        said["one_row_is"] = said["there"]["meaning"]
        said["columns"] = [
            {
                "column": field["name"],
                "type": field["type"],
                "nulls": field["nullable"],
                "meaning": field["metadata"].get("comment", ""),
            }
            for field in json.loads(opened.schema().to_json())["fields"]
        ]
    else:
        said["as_declared"] = metadata.configuration.get("codelake.schema") == declared.digest
    layer, _, rest = name.partition(".")
    with sql.ask(lake, f'SELECT * FROM "{layer}"."{rest}" LIMIT {SAMPLE}') as answer:
        said["sample"] = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
    return said


def _job(lake: Lake, job: Job) -> Said:
    last = next((row for row in reversed(ledger.runs(lake)) if row["job"] == job.name), None)
    keep = ("run_id", "status", "started_at", "seconds", "rows_out", "error")
    return {
        "kind": "job",
        "name": job.name,
        "about": job.about,
        "reads": [one.name for one in job.reads],
        "writes": [one.name for one in job.writes],
        "scope": list(job.scope),
        "code": job.code,
        "parameters": list(_parameters(load(graph()).jobs[job.name])),
        "last_run": None if last is None else {key: last[key] for key in keep},
    }


def _parameters(params: BaseModel, prefix: str = "") -> Iterator[Said]:
    """Every parameter with its default; nested ones by dotted name, as `--set` takes them."""
    for name, declared in type(params).model_fields.items():
        value = getattr(params, name)
        if isinstance(value, BaseModel):
            yield from _parameters(value, f"{prefix}{name}.")
            continue
        plain = params.model_dump(mode="json", include={name}, exclude_none=False)[name]
        yield {"parameter": prefix + name, "default": plain, "meaning": declared.description or ""}


def _show_table(said: Said) -> None:
    there = said["there"]
    click.echo(f"{said['name']}: one row is {said['one_row_is']}")
    if "key" in said:
        _fact("key", ", ".join(said["key"]))
        _fact("written by", ", ".join(said["written_by"]) or "the lake itself")
        _fact("read by", ", ".join(said["read_by"]) or "no job")
    else:
        _fact("declared", "no: no job of this installation knows it")
    if there is None:
        _fact("on disk", f"not made yet: `codelake build {said['name']}` makes it")
    else:
        disk = "" if there["on_disk"] is None else f", {size(there['on_disk'])} with all versions"
        _fact(
            "on disk",
            f"version {there['version']}, {there['rows']:,} rows, {size(there['size'])} in {there['files']} files{disk}",
        )
        _fact("location", there["location"])
        if said.get("as_declared") is False:
            _fact("schema", "made by another declaration of this table")
    table([{**c, "checks": "; ".join(c.get("checks", ()))} for c in said["columns"]], title="\ncolumns")
    if "expectations" in said:
        note = f"\nexpectations: {said['derived_expectations']} derived from the columns and the key"
        table(said["expectations"], title=note + (", and" if said["expectations"] else ""))
    if there is not None:
        table([{**c, "when": f"{c['when']:%Y-%m-%d %H:%M:%S}"} for c in said["history"]], title="\nnewest versions")
        table([{"property": k, "value": v} for k, v in said["properties"].items()], title="\nproperties")
        table(_transposed(said["sample"]), title=f"\nthe first {len(said['sample'])} rows, cut")


def _show_job(said: Said) -> None:
    click.echo(f"{said['name']}: {said['about']}")
    _fact("reads", ", ".join(said["reads"]) or "configured sources")
    _fact("writes", ", ".join(said["writes"]))
    _fact(
        "incremental",
        f"by {', '.join(said['scope'])}" if said["scope"] else "no: looks at everything when an input moved",
    )
    _fact("code", said["code"][:12])
    last = said["last_run"]
    run = (
        "never"
        if last is None
        else f"{last['run_id']} {last['status']}, {last['seconds']:.1f} s, {last['rows_out']:,} rows"
    )
    _fact("last run", run)
    rows = [row for parameter in said["parameters"] for row in _spread(parameter)]
    table(rows, ["parameter", "default", "meaning"], title="\nparameters" if rows else "\nno parameters")


def _spread(parameter: Said) -> Iterator[Said]:
    """One row for a parameter; one per entry when it holds a few; a count when it holds many."""
    name, value = parameter["parameter"], parameter["default"]
    if isinstance(value, Mapping) and 0 < len(value) <= ENTRIES:
        yield {"parameter": name, "default": "", "meaning": parameter["meaning"]}
        for key, inner in value.items():
            for place, one in inner.items() if _holds_mappings(inner) else [("", inner)]:
                yield {"parameter": f"  {key}.{place}".rstrip("."), "default": _brief(one), "meaning": ""}
    else:
        yield {**parameter, "default": _brief(value)}


def _holds_mappings(value: Any) -> bool:
    """A table of rules, not one rule."""
    few = isinstance(value, Mapping) and 0 < len(value) <= ENTRIES
    return few and all(one is None or isinstance(one, Mapping) for one in value.values())


def _brief(value: Any) -> str:
    if isinstance(value, Mapping):
        value = {key: inner for key, inner in value.items() if inner is not None}
    text = json.dumps(value, ensure_ascii=False)
    if len(text) <= VALUE_CHARS:
        return text
    return f"{len(value):,} entries" if isinstance(value, Mapping | list) else text[:VALUE_CHARS] + "…"


def _transposed(rows: list[Said]) -> list[Said]:
    """One line per column, so that wide tables stay readable."""
    return [
        {"column": name, **{str(i): _cut(sql.said(row[name])) for i, row in enumerate(rows, 1)}}
        for name in (rows[0] if rows else ())
    ]


def _cut(text: str) -> str:
    return text.replace("\n", " ") if len(text) <= SAMPLE_CHARS else text[:SAMPLE_CHARS].replace("\n", " ") + "…"


def _fact(name: str, text: str) -> None:
    click.echo(f"  {name:<12} {visible(text, 1000)}")
