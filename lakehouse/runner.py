"""The runner: the same five steps for every job.

resolve (input versions fixed, run key) → transform into a stage → audit by the gate → publish in one commit per table →
record. A job whose result is there is skipped before Spark starts. A kill at any point leaves each table at the old
or the new version, and the same command finishes the work: a stage that had passed its gate is published, not computed
again.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from lakehouse import ledger, ops
from lakehouse.config import Config
from lakehouse.errors import CodelakeError, GateFailed, InputError, JobFailed, Locked, StorageError
from lakehouse.job import Graph, Job, Output
from lakehouse.lake import Lake
from lakehouse.lock import Holder, TableLock, hold_all
from lakehouse.plan import Step, resolve
from lakehouse.table import Table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from lakehouse.inputs import VersionedInputs
    from lakehouse.stage import Stage, Staged

PROBE_BYTES = 4096  # a page: a full disk takes empty files


@dataclass(frozen=True)
class Report:
    """How one job ended. `outputs`: per table its version and the rows inserted, updated and deleted."""

    job: str
    status: str  # skipped, unchanged, published
    reasons: tuple[str, ...]
    outputs: tuple[Mapping[str, Any], ...] = ()
    seconds: float = 0.0
    bytes_in: int = 0


class Progress:
    """What a run tells while it works; the command line shows it. The base says nothing."""

    def job(self, name: str, reasons: Sequence[str]) -> None: ...

    def phase(self, name: str, what: str) -> None: ...

    def done(self, report: Report) -> None: ...

    def note(self, text: str) -> None: ...


class Runner:
    """Runs jobs of one graph on one lake. The session is built when the first job needs it."""

    def __init__(
        self,
        lake: Lake,
        graph: Graph,
        config: Config,
        session: Callable[[], SparkSession],
        progress: Progress | None = None,
    ) -> None:
        self.lake, self.graph, self.config = lake, graph, config
        self._session, self._progress = session, progress or Progress()
        self._judged = False

    def build(self, jobs: Sequence[Job], *, force: bool = False) -> list[Report]:
        """Run what is not up to date, in order. Raises the first error; what was published before stays."""
        self._check_writable()
        for run_id in ledger.reconcile(self.lake, self.graph):
            self._progress.note(f"run {run_id} had published but not been recorded: recorded now")
        try:
            reports = [self.run(job, force=force) for job in jobs]
            for job in jobs:
                warning = job.warning(self.config.jobs[job.name].canonical)
                if warning and self.lake.exists(job.writes[-1]):
                    self._progress.note(f"WARNING {job.name}: {warning}")
            return reports
        finally:
            self._render_docs()

    def run(self, job: Job, *, force: bool = False) -> Report:
        """Bring one job's tables up to date."""
        step = self._resolve(job, force)
        if step.action == "skip":
            self._tidy(job)
            report = Report(job.name, "skipped", step.reasons)
            self._progress.done(report)
            return report
        run_id = ledger.new_run_id()
        wait = self.config.lake.lock_wait_seconds
        with self._locks(job, run_id, f"running {job.name}", wait) as locks:
            step = self._resolve(job, force)  # another process may have done the work while we waited
            if step.action == "skip":
                report = Report(job.name, "skipped", (*step.reasons, "done by another process"))
                self._progress.done(report)
                return report
            return self._recorded(step, run_id, locks)

    def _locks(self, job: Job, run_id: str, doing: str, wait: float) -> AbstractContextManager[list[TableLock]]:
        holder = Holder.me(run_id, doing, datetime.now(UTC).isoformat(timespec="seconds"))
        names = [table.name for table in written(job)]
        died = partial(ledger.killed, self.lake, job)
        return hold_all(self.lake.folder, names, holder, wait_seconds=wait, waiting=self._progress.note, died=died)

    def _tidy(self, job: Job) -> None:
        """Remove the stage of a run that died behind its last commit, unless somebody works on the job now."""
        folder = self.lake.folder / "_stage" / job.name
        if folder.is_dir() and any(folder.iterdir()):
            with suppress(Locked), self._locks(job, "-", f"removing the stage of {job.name}", 0):
                shutil.rmtree(folder)

    def _resolve(self, job: Job, force: bool) -> Step:
        return resolve(self.lake, job, self.config.jobs[job.name], ledger.runs(self.lake, job.name), force=force)

    def _recorded(self, step: Step, run_id: str, locks: Sequence[TableLock]) -> Report:
        """Run the step; write its row in `ops.runs` however it ends."""
        clock = ledger.Clock()
        facts = {**step.facts, "run_id": run_id, "run_key": step.run_key}
        row: dict[str, Any] = {**facts, "status": "interrupted", "outputs": [], "bytes_in": 0, "error": ""}
        self._progress.job(step.job.name, step.reasons)
        try:
            self._work(step, facts, locks, row)
        except (Exception, SystemExit) as error:  # a library that ends the process must not pass for success
            explained = _explained(error, step.job, self.lake, [output["name"] for output in row["outputs"]])
            row["status"] = "gate_failed" if isinstance(explained, GateFailed) else "failed"
            row["error"] = str(explained)
            if explained is error:
                raise
            raise explained from error
        finally:
            row |= clock.stop() | {"host": os.uname().nodename}
            row["rows_out"] = sum(o["inserted"] + o["updated"] + o["deleted"] for o in row["outputs"])
            if row["status"] != "interrupted":
                self._record(row)
            # else the JVM may still be committing: how the run ended is for the next holder of the lock to say
        report = Report(
            step.job.name, row["status"], step.reasons, tuple(row["outputs"]), row["seconds"], row["bytes_in"]
        )
        self._progress.done(report)
        return report

    def _record(self, row: Mapping[str, Any]) -> None:
        if row["status"] in ledger.SUCCESS:
            ledger.append(self.lake, ops.runs, [row])
            return
        # The run's own error is on its way to the person; a ledger that cannot be written must not hide it.
        with suppress(StorageError, Locked):
            ledger.append(self.lake, ops.runs, [row])

    def _work(self, step: Step, facts: Mapping[str, Any], locks: Sequence[TableLock], row: dict[str, Any]) -> None:
        from lakehouse import publish, session
        from lakehouse.stage import Stage

        spark = self._session()
        jvm = session.jvm_pid(spark)
        if jvm is not None:
            for lock in locks:
                lock.started_jvm(jvm)
        bases = {table: publish.create(spark, self.lake, table) for table in written(step.job)}
        stage = Stage(self.lake, step.job.name, step.run_key)
        staged = self._usable(stage, step, bases)
        if staged is None:
            staged = self._stage(spark, stage, step, bases, facts, row)
        counts = {s.table: [s.inserted, s.updated, s.deleted] for s in staged}
        said = {**facts, "counts": counts}
        for table, entry in zip(written(step.job), staged, strict=True):
            self._progress.phase(step.job.name, f"publish {table.name}")
            version = self._publish(spark, table, entry, said)
            changes = dict(zip(("inserted", "updated", "deleted"), counts[entry.table], strict=True))
            row["outputs"].append({"name": table.name, "version": version, **changes})
        row["status"] = "unchanged" if all(entry.empty for entry in staged) else "published"
        stage.clear()

    def _usable(self, stage: Stage, step: Step, bases: Mapping[Table, int]) -> list[Staged] | None:
        """The stages of an interrupted attempt, when each table is where it was or already has this run's commit."""
        staged = stage.finished()
        if staged is None:
            return None
        for table, entry in zip(written(step.job), staged, strict=True):
            last = self.lake.last_publish(table)
            if bases[table] != entry.base and (last is None or last.run_key != step.run_key):
                return None
        return staged

    def _publish(self, spark: SparkSession, table: Table, entry: Staged, said: Mapping[str, Any]) -> int:
        from lakehouse import publish

        last = self.lake.last_publish(table)
        if last is not None and last.run_key == said["run_key"] and last.version > entry.base:
            return last.version  # an interrupted attempt got this far
        return publish.publish(spark, self.lake, table, entry, said)

    def _stage(
        self,
        spark: SparkSession,
        stage: Stage,
        step: Step,
        bases: Mapping[Table, int],
        facts: Mapping[str, Any],
        row: dict[str, Any],
    ) -> list[Staged]:
        from lakehouse.inputs import VersionedInputs

        based = sorted((table.name, version) for table, version in bases.items())
        held = stage.begin(hashlib.sha256(f"{step.identity}{based}".encode()).hexdigest())
        job = step.job
        inputs = VersionedInputs(
            spark,
            self.lake,
            job,
            step.spans,
            held,
            incremental=step.action == "changes",
            same_recipe=step.same_recipe,
            # Everything counts as changed for outside sources that were never read: their list is the whole work.
            changed_values=step.changed_values if job.fingerprints else None,
        )
        if inputs.nothing_changed:
            return [self._untouched(table, bases[table]) for table in written(job)]
        self._progress.phase(job.name, "transform")
        staged = self._transformed(spark, stage, step, bases, inputs)
        row["bytes_in"] = _bytes(inputs, job)
        self._judge(spark, step, staged, facts)
        stage.finish(staged)
        return staged

    def _untouched(self, table: Table, base: int) -> Staged:
        from lakehouse.stage import Staged

        return Staged(table.name, "", base, 0, 0, 0)

    def _transformed(
        self, spark: SparkSession, stage: Stage, step: Step, bases: Mapping[Table, int], inputs: VersionedInputs
    ) -> list[Staged]:
        from lakehouse.stage import stage as write

        job = step.job
        result = job.transform(inputs, self.config.jobs[job.name])
        given = result if isinstance(result, Mapping) else {job.writes[-1]: result}
        outputs = {t: o if isinstance(o, Output) else Output(o, inputs.changed) for t, o in given.items()}
        staged = []
        for table, output in _without_rejected(spark, job, outputs).items():
            self._progress.phase(job.name, f"stage {table.name}")
            staged.append(write(spark, self.lake, stage.folder, table, output.rows, output.scope, bases[table]))
        return staged

    def _judge(self, spark: SparkSession, step: Step, staged: Sequence[Staged], facts: Mapping[str, Any]) -> None:
        """Run each table's suite on its staged batch. Raises GateFailed; the targets are untouched then."""
        from expectations.gate import check
        from expectations.suites import suite_of

        for table, entry in zip(written(step.job), staged, strict=True):
            if entry.inserted + entry.updated == 0:
                continue
            self._progress.phase(step.job.name, f"gate {table.name}")
            docs = self.lake.folder / "_docs" if self.config.lake.docs else None
            rules = (*table.base_rules(), *suite_of(table.name))
            result = check(
                entry.batch(spark, table), rules, table=table.name, key=table.key, docs=docs, run_name=facts["run_id"]
            )
            self._judged = True
            self._note_results(step.job, facts["run_id"], result)
            if not result.success:
                raise GateFailed(_gate_message(step.job, result))

    def _note_results(self, job: Job, run_id: str, result: Any) -> None:
        now = datetime.now(UTC)
        rows = [
            {
                "run_id": run_id,
                "job": job.name,
                "table": result.table,
                "expectation": outcome.expectation,
                "severity": outcome.severity,
                "success": outcome.success,
                "observed": outcome.observed,
                "unexpected": outcome.unexpected,
                "rows": outcome.rows,
                "examples": list(outcome.examples),
                "at": now,
            }
            for outcome in result.outcomes
        ]
        ledger.append(self.lake, ops.expectation_results, rows)

    def _render_docs(self) -> None:
        """Data Docs of what the gates judged, a refused batch included."""
        folder = self.lake.folder / "_docs"
        if self._judged and self.config.lake.docs:
            from expectations.docs import build_docs

            build_docs(folder)

    def _check_writable(self) -> None:
        """Refuse a lake that cannot be written before any heavy work is done."""
        folder = self.lake.folder
        probe = folder / "_locks" / f".probe-{os.getpid()}"
        try:
            probe.parent.mkdir(parents=True, exist_ok=True)
            try:
                probe.write_bytes(bytes(PROBE_BYTES))
            finally:
                probe.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(
                f"{folder}: {error.strerror}. Building needs write permission and free space there; reading does not."
                " Name another lake with --lake."
            ) from error


