"""Bytes of a page to text, whatever header and meta element say.

decode_page("naïve".encode("latin-1"), "iso-8859-1")    -> PageText("naïve", "cp1252", "header")
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.kernels.charset import decode_page

CHINESE = "排序算法的时间复杂度与空间复杂度，以及它们的实现。" * 10
RUSSIAN = "Алгоритмы сортировки и их сложность в худшем случае. " * 10


def found(body: bytes, stated: str | None = None) -> tuple[str, str]:
    page = decode_page(body, stated)
    return page.text, page.how


def test_the_header_decides_where_it_fits() -> None:
    assert found("naïve".encode("latin-1"), "iso-8859-1") == ("naïve", "header")
    assert found(CHINESE.encode("gbk"), "gb2312") == (CHINESE, "header")
    assert found("日本語".encode("iso-2022-jp"), "iso-2022-jp") == ("日本語", "header")


def test_the_meta_element_decides_without_a_header() -> None:
    head = '<meta charset="windows-1251">'
    assert found((head + RUSSIAN).encode("cp1251")) == (head + RUSSIAN, "meta")
    head = '<meta http-equiv="Content-Type" content="text/html; charset=Shift_JIS">'
    assert found((head + "日本語のページ").encode("cp932")) == (head + "日本語のページ", "meta")


def test_valid_utf_8_wins_over_a_wrong_header() -> None:
    assert found(CHINESE.encode(), "iso-8859-1") == (CHINESE, "utf8")


def test_a_header_that_does_not_fit_gives_way_to_meta_and_detection() -> None:
    assert found(('<meta charset="gbk">' + CHINESE).encode("gbk"), "utf-8")[1] == "meta"
    assert found(RUSSIAN.encode("cp1251"), "utf-8") == (RUSSIAN, "detected")


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_decides_over_all(codec: str) -> None:
    assert found(CHINESE.encode(codec), "latin-1") == (CHINESE, "mark")


def test_a_body_that_was_cut_in_a_character_keeps_its_charset() -> None:
    text, how = found((CHINESE * 5).encode()[:-1], "latin-1")
    assert how == "utf8"
    assert text.startswith(CHINESE)


def test_nul_bytes_are_dropped() -> None:
    assert decode_page(b"<p>a\0b").text == "<p>ab"


@pytest.mark.parametrize("label", ["hex", "rot13", "idna", "no-such-charset", "utf-7", ""])
def test_a_label_that_is_no_charset_is_passed_over(label: str) -> None:
    assert found("naïve café déjà".encode("cp1252"), label)[0] == "naïve café déjà"


@given(st.binary(max_size=400), st.sampled_from([None, "utf-8", "gbk", "utf-16", "shift_jis", "x"]))
def test_any_bytes_become_text(body: bytes, stated: str | None) -> None:
    page = decode_page(body, stated)
    assert "\0" not in page.text
    page.text.encode("utf-8", "surrogatepass")
