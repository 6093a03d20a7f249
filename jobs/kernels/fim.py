"""Fill-in-the-middle: some documents have a span moved to the end, so that a model learns to write between two texts.

The span is cut by characters, at two places drawn evenly, so that it may begin inside a word as a cursor does. Orders:

- PSM: prefix token, prefix, suffix token, suffix, middle token, middle;
- SPM: prefix token, suffix token, suffix, middle token, prefix, middle. The prefix is next to the middle.

What is drawn depends on the seed and the document's name only. No character is lost: decoding the three parts in order
gives the document back. Encoding the parts one by one may need a few more tokens than the whole.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from jobs.kernels.encoder import Encoder


@dataclass(frozen=True)
class FillInMiddle:
    """`rate`: share of documents that are rearranged; `spm_rate`: share of those in the order SPM."""

    rate: float
    spm_rate: float
    seed: int
    prefix: str = "<|fim_prefix|>"
    middle: str = "<|fim_middle|>"
    suffix: str = "<|fim_suffix|>"

    def __post_init__(self) -> None:
        for name, value in (("rate", self.rate), ("spm_rate", self.spm_rate)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name} = {value}: expected a share from 0 to 1.")

    def cut(self, name: str, text: str) -> tuple[int, int, bool] | None:
        """Where the middle begins and ends, and whether the order is SPM; None for a document that stays as it is."""
        numbers = np.frombuffer(hashlib.blake2b(f"{self.seed}:{name}".encode(), digest_size=32).digest(), np.uint64)
        shares = numbers / 2.0**64
        if shares[0] >= self.rate or not text:
            return None
        first, last = sorted(int(share * (len(text) + 1)) for share in shares[2:4])
        return first, last, bool(shares[1] < self.spm_rate)

    def encode(self, encoder: Encoder, name: str, text: str) -> list[int] | None:
        """The rearranged document; None where it stays as it is."""
        cut = self.cut(name, text)
        if cut is None:
            return None
        first, last, spm = cut
        before, middle, after = (encoder.plain(part) for part in (text[:first], text[first:last], text[last:]))
        p, m, s = (encoder.special(token) for token in (self.prefix, self.middle, self.suffix))
        if spm:
            return [p, s, *after, m, *before, *middle]
        return [p, *before, s, *after, m, *middle]
