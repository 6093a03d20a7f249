"""Training sequences from pinned Delta versions: one order for all ranks, resumed at any sample by one integer.

    parts = [Part("code", 0.84, of_release("lake", "2026-11", "gold.packed_code")), Part("text", 0.16, ...)]
    with Stream(parts, reading) as stream:
        for batch in stream.batches(start=0, rank=0, world=2, rows=4):
            ...  # batch.input_ids, batch.positions, batch.labels: (4, sequence_length)

Sample i of the stream is the same row for any number of ranks and after any number of restarts; rank r of w reads the
samples i with i mod w = r. The state of a run is `Stream.identity` and the next sample's number, nothing else.

A table of packed sequences has one row a sequence: `input_ids`, and where it has them `doc_starts` (offsets at which
documents begin) and `loss_mask` (false: no target; NULL: all are). A sequence may be made of several packed rows in
a row, so that a run can go from 4,096 to 8,192 tokens without a new table and without leaving its order.

Memory: two windows of row groups per part, decoded; with 4 groups of 1,024 x 4,096 tokens that is 134 MB. Threads
decode ahead (Arrow releases the interpreter's lock); no worker processes. Every rank decodes every row group it has a
sample in, so ranks share bytes by the page cache only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow.fs import FileSystem

from lakehouse.errors import InputError
from training.order import Ints, Mixture, PartOrder, Window, part_key
from training.pins import Pin, RowGroup, filesystem, row_groups

NO_TARGET = -100  # the label that a loss passes over, as in torch.nn.functional.cross_entropy
PADDING = 0  # the id written where a row is short; it is never a target, and never seen by a document
BAD_SHOWN = 100  # bad rows that are named; the others are only counted


@dataclass(frozen=True)
class Part:
    """One part of the mixture: `weight` is its share of samples, `source` restricts it to rows of that source."""

    name: str
    weight: float
    pin: Pin
    source: str | None = None


@dataclass(frozen=True)
class Reading:
    """How a stream reads. `vocabulary`: ids at or above it are bad. `bad_share`: rows that may be bad, of those read.

    `isolated`: documents do not see each other; their first token is no target and positions begin anew at 0.
    `rows_per_sequence`: packed rows of `row_tokens` each that make one sequence.
    """

    row_tokens: int
    vocabulary: int
    seed: int
    window: int
    bad_share: float
    isolated: bool
    rows_per_sequence: int = 1
    threads: int = 2

    @property
    def sequence_length(self) -> int:
        return self.row_tokens * self.rows_per_sequence


@dataclass(frozen=True, eq=False)
class Batch:
    """`samples`: numbers of the sequences, (B,). `input_ids`, `positions`, `labels`: (B, T) int64.

    A label is the id itself, or NO_TARGET at padding, masked tokens, the start of a sequence and, where documents are
    isolated, the start of each document. The loss compares the logits of token t with the label of token t+1.
    """

    samples: Ints
    input_ids: Ints
    positions: Ints
    labels: Ints

    @property
    def targets(self) -> int:
        """Tokens that the loss counts."""
        return int(np.count_nonzero(self.labels != NO_TARGET))


@dataclass
class Bad:
    """Rows that could not be used: they stand in the order as padding. `first`: the first of them, and what is wrong."""

    read: int = 0
    rows: int = 0
    first: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Decoded:
    """Rows of one group. `at`, `starts_at`: (rows + 1,) offsets into `ids`, `starts`. `mask`: as `ids`, None for all true.

    `good`: (rows,) bool.
    """

    ids: NDArray[np.int32]
    at: Ints
    starts: Ints
    starts_at: Ints
    mask: NDArray[np.bool_] | None
    good: NDArray[np.bool_]


class Stream:
    """See the module. Opening reads the logs and every file's footer; close it, or use it in a `with` statement."""

    def __init__(self, parts: Sequence[Part], reading: Reading) -> None:
        self.parts, self.reading = tuple(parts), reading
        self._mixture = Mixture([part.weight for part in parts])
        self.bad = Bad()
        self._pool = ThreadPoolExecutor(reading.threads, thread_name_prefix="stream")
        self._readers = [_PartReader(part, reading, self._pool, self.bad) for part in parts]

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    @property
    def identity(self) -> dict[str, Any]:
        """All that fixes the order, as JSON. The length of a sequence is not in it: the order is one of packed rows."""
        parts = [
            {"name": p.name, "weight": p.weight, "source": p.source, "table": p.pin.table or p.pin.location,
             "table_id": p.pin.table_id, "version": p.pin.version, "release": p.pin.release}
            for p in self.parts
        ]  # fmt: skip
        made: dict[str, Any] = json.loads(
            json.dumps({"seed": self.reading.seed, "window": self.reading.window, "parts": parts})
        )
        return made

    def rows_of(self, part: int) -> int:
        """Packed rows that a part has: one epoch of it."""
        return self._readers[part].order.rows

    def seen(self, row: int) -> dict[str, int]:
        """Packed rows that each part gave among the first `row` of the stream."""
        return {part.name: int(n) for part, n in zip(self.parts, self._mixture.seen(row), strict=True)}

    def batches(self, *, start: int, rank: int, world: int, rows: int, stop: int | None = None) -> Iterator[Batch]:
        """The rank's batches of `rows` sequences, from sequence `start` on and before `stop`; endless without `stop`.

        A batch takes `rows` sequences of each rank: `start`, `stop` and what is between count in `rows` x `world`.
        """
        while stop is None or start + rows * world <= stop:
            yield self.take(start + rank + world * np.arange(rows, dtype=np.int64))
            start += rows * world

    def take(self, samples: Ints) -> Batch:
        """These sequences, in the order given. Fast where numbers ascend from call to call; any order is right."""
        parts, length = self.reading.rows_per_sequence, self.reading.row_tokens
        assembled = _Assembly(len(samples) * parts, self.reading)
        for nth, row in enumerate((samples[:, None] * parts + np.arange(parts)).ravel().tolist()):
            part, k = self._mixture.locate(row)
            assembled.put(nth, *self._readers[part].row(k))
        return assembled.batch(samples, len(samples), length * parts)

    def identify(self, row: int) -> dict[str, Any]:
        """Which row of which table this packed row of the stream is, with its `sequence_id` and `doc_ids` where it has them."""
        part, k = self._mixture.locate(row)
        return {"row": row, "part": self.parts[part].name, **self._readers[part].identify(k)}