def written(job: Job) -> tuple[Table, ...]:
    """The tables that a run of the job publishes, in order: the quarantine too where a suite sends rows there."""
    from expectations.suites import suite_of
    from lakehouse.reject import rejects

    if ops.quarantine in job.writes or not any(rejects(suite_of(table.name)) for table in job.writes):
        return job.writes
    return (*job.writes[:-1], ops.quarantine, job.writes[-1])


def _without_rejected(spark: SparkSession, job: Job, outputs: Mapping[Table, Output]) -> dict[Table, Output]:
    """The outputs in order of publishing, rows that a suite takes out moved to the quarantine."""
    from expectations.gate import split
    from expectations.suites import suite_of
    from lakehouse.reject import as_items, rejects, scope_of

    kept = dict(outputs)
    refused = [kept.pop(ops.quarantine)] if ops.quarantine in kept else []
    for table, output in list(kept.items()):
        rules = suite_of(table.name)
        if rejects(rules):
            clean, rejected = split(output.rows, rules, table.key)
            kept[table] = Output(clean, output.scope)
            refused.append(Output(as_items(rejected, job, table), scope_of(spark, job, table, output.scope)))
    if refused:
        rows, scope = refused[0].rows, refused[0].scope
        for more in refused[1:]:
            rows = rows.unionByName(more.rows)
        kept[ops.quarantine] = Output(rows, scope)
    return {table: kept[table] for table in written(job)}


