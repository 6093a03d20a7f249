"""What a model says to the problems: greedy, or sampled from a seed.

    said = generate(model, tokenizer, prompts, settings)      # one list of samples for each prompt

A prompt is answered by itself and its samples together, so that no padding moves a logit; a serving engine is faster and
may be put in its place, since scoring only reads texts. Cost: one forward pass for each new token of each prompt.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from pydantic import Field, model_validator

from training.config import Section


class Settings(Section):
    """How answers are drawn; recorded with every score. `temperature` 0 is greedy, and then one sample says all."""

    chat: bool
    samples: int = Field(gt=0)
    temperature: float = Field(ge=0)
    top_p: float = Field(gt=0, le=1)
    max_new_tokens: int = Field(gt=0)
    seed: int = Field(ge=0)

    @model_validator(mode="after")
    def _greedy_once(self) -> Settings:
        if self.temperature == 0 and self.samples > 1:
            raise ValueError(
                f"samples {self.samples} at temperature 0 are the same {self.samples} times: give a temperature"
            )
        return self


def generate(model: Any, tokenizer: Any, prompts: Sequence[str], settings: Settings) -> Iterator[list[str]]:
    """The samples of each prompt, in order; text after the prompt without special tokens. The seed begins anew at each prompt."""
    model.eval()
    for prompt in prompts:
        ids = _ids(tokenizer, prompt, chat=settings.chat).to(next(model.parameters()).device)
        drawn: dict[str, Any] = {"do_sample": False}
        if settings.temperature:
            drawn = {"do_sample": True, "temperature": settings.temperature, "top_p": settings.top_p, "top_k": 0}
        room = model.config.max_position_embeddings - ids.shape[1]
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(settings.seed)
            made = model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=max(1, min(settings.max_new_tokens, room)),
                num_return_sequences=settings.samples,
                pad_token_id=tokenizer.eos_token_id,
                **drawn,
            )
        yield [tokenizer.decode(row[ids.shape[1] :], skip_special_tokens=True) for row in made]


def _ids(tokenizer: Any, prompt: str, *, chat: bool) -> torch.Tensor:
    """Ids of the prompt: a chat model gets one user's turn through its template."""
    if chat:
        turns = [{"role": "user", "content": prompt}]
        text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        return torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"]])
    return torch.tensor([tokenizer(prompt)["input_ids"]])
