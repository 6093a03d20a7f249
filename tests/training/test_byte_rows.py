"""Documents become rows of bytes, none lost and none doubled.

packed(of_release("lake", "first", "gold.pretrain"), Path("runs/rows"), row_tokens=256)
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse import release
from lakehouse.errors import InputError
from lakehouse.lake import Lake
from lakehouse.registry import graph, table
from training.byte_rows import END, packed
from training.pins import Pin, of_release


def documents(folder: Path, texts: list[str]) -> Pin:
    rows = {"doc_id": [f"d{n:03}" for n in range(len(texts))], "text": texts, "source": ["a"] * len(texts)}
    write_deltalake(str(folder / "documents"), pa.table(rows))
    return Pin(str(folder / "documents"), 0)


@settings(max_examples=20)
@given(st.lists(st.text(max_size=20), min_size=1, max_size=8), st.integers(1, 12))
def test_rows_joined_are_the_documents(texts: list[str], row_tokens: int) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        pin = packed(documents(Path(temporary), texts), Path(temporary) / "rows", row_tokens=row_tokens)
        rows = DeltaTable(pin.location).to_pyarrow_table().sort_by("sequence_id").to_pylist()
    assert {len(row["input_ids"]) for row in rows[:-1]} <= {row_tokens}
    stream = [i for row in rows for i in row["input_ids"]]
    assert stream == [i for text in texts for i in (*text.encode(), END)]
    for row in rows:
        begun = [n for n, i in enumerate(row["input_ids"]) if n == 0 or row["input_ids"][n - 1] == END]
        assert row["doc_starts"] == begun
        assert len(row["doc_ids"]) == len(begun)
    belonging = [d for row in rows for d in row["doc_ids"]]
    assert sorted(set(belonging)) == sorted(f"d{n:03}" for n in range(len(texts)))
    assert belonging == sorted(belonging)


def test_the_same_documents_are_packed_once_and_one_source_can_be_chosen(tmp_path: Path) -> None:
    pin = documents(tmp_path, ["one", "two"])
    made = packed(pin, tmp_path / "rows", row_tokens=4)
    written = Path(made.location).stat().st_mtime_ns
    assert packed(pin, tmp_path / "rows", row_tokens=4) == made
    assert Path(made.location).stat().st_mtime_ns == written
    assert packed(pin, tmp_path / "rows", row_tokens=8) != made
    assert packed(pin, tmp_path / "rows", row_tokens=4, source="a") != made
    with pytest.raises(InputError, match="no document to pack"):
        packed(pin, tmp_path / "rows", row_tokens=4, source="b")


def test_raw_contents_are_packed_as_they_were_read(tmp_path: Path) -> None:
    raw = [b"\xff\xfe no text", b"two"]
    write_deltalake(str(tmp_path / "raw"), pa.table({"content_id": ["b", "a"], "content": raw}))
    made = packed(Pin(str(tmp_path / "raw"), 0), tmp_path / "rows", row_tokens=99)
    (ids,) = DeltaTable(made.location).to_pyarrow_table()["input_ids"].to_pylist()
    assert ids == [*raw[1], END, *raw[0], END]


def test_a_query_chooses_documents_of_a_release_and_is_part_of_what_they_are(tmp_path: Path) -> None:
    lake, pretrain = Lake(str(tmp_path / "lake")), table("gold.pretrain")
    blank = {"corpus": "code", "source": "s", "repo": "r", "path": "p", "language": "python", "copies": 1, "bytes": 1}
    rows = [{**blank, "doc_id": f"{n:064x}", "stars": n, "text": f"t{n}"} for n in range(4)]
    write_deltalake(lake.location(pretrain), pa.Table.from_pylist(rows, schema=pretrain.arrow_schema))
    release.create(lake, graph(), "first")
    pin = of_release(lake.root, "first", "gold.pretrain")

    def asked(query: str) -> Pin:
        return packed(pin, tmp_path / "rows", row_tokens=8, lake=lake.root, query=query)

    popular = 'SELECT doc_id, text FROM r."gold.pretrain" WHERE stars >= 2'
    (row,) = DeltaTable(asked(popular).location).to_pyarrow_table().to_pylist()
    assert row["input_ids"] == [*b"t2", END, *b"t3", END]
    assert asked(popular) == asked(popular)
    assert asked(popular).location != asked(popular + " LIMIT 1").location
    with pytest.raises(InputError, match=r"gold\.nothing(.|\n)*Tables of release 'first': gold\.pretrain"):
        asked('SELECT doc_id, text FROM r."gold.nothing"')
    with pytest.raises(InputError, match="the query gives stars; doc_id and text are needed"):
        asked('SELECT stars FROM r."gold.pretrain"')
