"""Chunks of joined files: nothing lost, nothing doubled, all but the last of one repository full.

list(cut([("a.py", "x = 1"), ("b.py", "y = 2")], 8, byte_starts))  # "x = 1\\ny ", "= 2\\n"
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.kernels.chunks import byte_starts, cut, joint

FILES = st.lists(st.tuples(st.sampled_from("abcd"), st.text(alphabet="ab\né€😀", min_size=1, max_size=30)), max_size=8)


def test_two_files_are_joined_line_by_line_and_cut_where_the_tokens_end() -> None:
    first, second = cut([("a.py", "x = 1"), ("b.py", "y = 2")], 8, byte_starts)
    assert (first.text, first.tokens, first.paths) == ("x = 1\ny ", 8, ("a.py", "b.py"))
    assert (second.text, second.tokens, second.paths) == ("= 2\n", 4, ("b.py",))


@given(st.text())
def test_every_byte_knows_its_character(text: str) -> None:
    said = [number for number, letter in enumerate(text) for _ in letter.encode("utf-8", "surrogatepass")]
    assert byte_starts(text).tolist() == said


@given(FILES, st.integers(1, 40))
def test_chunks_put_together_are_the_files(files: list[tuple[str, str]], tokens: int) -> None:
    chunks = list(cut(files, tokens, byte_starts))
    assert "".join(chunk.text for chunk in chunks) == "".join(joint(text) for _, text in files)
    assert [chunk.tokens for chunk in chunks] == [len(chunk.text.encode()) for chunk in chunks]
    # The widest character has four bytes: a chunk lacks at most three, and exceeds its length by one character alone.
    assert all(tokens - 3 <= chunk.tokens <= max(tokens, 4) for chunk in chunks[:-1])
    assert all(chunk.text and chunk.paths for chunk in chunks)


@given(FILES, st.integers(1, 5))
def test_any_tokens_that_begin_in_order_will_do(files: list[tuple[str, str]], tokens: int) -> None:
    def words(text: str) -> np.ndarray:  # a token is two letters
        return np.arange(0, len(text), 2)

    chunks = list(cut(files, tokens, words))
    assert "".join(chunk.text for chunk in chunks) == "".join(joint(text) for _, text in files)
    assert sum(chunk.tokens for chunk in chunks) == sum(len(words(joint(text))) for _, text in files)
    assert all(chunk.tokens == tokens for chunk in chunks[:-1])


def test_a_chunk_of_no_token_is_refused() -> None:
    with pytest.raises(ValueError, match="tokens = 0"):
        next(cut([], 0, byte_starts))
