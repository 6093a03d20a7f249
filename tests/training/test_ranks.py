"""Ranks and ZeRO stages change how the work is shared out, and not what is learnt.

codelake train --ranks 2, killed, then codelake train
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

pytest.importorskip("torch", reason="needs the training extra: make test installs it")
pytest.importorskip("deepspeed", reason="needs the training extra: make test installs it")

from tests.training import nano, two_ranks
from training.run import train
from training.tracking import points

if TYPE_CHECKING:
    from training.engine import Ranks

ROOT = Path(__file__).parent.parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def torchrun(world: int, *command: str) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_PORT"):
        ENVIRONMENT.pop(name, None)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(world), "-m"]
    ended = subprocess.run([*launch, *command], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=500)
    assert ended.returncode == 0, ended.stderr[-4000:]


def test_zero_stages_agree_and_a_run_of_two_ranks_goes_on_with_one(tmp_path: Path, ranks: Ranks) -> None:
    pin = nano.table(tmp_path)
    torchrun(2, "tests.training.two_ranks", str(tmp_path), str(pin.version))
    alone = two_ranks.losses(two_ranks.run(tmp_path, pin, 0), ranks)
    for zero, found in json.loads((tmp_path / "losses.json").read_text()).items():
        assert found == pytest.approx(alone, rel=1e-4), f"ZeRO {zero}"
    unbroken = two_ranks.run(tmp_path, pin, 0, name="unbroken")
    train(unbroken, say=lambda _: None)
    expected = [point["loss"] for point in points(unbroken.run_folder)]
    config, said = two_ranks.run(tmp_path, pin, 3, name="zero3"), []
    assert train(config, say=said.append).done
    assert any("converting from 2 ranks" in line for line in said)
    assert [point["loss"] for point in points(config.run_folder)] == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
@pytest.mark.timeout(3000)  # five starts of torch; each takes minutes on a busy machine
def test_a_killed_run_goes_on_with_its_curve(tmp_path: Path) -> None:
    """kill -9 while a checkpoint may be half written, three times; then to the end, and on 2, 1 and 4 ranks."""
    pin = nano.table(tmp_path)
    tokens = 60 * 128
    stages = {"pretrain": nano.stage(pin, tokens=tokens, micro_batch=2)}
    said = {"checkpoints": {"every_steps": 3}, "engine": {"zero": 2, "precision": "fp32"}}
    whole, killed = (nano.config(tmp_path, stages, name=name, **said) for name in ("whole", "killed"))
    for config in (whole, killed):
        (tmp_path / f"{config.name}.yaml").write_text(config.model_dump_json())
    torchrun(1, "training", "--conf", str(tmp_path / "whole.yaml"))
    for step, world in ((10, 1), (25, 2), (40, 1)):
        launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(world)]
        command = [*launch, "-m", "training", "--conf", str(tmp_path / "killed.yaml")]
        with psutil.Popen(command, cwd=ROOT, env=ENVIRONMENT) as process:
            curve = killed.run_folder / "curves.jsonl"
            while process.poll() is None and (not curve.is_file() or len(curve.read_text().splitlines()) < step):
                time.sleep(0.2)
            assert process.poll() is None, "it ended before it could be killed"
            for one in [process, *process.children(recursive=True)]:
                one.kill()
    torchrun(4, "training", "--conf", str(tmp_path / "killed.yaml"))
    one, other = ([point["loss"] for point in points(config.run_folder)] for config in (whole, killed))
    assert len(other) == 60
    assert other == pytest.approx(one, rel=1e-3)
