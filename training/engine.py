"""One model under DeepSpeed: process group, precision, ZeRO, and an optimizer step whose loss is per token.

    with processes() as ranks:
        engine = Engine(config, stage, ranks, model=build(shape, seed=7))
        told = engine.step(batches, rate=3e-4)      # told.loss, told.gradient_norm, told.targets

The loss of a step is the sum over all targets of all ranks and forward passes, divided by their number: how the batch is
cut into passes and ranks changes nothing but rounding. (DeepSpeed divides by passes and averages over ranks, which gives
tokens of a short pass more weight than those of a long one.)

On a CPU ranks talk by gloo, and nothing is compiled: DeepSpeed's own operators are left alone.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F

from lakehouse.errors import ConfigError, JobFailed, MachineError
from training.config import EngineConfig, OptimizerConfig, StageConfig
from training.stream import NO_TARGET, Batch

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

NEEDS = {  # attention: package, what brings it
    "flash_attention_2": ("flash_attn", "pip install flash-attn (CUDA, its build needs nvcc)"),
    "flex_attention": ("triton", "a torch build with triton: a CUDA wheel"),
}


@dataclass(frozen=True)
class Ranks:
    """This process among those of the run."""

    rank: int
    world: int
    device: torch.device

    @property
    def first(self) -> bool:
        return self.rank == 0

    def broadcast(self, value: Any) -> Any:
        """What rank 0 says."""
        said = [value]
        dist.broadcast_object_list(said, src=0)
        return said[0]

    def total(self, values: Sequence[float]) -> list[float]:
        """Sums over the ranks."""
        summed = torch.tensor(list(values), dtype=torch.float64, device=self.device)
        dist.all_reduce(summed)
        found: list[float] = summed.tolist()
        return found


@contextmanager
def processes() -> Iterator[Ranks]:
    """Join the ranks that `torchrun` or `deepspeed` started, or be the only one."""
    if "RANK" not in os.environ:
        alone = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1"}
        os.environ |= alone | {"MASTER_PORT": str(_free_port())}
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    else:
        device = torch.device("cpu")
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    import deepspeed

    for handler in deepspeed.utils.logger.handlers:
        if type(handler) is logging.StreamHandler:
            handler.setStream(sys.__stderr__ or sys.stderr)  # stdout carries results
    deepspeed.utils.logger.setLevel(logging.WARNING)
    if device.type == "cpu":
        # A C++ operator for ranks of one machine, compiled on first use (39 s here); gloo does without.
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    ours = not dist.is_initialized()
    deepspeed.init_distributed(dist_backend="nccl" if device.type == "cuda" else "gloo", verbose=False)
    try:
        yield Ranks(dist.get_rank(), dist.get_world_size(), device)
    finally:
        if ours:
            dist.destroy_process_group()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def check(config: EngineConfig) -> None:
    """Raises MachineError when what the configuration asks for is not installed here."""
    package, how = NEEDS.get(config.attention, ("", ""))
    if package and importlib.util.find_spec(package) is None:
        raise MachineError(
            f"engine.attention = {config.attention}: package {package} is missing. Install {how}, or set"
            " engine.attention=sdpa, which isolates documents as well."
        )


@dataclass(frozen=True)
class Told:
    """What a step says: mean loss per target in nats, norm of the gradient before clipping, targets of all ranks."""

    loss: float
    gradient_norm: float
    targets: int


class Engine:
    """A model, its optimizer and DeepSpeed, for one stage: the number of forward passes of a step is the stage's."""

    def __init__(
        self,
        config: EngineConfig,
        optimizer: OptimizerConfig,
        stage: StageConfig,
        ranks: Ranks,
        *,
        model: LlamaForCausalLM,
        universal: bool = False,
    ) -> None:
        check(config)
        import deepspeed

        self.ranks, self._clip, self._chunk = ranks, optimizer.clip, config.loss_chunk
        self.passes = stage.accumulation(ranks.world)
        if config.activation_checkpointing:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.train()
        if config.compile:
            model.compile()  # in place: torch.compile would give every weight another name in checkpoints
        said = deepspeed_config(config, optimizer, stage, ranks.world, universal=universal)
        self.deepspeed, *_ = deepspeed.initialize(
            model=model, optimizer=_adamw(model, optimizer, ranks.device), config=said, dist_init_required=False
        )
        self.zero = config.zero

    def step(self, batches: Sequence[Batch], rate: float) -> Told:
        """One optimizer step over this rank's batches, one forward pass each. Raises JobFailed when the loss is no number."""
        (targets,) = self.ranks.total([sum(batch.targets for batch in batches)])
        for group in self.deepspeed.optimizer.param_groups:
            group["lr"] = rate
        # Undoes DeepSpeed's mean over ranks and passes; a step without targets moves nothing but the moments.
        scale = self.ranks.world * len(batches) / max(targets, 1)
        summed, norm = 0.0, None
        for batch in batches:
            loss = self.loss(batch)
            self.deepspeed.backward(loss * scale)
            if self.zero == 0 and self.deepspeed.is_gradient_accumulation_boundary():
                norm = _norm(self.deepspeed.module.parameters())
            summed += float(loss.detach())
            self.deepspeed.step()
        (total,) = self.ranks.total([summed])
        norm = self.deepspeed.get_global_grad_norm() if norm is None else norm
        loss_per_target = total / max(targets, 1)
        if not np.isfinite(loss_per_target):
            raise JobFailed(
                f"the loss is {loss_per_target} at learning rate {rate:.3g}. The last checkpoint is whole: lower the"
                " rate or the clipping norm and start again."
            )
        return Told(loss_per_target, float("nan") if norm is None else float(norm), int(targets))

    def loss(self, batch: Batch) -> torch.Tensor:
        """Summed loss of the batch's targets in nats, in fp32: a scalar."""
        ids, positions, labels = (
            torch.from_numpy(array).to(self.ranks.device, non_blocking=True)
            for array in (batch.input_ids, batch.positions, batch.labels)
        )
        return summed_loss(self.deepspeed, ids, positions, labels, chunk=self._chunk)

    def evaluate(self, batches: Sequence[Batch]) -> tuple[float, int]:
        """Summed loss and number of targets over these batches of all ranks, without training."""
        self.deepspeed.eval()
        with torch.no_grad():
            found = [float(self.loss(batch)) for batch in batches]
        self.deepspeed.train()
        loss, targets = self.ranks.total([sum(found), sum(batch.targets for batch in batches)])
        return loss, int(targets)

    def close(self) -> None:
        """Free the model and the optimizer, so that another stage's fit."""
        self.deepspeed.destroy()
        del self.deepspeed


