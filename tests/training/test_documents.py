"""Documents come from exactly what a release pins, or not at all.

for batch in documents("lake", "first", columns=("doc_id", "text"), batch_rows=2): ...
"""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakehouse import ledger, ops, release
from lakehouse.errors import ConfigError, InputError
from lakehouse.lake import Lake
from lakehouse.registry import graph, table
from training.documents import documents
from training.pins import of_release

PRETRAIN = table("gold.pretrain")


def rows(*texts: str) -> pa.Table:
    blank = {"corpus": "code", "source": "s", "repo": "r", "path": "p", "language": "python", "copies": 1}
    made = [{**blank, "doc_id": f"{i:064x}", "bytes": len(t), "text": t} for i, t in enumerate(texts)]
    return pa.Table.from_pylist(made, schema=PRETRAIN.arrow_schema)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = Lake(str(tmp_path / "lake"))
    write_deltalake(made.location(PRETRAIN), rows("one", "two", "three"))
    release.create(made, graph(), "first")
    return made


def texts(lake: Lake, name: str = "first") -> list[str]:
    batches = list(documents(lake.root, name, columns=("text",), batch_rows=2))
    assert all(batch.num_rows <= 2 for batch in batches)
    return sorted(text for batch in batches for text in batch["text"].to_pylist())


def test_a_release_gives_its_own_rows_however_the_table_grows(lake: Lake) -> None:
    write_deltalake(lake.location(PRETRAIN), rows("four", "five"), mode="overwrite")
    assert texts(lake) == ["one", "three", "two"]


def test_unknown_release_table_and_column_are_named(lake: Lake) -> None:
    with pytest.raises(ConfigError, match=r"release 'frst' does not exist.*Did you mean 'first'"):
        texts(lake, "frst")
    with pytest.raises(InputError, match=r"no column 'txt'\. Columns: doc_id"):
        list(documents(lake.root, "first", columns=("txt",), batch_rows=1))
    with pytest.raises(InputError, match=r"has no gold\.anneal\. It holds: gold\.pretrain"):
        list(documents(lake.root, "first", table="gold.anneal", columns=("text",), batch_rows=1))


def test_a_table_that_was_made_anew_is_refused(lake: Lake) -> None:
    import shutil

    shutil.rmtree(lake.location(PRETRAIN))
    write_deltalake(lake.location(PRETRAIN), rows("one", "two", "three"))
    with pytest.raises(InputError, match="removed and made anew"):
        texts(lake)


def test_a_changed_row_fails_the_proof_and_a_lost_file_fails_the_read(lake: Lake) -> None:
    assert [check.equal for check in release.verify(lake, graph(), "first")] == [True]
    (file,) = Path(lake.location(PRETRAIN)).glob("*.parquet")
    import pyarrow.parquet as pq

    changed = pq.read_table(file).set_column(12, "text", pa.array(["one", "two", "3hree"]))
    pq.write_table(changed, file)
    assert [check.equal for check in release.verify(lake, graph(), "first")] == [False]
    file.unlink()
    (check,) = release.verify(lake, graph(), "first")
    assert check.found.startswith("unreadable")
    with pytest.raises(InputError, match="a file is missing or damaged"):
        texts(lake)


def test_a_release_also_names_the_versions_that_it_was_made_from(lake: Lake) -> None:
    (row,) = release.show(lake, "first")
    behind = [{"inputs": [{"name": "bronze.code_contents", "id": "x-1", "version": 3}]}]
    ledger.append(lake, ops.releases, [{**row, "release": "second", "made_from": json.dumps(behind)}])
    pin = of_release(lake.root, "second", "bronze.code_contents")
    assert (pin.version, pin.table_id, pin.location) == (3, "x-1", f"{lake.root}/bronze/code_contents")
    with pytest.raises(InputError, match=r"It was made from: bronze\.code_contents"):
        of_release(lake.root, "second", "bronze.code_files")
