"""Checkpoints that are whole or not there, written while training goes on, readable by another number of ranks.

    kept = Checkpoints(folder, ranks, keep=3)
    kept.save(engine, "pretrain_iter_0001000", state)      # returns when the state is copied, not when it is written
    kept.settle()                                          # after each step: publish what every rank has written
    found = kept.newest()                                  # None, or the newest that is whole

A checkpoint is written into `.writing-<name>` and renamed when every rank has finished; `checkpoint.json` in it lists every
file with its size, and what does not match the list is never picked. A kill leaves a folder that the next save removes.

DeepSpeed's shards fit one number of ranks and one ZeRO stage. For another, rank 0 converts them once to DeepSpeed's universal
form, kept beside them under `universal/`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from lakehouse.errors import ConfigError, JobFailed, StorageError
from training.engine import Engine, Ranks

MANIFEST = "checkpoint.json"
WRITING = ".writing-"
CONVERT_SECONDS = 6 * 3600  # a bound on a hang; 8B parameters take minutes


@dataclass(frozen=True)
class Found:
    """A checkpoint that is whole. `world`, `zero`: what its shards fit. `state`: what the loop needs to go on."""

    folder: Path
    world: int
    zero: int
    state: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.folder.name


class Checkpoints:
    """The checkpoints of one run. `keep`: newest that stay; `keep_every`: multiples of this many steps that stay, 0 for none."""

    def __init__(
        self, folder: Path, ranks: Ranks, *, keep: int, keep_every: int = 0, asynchronous: bool = True
    ) -> None:
        self.folder, self._ranks, self._keep, self._keep_every = folder, ranks, keep, keep_every
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="checkpoint") if asynchronous else None
        self._writing: tuple[str, list[Future[None]], dict[str, Any]] | None = None
        if ranks.first:
            folder.mkdir(parents=True, exist_ok=True)

    def save(self, engine: Engine, name: str, state: Mapping[str, Any]) -> None:
        """Begin a checkpoint; one that is still being written is finished first. Every rank must call it."""
        self.finish()
        if self._ranks.first:
            shutil.rmtree(self.folder / (WRITING + name), ignore_errors=True)
        dist.barrier()
        before = engine.deepspeed.checkpoint_engine
        writer = engine.deepspeed.checkpoint_engine = _Writer(before, self._pool)
        try:
            engine.deepspeed.save_checkpoint(
                str(self.folder), tag=WRITING + name, client_state=_chance(), save_latest=False
            )
        finally:
            engine.deepspeed.checkpoint_engine = before
        said = {"world": self._ranks.world, "zero": engine.zero, "state": dict(state)}
        self._writing = (name, writer.writes, said)
        if self._pool is None:
            self.finish()

    def settle(self) -> str | None:
        """Publish what is being written if every rank has finished it; its name, else None. Every rank must call it."""
        if self._writing is None:
            return None
        _, writes, _ = self._writing
        (done,) = self._ranks.total([all(write.done() for write in writes)])
        return self._publish() if done == self._ranks.world else None

    def finish(self) -> str | None:
        """Wait for what is being written and publish it. Every rank must call it."""
        return None if self._writing is None else self._publish()

    def _publish(self) -> str:
        assert self._writing is not None
        name, writes, said = self._writing
        self._writing = None
        faults = [str(error) for write in writes if (error := write.exception()) is not None]
        (failed,) = self._ranks.total([len(faults)])
        if failed:
            raise StorageError(
                f"{self.folder / name}: not written: {'; '.join(faults) or 'another rank failed, see its output'}. Free"
                " space and start again: the checkpoint before is whole."
            )
        if self._ranks.first:
            source, target = self.folder / (WRITING + name), self.folder / name
            files = {str(f.relative_to(source)): f.stat().st_size for f in sorted(source.rglob("*")) if f.is_file()}
            _write(source / MANIFEST, json.dumps({**said, "files": files}, indent=1))
            shutil.rmtree(target, ignore_errors=True)
            source.rename(target)
            _sync(self.folder)
            self._retain()
        dist.barrier()
        return name

    def _retain(self) -> None:
        """Remove all but the newest, the last of each phase, and those of the steps that stay."""
        found = whole(self.folder)
        last = {str(checkpoint.state["stage"]): checkpoint.name for checkpoint in found}
        for checkpoint in found[: -self._keep]:
            step = int(checkpoint.state["stage_step"])
            if checkpoint.name in last.values() or (self._keep_every and step % self._keep_every == 0):
                continue
            shutil.rmtree(checkpoint.folder)
        for left in self.folder.glob(WRITING + "*"):
            shutil.rmtree(left, ignore_errors=True)  # of a run that was killed

    def newest(self) -> Found | None:
        """The newest checkpoint that is whole, as rank 0 sees it."""
        found = whole(self.folder) if self._ranks.first else []
        said: Found | None = self._ranks.broadcast(found[-1] if found else None)
        return said


def whole(folder: Path) -> list[Found]:
    """The checkpoints of a folder that are whole, oldest first: by tokens seen, then by step."""
    found = [one for path in folder.glob(f"*/{MANIFEST}") if (one := _whole(path.parent)) is not None]
    return sorted(found, key=lambda one: (one.state["tokens"], one.state["stage_step"]))


def _whole(folder: Path) -> Found | None:
    if folder.name.startswith(WRITING):
        return None
    said = json.loads((folder / MANIFEST).read_text())
    for name, size in said["files"].items():
        file = folder / name
        if not file.is_file() or file.stat().st_size != size:
            return None
    return Found(folder, said["world"], said["zero"], said["state"])


def named(folder: str) -> Found:
    """The checkpoint in this folder. Raises ConfigError when it is none or not whole."""
    path = Path(folder)
    found = _whole(path) if (path / MANIFEST).is_file() else None
    if found is None:
        near = ", ".join(one.name for one in whole(path.parent)) if path.parent.is_dir() else ""
        raise ConfigError(f"{folder}: no whole checkpoint. Beside it: {near or 'none'}.")
    return found


def fits(found: Found, *, world: int, zero: int) -> bool:
    """Can DeepSpeed load it as it is? Stage 0 keeps all in one file, the others a shard for each rank."""
    return found.zero == zero and (zero == 0 or found.world == world)


def load(engine: Engine, found: Found, *, universal: bool) -> None:
    """Weights, moments and step counts into the engine, which was made with the same `universal`. Every rank calls it."""
    folder = found.folder / "universal" if universal else found.folder
    groups = [{k: v for k, v in g.items() if k != "params"} for g in engine.deepspeed.optimizer.param_groups]
    path, said = engine.deepspeed.load_checkpoint(str(folder.parent), tag=folder.name)
    if path is None:
        raise JobFailed(f"{folder}: DeepSpeed did not load it; its own output says why.")
    torch.set_rng_state(said["chance"])
    if universal:
        _mend(engine.deepspeed.optimizer, groups)


def _mend(optimizer: Any, groups: Sequence[Mapping[str, Any]]) -> None:
    """Undo two faults of DeepSpeed 0.19 in reading the universal form at ZeRO 3, which change the steps that follow.

    All parameters get one and the same tensor as their step count, which AdamW then advances once for each of them; and
    the first group's weight decay becomes that of all groups.
    """
    for group, before in zip(optimizer.param_groups, groups, strict=True):
        group.update(before)
    for state in getattr(optimizer, "optimizer", optimizer).state.values():
        if isinstance(state.get("step"), torch.Tensor):
            state["step"] = state["step"].clone()


def _chance() -> dict[str, torch.Tensor]:
    """State of the random generator. Nothing in a Llama draws from it; a model with dropout would."""
    return {"chance": torch.get_rng_state()}


def convert(found: Found, ranks: Ranks) -> None:
    """Write the universal form where it is not there yet. Rank 0 works, the others wait. Raises ConfigError at stage 0."""
    if found.zero == 0:
        raise ConfigError(
            f"{found.folder}: was written at ZeRO stage 0, whose optimizer state other stages cannot read. Go on with"
            " engine.zero=0, or branch from its weights: start=... and a stage with optimizer: fresh."
        )
    failed = ""
    if ranks.first and not (found.folder / "universal").is_dir():
        made = found.folder / ".universal"
        shutil.rmtree(made, ignore_errors=True)
        command = [sys.executable, "-m", "deepspeed.checkpoint.ds_to_universal", "--inject_missing_state",
                   "--num_extract_workers", "1", "--num_merge_workers", "1",
                   "--input_folder", str(found.folder), "--output_folder", str(made)]  # fmt: skip
        alone = {key: value for key, value in os.environ.items() if key not in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}
        ended = subprocess.run(command, capture_output=True, text=True, timeout=CONVERT_SECONDS, env=alone, check=False)
        if ended.returncode:
            failed = f"{found.folder}: converting it failed: {ended.stderr.strip()[-2000:]}"
        else:
            made.rename(found.folder / "universal")
    failed = ranks.broadcast(failed)
    if failed:
        raise JobFailed(failed)


def weights(found: Found) -> dict[str, torch.Tensor]:
    """The weights in fp32 on the CPU, whatever ranks and stage wrote them. Memory: the whole model."""
    if found.zero == 0:
        file = found.folder / "mp_rank_00_model_states.pt"
        held: dict[str, torch.Tensor] = torch.load(file, map_location="cpu", weights_only=False)["module"]
        return {name: tensor.float() for name, tensor in held.items()}
    from deepspeed.utils.zero_to_fp32 import get_fp32_state_dict_from_zero_checkpoint

    gathered: dict[str, torch.Tensor] = get_fp32_state_dict_from_zero_checkpoint(
        str(found.folder.parent), tag=found.folder.name
    )
    return gathered


class _Writer:
    """DeepSpeed's checkpoint engine, but for saving: copies to the CPU, and writes from a thread or, without one, at once."""

    def __init__(self, replaced: Any, pool: ThreadPoolExecutor | None) -> None:
        self._replaced, self._pool = replaced, pool
        self.writes: list[Future[None]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._replaced, name)

    def preserves_storage_sharing(self) -> bool:
        return False  # every tensor is copied here, so DeepSpeed need not

    def save(self, state_dict: Any, path: str) -> None:
        held = _copied(state_dict)
        if self._pool is not None:
            self.writes.append(self._pool.submit(_save, held, Path(path)))
            return
        _save(held, Path(path))
        done: Future[None] = Future()
        done.set_result(None)
        self.writes.append(done)


def _copied(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return type(value)((key, _copied(inner)) for key, inner in value.items())
    if type(value) in (list, tuple):
        return type(value)(map(_copied, value))
    return value


def _save(held: Any, path: Path) -> None:
    with path.open("wb") as file:
        torch.save(held, file)
        file.flush()
        os.fsync(file.fileno())


def _write(path: Path, text: str) -> None:
    with path.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)
