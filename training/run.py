"""A training run: stages one after another, each a loop of optimizer steps, killed and resumed at any time.

    result = train(load(profile="tiny"), say=print)

A run is a folder: `run.json` says what it is, `checkpoints/` where it stands, `curves.jsonl` how it went. The same command
goes on from the newest whole checkpoint, with any number of ranks. Every stage begins by loading the checkpoint with
which the one before ended, so that a stage's first step and a resume are one code path.
"""

from __future__ import annotations

import fcntl
import json
import math
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lakehouse.config import lock_digest
from lakehouse.errors import ConfigError, Locked
from training import byte_rows, checkpoint, models, pins
from training.checkpoint import Checkpoints, Found
from training.config import PartConfig, RunConfig, StageConfig
from training.engine import Engine, Ranks, Told, processes
from training.schedule import cosine, decay, warmup
from training.stream import Part, Reading, Stream
from training.tracking import Facts, Tracker

SPEED_STEPS = 20  # steps over which the shown speed is a mean
PACKAGES = ("torch", "transformers", "deepspeed", "mlflow", "numpy")

Say = Callable[[str], None]


@dataclass(frozen=True)
class State:
    """Where a run stands. `step`, `tokens`: of the run; `stage_step`: of the stage; `phase_step`: of stages of one phase.

    `row`: the next packed row of the stage's stream. `order`: identity of that stream.
    """

    stage: str
    step: int = 0
    stage_step: int = 0
    phase_step: int = 0
    tokens: int = 0
    row: int = 0
    order: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Result:
    """How a call of `train` ended: where it stands, whether all stages are done, the last step's loss."""

    state: State
    done: bool
    loss: float
    checkpoint: str


@dataclass(frozen=True)
class Stage:
    """A stage with its data resolved. `steps`: optimizer steps of the whole stage."""

    name: str
    config: StageConfig
    parts: tuple[Part, ...]
    documents: tuple[tuple[str, pins.Pin], ...]  # what the parts were made from: for tracking and lineage


def train(config: RunConfig, *, say: Say, max_steps: int | None = None) -> Result:
    """Begin the run or go on with it. `max_steps`: end this call after so many steps, with a checkpoint.

    Raises ConfigError when the run exists with another configuration, Locked when another process trains it.
    """
    with processes() as ranks, _held(config, ranks):
        return _Run(config, ranks, say, max_steps).go()


def rate(stage: StageConfig, *, steps: int, stage_step: int, tokens: int) -> float:
    """Learning rate of the step after which the stage has made `stage_step` of `steps` and the run has seen `tokens`."""
    plan, seen = stage.schedule, stage_step * stage.step_tokens
    if plan.kind == "stable":
        return warmup(tokens, peak=plan.peak, warmup_tokens=plan.warmup_tokens)
    total = steps * stage.step_tokens
    if plan.kind == "decay":
        return decay(seen, peak=plan.peak, floor=plan.floor, decay_tokens=total, form=plan.form)
    return cosine(seen, peak=plan.peak, floor=plan.floor, warmup_tokens=plan.warmup_tokens, total_tokens=total)


@contextmanager
def _held(config: RunConfig, ranks: Ranks) -> Iterator[None]:
    """The run's folder, for one process group at a time; a kill frees it."""
    folder, fault = config.run_folder, ""
    with nullcontext() if not ranks.first else _lock_file(folder) as held:
        if ranks.first:
            fault = _claim(config, held)
        fault = ranks.broadcast(fault)
        if fault:
            raise (Locked if "another process" in fault else ConfigError)(fault)
        yield


@contextmanager
def _lock_file(folder: Path) -> Iterator[Any]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "run.lock").open("w") as file:
        yield file


def _claim(config: RunConfig, held: Any) -> str:
    """Lock the folder and write what the run is; what is wrong, or nothing."""
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return f"{config.run_folder}: another process trains this run. Wait for it, or give a new one a name: --set name=..."
    about = config.run_folder / "run.json"
    if about.is_file():
        before = json.loads(about.read_text())
        if before["digest"] != config.digest:
            return (
                f"{about}: the run {config.name!r} has another configuration: {_differences(before['config'], config)}."
                " Give the new one a name of its own: --set name=..."
            )
        return ""
    about.write_text(json.dumps({"digest": config.digest, "config": config.model_dump(mode="json")}, indent=1))
    return ""


