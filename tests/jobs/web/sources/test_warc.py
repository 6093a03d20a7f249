"""Reading WARC and WET: every record is a page, a refused item with its offset, or counted; damage costs what it touches.

list(pages(open("crawl.warc.gz", "rb"), "CC-MAIN-2024-10", limits))    -> [Page, Refused, ..., Tally]
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Sequence

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.web.sources import Limits, Page, Refused, Tally
from jobs.web.sources.warc import pages
from tests.jobs.web.warcs import Pack, conversion, offsets, packed, record, response, warc

LIMITS = Limits(max_page_bytes=100_000, max_ratio=200, max_faults=50, shard_bytes=1_000_000)
PACKS: tuple[Pack, ...] = ("plain", "gzip", "zstd")
SITE = [response(f"https://a.test/{n}", b"<p>page %d " % n * (20 + n)) for n in range(5)]


def read(data: bytes, limits: Limits = LIMITS) -> list[Page | Refused | Tally]:
    return list(pages(io.BytesIO(data), "crawl", limits))


def urls(rows: Sequence[Page | Refused | Tally]) -> list[str | None]:
    return [row.url for row in rows if isinstance(row, Page)]


def faults(rows: Sequence[Page | Refused | Tally]) -> list[tuple[int, str]]:
    return [(row.offset, row.reason.value) for row in rows if isinstance(row, Refused)]


def tally(rows: Sequence[Page | Refused | Tally]) -> dict[str, int]:
    assert isinstance(rows[-1], Tally)
    return dict(rows[-1].passed_over)


@pytest.mark.parametrize("pack", PACKS)
def test_a_page_keeps_address_time_place_and_bytes(pack: Pack) -> None:
    rows = read(warc(SITE, pack))
    assert urls(rows) == [f"https://a.test/{n}" for n in range(5)]
    assert faults(rows) == []
    places = [(row.offset, row.inside) for row in rows if isinstance(row, Page)]
    starts = offsets(SITE, pack)
    assert places == ([(0, start) for start in starts] if pack == "plain" else [(start, 0) for start in starts])
    first = rows[0]
    assert isinstance(first, Page)
    assert (first.status, first.content_type, first.charset, first.kind, first.dump) == (
        200, "text/html", "utf-8", "html", "crawl",
    )  # fmt: skip
    assert first.body == b"<p>page 0 " * 20
    assert str(first.fetched_at) == "2026-01-15 12:00:00+00:00"


@pytest.mark.parametrize("pack", PACKS)
def test_an_independent_reader_finds_the_same_pages(pack: Pack) -> None:
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    data = warc([record("warcinfo", b"software: x"), *SITE, record("request", b"GET / HTTP/1.1\r\n\r\n")], pack)
    found = ArchiveIterator(io.BytesIO(data), record_types=WarcRecordType.response, parse_http=True)
    theirs = [(r.headers["WARC-Target-URI"], r.reader.read()) for r in found]
    rows = read(data)
    assert [(row.url, row.body) for row in rows if isinstance(row, Page)] == theirs
    assert tally(rows) == {"not_a_response": 2}


def test_what_is_no_page_is_counted_by_its_reason() -> None:
    other = [
        response("https://a.test/gone", b"", status=404),
        response("https://a.test/moved", b"", status=301),
        response("https://a.test/logo", b"\x89PNG", type="image/png"),
        record("metadata", b"x: y"),
    ]
    assert tally(read(warc([*other, *SITE]))) == {
        "status_4xx": 1, "status_3xx": 1, "content_type": 1, "not_a_response": 1,
    }  # fmt: skip


def test_the_records_of_a_wet_file_are_text() -> None:
    (row, _) = read(warc([conversion("https://zh.test/", "排序算法\n")]))
    assert isinstance(row, Page)
    assert (row.kind, row.charset, row.body.decode()) == ("text", "utf-8", "排序算法\n")


def test_a_page_that_the_crawler_cut_says_so() -> None:
    (row, _) = read(warc([response("https://a.test/", b"<p>x", WARC_Truncated="length")]))
    assert isinstance(row, Page)
    assert row.truncated == "length"


@pytest.mark.parametrize("pack", PACKS)
def test_a_cut_file_gives_all_records_before_the_cut_and_the_place_of_the_cut(pack: Pack) -> None:
    whole = warc(SITE, pack)
    starts = offsets(SITE, pack)
    rows = read(whole[: starts[3] + 60])
    assert urls(rows) == [f"https://a.test/{n}" for n in range(3)]
    ((offset, reason),) = faults(rows)
    assert offset == (0 if pack == "plain" else starts[3])
    assert reason in ("truncated", "bad_header")


@pytest.mark.parametrize("pack", ["gzip", "zstd"])
def test_a_damaged_member_costs_itself_only(pack: Pack) -> None:
    data = bytearray(warc(SITE, pack))
    starts = offsets(SITE, pack)
    for at in range(starts[1] + 30, starts[1] + 50):
        data[at] ^= 0xFF
    rows = read(bytes(data))
    assert urls(rows) == [f"https://a.test/{n}" for n in (0, 2, 3, 4)]
    assert [offset for offset, _ in faults(rows)] == [starts[1]]


@pytest.mark.parametrize("pack", PACKS)
@pytest.mark.parametrize("length", [0, 5, 150, 5_000, 90_000, 10**18])
def test_a_lying_length_costs_its_record_only(pack: Pack, length: int) -> None:
    liar = response("https://liar.test/", b"<p>" + b"lie " * 300, length=length)
    rows = read(warc([*SITE[:2], liar, *SITE[2:]], pack))
    assert [url for url in urls(rows) if url != "https://liar.test/"] == [f"https://a.test/{n}" for n in range(5)]
    assert len(faults(rows)) == 1


def test_a_length_that_is_no_number_costs_its_record_only() -> None:
    wrong = SITE[1].replace(b"Content-Length: ", b"Content-Length: -")
    rows = read(warc([SITE[0], wrong, SITE[2]], "plain"))
    assert urls(rows) == ["https://a.test/0", "https://a.test/2"]
    assert faults(rows) == [(0, "bad_length")]


@pytest.mark.parametrize("pack", PACKS)
def test_a_file_packed_as_one_member_is_read_record_by_record(pack: Pack) -> None:
    rows = read(packed(b"".join(SITE), pack))
    assert urls(rows) == [f"https://a.test/{n}" for n in range(5)]
    starts = offsets(SITE, "plain")
    assert [(row.offset, row.inside) for row in rows if isinstance(row, Page)] == [(0, start) for start in starts]


@pytest.mark.parametrize("pack", PACKS)
def test_garbage_between_records_is_passed_over_and_told(pack: Pack) -> None:
    data = warc(SITE[:2], pack) + b"\x00\xffgarbage that is no record\r\n\r\n" * 3 + b"\r\n" + warc(SITE[2:], pack)
    rows = read(data)
    assert urls(rows) == [f"https://a.test/{n}" for n in range(5)]
    assert len(faults(rows)) == (1 if pack == "plain" else 0)


def test_a_body_over_the_cap_is_told_with_its_size_and_the_next_record_is_read() -> None:
    big = response("https://a.test/big", b"<p>" + b"x" * 500_000)
    rows = read(warc([SITE[0], big, SITE[1]]))
    assert urls(rows) == ["https://a.test/0", "https://a.test/1"]
    (refused,) = [row for row in rows if isinstance(row, Refused)]
    assert refused.reason == "over_cap"
    assert refused.size is not None
    assert refused.size > 500_000


def test_a_bomb_in_a_member_is_given_up_and_the_next_record_is_read() -> None:
    bomb = gzip.compress(response("https://a.test/bomb", bytes(200_000_000), length=200_000_100), mtime=0)
    rows = read(warc(SITE[:1]) + bomb + warc(SITE[1:2]))
    assert urls(rows) == ["https://a.test/0", "https://a.test/1"]
    assert [reason for _, reason in faults(rows)] == ["bomb"]


def test_a_bomb_in_the_body_is_told_by_its_record() -> None:
    for coding, body in (("gzip", gzip.compress(bytes(5_000_000))), ("deflate", zlib.compress(bytes(5_000_000))),
                         ("br", bytes(pa.Codec("brotli").compress(bytes(5_000_000), asbytes=True)))):  # fmt: skip
        rows = read(warc([response("https://a.test/", body, headers=[f"Content-Encoding: {coding}"])]))
        assert [reason for _, reason in faults(rows)] == ["over_cap"], coding


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "identity"])
def test_transfer_and_content_codings_are_undone(coding: str) -> None:
    body = b"<html><p>coded</p>" * 50
    coded = {
        "gzip": gzip.compress(body),
        "deflate": zlib.compress(body),
        "br": bytes(pa.Codec("brotli").compress(body, asbytes=True)),
        "zstd": bytes(pa.Codec("zstd").compress(body, asbytes=True)),
        "identity": body,
    }[coding]
    half = len(coded) // 2
    chunks = b"".join(b"%x;a=b\r\n%s\r\n" % (len(p), p) for p in (coded[:half], coded[half:])) + b"0\r\n\r\n"
    said = [f"Content-Encoding: {coding}", "Transfer-Encoding: chunked"]
    (row, _) = read(warc([response("https://a.test/", chunks, headers=said)]))
    assert isinstance(row, Page)
    assert row.body == body


def test_a_header_that_a_decoding_crawler_left_behind_changes_nothing() -> None:
    said = ["Content-Encoding: gzip", "Transfer-Encoding: chunked"]
    (row, _) = read(warc([response("https://a.test/", b"<html>decoded", headers=said)]))
    assert isinstance(row, Page)
    assert row.body == b"<html>decoded"


def test_an_unknown_coding_is_told() -> None:
    rows = read(warc([response("https://a.test/", b"x", headers=["Content-Encoding: rot13"])]))
    assert [reason for _, reason in faults(rows)] == ["bad_encoding"]


def test_a_response_without_a_status_line_is_told() -> None:
    rows = read(warc([record("response", b"<html>", url="https://a.test/", mime="application/http")]))
    assert [reason for _, reason in faults(rows)] == ["bad_http"]


def test_a_file_of_broken_records_is_given_up_after_a_bounded_number() -> None:
    liars = [response(f"https://a.test/{n}", b"x" * 40, length=10**6) for n in range(500)]
    rows = read(warc(liars, "plain"))
    assert faults(rows)[-1][1] == "too_many_faults"
    assert len(rows) == LIMITS.max_faults + 2


@given(st.binary(max_size=300), st.integers(0, 2000), st.sampled_from(PACKS))
def test_any_bytes_anywhere_cost_no_record_far_from_them(noise: bytes, at: int, pack: Pack) -> None:
    data = warc(SITE, pack)
    at = min(at, len(data))
    rows = read(data[:at] + noise + data[at:])
    assert isinstance(rows[-1], Tally)
    starts = [*offsets(SITE, pack), len(data)]
    whole = {n for n in range(5) if starts[n + 1] <= at or starts[n] > at}
    if pack == "plain" and noise:  # a record's end is told by what follows it
        whole -= {n for n in range(5) if starts[n + 1] == at}
    assert {f"https://a.test/{n}" for n in whole} <= set(urls(rows))