class _PartReader:
    """The rows of one part by their number, its windows decoded by the pool one ahead."""

    def __init__(self, part: Part, reading: Reading, pool: ThreadPoolExecutor, bad: Bad) -> None:
        self._part, self._reading, self._pool, self._bad = part, reading, pool, bad
        self._groups = row_groups(part.pin, ["input_ids"], part.source)
        self._files = filesystem(part.pin)
        self.order = PartOrder(
            [group.rows for group in self._groups], key=part_key(reading.seed, part.name), window=reading.window
        )
        self._ahead: tuple[Window, list[Future[Decoded]]] | None = None
        self._now: tuple[Window, list[Decoded]] | None = None
        self._names = lru_cache(reading.window)(self._names_of)

    def row(self, k: int) -> tuple[Decoded, int]:
        """Row k of the part's order: the decoded group it is in, and its place there."""
        if self._now is None or not self._now[0].first <= k < self._now[0].last:
            self._now = self._load(k)
        window, decoded = self._now
        at = k - window.first
        return decoded[window.slots[at]], int(window.rows[at])

    def _load(self, k: int) -> tuple[Window, list[Decoded]]:
        """The window that holds row k, and the next one set off."""
        if self._ahead is None or not self._ahead[0].first <= k < self._ahead[0].last:
            self._ahead = self._start(k)
        window, futures = self._ahead
        self._now = None  # frees the window before: at no time are three decoded
        decoded = []
        for future, group in zip(futures, window.groups, strict=True):
            decoded.append(future.result())
            self._count(decoded[-1], self._groups[group])
        self._ahead = self._start(window.last)
        return window, decoded

    def _start(self, k: int) -> tuple[Window, list[Future[Decoded]]]:
        window = self.order.window(k)
        return window, [
            self._pool.submit(_decode, self._groups[g], self._files, self._reading, self._part.pin)
            for g in window.groups
        ]

    def _count(self, decoded: Decoded, group: RowGroup) -> None:
        """Count what is bad. Raises InputError when more rows are than the reading allows."""
        self._bad.read += len(decoded.good)
        wrong = np.flatnonzero(~decoded.good)
        if not len(wrong):
            return
        self._bad.rows += len(wrong)
        room = BAD_SHOWN - len(self._bad.first)
        self._bad.first += [{"part": self._part.name, "file": group.path, "row_group": group.number, "row": int(row)}
                            for row in wrong[: max(room, 0)]]  # fmt: skip
        if self._bad.rows > self._reading.bad_share * self._bad.read:
            worst = self._bad.first[0]
            raise InputError(
                f"{worst['file']}: row {worst['row']} of row group {worst['row_group']}: not a sequence of 1 to"
                f" {self._reading.row_tokens} ids below {self._reading.vocabulary} with ascending document starts and a"
                f" mask of its length. {self._bad.rows} of {self._bad.read} rows read are bad, allowed is"
                f" {self._reading.bad_share:.4%}. Does the table fit the tokenizer and the sequence length?"
            )

    def identify(self, k: int) -> dict[str, Any]:
        window = self.order.window(k)
        at = k - window.first
        group = self._groups[window.groups[window.slots[at]]]
        row = int(window.rows[at])
        row = row if group.chosen is None else int(group.chosen[row])
        named = self._names(group.path, group.number)[row]
        return {"epoch": window.number[0], "file": group.path, "row_group": group.number, "at": row, **named}

    def _names_of(self, path: str, number: int) -> list[dict[str, Any]]:
        """What the rows of a group call themselves and their documents."""
        with pq.ParquetFile(path, filesystem=self._files) as file:
            names = [name for name in ("sequence_id", "doc_ids") if name in file.schema_arrow.names]
            group = file.read_row_group(number, columns=names, use_threads=False)
        found: list[dict[str, Any]] = group.to_pylist() if names else [{}] * group.num_rows
        return found


