"""How values are shown: hidden characters written out, names cut, numbers readable.

visible("gpj.\\u202eexe")  # gpj.[U+202E]exe
size(12_345_678)          # 12.3 MB
"""

from __future__ import annotations

import html
import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lakehouse.shown import cut, line, markup, share, size, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a/b.py", "a/b.py"),
        ("\u202egpj.exe", "[U+202E]gpj.exe"),
        ("a\u200bb", "a[U+200B]b"),
        ("\x1b[31mred\x00", "[U+001B][31mred[U+0000]"),
        ("two\nlines\ttab", "two[U+000A]lines[U+0009]tab"),
        ("\u3164", "[U+3164]"),
        ("naïve 日本 עברית 🙂", "naïve 日本 עברית 🙂"),
    ],
)
def test_hidden_characters_are_written_out_and_others_stay(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text())
@example("\u034f\u2800 [U+0041]")
def test_nothing_hidden_is_left_and_nothing_else_is_lost(text: str) -> None:
    shown = visible(text, limit=10**6)
    assert not any(map(is_hidden, shown))
    for char in text:
        if not is_hidden(char):
            assert shown.startswith(char)
            shown = shown[1:]
        else:
            mark = re.match(r"\[U\+([0-9A-F]{4,6})\]|�", shown)
            assert mark is not None
            assert mark[1] is None or chr(int(mark[1], 16)) == char
            shown = shown[mark.end() :]
    assert shown == ""


def is_hidden(char: str) -> bool:
    """No glyph, or an empty one that is called a letter, a mark or a symbol."""
    category = unicodedata.category(char)
    filler = category in {"Lo", "Mn"} and unicodedata.name(char, "").endswith("FILLER")
    return filler or char in "\u034f\u2800" or category in {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}


def test_only_the_first_hidden_characters_are_written_out() -> None:
    assert visible("a\x00" * 10) == "a[U+0000]" * 8 + "a�" * 2


@given(st.text())
def test_markup_is_text_whatever_the_text_holds(text: str) -> None:
    page = str(markup(text, 10**6))
    without_ours = re.sub(r'</?bdi>|<span class="hidden-char" title="[^"<>&]*">|</span>', "", page)
    assert "<" not in without_ours
    assert ">" not in without_ours
    marks = re.compile(r'<span class="hidden-char" title="[^"]*">(U\+[0-9A-F]+)</span>')
    assert html.unescape(marks.sub(r"[\1]", page.removeprefix("<bdi>").removesuffix("</bdi>"))) == visible(text, 10**6)


def test_a_line_of_code_keeps_its_tabs() -> None:
    assert line("\tx <\x07>", 100) == '\tx &lt;<span class="hidden-char" title="control character">U+0007</span>&gt;'


@given(st.text(), st.integers(1, 50))
def test_a_long_name_keeps_its_head_and_its_tail(text: str, limit: int) -> None:
    shown = cut(text, limit)
    if len(text) <= limit:
        assert shown == text
    else:
        head, middle, tail = shown.partition(f" … {len(text) - limit:,} more … ")
        assert middle
        assert text.startswith(head)
        assert text.endswith(tail)
        assert len(head) + len(tail) == limit


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_949, "999.9 kB"), (999_950, "1.0 MB"), (-1_500_000, "-1.5 MB"),
        (12_345_678_901, "12.3 GB"), (5 * 10**15, "5,000.0 TB"),
    ],
)  # fmt: skip
def test_sizes_are_decimal_and_short(number: int, shown: str) -> None:
    assert size(number) == shown


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [
        (1, 3, "33.3 %"),
        (0, 5, "0.0 %"),
        (5, 5, "100.0 %"),
        (0, 0, "–"),
        (1, 10**6, "< 0.1 %"),
        (10**6 - 1, 10**6, "> 99.9 %"),
    ],
)
def test_a_share_never_claims_none_or_all_of_what_is_neither(part: int, whole: int, shown: str) -> None:
    assert share(part, whole) == shown
