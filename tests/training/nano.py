"""A model and runs so small that a test can train them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.training.packed import numbered, write
from training.config import RunConfig, load
from training.pins import Pin
from training.stream import NO_TARGET, Batch

LENGTH = 16
SHAPE = {
    "layers": 2, "hidden_size": 32, "attention_heads": 4, "kv_heads": 2, "ffn_size": 64, "vocabulary": 1000, "max_positions": 64,
    "rope_theta": 10000, "norm_eps": 1e-5, "init_std": 0.02, "tied_embeddings": False,
}  # fmt: skip


def stage(pin: Pin, **given: Any) -> dict[str, Any]:
    part = {
        "weight": 1,
        "release": None,
        "table": pin.location,
        "version": pin.version,
        "source": None,
        "encoding": "packed",
        "query": None,
    }
    schedule = {"kind": "stable", "peak": 1e-2, "floor": 1e-4, "warmup_tokens": 256, "form": "exponential"}
    return {
        "phase": "pretrain", "parts": {"code": part}, "tokens": 8 * 128, "epochs": None, "row_tokens": LENGTH,
        "rows_per_sequence": 1, "batch_sequences": 8, "micro_batch": 8, "isolated": True, "same_order": False,
        "optimizer": "keep", "schedule": schedule, **given,
    }  # fmt: skip


def config(folder: Path, stages: dict[str, Any], **given: Any) -> RunConfig:
    """A run in `folder`: fp32, ZeRO 0, no tracking of the machine."""
    import json

    said = {
        "model": SHAPE, "stages": stages, "folder": str(folder / "runs"),
        "engine": {"zero": 0, "precision": "fp32"}, "tracking": {"system_metrics": False},
        "checkpoints": {"every_steps": 4}, "reading": {"window": 2}, **given,
    }  # fmt: skip
    return load(overrides=[f"{key}={json.dumps(value)}" for key, value in said.items()])


def table(folder: Path, rows: int = 40) -> Pin:
    return write(folder / "packed", numbered(rows, LENGTH), files=2)


def batches(micro_batch: int, *, rows: int = 8, rank: int = 0, world: int = 1, seed: int = 0) -> list[Batch]:
    """A step of `rows` sequences in which rows differ in how many targets they have, cut into passes."""
    chance = np.random.default_rng(seed)
    ids = chance.integers(0, 50, (rows, LENGTH))
    labels = np.where(chance.random((rows, LENGTH)) < np.linspace(0.1, 0.9, rows)[:, None], NO_TARGET, ids)
    labels[:, 0] = NO_TARGET
    positions = np.tile(np.arange(LENGTH), (rows, 1))
    mine = np.arange(rank, rows, world)
    return [
        Batch(at, ids[at], positions[at], labels[at])
        for at in (mine[first : first + micro_batch] for first in range(0, len(mine), micro_batch))
    ]
