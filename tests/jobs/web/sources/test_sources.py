"""Sources of pages: which files they have, when a file counts as changed, and how the work is cut.

spec = WebSource(name="crawl", kind="warc", location="crawls/2026-10")
for file in files(spec): ...
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from jobs.web.sources import Limits, Page, Refused, Tally, WebSource, WebSourceError, files, read, shards
from tests.jobs.web.warcs import offsets, packed, response, warc

LIMITS = Limits(max_page_bytes=100_000, max_ratio=200, max_faults=50, shard_bytes=2_000)
SITE = [response(f"https://a.test/{n}", b"<p>page %d " % n * 20) for n in range(6)]


def source(kind: str, location: object, **more: Any) -> WebSource:
    return WebSource.model_validate({"name": "crawl", "kind": kind, "location": str(location), **more})


def rows(spec: WebSource, limits: Limits = LIMITS) -> list[Page | Refused]:
    found = [row for shard in shards(spec, files(spec), limits) for row in read(shard, limits)]
    return [row for row in found if not isinstance(row, Tally)]


def crawl(folder: Path) -> Path:
    (folder / "CC-MAIN-2024-10" / "segment").mkdir(parents=True)
    for n in (0, 1):
        (folder / "CC-MAIN-2024-10" / "segment" / f"{n}.warc.gz").write_bytes(warc(SITE[3 * n : 3 * n + 3]))
    (folder / "CC-MAIN-2024-10" / "README").write_text("not a crawl")
    return folder


def test_a_folder_gives_its_files_in_order_and_the_crawl_is_read_off_the_path(tmp_path: Path) -> None:
    spec = source("warc", crawl(tmp_path))
    assert [file.path for file in files(spec)] == [f"CC-MAIN-2024-10/segment/{n}.warc.gz" for n in (0, 1)]
    found = rows(spec)
    assert [(row.url, row.dump) for row in found if isinstance(row, Page)] == [
        (f"https://a.test/{n}", "CC-MAIN-2024-10") for n in range(6)
    ]
    assert len(found) == 6


def test_a_uri_and_a_path_name_the_same_files(tmp_path: Path) -> None:
    by_path, by_uri = source("warc", crawl(tmp_path)), source("warc", tmp_path.as_uri())
    assert [f.fingerprint for f in files(by_path)] == [f.fingerprint for f in files(by_uri)]
    assert rows(by_path) == rows(by_uri)


def test_only_a_file_that_changed_has_another_fingerprint(tmp_path: Path) -> None:
    spec = source("warc", crawl(tmp_path))
    before = files(spec)
    (tmp_path / before[1].path).write_bytes(warc(SITE[3:5]))
    after = files(spec)
    assert [a.fingerprint == b.fingerprint for a, b in zip(after, before, strict=True)] == [True, False]


def test_what_the_spec_says_of_rows_is_part_of_the_fingerprint_and_where_they_lie_is_not(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "x.warc").write_bytes(warc(SITE, "plain"))
    before = files(source("warc", tmp_path / "here"))[0].fingerprint
    (tmp_path / "here").rename(tmp_path / "there")
    assert files(source("warc", tmp_path / "there"))[0].fingerprint == before
    assert files(source("warc", tmp_path / "there", dump="mine"))[0].fingerprint != before


@pytest.mark.parametrize("form", ["cdxj", "cdx"])
def test_an_index_says_which_records_are_read_and_the_work_is_cut_by_it(tmp_path: Path, form: str) -> None:
    crawl(tmp_path)
    lines = [" CDX N b a m s k r M S V g"] if form == "cdx" else []
    for n in (0, 1):
        records = SITE[3 * n : 3 * n + 3]
        for k, start in enumerate(offsets(records)):
            if k == 1:
                continue  # not asked for
            name, length = f"segment/{n}.warc.gz", len(packed(records[k], "gzip"))
            said = {"filename": name, "offset": str(start), "length": str(length)}
            lines.append(
                f"test,a)/{k} 20260115120000 {json.dumps(said)}"
                if form == "cdxj"
                else f"test,a)/{k} 20260115120000 https://a.test/{k} text/html 200 DIGEST - - {length} {start} {name}"
            )
    (tmp_path / "index").write_text("\n".join([*lines, ""]))
    spec = source("warc", tmp_path, index=str(tmp_path / "index"))
    assert [row.url for row in rows(spec) if isinstance(row, Page)] == [f"https://a.test/{n}" for n in (0, 2, 3, 5)]
    whole = {row.url: row for row in rows(source("warc", tmp_path))}
    assert all(whole[row.url] == row for row in rows(spec))
    small = LIMITS.model_copy(update={"shard_bytes": 1})
    assert len(shards(spec, files(spec), small)) == 4


@pytest.mark.parametrize(
    ("line", "said"),
    [("not an index line", "names no record"), ('k t {"filename": "absent.warc.gz", "offset": 0, "length": 9}', "absent")],
)  # fmt: skip
def test_an_index_that_does_not_fit_the_source_is_refused(tmp_path: Path, line: str, said: str) -> None:
    crawl(tmp_path)
    (tmp_path / "index").write_text(line + "\n")
    spec = source("warc", tmp_path, index=str(tmp_path / "index"))
    with pytest.raises(WebSourceError, match=said):
        shards(spec, files(spec), LIMITS)


def parquet(path: Path, **columns: list[Any]) -> Path:
    pq.write_table(pa.table(columns), path, row_group_size=3)
    return path


TEXTS = [f"page {n}\n" * 40 for n in range(7)]


def test_the_fineweb_layout_keeps_address_time_and_dump(tmp_path: Path) -> None:
    urls = [f"https://b.test/{n}" for n in range(7)]
    path = parquet(
        tmp_path / "000.parquet", text=TEXTS, id=urls, dump=["CC-MAIN-2019-51"] * 7, url=urls,
        date=["2019-12-05T10:00:00Z"] * 7, file_path=["s3://x"] * 7, language=["en"] * 7, token_count=[9] * 7,
    )  # fmt: skip
    spec = source("parquet", path, layout="fineweb")
    assert len(shards(spec, files(spec), LIMITS)) == 3
    found = rows(spec)
    assert [(r.offset, r.url, r.dump) for r in found if isinstance(r, Page)] == [
        (n, urls[n], "CC-MAIN-2019-51") for n in range(7)
    ]
    first = found[0]
    assert isinstance(first, Page)
    assert (first.kind, first.body.decode(), first.fetched_at) == (
        "text",
        TEXTS[0],
        datetime(2019, 12, 5, 10, tzinfo=UTC),
    )


def test_the_skypile_layout_has_text_only(tmp_path: Path) -> None:
    found = rows(source("parquet", parquet(tmp_path / "a.parquet", text=TEXTS), layout="skypile", dump="SkyPile-150B"))
    assert [(r.url, r.dump) for r in found if isinstance(r, Page)] == [(None, "SkyPile-150B")] * 7


def test_opencoders_own_web_pages_are_read_as_they_were_released_and_another_schema_is_refused_by_column(
    tmp_path: Path,
) -> None:
    said = {
        "url": ["https://a.test/x"],
        "tag": ["code"],
        "text": ["A page."],
        "file_path": ["f"],
        "dump": ["CC-MAIN-2013-20"],
    }
    path = parquet(tmp_path / "a.parquet", **said, file_size_in_byte=[7], line_count=[1])
    (row,) = rows(source("parquet", path, layout="opc-fineweb"))
    assert isinstance(row, Page)
    assert (row.url, row.dump, row.body) == ("https://a.test/x", "CC-MAIN-2013-20", b"A page.")
    other = source(
        "parquet", parquet(tmp_path / "b.parquet", url=["u"], content=["A page."], dump=["d"]), layout="opc-fineweb"
    )
    with pytest.raises(WebSourceError, match="none is 'text'"):
        rows(other)


def test_the_automathtext_layout_and_columns_of_ones_own(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", url=["https://c.test"], text=["1 + 1"], date=["2023-01-01"], meta=["{}"])
    (row,) = rows(source("parquet", path, layout="automathtext"))
    assert isinstance(row, Page)
    assert (row.url, row.body) == ("https://c.test", b"1 + 1")
    path = parquet(tmp_path / "b.parquet", page=[b"<p>x"], address=["https://d.test"])
    (row,) = rows(source("parquet", path, columns={"html": "page", "url": "address"}))
    assert isinstance(row, Page)
    assert (row.kind, row.url) == ("html", "https://d.test")


def test_a_row_that_holds_no_page_is_refused_by_its_number(tmp_path: Path) -> None:
    values = pa.array([b"good", None, b"\xff\xfe", b"x" * 200_000], pa.binary())
    pq.write_table(pa.table({"text": values}), tmp_path / "a.parquet")
    found = rows(source("parquet", tmp_path / "a.parquet", layout="skypile"))
    assert [(r.offset, str(r.reason)) for r in found if isinstance(r, Refused)] == [
        (1, "bad_text"), (2, "bad_text"), (3, "over_cap"),
    ]  # fmt: skip


def test_a_damaged_parquet_file_is_a_refused_item(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", text=TEXTS)
    path.write_bytes(path.read_bytes()[:-300])
    assert [str(r.reason) for r in rows(source("parquet", path, layout="skypile")) if isinstance(r, Refused)] == [
        "damaged"
    ]


def test_a_missing_column_is_refused_with_the_columns_there_are(tmp_path: Path) -> None:
    spec = source("parquet", parquet(tmp_path / "a.parquet", content=TEXTS), layout="fineweb")
    with pytest.raises(WebSourceError, match="has columns content; none is 'text'"):
        shards(spec, files(spec), LIMITS)


def test_a_location_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WebSourceError, match="nothing there"):
        files(source("warc", tmp_path / "absent"))
    with pytest.raises(WebSourceError, match=r"\.warc\.gz"):
        files(source("warc", tmp_path))


@pytest.mark.parametrize(
    "wrong", [{"layout": "skypile"}, {"kind": "parquet"}, {"kind": "parquet", "layout": "skypile", "index": "i"}]
)
def test_settings_that_do_not_fit_the_kind_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        WebSource.model_validate({"name": "crawl", "kind": "warc", "location": "x", **wrong})
