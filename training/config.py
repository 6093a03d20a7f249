"""A training run as data: model, stages, optimizer, engine. Values live in `conf/training/`; models here have no defaults.

    config = load(profile="tiny", overrides=["stages.pretrain.tokens=1000000"])

Stages run in the order in which they are written. Each names its data, how many tokens it takes and its schedule, so
that annealing, a longer context or instruction tuning is one more stage and not another program.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from lakehouse.config import conf_dir, merge, validated
from lakehouse.errors import ConfigError, nearest
from training.models import Shape, shapes

NAME = re.compile("[A-Za-z0-9][A-Za-z0-9._-]*")  # of runs and models: a folder's name on any machine


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PartConfig(Section):
    """One part of a mixture: rows of a table that a release pins, or of any Delta table at a version."""

    weight: float = Field(gt=0, description="share of the samples; any scale")
    release: str | None = Field(description="name of a release of the lake; null: `table` is a folder, at `version`")
    table: str = Field(description="a table of the release, or the folder of any Delta table")
    version: int | None = Field(ge=0, description="version, where no release pins it")
    source: str | None = Field(description="only rows whose column `source` has this value; null: all")
    encoding: Literal["packed", "bytes"] = Field(
        description="packed: rows hold input_ids; bytes: rows hold `text`, whose UTF-8 bytes are the ids, packed on the spot"
    )
    query: str | None = Field(
        description="of bytes: a DuckDB query that gives doc_id and text, over the tables of the release and those behind"
        ' them, as r."gold.pretrain"; null: all of `table`'
    )

    @model_validator(mode="after")
    def _pinned(self) -> PartConfig:
        if (self.release is None) == (self.version is None):
            raise ValueError("give either a release or a version")
        if self.query is not None and (self.release is None or self.source is not None or self.encoding != "bytes"):
            raise ValueError("a query needs a release and encoding bytes, and chooses its rows itself: source is null")
        return self


class ScheduleConfig(Section):
    """stable: linear warm-up over the run's first tokens, then the peak. decay: from the peak to the floor over the stage.

    cosine: warm-up and half a cosine, both within the stage.
    """

    kind: Literal["stable", "decay", "cosine"]
    peak: float = Field(gt=0, description="highest learning rate")
    floor: float = Field(ge=0, description="learning rate at the end of a decay")
    warmup_tokens: int = Field(ge=0)
    form: Literal["exponential", "linear", "sqrt", "cosine"] = Field(description="of a decay")


class StageConfig(Section):
    """One stage of a run."""

    phase: str = Field(pattern="^[a-z][a-z0-9_]*$", description="first word of its checkpoints' names")
    parts: dict[str, PartConfig] = Field(min_length=1)
    tokens: int | None = Field(gt=0, description="length of the stage; null: by epochs")
    epochs: float | None = Field(gt=0, description="length as passes over all rows of all parts; null: by tokens")
    row_tokens: int = Field(gt=0, description="ids of a packed row")
    rows_per_sequence: int = Field(gt=0, description="packed rows that make one sequence")
    batch_sequences: int = Field(gt=0, description="sequences of one optimizer step, over all ranks")
    micro_batch: int = Field(gt=0, description="sequences of one forward pass on one rank")
    isolated: bool = Field(description="documents do not see each other; the paper lets them")
    same_order: bool = Field(
        description="go on in the rows' order where the stage before stopped; needs the same parts"
    )
    optimizer: Literal["keep", "fresh"] = Field(description="keep the moments of the stage before, or start without")
    schedule: ScheduleConfig

    @model_validator(mode="after")
    def _length(self) -> StageConfig:
        if (self.tokens is None) == (self.epochs is None):
            raise ValueError("give either tokens or epochs")
        return self

    @property
    def sequence_length(self) -> int:
        return self.row_tokens * self.rows_per_sequence

    @property
    def step_tokens(self) -> int:
        return self.batch_sequences * self.sequence_length

    def accumulation(self, world: int) -> int:
        """Forward passes of each rank in a step. Raises ConfigError where the batch cannot be divided."""
        if self.batch_sequences % (self.micro_batch * world):
            raise ConfigError(
                f"batch_sequences {self.batch_sequences} is no multiple of micro_batch {self.micro_batch} x {world} ranks."
                " Change micro_batch or the number of ranks; the batch fixes the result and stays."
            )
        return self.batch_sequences // (self.micro_batch * world)


class OptimizerConfig(Section):
    """AdamW. Weight decay leaves out vectors (norms)."""

    betas: tuple[float, float]
    eps: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    clip: float = Field(gt=0, description="largest norm of the gradient")


class EngineConfig(Section):
    """How the work is done. None of it changes what is computed but for rounding."""

    zero: Literal[0, 1, 2, 3] = Field(description="DeepSpeed ZeRO stage: what ranks share out")
    precision: Literal["fp32", "bf16"]
    attention: Literal["sdpa", "eager", "flex_attention", "flash_attention_2"]
    activation_checkpointing: bool = Field(
        description="recompute layers in the backward pass: less memory, a third more work"
    )
    loss_chunk: int = Field(
        ge=0, description="tokens whose logits exist at once; 0: all. Matters at large vocabularies"
    )
    compile: bool = Field(description="torch.compile; needs a C++ compiler")
    peak_tflops: float = Field(ge=0, description="of one device at this precision, for MFU; 0: unknown")

    @model_validator(mode="after")
    def _sound(self) -> EngineConfig:
        if self.precision == "bf16" and self.zero == 0:
            raise ValueError("bf16 needs zero 1, 2 or 3: stage 0 adds up gradients in bf16")
        return self


class ReadingConfig(Section):
    window: int = Field(gt=0, description="row groups whose rows are shuffled together, and held in memory twice")
    bad_share: float = Field(ge=0, le=1, description="rows that may be bad before the run ends")
    threads: int = Field(gt=0, description="that decode ahead")


class CheckpointConfig(Section):
    every_steps: int = Field(gt=0)
    keep: int = Field(gt=0, description="newest that stay; the last of each stage stays too")
    keep_every_steps: int = Field(ge=0, description="of these, every one stays; 0: none")
    asynchronous: bool = Field(description="write while training goes on; costs a copy of the state in memory")


class TrackingConfig(Section):
    uri: str | None = Field(description="MLflow tracking URI; null: sqlite in the folder of runs")
    experiment: str
    every_steps: int = Field(gt=0, description="steps between two points of the curves")
    system_metrics: bool = Field(description="memory, CPU and GPU by MLflow's own sampler")


class RunConfig(Section):
    """All of a run. `folder` and `name` say where it is kept and never what it computes."""

    lake: str = Field(description="folder of the lake")
    folder: str = Field(description="folder of runs")
    name: str = Field(pattern=f"^{NAME.pattern}$")
    seed: int = Field(ge=0)
    model: str | Shape = Field(description="a name of conf/training/models.yaml, or a shape")
    start: str | None = Field(description="folder of a checkpoint to branch from; null: weights from the seed")
    start_stage: str | None = Field(description="stage that a branch begins with; null: the first")
    stages: dict[str, StageConfig] = Field(min_length=1)
    optimizer: OptimizerConfig
    engine: EngineConfig
    reading: ReadingConfig
    checkpoints: CheckpointConfig
    tracking: TrackingConfig

    @field_validator("model")
    @classmethod
    def _known(cls, model: str | Shape) -> str | Shape:
        if isinstance(model, str) and model not in shapes():
            raise ValueError(f"no such model. Allowed: {', '.join(shapes())}.{nearest(model, shapes())}")
        return model

    @model_validator(mode="after")
    def _fits(self) -> RunConfig:
        for name, stage in self.stages.items():
            if stage.sequence_length > self.shape.max_positions:
                raise ValueError(
                    f"stage {name}: sequences of {stage.sequence_length} tokens; the model takes {self.shape.max_positions}"
                )
        if self.start_stage is not None and self.start_stage not in self.stages:
            raise ValueError(f"start_stage {self.start_stage!r} is no stage. Stages: {', '.join(self.stages)}")
        return self

    @property
    def shape(self) -> Shape:
        return shapes()[self.model] if isinstance(self.model, str) else self.model

    @property
    def run_folder(self) -> Path:
        return Path(self.folder) / self.name

    @property
    def digest(self) -> str:
        """Of what fixes the result: not of where it is kept, nor of how the work is done."""
        said = self.model_dump(mode="json", include={"seed", "start", "start_stage", "stages", "optimizer"})
        said["shape"] = self.shape.model_dump(mode="json")
        said["window"] = self.reading.window
        for stage in said["stages"].values():
            del stage["micro_batch"]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def profiles() -> list[str]:
    return sorted(p.stem for p in (conf_dir() / "training").glob("*.yaml") if p.stem not in ("base", "models"))


def load(*, profile: str | None = None, files: Sequence[Path] = (), overrides: Sequence[str] = ()) -> RunConfig:
    """`conf/training/base.yaml`, the profile, the files and the overrides merged. Raises ConfigError naming file and line."""
    folder = conf_dir() / "training"
    paths = [folder / "base.yaml"]
    if profile is not None:
        if profile not in profiles():
            raise ConfigError(
                f"--profile {profile}: no such profile. Allowed: {', '.join(profiles())}.{nearest(profile, profiles())}"
            )
        paths.append(folder / f"{profile}.yaml")
    return validated(RunConfig, *merge([*paths, *files], overrides))
