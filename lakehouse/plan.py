"""What would run, and why: decided from table logs, configuration and source files, without a JVM.

`plan` prints these steps and `build` walks them, so what is shown and what is done cannot disagree.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from lakehouse import ledger, ops
from lakehouse.config import Config, lock_digest
from lakehouse.errors import InputError
from lakehouse.job import Job, Params
from lakehouse.lake import Lake, Span
from lakehouse.table import Table

NOT_ASKED_FOR = "-"  # in place of a run key: the parameters leave the job nothing to do

Action = Literal["skip", "changes", "whole", "after"]


@dataclass(frozen=True)
class Step:
    """One job and what is to be done with it.

    `skip`: its result is there. `changes`: compute the changed keys. `whole`: compute everything. `after`: a job before
    it will run, so this one is decided then.
    """

    job: Job
    action: Action
    run_key: str
    reasons: tuple[str, ...]
    spans: Mapping[Table, Span] = field(default_factory=dict)
    changed_values: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    same_recipe: bool = False
    """Code, parameters and lock file are those of the last run, so what it wrote may be used again key by key."""

    @property
    def identity(self) -> str:
        """Digest of what the transform is handed beside its run key: a second attempt at this very step may use what the
        first one held."""
        spans = [(table.name, span.seen, span.now) for table, span in self.spans.items()]
        said = [self.run_key, self.action, self.same_recipe, sorted(self.changed_values), sorted(spans)]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def plan(lake: Lake, config: Config, jobs: Sequence[Job], *, force: bool = False) -> list[Step]:
    """One step per job, in order. Jobs behind one that will run are marked `after`."""
    known = ledger.runs(lake)
    steps: list[Step] = []
    moving: set[Table] = set()
    for job in jobs:
        step = resolve(lake, job, config.jobs[job.name], known, force=force)
        waits_for = [table.name for table in job.reads if table in moving]
        if step.action == "skip" and step.run_key != NOT_ASKED_FOR and waits_for:
            step = Step(job, "after", step.run_key, (f"waits for {', '.join(waits_for)}",))
        if step.action != "skip":
            moving |= set(job.writes)
        steps.append(step)
    return steps


def resolve(lake: Lake, job: Job, params: Params, known: Sequence[Mapping[str, Any]], *, force: bool = False) -> Step:
    """Fix the job's input versions and say what they, its code and its parameters ask for."""
    # A job that reads from outside runs once more when its sources are taken away, so that their rows leave.
    may_rest = (job.fingerprints is None and not job.cleans) or not lake.exists(job.writes[-1])
    if job.idle and may_rest and (why := job.idle(params)):
        return Step(job, "skip", NOT_ASKED_FOR, (why,))
    if missing := [table.name for table in job.needs if not lake.exists(table)]:
        return Step(job, "skip", "", (f"{', '.join(missing)} is not there, so there is nothing to do",))
    last = ledger.latest(lake, job, known)
    seen = {entry["name"]: entry for entry in last["inputs"]} if last else {}
    inputs, spans = _inputs(lake, job, seen)
    fingerprints = _fingerprints(job, params)
    facts = {
        "job": job.name,
        "code": job.code,
        "params": params.digest,
        "params_json": params.canonical,
        "lock": lock_digest(),
        "inputs": inputs,
    }
    said = {k: v for k, v in facts.items() if k != "params_json"} | {"sources": sorted(fingerprints.items())}
    run_key = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    changed = _changed_values(lake, job, fingerprints)
    if changed and not fingerprints and not force:
        # A forgotten profile or settings file must not empty a lake.
        stay = f"no source is configured; the {len(changed)} that were read stay (--full-refresh takes them away)"
        return Step(job, "skip", NOT_ASKED_FOR, (stay,))
    torn = _half_published(lake, job, last, run_key)
    reads_anything = bool(fingerprints) or any(span.now is not None for span in spans.values())
    if last is None and not reads_anything and (job.reads or job.fingerprints):
        return Step(job, "skip", run_key, (_nothing_to_read(job),), spans, facts=facts)
    other = _why_other_recipe(facts, last)
    kept = last is not None and not other and not torn and not force
    whole = [*_why_whole(job, other, last, inputs, seen), *torn] or (["asked for by --full-refresh"] if force else [])
    if whole:
        values = {*fingerprints, *changed, *(_values_written(lake, job) if torn else ())}
        return Step(job, "whole", run_key, tuple(whole), spans, tuple(sorted(values)), facts, kept)
    moved = [f"{table.name} {span.seen} → {span.now}" for table, span in spans.items() if span.moved and job.reads]
    moved += [f"{value} {why}" for value, why in sorted(changed.items())]
    if last and last["run_key"] == run_key and not changed:
        return Step(job, "skip", run_key, ("up to date",), spans, facts=facts)
    if not moved:
        moved = ["inputs are where they were, the sources' order or set is not"]
    return Step(job, "changes", run_key, tuple(moved), spans, tuple(sorted(changed)), facts, kept)


