"""Names as untrusted bytes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.code.sources.paths import printable, safe_path
from jobs.code.sources.rows import Fault, Reason


def test_an_ordinary_path_is_kept_as_it_is() -> None:
    for path in ("a.py", "src/a b/ü/日本.py", "./src/a.py", "src//a.py", "...", "a\\b.py", ".env", "a/..b/c"):
        assert safe_path(path.encode(), 32) == path


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"/etc/passwd", Reason.PATH_ESCAPES),
        (b"../a", Reason.PATH_ESCAPES),
        (b"a/../../b", Reason.PATH_ESCAPES),
        (b"a/..", Reason.PATH_ESCAPES),
        (b"a\\..\\..\\b", Reason.PATH_ESCAPES),
        (b"\\\\server\\share", Reason.PATH_ESCAPES),
        (b"C:/windows/a", Reason.PATH_ESCAPES),
        (b"c:\\a", Reason.PATH_ESCAPES),
        (b"", Reason.UNSAFE_NAME),
        (b"/", Reason.UNSAFE_NAME),
        (b"./.", Reason.UNSAFE_NAME),
        (b"a\nb", Reason.UNSAFE_NAME),
        (b"a\0b", Reason.UNSAFE_NAME),
        (b"a\x7fb", Reason.UNSAFE_NAME),
        ("a\x85b".encode(), Reason.UNSAFE_NAME),
        (b"a" * 4097, Reason.UNSAFE_NAME),
        (b"d/" * 33 + b"a", Reason.UNSAFE_NAME),
        (b"caf\xe9.py", Reason.NOT_UTF8_PATH),
        (b"\xed\xa0\x80", Reason.NOT_UTF8_PATH),
        (b"\xc0\xaf..", Reason.NOT_UTF8_PATH),
    ],
)
def test_a_path_that_may_not_be_recorded_is_refused(raw: bytes, reason: Reason) -> None:
    with pytest.raises(Fault) as raised:
        safe_path(raw, 32)
    assert raised.value.reason == reason


def test_the_limits_of_length_and_depth_are_inclusive() -> None:
    assert safe_path(b"a" * 4096, 32)
    assert safe_path(b"d/" * 32 + b"a", 32)


@given(st.binary(max_size=60))
def test_whatever_is_recorded_can_be_stored_and_shown(raw: bytes) -> None:
    shown = printable(raw)
    assert json.loads(json.dumps(shown)) == shown
    assert shown.encode("utf-8").decode("utf-8") == shown
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in shown)
    try:
        path = safe_path(raw, 32)
    except Fault:
        return
    assert path.encode() == raw
    assert shown == path
    assert ".." not in path.split("/")


def test_bad_bytes_are_written_as_percent_and_long_names_are_cut() -> None:
    assert printable(b"caf\xe9\n/\x00.py") == "caf%E9%0A/%00.py"
    assert len(printable(b"a" * 1_000_000)) < 5_000