def _differences(before: Mapping[str, Any], config: RunConfig) -> str:
    old, new = flat(before), flat(config.model_dump(mode="json"))
    moved = [f"{k} was {old.get(k)!r}, is {new.get(k)!r}" for k in sorted({*old, *new}) if old.get(k) != new.get(k)]
    return "; ".join(moved[:5]) or "an older codelake"


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested mapping by dotted keys."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return found


def resolve(config: RunConfig) -> list[Stage]:
    """The stages with every part pinned; documents that are to be read as bytes are packed now."""
    stages = []
    for name, stage in config.stages.items():
        made, documents = [], []
        for part, said in stage.parts.items():
            pin = pinned(config, said)
            documents.append((part, pin))
            source = said.source
            if said.encoding == "bytes":
                pin = byte_rows.packed(
                    pin,
                    Path(config.folder) / "rows",
                    row_tokens=stage.row_tokens,
                    source=source,
                    lake=config.lake,
                    query=said.query,
                )
                source = None
            made.append(Part(part, said.weight, pin, source))
        stages.append(Stage(name, stage, tuple(made), tuple(documents)))
    return stages


def pinned(config: RunConfig, part: PartConfig) -> pins.Pin:
    if part.release is not None:
        return pins.of_release(config.lake, part.release, part.table)
    assert part.version is not None
    return pins.Pin(part.table, part.version, part.table)


def opened(config: RunConfig, stage: Stage) -> Stream:
    """The stage's stream."""
    reading = Reading(
        row_tokens=stage.config.row_tokens,
        vocabulary=config.shape.vocabulary,
        seed=config.seed,
        window=config.reading.window,
        bad_share=config.reading.bad_share,
        isolated=stage.config.isolated,
        rows_per_sequence=stage.config.rows_per_sequence,
        threads=config.reading.threads,
    )
    return Stream(stage.parts, reading)


def steps_of(stage: StageConfig, stream: Stream) -> int:
    """Optimizer steps of the whole stage: enough for its tokens, or for its epochs over all rows."""
    if stage.tokens is not None:
        return math.ceil(stage.tokens / stage.step_tokens)
    assert stage.epochs is not None
    rows = stage.epochs * sum(stream.rows_of(part) for part in range(len(stream.parts)))
    return max(1, math.ceil(rows / (stage.rows_per_sequence * stage.batch_sequences)))


