"""Bits per byte of held-out text: the measure that tells small models apart long before any of them solves a problem.

    bits = of_texts(model, ["def add(a, b): ..."], encode=as_bytes, length=256)

Each text is read after a line break, so that its first token is predicted too; a text longer than `length` tokens is read
in windows that overlap by half, every token counted once and with at least half a window before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F

from training.evaluate.scores import bits_per_byte

BATCH = 16  # windows in one forward pass

Encode = Callable[[str], Sequence[int]]


def as_bytes(text: str) -> list[int]:
    """The ids of a model that reads bytes."""
    return list(text.encode())


def of_texts(model: Any, texts: Sequence[str], *, encode: Encode, length: int) -> float:
    """Loss over all texts in bits, divided by their UTF-8 bytes."""
    nats = sum(of_each(model, texts, encode=encode, length=length))
    return bits_per_byte(nats, sum(len(text.encode()) for text in texts))


def of_each(model: Any, texts: Sequence[str], *, encode: Encode, length: int) -> list[float]:
    """Loss over each text in nats: shape (texts,)."""
    windows = [
        (nth, *window)
        for nth, text in enumerate(texts)
        for window in _windows([*encode("\n"), *encode(text)], len(encode("\n")), length)
    ]
    nats = [0.0] * len(texts)
    device = next(model.parameters()).device
    model.eval()
    with torch.no_grad():
        for first in range(0, len(windows), BATCH):
            batch = windows[first : first + BATCH]
            for (nth, *_), found in zip(batch, _nats(model, [(i, n) for _, i, n in batch], device), strict=True):
                nats[nth] += found
    return nats


def _windows(ids: Sequence[int], counted: int, length: int) -> Iterator[tuple[list[int], int]]:
    """(ids, how many of them at the end count): from token `counted` on, each counts once."""
    while counted < len(ids):
        end = min(len(ids), max(counted + length // 2, length))
        yield list(ids[max(0, end - length) : end]), end - counted
        counted = end


def _nats(model: Any, windows: Sequence[tuple[list[int], int]], device: torch.device) -> list[float]:
    longest = max(len(ids) for ids, _ in windows)
    ids = torch.zeros(len(windows), longest, dtype=torch.long)
    labels = torch.full_like(ids, -100)
    for row, (window, counted) in enumerate(windows):
        ids[row, : len(window)] = torch.tensor(window)
        labels[row, len(window) - counted : len(window)] = torch.tensor(window[-counted:])
    logits = model(input_ids=ids.to(device), use_cache=False).logits[:, :-1].float()
    wanted = labels[:, 1:].to(device)
    lost = F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=-100, reduction="none")
    return [float(row) for row in lost.view_as(wanted).double().sum(1)]