def _nothing_to_read(job: Job) -> str:
    """Why a job that never ran need not: a part of the pipeline that nobody uses costs no run and leaves no table."""
    names = ", ".join(table.name for table in job.reads)
    return f"{names} not there yet" if names else "no source is configured"


def _inputs(lake: Lake, job: Job, seen: Mapping[str, Any]) -> tuple[list[dict[str, Any]], dict[Table, Span]]:
    inputs, spans = [], {}
    for table in job.reads:
        opened = lake.open(table)
        now = None if opened is None else opened.version()
        identity = "" if opened is None else str(opened.metadata().id)
        before = seen.get(table.name)
        same_table = before is not None and before["id"] == identity and before["version"] >= 0
        spans[table] = Span(before["version"] if before is not None and same_table else None, now)
        inputs.append({"name": table.name, "id": identity, "version": -1 if now is None else now})
    return inputs, spans


def _why_other_recipe(facts: Mapping[str, Any], last: Mapping[str, Any] | None) -> list[str]:
    """What says that the last run computed something else, inputs apart."""
    if last is None:
        return ["never ran"]
    reasons = [f"{word} changed" for word, key in (("code", "code"), ("lock file", "lock")) if last[key] != facts[key]]
    if last["params"] != facts["params"]:
        reasons.append(f"parameters changed: {difference(last['params_json'], str(facts['params_json']))}")
    return reasons


def _why_whole(
    job: Job,
    other_recipe: Sequence[str],
    last: Mapping[str, Any] | None,
    inputs: Sequence[Mapping[str, Any]],
    seen: Mapping[str, Any],
) -> list[str]:
    reasons = list(other_recipe)
    if last is None:
        return reasons
    for now in inputs:
        before = seen.get(now["name"])
        if before is None or before["id"] != now["id"]:
            reasons.append(f"{now['name']} is another table")
    if not job.scope and not reasons:
        reasons = [
            f"{now['name']} {seen[now['name']]['version']} → {now['version']}"
            for now in inputs
            if now["version"] != seen[now["name"]]["version"]
        ]
    return reasons


def _fingerprints(job: Job, params: Params) -> dict[str, str]:
    """What is read from outside the lake. Raises InputError for a source that is not there."""
    try:
        return dict(job.fingerprints(params)) if job.fingerprints else {}
    except ValueError as error:
        raise InputError(str(error)) from error


def _half_published(lake: Lake, job: Job, last: Mapping[str, Any] | None, run_key: str) -> list[str]:
    """Tables that a run changed before it died, when its work is no longer what is asked for.

    The job's last table says nothing of it: were a source or a parameter put back, the job would look up to date.
    """
    if last is None:
        return []
    reasons = []
    for table in (*job.writes[:-1], ops.quarantine):
        commit = lake.last_publish(table)
        if commit is None or commit.facts.get("job") != job.name or commit.run_key == run_key:
            continue
        if commit.run_id > last["run_id"]:
            reasons.append(f"{table.name} was left half-published by run {commit.run_id}")
    return reasons


def _values_written(lake: Lake, job: Job) -> set[str]:
    """The sources that any table of the job names, those of a run that died included. Reads one column of each."""
    if not job.fingerprints:
        return set()
    (column,) = job.scope
    named = [lake.open(table) for table in job.writes if column in table.column_names]
    batches = (
        b
        for opened in named
        if opened
        for b in opened.to_pyarrow_dataset().to_batches(columns=[column], use_threads=False)
    )
    return {value for batch in batches for value in batch.column(0).unique().to_pylist()}


def difference(before: str, after: str) -> str:
    """The keys that differ between two canonical parameter texts, with both values."""
    old, new = (_flat(json.loads(text)) if text else {} for text in (before, after))
    parts = [
        f"{key} {old.get(key)!r} → {new.get(key)!r}" for key in sorted({*old, *new}) if old.get(key) != new.get(key)
    ]
    return "; ".join(parts[:3]) + (f" and {len(parts) - 3} more" if len(parts) > 3 else "")


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, dict) and value:
        return {k: v for name, inner in value.items() for k, v in _flat(inner, f"{prefix}.{name}".lstrip(".")).items()}
    return {prefix: value}


def _changed_values(lake: Lake, job: Job, fingerprints: Mapping[str, str]) -> dict[str, str]:
    """Sources that are new, different or gone, compared with the fingerprints in the job's last table."""
    if not job.fingerprints:
        return {}
    (column,) = job.scope
    rows = ledger.read(lake, job.writes[-1], [column, "fingerprint"]).to_pylist()
    before = {row[column]: row["fingerprint"] for row in rows}
    changed = dict.fromkeys(fingerprints.keys() - before.keys(), "is new")
    changed |= dict.fromkeys(before.keys() - fingerprints.keys(), "is gone")
    changed |= {name: "changed" for name in before.keys() & fingerprints.keys() if before[name] != fingerprints[name]}
    return changed