def _decode(group: RowGroup, files: FileSystem, reading: Reading, pin: Pin) -> Decoded:
    """One row group as flat arrays, every row checked. Cost: Parquet's decoding, and one pass over the ids."""
    try:
        with pq.ParquetFile(group.path, filesystem=files) as file:
            there = file.schema_arrow.names
            names = [name for name in ("input_ids", "doc_starts", "loss_mask") if name in there]
            table = file.read_row_group(group.number, columns=names, use_threads=False)
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(
            f"{group.path}: row group {group.number} of {pin} cannot be read: {error}. `codelake release verify` says"
            " which releases still hold."
        ) from error
    if group.chosen is not None:
        table = table.take(pa.array(group.chosen))
    ids, at, given = _flat(table["input_ids"], pa.int32())
    good = given & _fit(ids, at, reading)
    if "doc_starts" in names:
        starts, starts_at, _ = _flat(table["doc_starts"], pa.int64())
        good &= _ascending(starts, starts_at, np.diff(at))
    else:
        starts, starts_at = np.zeros(len(good), np.int64), np.arange(len(good) + 1)
    mask = None
    if "loss_mask" in names and table["loss_mask"].null_count < table.num_rows:
        mask, masked = _mask(table["loss_mask"], at)
        good &= masked
    return Decoded(ids, at, starts, starts_at, mask, good)


def _flat(column: pa.ChunkedArray, kind: pa.DataType) -> tuple[Any, Ints, NDArray[np.bool_]]:
    """A column of lists as (values, offsets of (rows + 1,), rows that are given and hold no NULL)."""
    lists = column.combine_chunks()
    offsets = lists.offsets.to_numpy().astype(np.int64)
    values, given = lists.values, np.ones(len(lists), np.bool_)
    if lists.null_count:
        given &= lists.is_valid().to_numpy(zero_copy_only=False)
    if values.null_count:
        holes = np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))
        given[_owners(holes, offsets)] = False
        values = values.fill_null(False if pa.types.is_boolean(kind) else PADDING)
    if offsets[0] or len(values) != offsets[-1]:
        values, offsets = values.slice(offsets[0], offsets[-1] - offsets[0]), offsets - offsets[0]
    if values.type != kind:
        values = values.cast(kind, safe=False)
    return values.to_numpy(zero_copy_only=not pa.types.is_boolean(kind)), offsets, given


