"""Packed sequences of a release as files that other trainers read: MDS (mosaicml-streaming) and Megatron's indexed data set.

Both formats are plain: lengths, offsets and ids, written here from their description, so that no library is needed. The
tests read them back with mosaicml-streaming, and with Megatron's own reader where that is asked for.

- MDS: one sample a sequence, in shards of SHARD_BYTES. `input_ids`, `doc_starts` (int32) and, where the table has one,
  `loss_mask` (uint8) are arrays; `source` and `sequence_id` are texts. Nothing is padded.
- Megatron: one sequence and one document for each piece of a document, since Megatron packs by itself and knows neither
  several documents in a sequence nor a mask: a table whose loss is masked is refused.

Rows come in the order of `sequence_id`. Memory: a shard, or 4 bytes a piece.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
from array import array
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from lakehouse.errors import ConfigError, StorageError, nearest
from lakehouse.lake import Lake
from lakehouse.pinned import Pinned
from lakehouse.release_export import Exported

SHARD_BYTES = 1 << 26
ROWS_AT_ONCE = 1024
COLUMNS = "sequence_id, source, input_ids, doc_starts, loss_mask"

Row = Mapping[str, Any]
Ids = npt.NDArray[np.int32]


class Writer(Protocol):
    def add(self, row: Row) -> None: ...

    def close(self) -> None: ...


class Mds:
    """Shards and their index, in the order of `add`. `masked`: the samples have a `loss_mask`."""

    def __init__(self, folder: Path, *, masked: bool) -> None:
        names = ["doc_starts", "input_ids", *(["loss_mask"] if masked else []), "sequence_id", "source"]
        kinds = {"loss_mask": "ndarray:uint8", "sequence_id": "str", "source": "str"}
        self._folder, self._names, self._masked = folder, names, masked
        self._about: dict[str, Any] = {
            "version": 2, "format": "mds", "compression": None, "hashes": [], "size_limit": SHARD_BYTES,
            "column_names": names, "column_encodings": [kinds.get(name, "ndarray:int32") for name in names],
            "column_sizes": [None] * len(names),
        }  # fmt: skip
        self._head = json.dumps(self._about, sort_keys=True).encode()
        self._samples: list[bytes] = []
        self._bytes = 0
        self._shards: list[dict[str, Any]] = []

    def add(self, row: Row) -> None:
        values = [self._value(name, row) for name in self._names]
        sample = np.array([len(value) for value in values], "<u4").tobytes() + b"".join(values)
        if self._samples and self._bytes + len(sample) + 4 > SHARD_BYTES:
            self._flush()
        self._samples.append(sample)
        self._bytes += len(sample) + 4

    def close(self) -> None:
        if self._samples or not self._shards:
            self._flush()
        index = {"version": 2, "shards": self._shards}
        (self._folder / "index.json").write_text(json.dumps(index, sort_keys=True), "utf-8")

    def _value(self, name: str, row: Row) -> bytes:
        if name == "loss_mask":
            ids = len(row["input_ids"])
            mask = np.ones(ids, np.uint8) if row[name] is None else np.asarray(row[name], np.uint8)
            return _array(mask)
        return row[name].encode() if name in ("sequence_id", "source") else _array(np.asarray(row[name], "<i4"))

    def _flush(self) -> None:
        """Number of samples, where each begins and the last ends, what the columns are, the samples."""
        count = len(self._samples)
        first = 4 + 4 * (count + 1) + len(self._head)
        offsets = first + np.cumsum([0, *map(len, self._samples)])
        file = f"shard.{len(self._shards):05d}.mds"
        data = struct.pack("<I", count) + offsets.astype("<u4").tobytes() + self._head + b"".join(self._samples)
        (self._folder / file).write_bytes(data)
        raw = {"basename": file, "bytes": len(data), "hashes": {}}
        self._shards.append({**self._about, "samples": count, "raw_data": raw, "zip_data": None})
        self._samples, self._bytes = [], 0


def _array(values: npt.NDArray[Any]) -> bytes:
    """One dimension: the width of its length and that there is one (6 and 2 bits), its length, its values."""
    width = next(n for n, most in enumerate((1 << 8, 1 << 16, 1 << 32, 1 << 64)) if len(values) < most)
    return bytes([1 << 2 | width]) + len(values).to_bytes(1 << width, "little") + values.tobytes()


class Megatron:
    """`tokens.bin`: the ids of all pieces; `tokens.idx`: how long each is and where it begins."""

    INT32 = 4  # the format's number for ids of this type

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._bin = (folder / "tokens.bin").open("wb")
        self._lengths = array("i")

    def add(self, row: Row) -> None:
        if row["loss_mask"] is not None:
            raise ConfigError(
                f"{row['sequence_id']}: the loss counts some of its ids only, which Megatron's format cannot say. Use mds."
            )
        ids, bounds = np.asarray(row["input_ids"], "<i4"), [*row["doc_starts"], len(row["input_ids"])]
        self._bin.write(ids.tobytes())
        self._lengths.extend(int(n) for n in np.diff(bounds))

    def close(self) -> None:
        self._bin.close()
        lengths = np.frombuffer(self._lengths, np.int32)
        ends = np.cumsum(lengths, dtype=np.int64)
        begins = 4 * (ends - lengths)
        with (self._folder / "tokens.idx").open("wb") as file:
            file.write(b"MMIDIDX\0\0" + struct.pack("<QB", 1, self.INT32))
            file.write(struct.pack("<QQ", len(lengths), len(lengths) + 1))
            file.write(lengths.astype("<i4").tobytes() + begins.astype("<i8").tobytes())
            file.write(np.arange(len(lengths) + 1, dtype="<i8").tobytes())  # each piece is a document


def _mds(folder: Path, masked: bool) -> Writer:
    return Mds(folder, masked=masked)


def _megatron(folder: Path, masked: bool) -> Writer:  # noqa: ARG001  a masked row is refused where it is met
    return Megatron(folder)


FORMATS: Mapping[str, Callable[[Path, bool], Writer]] = {"mds": _mds, "megatron": _megatron}


def export(lake: Lake, name: str, table: str, folder: Path, form: str) -> Exported:
    """Write a packed table of a release to `folder`, which must not be there yet.

    Raises ConfigError for a release without the table, one that is not packed, a folder that is taken, or rows that the
    format cannot say.
    """
    if folder.exists():
        raise ConfigError(f"{folder}: is there already, and nothing is written over. Name another folder.")
    with Pinned(lake) as pinned, _Scratch(folder) as scratch:
        known = sorted(found for found in pinned.add(name, "r") if found.startswith("gold.packed_"))
        if table not in known:
            raise ConfigError(
                f"--layout {table}: release {name!r} has no such packed table. Allowed: {', '.join(known) or 'none'}."
                f"{nearest(table, known)}"
            )
        (masks,) = pinned.rows(f'SELECT count(loss_mask) AS n FROM r."{table}"')
        writer = FORMATS[form](scratch.path, masks["n"] > 0)
        rows = 0
        for row in _rows(pinned, table):
            writer.add(row)
            rows += 1
        writer.close()
        scratch.keep()
    return Exported(folder, rows, 0)


def _rows(pinned: Pinned, table: str) -> Iterator[Row]:
    for batch in pinned.batches(f'SELECT {COLUMNS} FROM r."{table}" ORDER BY sequence_id', ROWS_AT_ONCE):
        columns = {name: batch.column(i) for i, name in enumerate(batch.schema.names)}
        for i in range(batch.num_rows):
            found: dict[str, Any] = {name: columns[name][i].as_py() for name in ("sequence_id", "source")}
            for name in ("input_ids", "doc_starts", "loss_mask"):
                one = columns[name][i]
                found[name] = one.values.to_numpy(zero_copy_only=False) if one.is_valid else None
            yield found


class _Scratch:
    """A folder beside the target that takes its name when all is written, and goes away otherwise."""

    def __init__(self, target: Path) -> None:
        self._target, self.path = target, target.with_name(f".{target.name}.{os.getpid()}")

    def keep(self) -> None:
        self._do(lambda: self.path.replace(self._target))

    def _do(self, work: Callable[[], Any]) -> None:
        try:
            work()
        except OSError as error:
            raise StorageError(f"{self._target}: {error.strerror}. Name a folder that can be made.") from error

    def __enter__(self) -> Self:
        self._do(lambda: self.path.mkdir(parents=True))
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
