"""A run goes on where it stood: same curve, one MLflow run, stages in order.

train(config, say=print)
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the training extra: make test installs it")
pytest.importorskip("deepspeed", reason="needs the training extra: make test installs it")

from lakehouse.errors import ConfigError  # noqa: E402
from tests.training import nano  # noqa: E402
from training import checkpoint  # noqa: E402
from training.config import RunConfig, StageConfig  # noqa: E402
from training.pins import Pin  # noqa: E402
from training.run import Result, rate, train  # noqa: E402
from training.schedule import wsd  # noqa: E402
from training.tracking import points, tracking_uri  # noqa: E402

pytestmark = pytest.mark.usefixtures("ranks")


def go(config: RunConfig, **given: Any) -> Result:
    return train(config, say=lambda _: None, **given)


def losses(config: RunConfig) -> list[float]:
    return [point["loss"] for point in points(config.run_folder)]


def weights(result: Result) -> Any:
    return checkpoint.weights(checkpoint.named(result.checkpoint))


ANNEAL = {
    "phase": "anneal",
    "same_order": True,
    "tokens": 4 * 128,
    "schedule": {"kind": "decay", "peak": 1e-2, "floor": 1e-4, "warmup_tokens": 256, "form": "exponential"},
}


def two_stages(folder: Path, pin: Pin | None = None, **given: Any) -> RunConfig:
    pin = pin or nano.table(folder)
    return nano.config(folder, {"pretrain": nano.stage(pin), "anneal": nano.stage(pin, **ANNEAL)}, **given)


def test_a_run_that_is_stopped_twice_is_the_run_that_is_not(tmp_path: Path) -> None:
    """In pretraining between two checkpoints, and in annealing; the state carries weights, moments, order and schedule."""
    whole = two_stages(tmp_path, name="whole")
    cut = two_stages(tmp_path / "other", name="cut")
    done = go(whole)
    assert (done.done, done.state.step, done.state.stage, done.state.row) == (True, 12, "anneal", 96)
    stopped = [go(cut, max_steps=steps) for steps in (6, 4, 100)]
    assert [asdict(r)["state"]["step"] for r in stopped] == [6, 10, 12]
    assert [r.done for r in stopped] == [False, False, True]
    assert losses(cut) == losses(whole)
    one, other = weights(done), weights(stopped[-1])
    assert all(torch.equal(one[name], other[name]) for name in one)
    names = [found.name for found in checkpoint.whole(whole.run_folder / "checkpoints")]
    assert names == ["pretrain_iter_0000004", "pretrain_iter_0000008", "anneal_iter_0000004"]
    _one_mlflow_run(cut)


def _one_mlflow_run(config: RunConfig) -> None:
    """Three starts, one run: every point once, what was read, and the configuration."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri(config.run_folder, config.tracking))
    (experiment,) = [e for e in client.search_experiments() if e.name == "codelake"]
    (run,) = client.search_runs([experiment.experiment_id])
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [(m.step, m.value) for m in sorted(history, key=lambda m: m.step)] == list(enumerate(losses(config), 1))
    (read,) = run.inputs.dataset_inputs
    assert '"delta_table_version": 1' in read.dataset.source
    assert run.info.status == "FINISHED"
    assert run.data.params["stages.pretrain.schedule.peak"] == "0.01"
    assert run.data.tags["codelake.digest"] == config.digest


def test_a_broken_tracking_server_costs_nothing_and_gets_its_curves_later(tmp_path: Path) -> None:
    pin = nano.table(tmp_path)
    broken = tmp_path / "file"
    broken.write_text("no folder")
    said = {"uri": f"sqlite:///{broken}/mlflow.db", "system_metrics": False}
    config = nano.config(tmp_path, {"pretrain": nano.stage(pin)}, tracking=said)
    assert go(config).done
    assert len(losses(config)) == 8
    broken.unlink()
    broken.mkdir()
    assert go(config).done  # nothing is left to train, but the curves are sent
    from mlflow import MlflowClient

    client = MlflowClient(said["uri"])
    (run,) = client.search_runs([e.experiment_id for e in client.search_experiments()])
    assert len(client.get_metric_history(run.info.run_id, "loss")) == 8


def test_annealing_branches_from_any_checkpoint(tmp_path: Path) -> None:
    pin = nano.table(tmp_path)
    config = two_stages(tmp_path, pin, name="trunk", checkpoints={"every_steps": 4, "keep": 9})
    go(config)
    start = str(config.run_folder / "checkpoints" / "pretrain_iter_0000004")
    branch = two_stages(tmp_path, pin, name="branch", start=start, start_stage="anneal")
    result = go(branch)
    assert (result.state.stage, result.state.phase_step, result.state.tokens) == ("anneal", 4, 4 * 128 + 4 * 128)
    rates = [point["learning_rate"] for point in points(branch.run_folder)]
    assert rates == pytest.approx([1e-2 * 10 ** (-2 * n / 4) for n in (1, 2, 3, 4)])
    with pytest.raises(ConfigError, match=r"no whole checkpoint\. Beside it: pretrain_iter_0000004"):
        go(two_stages(tmp_path, pin, name="none", start=start.replace("0004", "0009"), start_stage="anneal"))


