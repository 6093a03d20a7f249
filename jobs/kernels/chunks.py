"""Joined files cut to chunks of equally many tokens: what chunk-level deduplication compares.

    for chunk in cut([("a.py", "x = 1"), ("b.py", "y = 2")], tokens=4096, starts=byte_starts): ...

Files follow each other in the order given, each on lines of its own, and a chunk may hold the end of one and the beginning
of the next: the recipe's counts are whole chunks of 4,096 tokens, so its authors cut what was joined. Nothing is lost
and nothing is doubled; only the last chunk is short. A character is never cut: where one takes several tokens, it
goes to the chunk that its first token would begin. Memory: one file and one chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Starts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Chunk:
    """`paths`: the files of which it holds a part, in order."""

    text: str
    tokens: int
    paths: tuple[str, ...]


def joint(text: str) -> str:
    """A file as it is joined to others: the next one begins on a line of its own."""
    return text if text.endswith("\n") else text + "\n"


def byte_starts(text: str) -> Starts:
    """For a model that reads bytes: the character that each byte of the UTF-8 text belongs to, shape (bytes,)."""
    code = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    width = 1 + (code >= 0x80).astype(np.int64) + (code >= 0x800) + (code >= 0x10000)
    return np.repeat(np.arange(len(code)), width)


def cut(files: Iterable[tuple[str, str]], tokens: int, starts: Callable[[str], Starts]) -> Iterator[Chunk]:
    """Chunks of (path, text). `starts` gives the character at which each token of a text begins, ascending.

    Raises ValueError for `tokens` below 1.
    """
    if tokens < 1:
        raise ValueError(f"tokens = {tokens}: expected at least 1.")
    pieces: list[str] = []
    paths: list[str] = []
    held = 0
    for path, text in files:
        whole = joint(text)
        at = starts(whole)
        done = 0  # tokens of this file that went into chunks
        begin = 0  # character
        while done < len(at):
            room = tokens - held
            end = int(at[done + room]) if done + room < len(at) else len(whole)
            taken = int(np.searchsorted(at, end)) if end < len(whole) else len(at)
            if end == begin and not held:  # a character of more tokens than a chunk
                taken = int(np.searchsorted(at, at[done], side="right"))
                end = int(at[taken]) if taken < len(at) else len(whole)
            if end > begin:
                pieces.append(whole[begin:end])
                paths.append(path)
            held, done, begin = held + taken - done, taken, end
            if done < len(at) or held >= tokens:
                yield Chunk("".join(pieces), held, tuple(paths))
                pieces, paths, held = [], [], 0
    if held:
        yield Chunk("".join(pieces), held, tuple(paths))
