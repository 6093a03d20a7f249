"""Documents put into sequences: nothing lost, nothing doubled, nothing out of order.

sequences = list(best_fit([Document("a", ids), ...], length=4096))
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.kernels.packing import METHODS, Document, Packed, best_fit, concatenate

Pack = Callable[[Sequence[Document], int], Iterator[Packed]]
LENGTHS = st.lists(st.integers(0, 40), max_size=40)


def documents(lengths: Sequence[int]) -> list[Document]:
    """Every token of every document is different, so that a token out of place shows."""
    ends = np.cumsum([0, *lengths])
    return [Document(f"d{i}", np.arange(ends[i], ends[i + 1], dtype=np.int32)) for i in range(len(lengths))]


def ids(sequences: Sequence[Packed]) -> list[list[int]]:
    return [sequence.input_ids.tolist() for sequence in sequences]


def test_concatenation_cuts_where_a_sequence_ends() -> None:
    packed = list(concatenate(documents([3, 4, 2]), 4))
    assert ids(packed) == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]
    assert [(p.doc_ids, p.doc_starts) for p in packed] == [
        (["d0", "d1"], [0, 3]),
        (["d1", "d2"], [0, 3]),
        (["d2"], [0]),
    ]


def test_best_fit_keeps_documents_whole() -> None:
    packed = list(best_fit(documents([3, 4, 2, 1, 9]), 4))
    assert ids(packed) == [[0, 1, 2, 9], [3, 4, 5, 6], [7, 8, 18], [10, 11, 12, 13], [14, 15, 16, 17]]


@pytest.mark.parametrize("pack", METHODS.values(), ids=METHODS)
@given(LENGTHS, st.integers(1, 17))
def test_every_token_comes_out_once_in_the_order_of_its_document(pack: Pack, lengths: list[int], length: int) -> None:
    given_ = documents(lengths)
    packed = list(pack(given_, length))
    assert all(1 <= len(sequence) <= length for sequence in packed)
    found: dict[str, list[int]] = {}
    for piece in sorted((p for s in packed for p in s.pieces if len(p)), key=lambda p: int(p.ids[0])):
        found.setdefault(piece.name, []).extend(piece.ids.tolist())
    assert found == {d.name: d.ids.tolist() for d in given_ if len(d)}
    assert Counter(t for s in ids(packed) for t in s) == Counter(range(sum(lengths)))


@given(LENGTHS, st.integers(1, 17))
def test_starts_and_names_say_which_document_each_token_is_of(lengths: list[int], length: int) -> None:
    owner = {int(t): d.name for d in documents(lengths) for t in d.ids}
    for sequence in best_fit(documents(lengths), length):
        starts = [*sequence.doc_starts, len(sequence)]
        said = [name for name, a, b in zip(sequence.doc_ids, starts, starts[1:], strict=False) for _ in range(b - a)]
        assert said == [owner[int(t)] for t in sequence.input_ids]


@given(LENGTHS, st.integers(1, 17))
def test_concatenation_pads_nothing_but_the_last_sequence(lengths: list[int], length: int) -> None:
    packed = list(concatenate(documents(lengths), length))
    assert all(len(sequence) == length for sequence in packed[:-1])
    assert len(packed) == -(-sum(lengths) // length)


@given(LENGTHS, st.integers(1, 17))
def test_best_fit_cuts_only_what_is_longer_than_a_sequence(lengths: list[int], length: int) -> None:
    pieces = Counter(name for sequence in best_fit(documents(lengths), length) for name in sequence.doc_ids)
    assert pieces == Counter({f"d{i}": -(-n // length) for i, n in enumerate(lengths) if n})


@given(LENGTHS, st.integers(1, 17))
def test_best_fit_packs_as_the_obvious_search_does(lengths: list[int], length: int) -> None:
    pieces = sorted((min(length, n - at) for n in lengths for at in range(0, n, length)), reverse=True)
    rooms: list[int] = []
    for piece in pieces:
        fitting = [i for i, room in enumerate(rooms) if room >= piece]
        if fitting:
            rooms[min(fitting, key=lambda i: rooms[i])] -= piece
        else:
            rooms.append(length - piece)
    assert len(list(best_fit(documents(lengths), length))) == len(rooms)


def test_a_mask_goes_where_its_tokens_go() -> None:
    masked = Document("m", np.arange(5, dtype=np.int32), np.array([False, False, True, True, True]))
    plain = Document("p", np.arange(10, 12, dtype=np.int32))
    (sequence,) = best_fit([masked, plain], 8)
    assert sequence.loss_mask is not None
    assert sequence.loss_mask.tolist() == [False, False, True, True, True, True, True]
    assert next(concatenate([plain], 8)).loss_mask is None


def test_real_lengths_leave_little_padding() -> None:
    lengths = np.random.default_rng(5).lognormal(6.5, 1.4, 5000).astype(int) + 1
    packed = list(best_fit(documents(lengths), 4096))
    assert 1 - lengths.sum() / (4096 * len(packed)) < 0.002


@pytest.mark.parametrize("pack", METHODS.values(), ids=METHODS)
def test_a_length_below_one_is_refused(pack: Pack) -> None:
    with pytest.raises(ValueError, match="length = 0"):
        list(pack(documents([1]), 0))