class _Run:
    def __init__(self, config: RunConfig, ranks: Ranks, say: Say, max_steps: int | None) -> None:
        self._config, self._ranks, self._left = config, ranks, max_steps
        self._say: Say = say if ranks.first else lambda _: None
        kept = config.checkpoints
        self._kept = Checkpoints(
            config.run_folder / "checkpoints",
            ranks,
            keep=kept.keep,
            keep_every=kept.keep_every_steps,
            asynchronous=kept.asynchronous,
        )
        self._tracker: Tracker | None = None
        self._asked_to_stop = False
        self._loss = float("nan")

    def go(self) -> Result:
        stages = self._ranks.broadcast(resolve(self._config) if self._ranks.first else None)
        names = [stage.name for stage in stages]
        state, found = self._begin(names)
        if self._ranks.first:
            self._tracker = Tracker(
                self._config.run_folder, self._config.tracking, facts(self._config, stages, self._ranks.world)
            )
        with self._stopping():
            try:
                for number in range(names.index(state.stage), len(stages)):
                    state, found, ended = self._stage(stages[number], state, found)
                    if not ended:
                        break
                    if number + 1 < len(stages):
                        state = self._handed_on(state, stages[number], stages[number + 1])
            finally:
                if self._tracker is not None and not self._tracker.close():
                    self._say(
                        f"tracking: not all was sent ({self._tracker.fault}); the next start of this run sends it"
                    )
        assert found is not None  # every stage ends with a checkpoint
        done = ended and number + 1 == len(stages)
        return Result(state, done, self._loss, str(found.folder))

    def _begin(self, names: list[str]) -> tuple[State, Found | None]:
        """Where to go on: the newest checkpoint, the one to branch from, or nowhere."""
        found = self._kept.newest()
        if found is not None:
            self._say(f"going on from {found.folder}")
            return State(**found.state), found
        first = self._config.start_stage or names[0]
        if self._config.start is None:
            return State(first), None
        found = checkpoint.named(self._config.start)
        before = State(**found.state)
        self._say(f"branching from {found.folder}: {before.tokens:,} tokens seen")
        return State(first, before.step, 0, 0, before.tokens, 0, before.order), found

    def _handed_on(self, state: State, before: Stage, after: Stage) -> State:
        row = state.row if after.config.same_order else 0
        phase_step = state.phase_step if before.config.phase == after.config.phase else 0
        return replace(state, stage=after.name, stage_step=0, phase_step=phase_step, row=row)

    def _engine(self, stage: Stage, state: State, found: Found | None) -> Engine:
        """The model where the state says it is: from the seed, from a checkpoint, or from a checkpoint's weights alone."""
        config = self._config
        model = models.build(config.shape, seed=config.seed, attention=config.engine.attention)
        fresh = state.stage_step == 0 and stage.config.optimizer == "fresh"
        if found is not None and fresh:
            model.load_state_dict(checkpoint.weights(found))
            found = None
        universal = found is not None and not checkpoint.fits(found, world=self._ranks.world, zero=config.engine.zero)
        if found is not None and universal:
            self._say(f"{found.name}: converting from {found.world} ranks at ZeRO {found.zero}")
            checkpoint.convert(found, self._ranks)
        engine = Engine(config.engine, config.optimizer, stage.config, self._ranks, model=model, universal=universal)
        if found is not None:
            checkpoint.load(engine, found, universal=universal)
        return engine

    def _stage(self, stage: Stage, state: State, found: Found | None) -> tuple[State, Found, bool]:
        """Train a stage to its end, or until asked to stop: the state, its checkpoint, and whether the stage is done."""
        with opened(self._config, stage) as stream:
            if stage.config.same_order and state.stage_step == 0 and state.order not in (None, stream.identity):
                raise ConfigError(
                    f"stage {stage.name}: same_order needs the parts, versions, seed and window of the stage before."
                )
            state = replace(state, order=stream.identity)
            steps = steps_of(stage.config, stream)
            engine = self._engine(stage, state, found)
            try:
                while state.stage_step < steps and self._may_go_on():
                    state = self._step(engine, stream, stage, state, steps)
                    if state.stage_step % self._config.checkpoints.every_steps == 0 and state.stage_step < steps:
                        self._kept.save(engine, _name(stage, state), asdict(state))
                    self._kept.settle()
                newest = self._kept.newest()
                if newest is None or newest.state["step"] < state.step:
                    self._kept.save(engine, _name(stage, state), asdict(state))
                    self._kept.finish()
                    newest = self._kept.newest()
                assert newest is not None
            finally:
                engine.close()
        return state, newest, state.stage_step >= steps

    def _step(self, engine: Engine, stream: Stream, stage: Stage, state: State, steps: int) -> State:
        plan, started = stage.config, time.monotonic()
        if state.row % plan.rows_per_sequence:
            raise ConfigError(
                f"stage {stage.name}: the order stands at row {state.row}, which begins no sequence of"
                f" {plan.rows_per_sequence} rows. Let the stage before end at a multiple."
            )
        first = state.row // plan.rows_per_sequence
        batches = list(
            stream.batches(
                start=first,
                rank=self._ranks.rank,
                world=self._ranks.world,
                rows=plan.micro_batch,
                stop=first + plan.batch_sequences,
            )
        )
        after = replace(
            state,
            step=state.step + 1,
            stage_step=state.stage_step + 1,
            phase_step=state.phase_step + 1,
            tokens=state.tokens + plan.step_tokens,
            row=state.row + plan.batch_sequences * plan.rows_per_sequence,
        )
        learning_rate = rate(plan, steps=steps, stage_step=after.stage_step, tokens=after.tokens)
        told = engine.step(batches, learning_rate)
        self._loss = told.loss
        if self._ranks.first:
            self._tell(stage, stream, after, steps, told, learning_rate, time.monotonic() - started)
        return after

    def _tell(
        self, stage: Stage, stream: Stream, state: State, steps: int, told: Told, learning_rate: float, seconds: float
    ) -> None:
        config = self._config
        speed = stage.config.step_tokens / seconds
        flops = config.shape.flops_per_token(stage.config.sequence_length) * speed
        every = config.tracking.every_steps
        if self._tracker is not None and (state.step % every == 0 or state.stage_step == steps):
            values = {
                "loss": told.loss,
                "gradient_norm": told.gradient_norm,
                "learning_rate": learning_rate,
                "tokens": state.tokens,
                "targets": told.targets,
                "tokens_per_second": speed,
                "bad_rows": stream.bad.rows,
                "peak_memory_mb": _peak_memory_mb(),
            }
            if config.engine.peak_tflops:
                values["mfu"] = flops / (config.engine.peak_tflops * 1e12 * self._ranks.world)
            values |= {f"rows_seen.{part}": rows for part, rows in stream.seen(state.row).items()}
            self._tracker.log(state.step, values)
        if state.stage_step % max(1, steps // SPEED_STEPS) == 0 or state.stage_step == steps:
            self._say(
                f"{stage.name} {state.stage_step}/{steps}  loss {told.loss:.4f}  norm {told.gradient_norm:.2f}"
                f"  rate {learning_rate:.2e}  {speed:,.0f} tokens/s"
            )

    def _may_go_on(self) -> bool:
        """False when any rank was asked to stop, or the steps of this call are used up."""
        if self._left is not None:
            self._left -= 1
        stop = self._asked_to_stop or (self._left is not None and self._left < 0)
        return self._ranks.total([stop])[0] == 0

    @contextmanager
    def _stopping(self) -> Iterator[None]:
        """SIGTERM and Ctrl-C end the run after the step under way, with a checkpoint."""
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            for number in before:
                signal.signal(number, self._ask_to_stop)
        except ValueError:  # not the main thread: whoever called answers signals
            before = {}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _ask_to_stop(self, *_: Any) -> None:
        self._asked_to_stop = True


def _name(stage: Stage, state: State) -> str:
    return f"{stage.config.phase}_iter_{state.phase_step:07}"


def _peak_memory_mb() -> float:
    """Of the device where there is one, else of this process."""
    import resource

    import torch

    if torch.cuda.is_available():
        return float(torch.cuda.max_memory_allocated() / 1e6)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def facts(config: RunConfig, stages: list[Stage], world: int) -> Facts:
    """What is told of the run once: every parameter, the code, the lock file and what is read."""
    from importlib.metadata import version

    params = flat(config.model_dump(mode="json")) | {"ranks": world, "parameters": config.shape.parameters}
    params |= {f"package.{name}": version(name) for name in PACKAGES}
    tags = {
        "codelake.digest": config.digest,
        "codelake.lock": lock_digest(),
        "codelake.git": git(),
        "codelake.folder": str(config.run_folder),
    }
    inputs = {(part, str(pin)): (part, pin) for stage in stages for part, pin in stage.documents}
    return Facts(config.name, params, tags, list(inputs.values()))


def git() -> str:
    """The commit of the code, with a mark where files differ from it; `unknown` for an installed wheel."""
    here = Path(__file__).parent

    def said(*arguments: str) -> str:
        ended = subprocess.run(
            ["git", "-C", str(here), *arguments], capture_output=True, text=True, timeout=60, check=False
        )
        return ended.stdout.strip() if ended.returncode == 0 else ""

    commit = said("rev-parse", "HEAD")
    return (
        commit + ("-dirty" if commit and said("status", "--porcelain", "--", str(here)) else "")
        if commit
        else "unknown"
    )
