"""A step's loss is per token, whatever the step is cut into, and documents do not see each other.

engine.step(batches, rate=3e-4).loss
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the training extra: make test installs it")
pytest.importorskip("deepspeed", reason="needs the training extra: make test installs it")

from lakehouse.errors import ConfigError, MachineError  # noqa: E402
from tests.training import nano  # noqa: E402
from training import models  # noqa: E402
from training.engine import Engine, Ranks, check, summed_loss  # noqa: E402
from training.pins import Pin  # noqa: E402
from training.stream import NO_TARGET  # noqa: E402


def engine(ranks: Ranks, *, micro_batch: int = 8, **given: Any) -> Engine:
    stages = {"only": nano.stage(Pin("unused", 0), micro_batch=micro_batch)}
    config = nano.config(Path("unused"), stages, engine={"zero": 0, "precision": "fp32", **given})
    model = models.build(config.shape, seed=3)
    return Engine(config.engine, config.optimizer, config.stages["only"], ranks, model=model)


def weights(trained: Engine) -> Any:
    return torch.cat([p.detach().float().flatten() for p in trained.deepspeed.module.parameters()])


def test_a_batch_that_is_seen_again_and_again_is_learnt(ranks: Ranks) -> None:
    trained, batch = engine(ranks), nano.batches(8)
    losses = [trained.step(batch, rate=1e-2).loss for _ in range(60)]
    assert losses[0] == pytest.approx(np.log(1000), abs=0.5)
    assert losses[-1] < 0.1


def test_one_pass_of_eight_and_eight_passes_of_one_are_one_step(ranks: Ranks) -> None:
    """Rows have from 1 to 14 targets: a mean of means would be another loss and another gradient."""
    whole, cut = engine(ranks, micro_batch=8), engine(ranks, micro_batch=1)
    for seed in range(2):
        one, many = whole.step(nano.batches(8, seed=seed), rate=1e-2), cut.step(nano.batches(1, seed=seed), rate=1e-2)
        assert (one.loss, one.gradient_norm) == pytest.approx((many.loss, many.gradient_norm), rel=1e-4)
        assert one.targets == many.targets
    assert torch.allclose(weights(whole), weights(cut), atol=1e-4)


def test_the_loss_is_the_mean_over_targets(ranks: Ranks) -> None:
    trained, (batch,) = engine(ranks), nano.batches(8)
    with torch.no_grad():
        logits = trained.deepspeed.module(input_ids=torch.tensor(batch.input_ids), use_cache=False).logits.log_softmax(
            -1
        )
    wanted = [
        -float(logits[row, at - 1, batch.labels[row, at]])
        for row in range(8)
        for at in range(1, nano.LENGTH)
        if batch.labels[row, at] != NO_TARGET
    ]
    told = trained.step([batch], rate=0.0)
    assert told.targets == len(wanted)
    assert told.loss == pytest.approx(np.mean(wanted), rel=1e-5)


def test_a_loss_in_chunks_is_the_loss(ranks: Ranks) -> None:
    whole, chunked = engine(ranks), engine(ranks, loss_chunk=5, activation_checkpointing=True)
    one, other = whole.step(nano.batches(8), rate=1e-2), chunked.step(nano.batches(8), rate=1e-2)
    assert (one.loss, one.gradient_norm) == pytest.approx((other.loss, other.gradient_norm), rel=1e-5)
    assert torch.allclose(weights(whole), weights(chunked), atol=1e-5)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_packed_documents_do_not_see_each_other(attention: str) -> None:
    """The call that the loss makes, on two documents in one row: their logits are those of each alone."""
    model = models.build(models.Shape.model_validate(nano.SHAPE), seed=5, attention=attention)
    first, second = torch.arange(20, 31)[None], torch.arange(40, 52)[None]
    packed = torch.cat([first, second], 1)
    seen = []
    model.lm_head.register_forward_hook(lambda *given: seen.append(given[-1]))
    apart = torch.cat([torch.arange(11), torch.arange(12)])[None]
    joined = torch.arange(23)[None]
    for ids, positions in ((first, None), (second, None), (packed, apart), (packed, joined)):
        positions = torch.arange(ids.shape[1])[None] if positions is None else positions
        summed_loss(model.train(), ids, positions, ids)
    alone, isolated, together = torch.cat(seen[:2], 1), seen[2], seen[3]
    assert torch.allclose(alone, isolated, atol=1e-5)
    assert torch.allclose(alone[:, :11], together[:, :11], atol=1e-5)
    assert (alone[:, 11:] - together[:, 11:]).abs().max() > 1e-3  # the paper's way: the second sees the first


def test_what_is_missing_or_impossible_is_said_before_training(ranks: Ranks) -> None:
    said = {"zero": 0, "precision": "fp32", "attention": "flash_attention_2"}
    config = nano.config(Path("unused"), {"only": nano.stage(Pin("unused", 0))}, engine=said)
    with pytest.raises(MachineError, match=r"package flash_attn is missing\. Install pip install flash-attn"):
        check(config.engine)
    with pytest.raises(ConfigError, match="bf16 needs zero 1, 2 or 3"):
        nano.config(Path("unused"), {"only": nano.stage(Pin("unused", 0))}, engine={"zero": 0, "precision": "bf16"})
    with pytest.raises(ConfigError, match=r"batch_sequences 8 is no multiple of micro_batch 3 x 1 ranks"):
        engine(ranks, micro_batch=3)
