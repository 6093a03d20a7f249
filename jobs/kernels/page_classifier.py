"""A classifier of pages: fastText on BPE pieces, both learned from the pages, in one file of bytes.

    model = train(sample, labelled, settings)          # the same pages and settings give the same bytes
    Classifier(model).scores(["def f(): ...", "..."])  # probabilities that the pages are wanted, 0 to 1

BPE pieces instead of words bound the vocabulary and split text without blanks, such as Chinese; pieces are written as
their numbers. One thread and a seed make training repeatable: with more threads fastText's updates race. The seed
labels decide more than the model: keep a held-out set. Source: the recall of DeepSeek-Coder-V2 and OpenCoder; their
settings are not published.

Cost on one core: 4 KB texts are scored at about 1,000 a second, trained at about 2 MB a second and epoch. Memory:
4 * dimensions * (pieces seen + buckets) bytes for a loaded model.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAGIC = b"codelake page classifier 1\n"
_YES, _NO = "__label__yes", "__label__no"


@dataclass(frozen=True, slots=True)
class Settings:
    """What training is told. `characters`: how much of a page's beginning is looked at, in training and in scoring.

    `least_updates`: pages that training looks at, at least, so that few pages are read more than `epochs` times: 250
    pages read five times leave every score near 0.5, and everything is recalled (precision 0.58 where 40 times give 0.92).
    """

    pieces: int
    characters: int
    dimensions: int
    epochs: int
    least_updates: int
    learning_rate: float
    ngrams: int
    least_count: int
    buckets: int
    seed: int


def train(sample: Iterable[str], labelled: Iterable[tuple[bool, str]], settings: Settings) -> bytes:
    """The model learned from labelled pages, its pieces from a sample of any pages; both in a fixed order.

    Raises ValueError where the labelled pages are not of both kinds.
    """
    pieces = _learn_pieces(sample, settings)
    tokenizer = _tokenizer(pieces)
    with tempfile.TemporaryDirectory(prefix="codelake-classifier-") as folder:
        lines = Path(folder) / "lines.txt"
        counts = {True: 0, False: 0}
        with lines.open("w", encoding="ascii") as file:
            for label, line in _lines(tokenizer, labelled, settings.characters):
                file.write(f"{_YES if label else _NO} {line}\n")
                counts[label] += 1
        if not all(counts.values()):
            raise ValueError(
                f"{counts[True]} pages labelled yes and {counts[False]} labelled no: a classifier needs both."
            )
        epochs = max(settings.epochs, -(-settings.least_updates // sum(counts.values())))
        binary = _learn_labels(lines, Path(folder) / "model.bin", epochs, settings)
    said = settings.characters.to_bytes(8, "little") + len(pieces).to_bytes(8, "little")
    return MAGIC + said + pieces + binary


def model_id(model: bytes) -> str:
    return hashlib.sha256(model).hexdigest()


class Classifier:
    """A loaded model. Raises ValueError for bytes that are none."""

    def __init__(self, model: bytes) -> None:
        if not model.startswith(MAGIC):
            raise ValueError(f"expected a model that begins with {MAGIC!r}, found {model[:40]!r}.")
        at = len(MAGIC)
        self._characters = int.from_bytes(model[at : at + 8], "little")
        size = int.from_bytes(model[at + 8 : at + 16], "little")
        self._tokenizer = _tokenizer(model[at + 16 : at + 16 + size])
        self._fasttext = _loaded(model[at + 16 + size :])

    def scores(self, texts: Sequence[str]) -> list[float]:
        """The probability of each text, rounded to six places; 0.0 for one without any piece."""
        found = []
        for _, line in _lines(self._tokenizer, ((True, text) for text in texts), self._characters):
            # The binding's own predict() copies through NumPy in a way that newer versions refuse.
            answers = self._fasttext.f.predict(line + "\n", 2, 0.0, "strict") if line else []
            yes = next((float(p) for p, label in answers if label == _YES), 0.0)
            found.append(round(min(1.0, max(0.0, yes)), 6))
        return found


def _lines(
    tokenizer: Any, labelled: Iterable[tuple[bool, str]], characters: int, batch: int = 64
) -> Iterator[tuple[bool, str]]:
    """Each page as the numbers of its pieces with blanks between, in batches: encoding them together is faster."""
    held: list[tuple[bool, str]] = []

    def flush() -> Iterator[tuple[bool, str]]:
        encoded = tokenizer.encode_batch_fast([text for _, text in held], add_special_tokens=False)
        for (label, _), one in zip(held, encoded, strict=True):
            yield label, " ".join(map(str, one.ids))
        held.clear()

    for label, text in labelled:
        held.append((label, text[:characters].encode("utf-8", "replace").decode()))
        if len(held) == batch:
            yield from flush()
    if held:
        yield from flush()


def _learn_pieces(sample: Iterable[str], settings: Settings) -> bytes:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=settings.pieces,
        min_frequency=2,
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    texts = (text[: settings.characters].encode("utf-8", "replace").decode() for text in sample)
    tokenizer.train_from_iterator(texts, trainer)
    return str(tokenizer.to_str()).encode()


def _tokenizer(pieces: bytes) -> Any:
    from tokenizers import Tokenizer

    # Spark's workers are forked processes, and threads of their own gain nothing beside one task per core.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    return Tokenizer.from_str(pieces.decode())


def _learn_labels(lines: Path, out: Path, epochs: int, settings: Settings) -> bytes:
    import fasttext

    model = fasttext.train_supervised(
        input=str(lines),
        dim=settings.dimensions,
        epoch=epochs,
        lr=settings.learning_rate,
        wordNgrams=settings.ngrams,
        minCount=settings.least_count,
        bucket=settings.buckets,
        seed=settings.seed,
        thread=1,
        verbose=0,
    )
    model.save_model(str(out))
    return out.read_bytes()


def _loaded(binary: bytes) -> Any:
    import fasttext

    with tempfile.NamedTemporaryFile(prefix="codelake-classifier-", suffix=".bin") as file:
        file.write(binary)
        file.flush()
        return fasttext.load_model(file.name)
