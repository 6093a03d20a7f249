"""Tables of a lake as DuckDB views: one version each, and no column that a query does not name.

with Views(lake) as views:
    views.rows("SELECT language, count(*) AS files FROM silver.code_languages GROUP BY language")
"""

from __future__ import annotations

from pathlib import Path

import pytest
from deltalake import DeltaTable

from lakehouse.errors import InputError, StorageError
from lakehouse.lake import Lake
from lakehouse.report.views import Views
from tests.lakehouse.lakes import make_lake, rows


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return make_lake(tmp_path)


def test_a_query_sees_the_rows_of_the_tables(lake: Lake) -> None:
    with Views(lake) as views:
        found = views.rows("SELECT content_id, size FROM silver.code_files WHERE size > ? ORDER BY size", [1000])
    wanted = [
        {"content_id": r["content_id"], "size": r["size"]} for r in rows()["silver.code_files"] if r["size"] > 1000
    ]
    assert found == sorted(wanted, key=lambda row: row["size"])


def test_only_the_columns_that_a_query_names_are_read(lake: Lake) -> None:
    with Views(lake) as views:
        (plan,) = views.rows("EXPLAIN SELECT sum(size) FROM bronze.code_contents")
    assert "size" in plan["explain_value"]
    assert "swhid" not in plan["explain_value"]
    assert " content " not in plan["explain_value"]


def test_every_answer_is_about_the_version_that_was_there_first(lake: Lake) -> None:
    with Views(lake) as views:
        DeltaTable(f"{lake.root}/silver/code_files").delete()
        (row,) = views.rows("SELECT count(*) AS files FROM silver.code_files")
    assert row["files"] == len(rows()["silver.code_files"])


def test_a_table_that_is_not_there_is_not_a_view(tmp_path: Path) -> None:
    with Views(make_lake(tmp_path, without={"gold.pretrain"})) as views:
        assert views.has("silver.code_files", "ops.runs")
        assert not views.has("silver.code_files", "gold.pretrain")


def test_a_query_that_fails_says_which_and_where(lake: Lake) -> None:
    with Views(lake) as views, pytest.raises(InputError, match="no_such_column") as error:
        views.rows("SELECT no_such_column FROM silver.code_files")
    assert lake.root in str(error.value)


def test_a_file_that_is_gone_is_an_error_that_names_it(lake: Lake) -> None:
    (file,) = Path(lake.root, "silver", "code_texts").glob("*.parquet")
    file.unlink()
    with pytest.raises(StorageError, match=file.name):
        Views(lake)


def test_nothing_is_left_in_the_current_folder_or_the_lake(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    before = sorted(Path(lake.root).rglob("*"))
    with Views(lake) as views:
        views.rows("SELECT count(*) FROM silver.code_files")
    assert sorted(Path(lake.root).rglob("*")) == before
    assert list(empty.iterdir()) == []
