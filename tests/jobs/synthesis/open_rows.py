"""Rows of open sets as seeds hold them, and as the files that they come from.

seed = open_seed("realuser", CODED, outcome="poor")
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from jobs.synthesis.kinds import Seed

Turns = Sequence[tuple[str, str]]
CODED = [
    ("user", "hi, how do i add two numbers?"),
    ("assistant", "Use a calculator, or ask somebody."),
    ("user", "no, in python!!"),
    ("assistant", "Like this:\n\n```python\ndef add(a, b):\n    return a + b\n```"),
]
PROSE = [("user", "Who wrote the first compiler?"), ("assistant", "Grace Hopper, by many accounts.")]


def open_seed(kind: str, messages: Turns, *, outcome: str = "good", source: str = "evol", **facts: Any) -> Seed:
    """`outcome`: what the teacher of tests makes of it; it stands in the first message."""
    said = [{"role": role, "content": content} for role, content in messages]
    if kind in ("realuser", "infinity"):
        said[0]["content"] = f"# outcome: {outcome}\n{said[0]['content']}"
    return Seed(f"{kind}-{outcome}-{source}", kind, "python", json.dumps({"source": source, **facts, "messages": said}))
