"""Documents packed as bytes: a table of sequences for models that need no tokenizer.

    pin = packed(pin_of_documents, folder, row_tokens=256)

The ids are the bytes of each document (column `text`, or `content` of raw files) and END after it. Documents follow each other in the order of their
`doc_id` and are cut at the row's length; no byte is lost and none doubled, only the last row is short. For small models and
comparisons, where bits per byte need no tokenizer to be fair; runs at scale read what the lake packs.

The table is made once per content and kept in `folder` under a name that says what it was made from. Memory: the texts
of the version. Raises InputError when there is no text.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import WriterProperties, write_deltalake
from numpy.typing import NDArray

from lakehouse.errors import InputError
from lakehouse.lake import Lake
from lakehouse.pinned import Pinned
from training.pins import Pin, opened

END = 256  # the id after a document
VOCABULARY = 257
GROUP_ROWS = 64  # small row groups: the tables are small, and shuffling is by group first

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


def packed(
    pin: Pin, folder: Path, *, row_tokens: int, source: str | None = None, lake: str = "", query: str | None = None
) -> Pin:
    """The documents of a pinned version, of one `source` if named, as rows of `row_tokens` ids.

    `query`: documents are what it gives over the pin's release in `lake` instead, as columns doc_id and text.
    """
    identity = [str(Path(pin.location).absolute()), pin.version, pin.table_id, row_tokens, source, GROUP_ROWS]
    said = json.dumps(identity + ([pin.release, query] if query is not None else []))
    name = hashlib.sha256(said.encode()).hexdigest()[:16]
    target = folder / name
    made = Pin(str(target), 0, f"{pin.table or pin.location} as bytes", pin.release, table_id=None, digest=pin.digest)
    if target.exists():
        return made
    documents = _documents(pin, source) if query is None else _asked(pin, lake, query)
    if not documents:
        raise InputError(f"{pin}: no document to pack. Choose another version, source or query.")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=f".{name}-") as temporary:
        table = _table(documents, row_tokens, name, source or "bytes")
        properties = WriterProperties(compression="ZSTD", max_row_group_size=GROUP_ROWS, write_batch_size=GROUP_ROWS)
        made_in = Path(temporary) / "table"
        write_deltalake(str(made_in), table, writer_properties=properties)
        if not target.exists():
            shutil.move(made_in, target)  # within one folder: a rename
    return made


def _documents(pin: Pin, source: str | None) -> list[tuple[str, bytes]]:
    """(id, bytes of the text) by id: of documents, or of raw contents as they were read."""
    raw = "content" in opened(pin, []).schema().to_arrow().names
    columns = ["content_id", "content"] if raw else ["doc_id", "text"]
    columns += ["source"] if source is not None else []
    table = opened(pin, columns).to_pyarrow_dataset().to_table(columns=columns, use_threads=False)
    if source is not None:
        table = table.filter(pc.equal(table["source"], source))
    made = zip(table[columns[0]].to_pylist(), table[columns[1]].to_pylist(), strict=True)
    return sorted((name, text if raw else text.encode()) for name, text in made)


def _asked(pin: Pin, lake: str, query: str) -> list[tuple[str, bytes]]:
    """(id, bytes of the text) by id, then text: what the query gives. Raises InputError where it does not fit the release."""
    with Pinned(Lake(lake)) as opened:
        there = opened.add(pin.release, "r")
        try:
            rows = opened.rows(query)
        except InputError as error:
            raise InputError(f"{error}\nTables of release {pin.release!r}: {', '.join(sorted(there))}.") from error
    if rows and not {"doc_id", "text"} <= set(rows[0]):
        raise InputError(f"the query gives {', '.join(rows[0])}; doc_id and text are needed.\nThe query was: {query}")
    return sorted((row["doc_id"], row["text"].encode()) for row in rows if row["text"])


def _table(documents: Sequence[tuple[str, bytes]], row_tokens: int, name: str, source: str) -> pa.Table:
    ids = np.concatenate([_encoded(text) for _, text in documents])
    begins = np.arange(0, len(ids), row_tokens)
    ends = np.append(begins, len(ids))
    of_documents = np.concatenate([[0], np.flatnonzero(ids == END)[:-1] + 1])
    starts = np.union1d(of_documents, begins)  # a row's first token starts a document, or goes on with one
    within = starts - begins[np.searchsorted(begins, starts, side="right") - 1]
    offsets = pa.array(np.searchsorted(starts, ends).astype(np.int32))
    belongs = np.searchsorted(of_documents, starts, side="right") - 1
    doc_ids = pa.array([doc_id for doc_id, _ in documents]).take(pa.array(belongs))
    columns = [
        pa.array([f"{name}-{number:09}" for number in range(len(begins))]),
        pa.array([source] * len(begins)),
        pa.ListArray.from_arrays(pa.array(ends.astype(np.int32)), pa.array(ids)),
        pa.ListArray.from_arrays(offsets, pa.array(within.astype(np.int32))),
        pa.nulls(len(begins), pa.list_(pa.bool_())),
        pa.ListArray.from_arrays(offsets, doc_ids),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def _encoded(text: bytes) -> NDArray[np.int32]:
    return np.append(np.frombuffer(text, np.uint8).astype(np.int32), np.int32(END))
