"""A sample of texts under a local language model: who reads easiest, who reads hardest. A reading aid, never a rule.

    with Views(lake) as views:
        read = scored(views, Path("model"), count=200, seed=1, tokens=1024)

Very low perplexity is trivial or repeated text, very high is text from which nothing can be learnt; both ends are read by a
person, who then changes a rule. Nothing here is stored, and no job reads it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakehouse.errors import ConfigError, InputError
from lakehouse.report.views import Views

NEEDED = ("silver.code_texts", "silver.code_files", "silver.code_languages")
CHARACTERS = 12  # of a text, per token that is read: more than any tokenizer puts into one on average


@dataclass(frozen=True)
class Read:
    """One text as the model reads its first `tokens` tokens. `kept`: the decision, where there is one."""

    perplexity: float
    bits_per_byte: float
    tokens: int
    language: str
    kept: bool | None
    place: str
    content_id: str
    begins: str


def scored(
    views: Views, folder: Path, *, count: int, seed: int, tokens: int, languages: Sequence[str] = (), kept: bool = False
) -> list[Read]:
    """The sample, easiest first. Raises ConfigError before there are texts, InputError where the folder holds no model."""
    rows = _sample(views, count, seed, languages, kept)
    tokenizer, model = _model(folder)
    found = []
    for row in rows:
        loss, ids, read = _nats(tokenizer, model, row["text"], tokens)
        if ids:
            bits = loss / math.log(2) / max(len(read.encode()), 1)
            begins = " ".join(row["text"][:1000].split())
            found.append(
                Read(
                    math.exp(min(loss / ids, 700.0)),
                    bits,
                    ids,
                    row["language"],
                    row["keep"],
                    row["place"],
                    row["content_id"],
                    begins,
                )
            )
    return sorted(found, key=lambda one: (one.perplexity, one.content_id))


def _sample(views: Views, count: int, seed: int, languages: Sequence[str], kept: bool) -> list[dict[str, Any]]:
    if lacking := [name for name in NEEDED if not views.has(name)]:
        raise ConfigError(f"{views.lake.root}: no {', '.join(lacking)} yet. `codelake build code.*` makes them.")
    decided = views.has("silver.code_decisions")
    keep = "d.keep" if decided else "NULL::BOOLEAN"
    join = "LEFT JOIN silver.code_decisions d USING (content_id)" if decided else ""
    named = f"AND l.language IN ({', '.join('?' for _ in languages)})" if languages else ""
    chosen = (
        f"SELECT content_id, {keep} AS keep, l.language, f.repo || ':' || f.path AS place FROM silver.code_files f "
        f"JOIN silver.code_languages l USING (content_id) {join} WHERE l.type IN ('code', 'data', 'text', 'notebook') "
        f"{'AND ' + keep if kept else ''} {named} AND content_id IN (SELECT content_id FROM silver.code_texts WHERE bytes > 0) "
        f"ORDER BY md5('{seed}' || content_id), content_id LIMIT {count}"
    )
    return views.rows(f"SELECT * FROM ({chosen}) JOIN silver.code_texts USING (content_id)", list(languages))


def _model(folder: Path) -> tuple[Any, Any]:
    import transformers

    if not (folder / "config.json").is_file():
        raise InputError(
            f"{folder}: no config.json. Name the folder of a causal language model, as save_pretrained writes it."
        )
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = transformers.AutoModelForCausalLM.from_pretrained(folder, local_files_only=True).eval()
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder}: no causal language model that transformers reads: {str(error).splitlines()[0]}"
        ) from error
    return tokenizer, model


def _nats(tokenizer: Any, model: Any, text: str, tokens: int) -> tuple[float, int, str]:
    """(summed loss, tokens that were predicted, the text that they are). One text at a time: padding would move the scores.

    Where the tokenizer has a token that begins a text, the first token is predicted too.
    """
    import torch

    positions = getattr(model.config, "max_position_embeddings", tokens)
    length = min(tokens, positions)
    before = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    ids = tokenizer(text[: CHARACTERS * length], add_special_tokens=False)["input_ids"][: length - len(before)]
    counted = len(ids) if before else len(ids) - 1
    if counted < 1:
        return 0.0, 0, ""
    given = torch.tensor([[*before, *ids]])
    with torch.no_grad():
        logits = model(input_ids=given).logits[0, :-1].float()
    loss = torch.nn.functional.cross_entropy(logits, given[0, 1:], reduction="sum")
    return float(loss), counted, str(tokenizer.decode(ids if before else ids[1:]))
