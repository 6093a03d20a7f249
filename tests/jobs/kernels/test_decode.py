"""Bytes become text only where they are text, and the encoding found gives the bytes back."""

import random
import struct
import zlib
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.kernels.decode import Decoded, decode, texts

SOURCE = "def größe(x):\r\n\treturn x  # 大小\n\n"
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")) | st.sampled_from("\t\n\r"))


def test_utf8_is_read_without_its_mark_and_with_its_newlines():
    assert decode(SOURCE.encode()) == Decoded(SOURCE, "utf-8", None)
    assert decode(b"\xef\xbb\xbf" + SOURCE.encode()) == Decoded(SOURCE, "utf-8", None)
    assert decode(b"\x7fELF\x02\x01\x01\x00\x00") == Decoded(None, "binary", "binary")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_marked_utf16_and_utf32_are_read(encoding):
    marked = "\ufeff" + SOURCE + "𝕏 🙂"
    assert decode(marked.encode(encoding)) == Decoded(marked[1:], encoding, None)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    "text", [SOURCE, "int main() { return 0; }\n", "一\n" + "一丁七万丈三上下不与" * 5 + "\n", "a"]
)
def test_unmarked_utf16_is_recognised(encoding, text):
    assert decode(text.encode(encoding)) == Decoded(text, encoding, None)


def test_utf16_without_any_ascii_is_not_guessed():
    assert decode("一二三".encode("utf-16-le")).encoding != "utf-16-le"


def test_bytes_that_are_not_utf8_fall_back_and_say_so():
    assert decode("naïve café – “x”".encode("cp1252")) == Decoded("naïve café – “x”", "cp1252", None)
    assert decode(b"\x81 \xe9") == Decoded("\x81 é", "latin-1", None)  # cp1252 has no 0x81


@pytest.mark.parametrize(
    "content",
    [
        b"text with a NUL \0 inside, the rest is plain\n",
        struct.pack("<200I", *range(200)),
        struct.pack("<200h", *random.Random(1).choices(range(-(2**15), 2**15), k=200)),
        struct.pack("<64d", *(i / 7 for i in range(64))),
        zlib.compress(Path(__file__).read_bytes()),
        bytes(random.Random(2).choices(range(1, 256), k=200)),  # no NUL, hence told by its controls
        b"\x01\x02\x03\x04 few",
        "hello\n".encode("utf-32-le"),  # UTF-32 needs its mark
        b"\xff\xfe\x00\x00\x01\x00",  # UTF-16 that opens with U+0000
    ],
)
def test_binary_data_is_named_so(content):
    assert decode(content) == Decoded(None, "binary", "binary")


@pytest.mark.parametrize("content", [b"\xff\xfea", b"\xfe\xff\xd8\x00\x00a", b"\x00\x00\xfe\xff\x00"])
def test_a_mark_that_the_bytes_break_is_undecodable(content):
    decoded = decode(content)
    assert (decoded.text, decoded.reason) == (None, "undecodable")
    assert decoded.encoding.startswith("utf-")


def test_five_percent_of_controls_are_text_and_more_are_not():
    assert decode(b"a" * 95 + b"\x01" * 5).reason is None
    assert decode(b"a" * 94 + b"\x01" * 6).reason == "binary"
    assert decode(b"\x1b[31mred\x1b[0m\x0c\x08").reason is None  # coloured output, form feed, backspace


@given(TEXT)
def test_any_text_in_utf8_comes_back_unchanged(text):
    assert decode(text.encode()) == Decoded(text.removeprefix("\ufeff"), "utf-8", None)


@given(TEXT, st.sampled_from(["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]))
def test_any_marked_text_comes_back_unchanged(text, encoding):
    assert decode(("\ufeff" + text).encode(encoding)) == Decoded(text, encoding, None)


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda b: b"\xff\xfe" + b))
def test_any_bytes_give_text_that_encodes_to_them_or_a_reason(content):
    decoded = decode(content)
    assert (decoded.text is None) == (decoded.reason is not None)
    if decoded.text is not None:
        assert content.endswith(decoded.text.encode(decoded.encoding))
        assert len(content) - len(decoded.text.encode(decoded.encoding)) in (0, 2, 3, 4)  # the mark
        assert decoded.text.encode() or not decoded.text  # no lone surrogate: Arrow can store it


def test_installed_sources_are_all_utf8_or_named_otherwise():
    files = sorted(Path(pytest.__file__).parents[1].glob("numpy/**/*.py"))[:400]
    for file in files:
        content = file.read_bytes()
        assert decode(content).text == content.decode("utf-8")
    assert len(files) == 400


CONTENT = st.one_of(
    st.binary(max_size=40),
    TEXT.map(str.encode),
    st.text(alphabet="ab \n\x1b\x07", max_size=20).map(str.encode),
    st.just(b"\xef\xbb\xbfmarked"),
)


@given(st.lists(CONTENT | st.none(), max_size=12), st.integers(0, 3))
def test_a_column_gives_the_texts_of_its_contents(contents: list[bytes | None], cut: int):
    expected = [(decode(content).text or "") if content is not None else "" for content in contents]
    for kind in (pa.binary(), pa.large_binary()):
        assert texts(pa.array(contents, kind)).to_pylist() == expected
        assert texts(pa.array(contents, kind)[cut:]).to_pylist() == expected[cut:]