def test_a_half_written_checkpoint_is_never_picked_and_old_ones_go(tmp_path: Path) -> None:
    pin = nano.table(tmp_path)
    kept = {"every_steps": 2, "keep": 2, "asynchronous": False}
    config = nano.config(tmp_path, {"pretrain": nano.stage(pin)}, checkpoints=kept)
    go(config)
    folder = config.run_folder / "checkpoints"
    assert [found.name for found in checkpoint.whole(folder)] == ["pretrain_iter_0000006", "pretrain_iter_0000008"]
    newest = folder / "pretrain_iter_0000008"
    file = next(newest.glob("*model_states.pt"))
    data = file.read_bytes()
    file.write_bytes(data[:-1])
    assert [found.name for found in checkpoint.whole(folder)] == ["pretrain_iter_0000006"]
    file.write_bytes(data)
    newest.rename(folder / ".writing-pretrain_iter_0000008")  # a kill before the rename
    assert [found.name for found in checkpoint.whole(folder)] == ["pretrain_iter_0000006"]
    assert go(config).state.step == 8
    assert not list(folder.glob(".writing-*"))
    assert losses(config) == [point["loss"] for point in points(config.run_folder)]


def test_a_run_keeps_its_configuration(tmp_path: Path) -> None:
    pin = nano.table(tmp_path)
    go(nano.config(tmp_path, {"pretrain": nano.stage(pin)}), max_steps=1)
    with pytest.raises(ConfigError, match=r"another configuration: seed was 7, is 8\..*--set name="):
        go(nano.config(tmp_path, {"pretrain": nano.stage(pin)}, seed=8))
    assert (
        nano.config(tmp_path, {"pretrain": nano.stage(pin, micro_batch=4)}).digest
        == nano.config(
            tmp_path / "elsewhere", {"pretrain": nano.stage(pin)}, name="other", engine={"zero": 2, "precision": "bf16"}
        ).digest
    )


def test_a_longer_context_keeps_tokens_of_a_step_and_goes_on_in_the_rows(tmp_path: Path) -> None:
    """The 8B model's switch: half as many sequences, twice as long, of the rows that come next."""
    pin = nano.table(tmp_path)
    longer = {"rows_per_sequence": 2, "batch_sequences": 4, "micro_batch": 4, "same_order": True, "tokens": 2 * 128}
    result = go(nano.config(tmp_path, {"short": nano.stage(pin), "long": nano.stage(pin, **longer)}))
    assert (result.state.row, result.state.tokens, result.state.phase_step) == (80, 10 * 128, 10)
    assert Path(result.checkpoint).name == "pretrain_iter_0000010"


def test_tuning_starts_from_weights_alone_and_counts_epochs(tmp_path: Path) -> None:
    """Two stages of instruction tuning: each has a new optimizer, a cosine of its own, and passes over all rows."""
    pin = nano.table(tmp_path)
    cosine = {"kind": "cosine", "peak": 1e-3, "floor": 0, "warmup_tokens": 128, "form": "cosine"}
    tuning = {"tokens": None, "optimizer": "fresh", "schedule": cosine}
    stages = {
        "pretrain": nano.stage(pin),
        "stage1": nano.stage(pin, phase="sft_stage1", epochs=1, **tuning),
        "stage2": nano.stage(pin, phase="sft_stage2", epochs=2, **tuning),
    }
    config = nano.config(tmp_path, stages)
    go(config)
    rates = [point["learning_rate"] for point in points(config.run_folder)]
    assert len(rates) == 8 + 5 + 10  # 40 rows in batches of 8
    assert rates[8] == rates[13] == 1e-3
    assert rates[12] == rates[22] == pytest.approx(0, abs=1e-12)
    assert np.mean(losses(config)[8:13]) < np.mean(losses(config)[:8])


def test_rates_of_the_stages_are_the_one_schedule() -> None:
    """Stage by stage what warmup-stable-decay says as a whole: the paper's 1.5B, annealing at step 373,000."""
    from training.config import load

    config = load(profile="paper_1_5b", overrides=["stages.pretrain.tokens=1564475392000"])
    pretrain, anneal = config.stages["pretrain"], config.stages["anneal"]
    assert pretrain.step_tokens == anneal.step_tokens == 4_194_304
    began = 373_000 * 4_194_304

    def expected(tokens: int) -> float:
        total = 23_842 * 4_194_304
        return wsd(tokens, peak=3e-4, floor=1e-5, warmup_tokens=8e9, decay_start=began, decay_tokens=total)

    def found(stage: StageConfig, stage_step: int, steps: int, before: int) -> float:
        return rate(stage, steps=steps, stage_step=stage_step, tokens=before + stage_step * 4_194_304)

    for step in (1, 1000, 1907, 1908, 373_000):
        assert found(pretrain, step, 373_000, 0) == pytest.approx(expected(step * 4_194_304))
    for step in (1, 10_000, 23_842):
        assert found(anneal, step, 23_842, began) == pytest.approx(expected(began + step * 4_194_304))
