"""Tables of packed sequences, small enough to check by eye, written by delta-rs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from deltalake import WriterProperties, write_deltalake

from training.pins import Pin
from training.stream import Part, Reading

SCHEMA = pa.schema(
    [
        pa.field("sequence_id", pa.string(), False),
        pa.field("source", pa.string(), False),
        pa.field("input_ids", pa.list_(pa.int32()), False),
        pa.field("doc_starts", pa.list_(pa.int32()), False),
        pa.field("loss_mask", pa.list_(pa.bool_()), True),
        pa.field("doc_ids", pa.list_(pa.string()), False),
    ]
)
READING = Reading(row_tokens=8, vocabulary=1000, seed=7, window=2, bad_share=0.0, isolated=True)


def sequence(number: int, ids: Sequence[int], **given: Any) -> dict[str, Any]:
    blank = {"sequence_id": f"s{number}", "source": "code", "doc_starts": [0], "loss_mask": None, "doc_ids": ["d"]}
    return {**blank, "input_ids": list(ids), **given}


def numbered(rows: int, length: int = 8, *, first: int = 0, source: str = "code") -> list[dict[str, Any]]:
    """Sequences that can be told apart: the first two ids say which one it is."""
    made = []
    for number in range(first, first + rows):
        ids = [number // 900, number % 900, *range(10, 8 + length)]
        made.append(sequence(number, ids, source=source, doc_starts=[0, 3], doc_ids=[f"a{number}", f"b{number}"]))
    return made


def write(folder: Path, rows: Sequence[Mapping[str, Any]], *, group: int = 4, files: int = 1, **options: Any) -> Pin:
    """Append the rows in `files` files with row groups of `group` rows."""
    for chunk in np.array_split(np.arange(len(rows)), files):
        table = pa.Table.from_pylist([dict(rows[n]) for n in chunk], schema=SCHEMA)
        properties = WriterProperties(max_row_group_size=group, write_batch_size=group)
        write_deltalake(str(folder), table, mode="append", writer_properties=properties, **options)
    from deltalake import DeltaTable

    return Pin(str(folder), DeltaTable(str(folder)).version())


def part(pin: Pin, name: str = "code", weight: float = 1.0, source: str | None = None) -> Part:
    return Part(name, weight, pin, source)


def number_of(ids: Any) -> int:
    return int(ids[0]) * 900 + int(ids[1])
