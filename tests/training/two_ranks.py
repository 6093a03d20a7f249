"""What `test_ranks` has two processes do, in one process group: ZeRO 0 to 3 on the same steps, then the start of a run.

torchrun --nproc_per_node 2 -m tests.training.two_ranks FOLDER VERSION
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.training import nano
from training import models
from training.engine import Engine, processes
from training.pins import Pin
from training.run import train

STEPS, STOP = 3, 5


def losses(config: Any, ranks: Any) -> list[float]:
    stage = config.stages["pretrain"]
    model = models.build(config.shape, seed=3)
    engine = Engine(config.engine, config.optimizer, stage, ranks, model=model)
    told = [engine.step(nano.batches(2, rank=ranks.rank, world=ranks.world, seed=n), rate=1e-2) for n in range(STEPS)]
    engine.close()
    return [value for one in told for value in (one.loss, one.gradient_norm)]


def run(folder: Path, pin: Pin, zero: int, **given: Any) -> Any:
    engine = {"zero": zero, "precision": "fp32"}
    return nano.config(folder, {"pretrain": nano.stage(pin, micro_batch=2)}, engine=engine, **given)


def main() -> None:
    folder, version = Path(sys.argv[1]), int(sys.argv[2])
    pin = Pin(str(folder / "packed"), version)
    with processes() as ranks:
        found = {zero: losses(run(folder, pin, zero), ranks) for zero in (0, 1, 2, 3)}
        train(run(folder, pin, 3, name="zero3"), say=lambda _: None, max_steps=STOP)
        if ranks.first:
            (folder / "losses.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
