"""Model shapes as data, and Llama models made from them.

    shape = shapes()["paper_1_5b"]
    shape.parameters                # 1,905,904,640
    model = build(shape, seed=7)    # needs torch and transformers

Counting needs neither: the sum is written out, and a test compares it with the model that is built.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from lakehouse.config import conf_dir

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM


class Shape(BaseModel):
    """The sizes of a Llama model: pre-norm RMSNorm, rotary positions, SwiGLU, no biases."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    layers: int = Field(gt=0)
    hidden_size: int = Field(gt=0)
    attention_heads: int = Field(gt=0)
    kv_heads: int = Field(gt=0, description="heads of keys and values; fewer than attention_heads share them")
    ffn_size: int = Field(gt=0)
    vocabulary: int = Field(gt=0, description="ids; a row of the embedding each")
    max_positions: int = Field(gt=0, description="longest sequence, tokens")
    rope_theta: float = Field(gt=0)
    norm_eps: float = Field(gt=0)
    init_std: float = Field(gt=0)
    tied_embeddings: bool = Field(description="the output matrix is the embedding")

    @model_validator(mode="after")
    def _divides(self) -> Shape:
        if self.hidden_size % self.attention_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} is not a multiple of attention_heads {self.attention_heads}"
            )
        if self.attention_heads % self.kv_heads:
            raise ValueError(f"attention_heads {self.attention_heads} is not a multiple of kv_heads {self.kv_heads}")
        return self

    @property
    def head_size(self) -> int:
        return self.hidden_size // self.attention_heads

    @property
    def embeddings(self) -> int:
        return self.vocabulary * self.hidden_size * (1 if self.tied_embeddings else 2)

    @property
    def parameters(self) -> int:
        attention = 2 * self.hidden_size * self.head_size * (self.attention_heads + self.kv_heads)
        layer = attention + 3 * self.hidden_size * self.ffn_size + 2 * self.hidden_size
        return self.embeddings + self.layers * layer + self.hidden_size

    def flops_per_token(self, sequence_length: int) -> float:
        """Of one forward and backward pass: 6 for each parameter that multiplies, and attention over the whole sequence.

        Source: PaLM (arXiv 2204.02311), appendix B. The input embedding is a look-up and multiplies nothing.
        """
        multiplying = self.parameters - (0 if self.tied_embeddings else self.vocabulary * self.hidden_size)
        return 6 * multiplying + 12 * self.layers * self.hidden_size * sequence_length


def shapes() -> dict[str, Shape]:
    """The shapes of `conf/training/models.yaml` by name."""
    values = yaml.safe_load((conf_dir() / "training" / "models.yaml").read_text("utf-8"))
    return {name: Shape.model_validate(shape) for name, shape in values.items()}


def llama_config(shape: Shape, **more: Any) -> Any:
    """The shape as a `transformers.LlamaConfig`."""
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden_size,
        intermediate_size=shape.ffn_size,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.attention_heads,
        num_key_value_heads=shape.kv_heads,
        max_position_embeddings=shape.max_positions,
        rope_parameters={"rope_type": "default", "rope_theta": shape.rope_theta},
        rms_norm_eps=shape.norm_eps,
        initializer_range=shape.init_std,
        tie_word_embeddings=shape.tied_embeddings,
        attention_bias=False,
        mlp_bias=False,
        use_cache=False,
        **more,
    )


def build(shape: Shape, *, seed: int, attention: str = "sdpa", **more: Any) -> LlamaForCausalLM:
    """A model with weights drawn from the seed, in fp32 on the CPU: the same on every rank and under every ZeRO stage."""
    import torch
    from transformers import LlamaForCausalLM

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM._from_config(llama_config(shape, **more), attn_implementation=attention)