def summed_loss(
    model: Any, ids: torch.Tensor, positions: torch.Tensor, labels: torch.Tensor, *, chunk: int = 0
) -> torch.Tensor:
    """Cross-entropy of each label under the logits one token before it, summed. ids, positions, labels: (B, T).

    No attention mask is given and no cache used: only then does transformers tell documents apart by their positions.
    (Measured on 5.23: with either, logits moved by 0.6.) `chunk`: compute that many tokens' logits at a time, and again in
    the backward pass; 8 x 4,096 tokens of a vocabulary of 96,640 need 12.7 GB in fp32 otherwise.
    """
    wanted = F.pad(labels[:, 1:], (0, 1), value=NO_TARGET)
    if not chunk:
        logits = model(input_ids=ids, position_ids=positions, use_cache=False).logits
        return _cross_entropy(logits.flatten(0, 1), wanted.flatten())
    states, head = _states(model, ids, positions)
    flat, told = states.flatten(0, 1), wanted.flatten()
    total = flat.new_zeros((), dtype=torch.float32)
    for first in range(0, len(flat), chunk):
        part = slice(first, first + chunk)
        total = total + torch.utils.checkpoint.checkpoint(
            lambda h, w: _cross_entropy(head(h), w), flat[part], told[part], use_reentrant=False
        )
    return total


def _states(model: Any, ids: torch.Tensor, positions: torch.Tensor) -> tuple[torch.Tensor, Any]:
    """The last hidden states, (B, T, hidden), and the head that makes logits of them."""
    inner = model.module if hasattr(model, "module") else model
    caught: list[torch.Tensor] = []
    hook = inner.model.register_forward_hook(lambda *given: caught.append(given[-1].last_hidden_state))
    try:
        # The whole model is called, so that DeepSpeed's hooks see a forward pass; its head gets the last token alone.
        model(input_ids=ids, position_ids=positions, use_cache=False, logits_to_keep=1)
    finally:
        hook.remove()
    return caught[0], inner.lm_head


def _cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(logits.float(), labels, ignore_index=NO_TARGET, reduction="sum")


def _norm(parameters: Iterator[torch.nn.Parameter]) -> float:
    return float(torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None]))


def _adamw(model: torch.nn.Module, config: OptimizerConfig, device: torch.device) -> torch.optim.AdamW:
    """AdamW of torch: DeepSpeed's own is compiled on first use."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=0.0, betas=config.betas, eps=config.eps, fused=device.type == "cuda")


def deepspeed_config(
    config: EngineConfig, optimizer: OptimizerConfig, stage: StageConfig, world: int, *, universal: bool
) -> Mapping[str, Any]:
    """What DeepSpeed is told. Raises ConfigError where the batch cannot be divided among the ranks."""
    if config.zero == 0 and config.precision != "fp32":
        raise ConfigError("engine.zero = 0 adds up gradients in bf16: use zero 1, 2 or 3.")
    said: dict[str, Any] = {
        "train_batch_size": stage.batch_sequences,
        "train_micro_batch_size_per_gpu": stage.micro_batch,
        "gradient_accumulation_steps": stage.accumulation(world),
        "gradient_clipping": optimizer.clip,
        "zero_optimization": {"stage": config.zero},
        "zero_allow_untested_optimizer": True,
        "steps_per_print": 10**9,
        "data_types": {"grad_accum_dtype": "fp32"},
    }
    if config.zero == 3:
        said["zero_optimization"]["stage3_gather_16bit_weights_on_model_save"] = True
    if config.precision == "bf16":
        said["bf16"] = {"enabled": True}
    if universal:
        said["checkpoint"] = {"load_universal": True}
    return said
