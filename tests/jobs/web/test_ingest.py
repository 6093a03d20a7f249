"""Crawls into bronze: each page once, each broken record explained, and a second reading adds nothing.

codelake build --set 'web.ingest.sources=[{name: crawl, kind: warc, location: crawls/2026-10}]' web.*
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from tests.jobs.web.lakes import WebLake
from tests.jobs.web.warcs import conversion, offsets, record, response, warc

pytestmark = pytest.mark.spark

SITE = [response(f"https://a.test/{n}", b"<p>page %d " % n * 20) for n in range(4)]


def sources(folder: Path) -> dict[str, Any]:
    return {"web.ingest.sources": [{"name": "crawl", "kind": "warc", "location": str(folder), "dump": "d"}]}


def test_a_crawl_becomes_pages_and_grows_file_by_file(tmp_path: Path, spark: SparkSession) -> None:
    crawl = tmp_path / "crawl"
    crawl.mkdir()
    damaged = bytearray(warc(SITE))
    starts = offsets(SITE)
    damaged[starts[1] + 40] ^= 0xFF
    (crawl / "a.warc.gz").write_bytes(damaged)
    (crawl / "b.warc").write_bytes(
        warc([record("warcinfo", b"x"), response("https://a.test/x", b"", status=404)], "plain")
    )
    lake = WebLake(tmp_path / "lake", spark)
    report = lake.build(sources(crawl), "web.ingest")["web.ingest"]
    assert report.status == "published"

    pages = {row["url"]: row for row in lake.rows("bronze.web_pages")}
    assert sorted(pages) == [f"https://a.test/{n}" for n in (0, 2, 3)]
    assert (pages["https://a.test/2"]["place"], pages["https://a.test/2"]["dump"]) == (starts[2], "d")
    (refused,) = [row for row in lake.rows("ops.quarantine") if row["job"] == "web.ingest"]
    assert (refused["item"], refused["reason"]) == (f"crawl/a.warc.gz@{starts[1]}+0 (damaged)", "damaged")
    found = {row["file"]: row for row in lake.rows("bronze.web_files")}
    assert (found["crawl/a.warc.gz"]["pages"], found["crawl/a.warc.gz"]["refused"]) == (3, 1)
    assert found["crawl/b.warc"]["passed_over"] == [
        {"reason": "not_a_response", "records": 1}, {"reason": "status_4xx", "records": 1},
    ]  # fmt: skip

    assert lake.build(sources(crawl), "web.ingest")["web.ingest"].status == "skipped"
    (crawl / "b.warc").touch()
    assert lake.build(sources(crawl), "web.ingest")["web.ingest"].status == "published"  # its fingerprint alone
    assert len(lake.rows("bronze.web_pages")) == 3

    (crawl / "a.warc.gz").write_bytes(warc(SITE))  # the file is whole now: the quarantined record is a page
    (crawl / "c.wet.gz").write_bytes(warc([conversion("https://zh.test/", "文本")]))
    grown = lake.build(sources(crawl), "web.ingest")["web.ingest"]
    assert {o["name"]: o["inserted"] for o in grown.outputs}["bronze.web_pages"] == 2
    assert [row for row in lake.rows("ops.quarantine") if row["job"] == "web.ingest"] == []
    names = ("bronze.web_pages", "bronze.web_files", "ops.quarantine")
    fresh = WebLake(tmp_path / "fresh", spark)
    fresh.build(sources(crawl), "web.ingest")
    assert lake.digests(*names) == fresh.digests(*names)

    (crawl / "b.warc").unlink()
    (crawl / "a.warc.gz").unlink()
    lake.build(sources(crawl), "web.ingest")
    assert [row["url"] for row in lake.rows("bronze.web_pages")] == ["https://zh.test/"]


def test_a_part_of_the_pipeline_that_nobody_uses_costs_no_run(tmp_path: Path, spark: SparkSession) -> None:
    lake = WebLake(tmp_path / "lake", spark)
    report = lake.build({}, "web.ingest")["web.ingest"]
    assert (report.status, report.reasons) == ("skipped", ("no source is configured",))
    assert not (tmp_path / "lake" / "bronze").exists()