def _bytes(inputs: VersionedInputs, job: Job) -> int:
    """Bytes that the job looked at: the sum of `size` (files) or `bytes` (text) over the changed rows it measures."""
    from pyspark.sql import functions as F

    if job.measures is None:
        return 0
    rows = inputs.held[job.measures] if isinstance(job.measures, str) else inputs[job.measures]
    (total,) = rows.agg(F.sum("size" if "size" in rows.columns else "bytes")).collect()
    return int(total[0] or 0)


def _gate_message(job: Job, result: Any) -> str:
    lines = [
        f"{result.table}: the batch of {result.rows} rows that {job.name} staged was refused; the table is untouched."
    ]
    for outcome in result.failures[:5]:
        count = "" if outcome.unexpected is None else f", {outcome.unexpected} of {outcome.rows} rows"
        lines.append(f"  {outcome.expectation}: observed {outcome.observed}{count}")
        lines += [f"    {example}" for example in outcome.examples]
    lines.append(
        f'Next: `codelake sql "SELECT * FROM ops.expectation_results WHERE NOT success"` lists all;'
        f" mend the input or the job and run `codelake build {job.name}+` again."
    )
    return "\n".join(lines)


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FULL_SAID = ("No space left on device", "Disk quota exceeded", "File too large")


def _explained(error: Exception | SystemExit, job: Job, lake: Lake, published: Sequence[str]) -> CodelakeError:
    """The error a person can act on: ours as it is, a full or read-only disk named as such, anything else as a failed job.

    `published`: tables of the job that already have their new version.
    """
    if isinstance(error, CodelakeError):
        return error
    text = f"a library ended the process with code {error.code}" if isinstance(error, SystemExit) else str(error)
    left = f"{', '.join(published)} published, the rest not" if published else "Nothing of this run was published"
    full = isinstance(error, OSError) and error.errno in _FULL
    if full or any(said in text for said in _FULL_SAID):
        return StorageError(
            f"{job.name}: no space left for {lake.root} or for Spark's scratch files. {left}. Free space (or raise the"
            " limit on file sizes) and run the same command again."
        )
    if isinstance(error, ValueError) and _is_of(job, error):
        return InputError(f"{error} {left}.")
    if isinstance(error, PermissionError) or "Permission denied" in text or "Read-only file system" in text:
        return StorageError(f"{job.name}: {_first_lines(text)}. The lake at {lake.root} must be writable.")
    return JobFailed(f"{job.name} failed: {_first_lines(text)}\n{left}.")


def _is_of(job: Job, error: BaseException) -> bool:
    """Whether the error's class comes from the job's own package, whose ValueErrors say that a source cannot be read."""
    package, own = (module.partition(".")[0] for module in (type(error).__module__, job.transform.__module__))
    return package == own


_CAUSES = ("ValueError", "TypeError", "KeyError", "OSError", "lakehouse.errors.", "jobs.")


def _first_lines(text: str, lines: int = 6) -> str:
    """The start of a long engine message, and the last Python line of a worker's traceback, which names the cause."""
    kept = [line for line in text.splitlines() if line.strip()]
    cause = [line for line in kept[lines:] if line.startswith(_CAUSES)]
    return "\n".join([*kept[:lines], *cause[-1:]])
