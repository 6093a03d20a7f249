"""Texts as points by an encoder of one's own (CodeBERT or another), read from a folder; nothing is fetched.

A text's point is the mean of the last layer over its first tokens, as many as the encoder reads at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from jobs.kernels.embedding import Vectors, unit
from lakehouse.errors import InputError, MachineError

MOST_TOKENS = 512
CHARACTERS = 8 * MOST_TOKENS  # of a text that the tokenizer sees: a token is seldom longer
BATCH = 8


def encode(folder: Path, texts: Sequence[str]) -> Vectors:
    """One point a text, of length 1: shape (texts, hidden size).

    Raises MachineError where torch or transformers is absent, InputError where the folder holds no encoder.
    """
    missing = [name for name in ("torch", "transformers") if find_spec(name) is None]
    if missing:
        raise MachineError(
            f"--encoder needs {' and '.join(missing)}, which this environment lacks: `pip install 'codelake[training]'`, or"
            " leave it out: hashed n-grams need nothing."
        )
    import transformers

    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = transformers.AutoModel.from_pretrained(folder, local_files_only=True).eval()
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder}: no encoder that transformers reads: {str(error).splitlines()[0]} Save one there with save_pretrained."
        ) from error
    return unit(np.concatenate(list(_points(tokenizer, model, texts))))


def _points(tokenizer: Any, model: Any, texts: Sequence[str]) -> Iterator[Vectors]:
    import torch

    positions = getattr(model.config, "max_position_embeddings", MOST_TOKENS)
    # Encoders of RoBERTa's kind count positions from 2.
    length = min(MOST_TOKENS, positions - 2 if positions > 2 else MOST_TOKENS)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.convert_ids_to_tokens(0)
    for first in range(0, len(texts), BATCH):
        part = [text[:CHARACTERS] for text in texts[first : first + BATCH]]
        given = tokenizer(part, truncation=True, max_length=length, padding=True, return_tensors="pt")
        given.pop("token_type_ids", None)
        with torch.no_grad():
            states = model(**given).last_hidden_state
        mask = given["attention_mask"].unsqueeze(-1)
        yield ((states * mask).sum(1) / mask.sum(1).clamp(min=1)).float().numpy()
