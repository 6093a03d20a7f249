"""Two corpora as clouds of points in one plane, and the texts that lie farthest from all others.

The plane is that of both samples together, so that their clouds can be compared; an outlier is a text whose fifth nearest
neighbour, of either corpus, is far. The recipe's authors read such a picture: outliers are files of comments alone, of hex
digits alone, tiny ones; a curated corpus shows fewer and lies closer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs.kernels.embedding import Vectors, hashed_ngrams, plane, remoteness, spread
from jobs.pictures.sample import Corpus, Text
from lakehouse.errors import InputError

Embed = Callable[[Sequence[str]], Vectors]


@dataclass(frozen=True)
class Outlier:
    """`rank` from 1, the farthest first; `corpus` 0 or 1; `remoteness`: 1 - cosine to the fifth nearest text."""

    rank: int
    corpus: int
    text: Text
    remoteness: float


@dataclass(frozen=True)
class Cloud:
    """`spread`: mean squared distance to the corpus' own centre; `outliers`: how many of the listed are its own."""

    name: str
    texts: int
    spread: float
    outliers: int


@dataclass(frozen=True)
class Picture:
    """`points`, shape (texts, 2): those of the first corpus, then of the second. `where`: the point of each outlier."""

    clouds: tuple[Cloud, Cloud]
    points: npt.NDArray[np.float64]
    explained: tuple[float, float]
    outliers: tuple[Outlier, ...]
    where: tuple[int, ...]


def ngrams(texts: Sequence[str]) -> Vectors:
    """The embedding that needs no model."""
    return hashed_ngrams(pa.array(texts, pa.large_string()))


def picture(first: Corpus, second: Corpus, embed: Embed, most_outliers: int) -> Picture:
    """Raises InputError where both corpora together hold fewer than three texts."""
    texts = [*first.texts, *second.texts]
    if len(texts) < 3:
        raise InputError(f"{first.name} and {second.name} hold {len(texts)} texts together: a picture needs three.")
    vectors = embed([text.text for text in texts])
    points, explained = plane(vectors)
    far = remoteness(vectors)
    order = np.lexsort((np.arange(len(far)), -far))[:most_outliers]
    side = (np.arange(len(texts)) >= len(first.texts)).astype(int)
    outliers = tuple(
        Outlier(rank, int(side[at]), texts[at], float(far[at])) for rank, at in enumerate(order.tolist(), 1)
    )
    of_each = [
        Cloud(corpus.name, len(corpus.texts), spread(vectors[side == n]), sum(one.corpus == n for one in outliers))
        for n, corpus in enumerate((first, second))
    ]
    return Picture((of_each[0], of_each[1]), points, explained, outliers, tuple(order.tolist()))
