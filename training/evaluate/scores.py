"""Scores as pure functions: pass@k, and bits per byte.

pass_at_k(samples=20, passed=3, k=10)
"""

from __future__ import annotations

import math


def pass_at_k(samples: int, passed: int, k: int) -> float:
    """Unbiased estimate that one of k answers passes, of which `passed` among `samples` did.

    1 - C(samples - passed, k) / C(samples, k), as a product that never overflows. Source: arXiv 2107.03374, section 2.1.
    Raises ValueError where it is not defined.
    """
    if not 0 < k <= samples or not 0 <= passed <= samples:
        raise ValueError(f"pass@{k} of {passed} among {samples}: k is 1 to the number of samples, passed at most that.")
    if samples - passed < k:
        return 1.0
    return 1.0 - math.prod(1.0 - k / n for n in range(samples - passed + 1, samples + 1))


def bits_per_byte(nats: float, text_bytes: int) -> float:
    """Loss summed over a text in nats, as bits for each of its UTF-8 bytes: comparable between tokenizers."""
    if text_bytes <= 0:
        raise ValueError(f"{text_bytes} bytes: a text without bytes has no bits per byte.")
    return nats / math.log(2) / text_bytes
