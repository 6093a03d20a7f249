"""Texts to token ids, by any folder that `tokenizers` or `transformers` saved. A text is data: it cannot control anything.

    encoder = Encoder.load(Path("tokenizer"))
    ids = encoder.encode(pa.array(["def f(): ..."]))       # list<int32>, one list a text

A file that contains "<|im_end|>" must not end a turn. So the names of special tokens in a text are split like any other
text, and no id of a special token ever comes out of `encode`: the only way to place one is `Encoder.special`. Added tokens
that are not special (runs of blanks in some vocabularies) stay what they are, unless their name looks like a control token.

A byte-level BPE that codelake trained is encoded by `tiktoken`, which gives the same ids four times as fast: 12 MB/s on one
core (AMD EPYC) against 3 of `tokenizers`, which encodes everything else and uses all cores unless
TOKENIZERS_PARALLELISM=false. Memory: a hundred bytes per byte of the longest text without a place to split.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

if TYPE_CHECKING:
    from tiktoken import Encoding
    from tokenizers import Tokenizer

# How control tokens are written: <|im_end|>, <s>, [INST], <fim_prefix>, <|fim_middle|>, <pad>.
_LOOKS_LIKE_CONTROL = re.compile(r"<[|/]?[A-Za-z][\w \-]*\|?>|\[/?[A-Z_]+\]|<\|.*\|>|<｜.*｜>")
TEXTS_AT_ONCE = 256


@dataclass(frozen=True)
class Encoder:
    """A tokenizer as its JSON, so that it travels to workers; `digest` says which one it is."""

    json: str
    ours: bool = False  # made by `codelake tokenizer train`

    @staticmethod
    def load(folder: Path) -> Encoder:
        """Raises ValueError where there is no tokenizer.json, or one that cannot be used."""
        file = folder / "tokenizer.json"
        if not file.is_file():
            raise ValueError(
                f"{folder}: no tokenizer.json. Train one with `codelake tokenizer train FOLDER`, or save a transformers"
                " tokenizer there: AutoTokenizer.from_pretrained(NAME).save_pretrained(FOLDER)."
            )
        try:
            said = json.loads(file.read_text("utf-8"))
            for token in said.get("added_tokens") or ():
                token["special"] = bool(token["special"] or _LOOKS_LIKE_CONTROL.fullmatch(token["content"]))
            encoder = Encoder(json.dumps(said, ensure_ascii=False), (folder / "codelake.json").is_file())
            encoder.tokenizer  # noqa: B018  raises where `tokenizers` cannot read it
        except Exception as error:  # tokenizers raises bare Exception
            raise ValueError(f"{file}: not a tokenizer that `tokenizers` reads: {error}.") from error
        return encoder

    def __getstate__(self) -> dict[str, object]:
        return {"json": self.json, "ours": self.ours}  # the worker makes its own tokenizer

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the JSON, 16 hex digits."""
        return hashlib.sha256(self.json.encode()).hexdigest()[:16]

    @cached_property
    def tokenizer(self) -> Tokenizer:
        from tokenizers import Tokenizer  # whoever builds no tokens need not load it

        loaded = Tokenizer.from_str(self.json)
        loaded.no_truncation()
        loaded.no_padding()
        loaded.encode_special_tokens = True  # their names in a text are text
        return loaded

    @cached_property
    def _by_rank(self) -> Encoding | None:
        """The tokenizer for `tiktoken`, which merges by the id of what comes out; None where that could give other ids.

        It gives the same where merges stand in the order of their ids and every token is what its own text becomes:
        both are checked, in 0.2 s for 32,000 tokens. Its regular expressions know the split of codelake's tokenizers.
        """
        said = json.loads(self.json)
        model = said["model"]
        steps: list[dict[str, Any]] = (said.get("pre_tokenizer") or {}).get("pretokenizers") or []
        if not self.ours or model["type"] != "BPE" or [step["type"] for step in steps] != ["Split", "ByteLevel"]:
            return None
        vocabulary = {token: number for token, number in model["vocab"].items() if number not in self.control}
        made = [vocabulary[left + right] for left, right in model["merges"]]
        tokenize = self.tokenizer.model.tokenize
        if made != sorted(made) or any(len(tokenize(token)) != 1 for token in vocabulary):
            return None
        import tiktoken

        byte = _bytes_of_letters()
        ranks = {bytes(byte[letter] for letter in token): number for token, number in vocabulary.items()}
        names = {str(self.tokenizer.id_to_token(number)): number for number in self.control}
        split = steps[0]["pattern"]["Regex"]
        return tiktoken.Encoding(self.digest, pat_str=split, mergeable_ranks=ranks, special_tokens=names)

    @cached_property
    def control(self) -> frozenset[int]:
        """Ids that no text may produce."""
        added = self.tokenizer.get_added_tokens_decoder()
        return frozenset(number for number, token in added.items() if token.special)

    @property
    def vocabulary(self) -> int:
        """One more than the largest id."""
        return int(self.tokenizer.get_vocab_size(with_added_tokens=True))

    def special(self, name: str) -> int:
        """The id of a special token. Raises ValueError where the tokenizer has none of this name."""
        number = self.tokenizer.token_to_id(name)
        if number is None or number not in self.control:
            known = sorted(str(self.tokenizer.id_to_token(i)) for i in self.control)
            raise ValueError(f"{name!r} is no special token of this tokenizer. It has: {', '.join(known) or 'none'}.")
        return int(number)

    def encode(self, texts: pa.Array) -> pa.ListArray:
        """Ids of each text: list<int32>; a null gives an empty list.

        Raises ValueError when the id of a special token comes out, which would be a fault of the tokenizer's file.
        """
        given = [text or "" for text in texts.to_pylist()]
        found: list[list[int]] = []
        for start in range(0, len(given), TEXTS_AT_ONCE):
            part = given[start : start + TEXTS_AT_ONCE]
            if self._by_rank is not None:
                found += map(self._by_rank.encode_ordinary, part)
            else:
                found += [one.ids for one in self.tokenizer.encode_batch_fast(part, add_special_tokens=False)]
        counts = np.array([0, *map(len, found)], np.int64)
        flat = np.concatenate([np.array(ids, np.int32) for ids in found]) if found else np.zeros(0, np.int32)
        leaked = np.isin(flat, np.array(sorted(self.control), np.int32))
        if leaked.any():
            name = self.tokenizer.id_to_token(int(flat[leaked.argmax()]))
            raise ValueError(
                f"the tokenizer made the special token {name!r} out of a plain text: its file declares the name twice."
                " Remove it from the vocabulary's merges or choose another tokenizer."
            )
        return pa.ListArray.from_arrays(pa.array(np.cumsum(counts), pa.int32()), pa.array(flat))

    def starts(self, text: str) -> npt.NDArray[np.int64]:
        """The character at which each token of one text begins, ascending: shape (tokens,)."""
        found = self.tokenizer.encode(text, add_special_tokens=False).offsets
        return np.array([start for start, _ in found], np.int64)

    def plain(self, text: str) -> list[int]:
        """Ids of one text."""
        found: list[int] = self.encode(pa.array([text], pa.string()))[0].as_py()
        return found


def _bytes_of_letters() -> dict[str, int]:
    """The byte that each letter of a byte-level vocabulary stands for (GPT-2's table)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}
