"""Parquet files with one source file per row: a crawl's export, and files made to hurt."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta, timezone

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.code.sources import SourceError, fingerprint, read, shards


@pytest.fixture
def write(tmp_path):
    def go(columns: dict[str, object], name: str = "rows.parquet", **options: object):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns), path, **options)
        return path

    return go


CRAWL = {
    "blob": ["print(1)\n", "int a;\n"],
    "file_path": ["a.py", "src/b.c"],
    "repository": ["o/one", "o/two"],
    "revision": ["c1", None],
    "star_count": [5, None],
    "date": [datetime(2020, 1, 2, 3), None],
    "licenses": [["MIT", "Apache-2.0", "MIT"], []],
}
MAPPED = {
    "content": "blob",
    "path": "file_path",
    "repo": "repository",
    "commit": "revision",
    "stars": "star_count",
    "committed_at": "date",
    "licence": "licenses",
}


def test_a_crawl_is_read_by_the_names_of_its_columns(write, spec, reading) -> None:
    found = reading(spec("parquet", write(CRAWL), columns=MAPPED))
    first, second = found.occurrences
    assert (first.repo, first.path, first.content, first.size) == ("o/one", "a.py", b"print(1)\n", 9)
    assert (first.commit, first.stars, first.licence) == ("c1", 5, "Apache-2.0 AND MIT")
    assert first.committed_at == datetime(2020, 1, 2, 3, tzinfo=UTC)
    assert (second.commit, second.stars, second.licence, second.committed_at) == (None, None, None, None)


def test_our_own_names_need_no_mapping_and_only_content_and_path_are_needed(write, spec, reading) -> None:
    found = reading(spec("parquet", write({"path": ["a"], "content": [b"\xff\x00"], "other": [1]})))
    assert found.files == {"a": b"\xff\x00"}
    assert found.rows[0].repo == "rows"


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.binary(), pa.large_binary(), pa.dictionary(pa.int32(), pa.string())]
)
def test_content_may_be_of_any_type_of_text_or_bytes(write, spec, reading, kind) -> None:
    values = ["a", "", "\u00fc"] * 30
    columns = {"path": [f"f{n}" for n in range(90)], "content": pa.array(values).cast(kind)}
    found = reading(spec("parquet", write(columns, row_group_size=40)))
    assert [row.content for row in found.rows] == [value.encode() for value in values]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([0], pa.timestamp("s")), datetime(1970, 1, 1, tzinfo=UTC)),
        (pa.array([0], pa.timestamp("ns", "Europe/Berlin")), datetime(1970, 1, 1, tzinfo=UTC)),
        (pa.array([date(2020, 1, 2)]), datetime(2020, 1, 2, tzinfo=UTC)),
        (pa.array(["2020-01-02T03:04:05+02:00"]), datetime(2020, 1, 2, 1, 4, 5, tzinfo=UTC)),
        (pa.array(["2020-01-02 03:04:05Z"]), datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (pa.array(["yesterday"]), None),
        (pa.array(["0001-01-01T00:00:00+14:00"]), None),
    ],
)
def test_times_of_any_type_are_utc_and_what_is_no_time_is_unknown(write, spec, reading, values, expected) -> None:
    found = reading(spec("parquet", write({"path": ["a"], "content": ["x"], "committed_at": values})))
    assert found.occurrences[0].committed_at == expected


def test_counts_that_are_floats_or_no_counts(write, spec, reading) -> None:
    stars = [3.0, float("nan"), float("inf"), -1.0, None]
    found = reading(spec("parquet", write({"path": list("abcde"), "content": ["x"] * 5, "stars": stars})))
    assert [row.stars for row in found.occurrences] == [3, None, None, None, None]


def test_null_content_bad_paths_and_large_rows_are_rows_of_their_own(write, spec, reading) -> None:
    columns = {
        "path": pa.array([b"null", b"../up", None, b"caf\xe9", b"over", b"fits"], pa.binary()),
        "content": [None, "x", "x", "x", "x" * 1001, "x" * 1000],
        "repo": ["o/n"] * 6,
    }
    found = reading(spec("parquet", write(columns, row_group_size=2)), max_file_bytes=1000)
    assert list(found.files) == ["fits"]
    assert found.faults == [
        ("null", "missing_content"),
        ("../up", "path_escapes"),
        ("rows.parquet#1/0", "unsafe_name"),
        ("caf%E9", "not_utf8_path"),
        ("over", "over_cap"),
    ]
    assert {row.repo for row in found.rows} == {"o/n"}
    assert found.unreadables[-1].size == 1001


def test_a_folder_is_read_file_by_file_in_byte_order(write, spec, reading, tmp_path) -> None:
    for name in ("data/b/1.parquet", "data/a.parquet", "data/b-1.parquet"):
        write({"path": [name], "content": ["x"]}, name)
    write({"path": ["no"], "content": ["x"]}, "data/_temporary/0.parquet")
    write({"path": ["no"], "content": ["x"]}, "data/.hidden.parquet")
    (tmp_path / "data" / "README.md").write_text("not parquet")
    for shard_bytes in (1, 10_000_000):
        found = reading(spec("parquet", tmp_path / "data"), shard_bytes=shard_bytes)
        assert list(found.files) == ["data/a.parquet", "data/b-1.parquet", "data/b/1.parquet"]
    before = fingerprint(spec("parquet", tmp_path / "data"))
    write({"path": ["new"], "content": ["x"]}, "data/c.parquet")
    assert fingerprint(spec("parquet", tmp_path / "data")) != before


def test_row_groups_spread_over_shards(write, spec, limits) -> None:
    path = write({"path": [f"f{n}" for n in range(100)], "content": ["x" * 900] * 100}, row_group_size=10)
    split = shards(spec("parquet", path), limits(shard_bytes=100_000))
    assert len(split) > 3
    assert sum(part.count for shard in split for part in shard.parts) == 10
    rows = [row.path for shard in split for row in read(shard, limits())]
    assert rows == [f"f{n}" for n in range(100)]


def test_a_damaged_file_is_one_row_and_its_neighbours_are_read(write, spec, reading, tmp_path) -> None:
    for name in ("a", "m", "z"):
        write({"path": [name], "content": ["x"]}, f"data/{name}.parquet")
    whole = (tmp_path / "data" / "m.parquet").read_bytes()
    for content in (b"", b"PAR1", whole[:-10], whole[: len(whole) // 2]):
        (tmp_path / "data" / "m.parquet").write_bytes(content)
        found = reading(spec("parquet", tmp_path / "data"))
        assert list(found.files) == ["a", "z"]
        assert found.faults == [("m.parquet", "corrupt_archive")]


def test_damage_inside_a_row_group_gives_what_came_before_and_one_row(write, spec, reading) -> None:
    noise = random.Random(1)
    contents = [noise.randbytes(500) for _ in range(60)]
    columns = {"path": [f"f{n:02}" for n in range(60)], "content": contents}
    path = write(columns, row_group_size=20, compression="zstd", use_dictionary=False, write_page_checksum=True)
    chunk = pq.ParquetFile(path).metadata.row_group(1).column(1)
    damaged = bytearray(path.read_bytes())
    middle = chunk.data_page_offset + chunk.total_compressed_size // 2
    damaged[middle : middle + 20] = b"\xff" * 20
    path.write_bytes(damaged)
    for shard_bytes in (1, 10_000_000):
        found = reading(spec("parquet", path), shard_bytes=shard_bytes)
        assert [row.content for row in found.occurrences] == contents[:20] + contents[40:]
        assert found.faults == [("rows.parquet#1", "corrupt_archive")]


def test_content_that_unfolds_beyond_the_limits_is_not_decoded(write, spec, reading) -> None:
    columns = {"path": [f"f{n}" for n in range(40)], "content": [bytes(90_000)] * 40}
    path = write(columns, row_group_size=20, compression="zstd", use_dictionary=False)
    found = reading(spec("parquet", path))
    assert found.faults == [("rows.parquet#0", "archive_bomb"), ("rows.parquet#1", "archive_bomb")]
    assert found.files == {}
    assert len(reading(spec("parquet", path), max_ratio=1_000_000).files) == 40
    assert reading(spec("parquet", path), max_ratio=1_000_000, max_archive_bytes=1_000_000).files == {}


def test_a_file_that_changed_after_the_split_is_a_row(write, spec, limits) -> None:
    columns = {"path": ["a", "b"], "content": ["x", "y"]}
    path = write(columns, row_group_size=1)
    [shard] = shards(spec("parquet", path), limits())
    write(columns)
    [row] = read(shard, limits())
    assert (row.path, row.reason) == ("rows.parquet", "unreadable")


@pytest.mark.parametrize(
    ("columns", "mapped", "said"),
    [
        ({"path": ["a"]}, {}, "none is 'content'"),
        ({"content": ["a"]}, {}, "none is 'path'"),
        ({"path": ["a"], "content": ["x"]}, {"stars": "likes"}, "none is 'likes'"),
        ({"path": ["a"], "content": [1]}, {}, "column 'content' is int64, which cannot be content"),
        ({"path": ["a"], "content": ["x"], "stars": ["many"]}, {}, "cannot be stars"),
        ({"path": ["a"], "content": ["x"], "committed_at": [5]}, {}, "cannot be committed_at"),
        ({"path": ["a"], "content": ["x"], "licence": [[1]]}, {}, "cannot be licence"),
    ],
)
def test_a_column_that_is_absent_or_of_a_wrong_type_is_an_error(write, spec, limits, columns, mapped, said) -> None:
    with pytest.raises(SourceError) as raised:
        shards(spec("parquet", write(columns), columns=mapped), limits())
    assert said in str(raised.value)
    assert "Next: set columns." in str(raised.value)


def test_a_folder_without_parquet_and_a_delta_table_are_errors(write, spec, limits, tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="no \\*\\.parquet file"):
        shards(spec("parquet", tmp_path / "empty"), limits())
    write({"path": ["a"], "content": ["x"]}, "table/a.parquet")
    (tmp_path / "table" / "_delta_log").mkdir()
    with pytest.raises(SourceError, match="is a Delta table"):
        shards(spec("parquet", tmp_path / "table"), limits())


def test_times_of_the_spec_win(write, spec, reading) -> None:
    when = datetime(2021, 1, 1, tzinfo=timezone(timedelta(hours=1)))
    found = reading(
        spec("parquet", write(CRAWL), columns=MAPPED, committed_at=when, repo="all/one", licence="X", stars=0)
    )
    assert {(r.repo, r.licence, r.stars, r.committed_at) for r in found.occurrences} == {("all/one", "X", 0, when)}