def _owners(places: Ints, offsets: Ints) -> Ints:
    """The rows that hold these places of the flat values."""
    rows = np.searchsorted(offsets, places, side="right") - 1
    return np.unique(rows[(rows >= 0) & (rows < len(offsets) - 1)])


def _fit(ids: NDArray[np.int32], at: Ints, reading: Reading) -> NDArray[np.bool_]:
    lengths = np.diff(at)
    good: NDArray[np.bool_] = (lengths > 0) & (lengths <= reading.row_tokens)
    if len(ids) and (ids.min() < 0 or ids.max() >= reading.vocabulary):
        good[_owners(np.flatnonzero((ids < 0) | (ids >= reading.vocabulary)), at)] = False
    return good


def _ascending(starts: Ints, at: Ints, lengths: Ints) -> NDArray[np.bool_]:
    """Rows whose starts begin at 0, ascend and stay inside the row."""
    good = np.diff(at) > 0
    padded = np.append(starts, 0)
    good &= padded[at[:-1]] == 0
    good &= (padded[at[1:] - 1] < lengths) | (np.diff(at) == 0)
    inside = np.ones(len(starts), np.bool_)  # a row's first start has none before it
    inside[at[:-1][at[:-1] < len(starts)]] = False
    falls = np.flatnonzero(inside[1:] & (np.diff(starts) <= 0)) + 1
    good[_owners(falls, at)] = False
    return good


def _mask(column: pa.ChunkedArray, at: Ints) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The mask of every id, all true for a row whose mask is NULL, and which rows' masks have the row's length."""
    values, offsets, given = _flat(column, pa.bool_())
    absent = column.is_null().combine_chunks().to_numpy(zero_copy_only=False)
    good = (absent | given) & (absent | (np.diff(offsets) == np.diff(at)))
    if not absent.any() and good.all():
        return values, good
    whole = np.ones(int(at[-1]), np.bool_)
    for row in np.flatnonzero(good & ~absent):
        whole[at[row] : at[row + 1]] = values[offsets[row] : offsets[row + 1]]
    return whole, good


class _Assembly:
    """Packed rows put one after another into the arrays of a batch."""

    def __init__(self, rows: int, reading: Reading) -> None:
        self._length, self._isolated = reading.row_tokens, reading.isolated
        self._ids = np.full(rows * self._length, PADDING, np.int64)
        self._dropped: list[slice] = []
        self._masks: list[tuple[int, NDArray[np.bool_]]] = []
        self._starts: list[Ints] = []

    def put(self, nth: int, decoded: Decoded, row: int) -> None:
        base = nth * self._length
        if not decoded.good[row]:
            self._pad(base, base + self._length)
            return
        first, last = decoded.at[row], decoded.at[row + 1]
        end = base + last - first
        self._ids[base:end] = decoded.ids[first:last]
        self._starts.append(decoded.starts[decoded.starts_at[row] : decoded.starts_at[row + 1]] + base)
        if decoded.mask is not None:
            self._masks.append((base, decoded.mask[first:last]))
        if end < base + self._length:
            self._pad(int(end), base + self._length)

    def _pad(self, first: int, last: int) -> None:
        """Padding is a document of its own, so that isolation keeps it from the others."""
        self._starts.append(np.array([first], np.int64))
        self._dropped.append(slice(first, last))

    def batch(self, samples: Ints, rows: int, length: int) -> Batch:
        begins = np.arange(rows, dtype=np.int64) * length
        # Sorted, each once: then a repeat of each start gives what is to be taken off, ten times as fast as a running maximum.
        starts = np.unique(np.concatenate([begins, *self._starts])) if self._isolated else begins
        labels = self._ids.copy()
        labels[starts] = NO_TARGET
        for dropped in self._dropped:
            labels[dropped] = NO_TARGET
        for base, mask in self._masks:
            labels[base : base + len(mask)][~mask] = NO_TARGET
        positions = np.arange(len(labels)) - np.repeat(starts, np.diff(starts, append=len(labels)))
        shape = (rows, length)
        return Batch(samples, self._ids.reshape(shape), positions.reshape(shape), labels.reshape(shape))
