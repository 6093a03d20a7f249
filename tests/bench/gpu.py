"""Throughput and MFU of training on the GPUs of this machine, in one command.

    python -m tests.bench.gpu --model small_160m
    torchrun --nproc_per_node 8 -m tests.bench.gpu --model paper_1_5b --peak-tflops 989

bf16 at ZeRO 2 and 3 on synthetic full sequences: tokens per second, MFU and peak memory as a Markdown table. The peak of the
device is given by hand; 989 TFLOP/s is that of an H100 SXM in dense bf16. Attention is sdpa, or what --attention names.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
import torch

from training import models
from training.config import load
from training.engine import Engine, processes
from training.stream import Batch

WARM, TIMED = 3, 10  # steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="small_160m", choices=models.shapes())
    parser.add_argument("--length", type=int, default=2048, help="tokens of a sequence")
    parser.add_argument("--micro-batch", type=int, default=8)
    parser.add_argument("--attention", default="sdpa")
    parser.add_argument("--loss-chunk", type=int, default=4096)
    parser.add_argument("--peak-tflops", type=float, default=989.0)
    parser.add_argument("--cpu", action="store_true", help="only to see that it runs: fp32, ZeRO 0")
    given = parser.parse_args()
    if not given.cpu and not torch.cuda.is_available():
        raise SystemExit("no GPU here: not measured. --cpu shows that the command runs.")
    with processes() as ranks:
        if ranks.first:
            print(f"{given.model}, {ranks.world} x {ranks.device.type}, torch {torch.__version__}\n")
            print(
                "| ZeRO | precision | tokens/s | MFU | peak memory, GB | loss |\n|---|---|---:|---:|---:|---:|",
                flush=True,
            )
        for zero, precision in [(0, "fp32")] if given.cpu else [(2, "bf16"), (3, "bf16")]:
            measure(given, ranks, zero, precision)


def measure(given: argparse.Namespace, ranks, zero: int, precision: str) -> None:  # type: ignore[no-untyped-def]
    batch = given.micro_batch * ranks.world
    engine = {"zero": zero, "precision": precision, "attention": given.attention, "loss_chunk": given.loss_chunk,
              "activation_checkpointing": True}  # fmt: skip
    stage = {"batch_sequences": batch, "micro_batch": given.micro_batch, "row_tokens": given.length}
    said = [f"model={given.model}", f"engine={json.dumps(engine)}", f"stages.pretrain={json.dumps(stage)}",
            f"stages.anneal={json.dumps(stage)}"]  # fmt: skip
    config = load(profile="tiny", overrides=said)
    made = Engine(
        config.engine, config.optimizer, config.stages["pretrain"], ranks, model=models.build(config.shape, seed=7)
    )
    ids = np.random.default_rng(ranks.rank).integers(0, config.shape.vocabulary, (given.micro_batch, given.length))
    positions = np.tile(np.arange(given.length), (given.micro_batch, 1))
    batches = [Batch(np.arange(given.micro_batch), ids, positions, ids)]
    for step in range(WARM + TIMED):
        if step == WARM:
            started = _now()
        told = made.step(batches, rate=1e-4)
    seconds = _now() - started
    made.close()
    if ranks.first:
        speed = TIMED * batch * given.length / seconds
        mfu = speed * config.shape.flops_per_token(given.length) / (given.peak_tflops * 1e12 * ranks.world)
        memory = torch.cuda.max_memory_allocated() / 1e9 if torch.cuda.is_available() else 0.0
        print(f"| {zero} | {precision} | {speed:,.0f} | {mfu:.1%} | {memory:.1f} | {told.loss:.3f} |", flush=True)


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.monotonic()


if __name__ == "__main__":
    main()
