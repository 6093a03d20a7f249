"""Zip archives: a user's wheel, and directories made to lie."""

from __future__ import annotations

import io
import random
import stat
import struct
import sys
import tracemalloc
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.code.sources import zip as zipped
from jobs.code.sources.rows import Fault, Reason

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def zipped_bytes(entries: Iterable[tuple[str | zipfile.ZipInfo, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content, compress_type=method)
    return out.getvalue()


def record(packed: bytes, name: bytes) -> int:
    """Where the directory's entry of this name begins."""
    at = packed.index(b"PK\x01\x02")
    while packed[at + 46 : at + 46 + len(name)] != name:
        at = packed.index(b"PK\x01\x02", at + 1)
    return at


def patched(packed: bytes, at: int, form: str, *values: int) -> bytes:
    return packed[:at] + struct.pack(form, *values) + packed[at + struct.calcsize(form) :]


@pytest.fixture
def read_bytes(tmp_path, spec, reading):
    """Reads the bytes as an archive of the given name."""

    def go(content: bytes, name: str = "some.zip", **changes: object):
        (tmp_path / name).write_bytes(content)
        return reading(spec("archive", tmp_path / name), **changes)

    return go


FILES = {"tool/a.py": b"print(1)\n", "tool/empty": b"", "tool/b.bin": bytes(range(256)) * 40}


@pytest.mark.parametrize("method", METHODS)
def test_every_member_is_read(read_bytes, method) -> None:
    found = read_bytes(zipped_bytes([("tool/", b""), *FILES.items()], method))
    assert found.files == FILES
    assert found.faults == []
    assert {(row.repo, row.committed_at) for row in found.rows} == {("some", None)}


def test_a_wheel_tells_licence_and_version(read_bytes) -> None:
    about = (
        b"Metadata-Version: 2.1\nName: tool\nVersion: 2.3\nClassifier: License :: OSI Approved :: MIT License\n\nText"
    )
    found = read_bytes(
        zipped_bytes([*FILES.items(), ("tool/PKG-INFO", b"Version: 9\n"), ("tool-2.3.dist-info/METADATA", about)]),
        "tool-2.3-py3-none-any.whl",
    )
    assert {(row.repo, row.licence, row.version) for row in found.rows} == {("tool-2.3-py3-none-any", "MIT", "2.3")}


def test_the_archive_of_a_commit_tells_its_id(tmp_path, spec, reading, repository, git) -> None:
    work = repository(tmp_path / "work", {"a": b"1" * 100, "b": b""})
    git(work, "archive", "--format=zip", "--output=../x.zip", "--prefix=x/", "HEAD")
    found = reading(spec("archive", tmp_path / "x.zip"))
    assert found.files == {"x/a": b"1" * 100, "x/b": b""}
    assert found.rows[0].commit == git(work, "rev-parse", "HEAD")


names = st.text(
    st.characters(codec="utf-8", exclude_characters="\0\\:/", exclude_categories=["Cc"]), min_size=1, max_size=60
)

plain = st.binary(max_size=30).filter(lambda content: b"PK" not in content)  # no marks that zipfile takes for its own


@settings(deadline=None, max_examples=60)
@given(
    files=st.dictionaries(names, st.binary(max_size=1200), max_size=5),
    method=st.sampled_from(METHODS),
    front=plain,
    comment=plain,
)
def test_the_reader_agrees_with_zipfile(files, method, front, comment, limits) -> None:
    out = io.BytesIO()
    out.write(front)
    with zipfile.ZipFile(out, "a", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        archive.comment = comment
    out.seek(0)
    directory = zipped.find_directory(out)
    entries = zipped.read_directory(out, directory, limits())
    found = [(entry.name.decode(), zipped.read_member(out, entry, 100_000)) for entry in entries]
    with zipfile.ZipFile(out) as archive:
        assert found == [(info.filename, archive.read(info)) for info in archive.infolist()]
    assert directory.comment == comment


def test_an_installed_archive_of_the_standard_library_agrees_with_zipfile(tmp_path, spec, reading) -> None:
    folder = Path(json_folder())
    target = tmp_path / "lib.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(folder.glob("*.py")):
            archive.write(path, f"json/{path.name}")
    with zipfile.ZipFile(target) as archive:
        expected = {info.filename: archive.read(info) for info in archive.infolist()}
    assert reading(spec("archive", target)).files == expected
    assert len(expected) > 3


def json_folder() -> str:
    import json

    return str(Path(json.__file__).parent)


def test_zip64_fields_are_understood(read_bytes, monkeypatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 10)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
        for name, content in FILES.items():
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(content)
    packed = out.getvalue()
    assert b"PK\x06\x06" in packed
    assert read_bytes(packed).files == FILES
    assert read_bytes(b"#!/bin/sh\n" + packed, "self-extracting.sh").files == FILES


def test_names_come_as_utf8_whatever_the_flag_says(read_bytes) -> None:
    packed = zipped_bytes([("caf_.py", b"1"), ("nai_ve.py", b"2"), ("fl_g.py", b"3")])
    packed = packed.replace(b"caf_.py", b"caf\x82.py")  # code page 437
    packed = packed.replace(b"nai_ve.py", "na\u00efve.py".encode())  # UTF-8 without the flag, as many programs write it
    packed = packed.replace(b"fl_g.py", b"fl\xe4g.py")
    flagged = record(packed, b"fl\xe4g.py") + 8
    packed = patched(packed, flagged, "<H", 1 << 11)  # says UTF-8, is not
    found = read_bytes(packed)
    assert found.files == {"caf\u00e9.py": b"1", "na\u00efve.py": b"2"}
    assert found.faults == [("fl%E4g.py", "not_utf8_path")]


def test_names_that_escape_or_hold_control_characters_are_rows(read_bytes) -> None:
    packed = zipped_bytes(
        [(name, b"1") for name in ("../up", "/abs", "a/../../b", "two\nlines", "nul_/../x", "w_..__up", "ok")]
    )
    packed = packed.replace(b"nul_/../x", b"nul\0/../x").replace(b"w_..__up", b"w\\..\\..a")
    found = read_bytes(packed)
    assert found.files == {"ok": b"1"}
    assert found.faults == [
        ("../up", "path_escapes"),
        ("/abs", "path_escapes"),
        ("a/../../b", "path_escapes"),
        ("two%0Alines", "unsafe_name"),
        ("nul%00/../x", "unsafe_name"),
        ("w\\..\\..a", "path_escapes"),
    ]


def test_links_and_devices_are_rows(read_bytes) -> None:
    entries: list[tuple[str | zipfile.ZipInfo, bytes]] = [("a", b"1")]
    for name, kind in (("link", stat.S_IFLNK), ("fifo", stat.S_IFIFO), ("device", stat.S_IFCHR)):
        info = zipfile.ZipInfo(name)
        info.create_system, info.external_attr = 3, (kind | 0o777) << 16
        entries.append((info, b"../../etc/passwd"))
    found = read_bytes(zipped_bytes(entries))
    assert found.files == {"a": b"1"}
    assert found.faults == [("link", "symlink"), ("fifo", "special_file"), ("device", "special_file")]


def test_encrypted_members_are_rows_and_the_others_are_read(read_bytes) -> None:
    packed = zipped_bytes([("secret", b"1"), ("open", b"2")])
    found = read_bytes(patched(packed, record(packed, b"secret") + 8, "<H", 1))
    assert found.files == {"open": b"2"}
    assert found.faults == [("secret", "encrypted")]


def test_unknown_compression_is_a_row(read_bytes) -> None:
    found = read_bytes(zipped_bytes([("a", b"1" * 100)], zipfile.ZIP_LZMA))
    assert found.faults == [("a", "corrupt_archive")]
    assert "compression method 14; allowed are 0 (stored) and 8 (deflated)" in found.unreadables[0].detail


def test_the_first_of_two_members_of_one_path_is_read(read_bytes) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        packed = zipped_bytes([("a", b"1"), ("a", b"2"), ("b", b"3")])
    found = read_bytes(packed)
    assert found.files == {"a": b"1", "b": b"3"}
    assert found.faults == [("a", "duplicate_path")]


def test_a_member_over_the_cap_is_never_inflated(read_bytes) -> None:
    noise = random.Random(1).randbytes(1001)
    packed = zipped_bytes([("fits", noise[:1000]), ("over", noise), ("z", b"1")])
    damaged = packed.index(b"over") + 4
    packed = packed[:damaged] + b"\xff" * 500 + packed[damaged + 500 :]  # reading it would show as damage
    found = read_bytes(packed, max_file_bytes=1000)
    assert list(found.files) == ["fits", "z"]
    assert found.faults == [("over", "over_cap")]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("stated", [0, 4, 6, 90_000])
def test_a_size_that_lies_is_a_row_and_never_more_memory(read_bytes, method, stated) -> None:
    packed = zipped_bytes([("a", b"alpha"), ("b", b"2")], method)
    found = read_bytes(patched(packed, record(packed, b"a") + 24, "<L", stated))
    assert found.files == {"b": b"2"}
    assert found.faults == [("a", "corrupt_archive")]


def test_a_member_that_inflates_past_its_stated_size_is_stopped_there(read_bytes) -> None:
    packed = zipped_bytes([("a", bytes(50_000_000)), ("b", b"2")])
    at = record(packed, b"a")
    tracemalloc.start()
    found = read_bytes(patched(packed, at + 24, "<L", 90_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.files == {"b": b"2"}
    assert found.faults == [("a", "corrupt_archive")]
    assert peak < 3_000_000


def test_checksums_and_headers_must_agree(read_bytes) -> None:
    packed = zipped_bytes([("first", b"alpha"), ("b", b"2")])
    at = record(packed, b"first")
    wrong_crc = read_bytes(patched(packed, at + 16, "<L", 1))
    other_name = read_bytes(packed.replace(b"first", b"trick", 1))
    no_header = read_bytes(packed.replace(b"PK\x03\x04", b"PK\x03\x05", 1))
    for found, said in ((wrong_crc, "checksum"), (other_name, "another name"), (no_header, "no member header")):
        assert found.files == {"b": b"2"}
        assert found.faults == [("first", "corrupt_archive")]
        assert said in found.unreadables[0].detail


def test_members_that_share_bytes_are_a_bomb(read_bytes) -> None:
    packed = zipped_bytes([("a", b"1"), ("b", b"2")])
    overlapping = patched(packed, record(packed, b"b") + 42, "<L", 0)
    found = read_bytes(overlapping)
    assert found.files == {}
    assert found.faults == [("some.zip", "archive_bomb")]
    assert "share bytes" in found.unreadables[0].detail
    beyond = read_bytes(patched(packed, record(packed, b"b") + 20, "<L", 5_000))
    assert beyond.faults == [("some.zip", "corrupt_archive")]


def test_a_bomb_is_refused_as_a_whole_before_anything_is_inflated(read_bytes) -> None:
    packed = zipped_bytes([(f"zeros{n}", bytes(90_000)) for n in range(50)] + [("a", b"1")])
    assert len(packed) < 20_000
    for changes in ({}, {"max_archive_bytes": 1_000_000, "max_ratio": 10_000}):
        found = read_bytes(packed, **changes)
        assert found.files == {}
        assert found.faults == [("some.zip", "archive_bomb")]
    assert len(read_bytes(packed, max_ratio=10_000).files) == 51


def test_too_many_members_are_refused_whatever_the_end_record_counts(read_bytes) -> None:
    packed = zipped_bytes([(f"f{n}", b"1") for n in range(20)])
    assert len(read_bytes(packed, max_archive_members=20).files) == 20
    end = packed.rindex(b"PK\x05\x06")
    lying = patched(packed, end + 8, "<HH", 1, 1)
    for content in (packed, lying):
        found = read_bytes(content, max_archive_members=19)
        assert found.files == {}
        assert found.faults == [("some.zip", "too_many_members")]


def test_a_truncated_or_broken_directory_is_one_row(read_bytes) -> None:
    packed = zipped_bytes(FILES.items())
    end = packed.rindex(b"PK\x05\x06")
    cases = {
        "truncated": [packed[:-30], packed[: len(packed) // 2], packed[:4], b"PK"],
        "corrupt_archive": [
            patched(packed, end + 12, "<L", 0xFFFFFF),
            patched(packed, end + 16, "<L", 0xFFFFFFFF),
            patched(packed, end + 4, "<H", 3),
            packed.replace(b"PK\x01\x02", b"PK\x01\x03", 1),
        ],
    }
    for reason, contents in cases.items():
        for content in contents:
            found = read_bytes(content)
            assert found.files == {}
            assert found.faults == [("some.zip", reason)]


def test_an_empty_zip_is_one_row(read_bytes) -> None:
    assert read_bytes(zipped_bytes([])).faults == [("some.zip", "missing_content")]
    assert read_bytes(zipped_bytes([("folder/", b"")])).faults == [("some.zip", "missing_content")]


@settings(deadline=None, max_examples=200)
@given(data=st.data())
def test_no_damage_raises_or_gives_bytes_with_another_checksum(data, limits) -> None:
    contents = {"a": b"alpha" * 100, "d/b": b"beta", "c": b""}
    packed = bytearray(zipped_bytes(contents.items(), data.draw(st.sampled_from(METHODS))))
    for _ in range(data.draw(st.integers(1, 4))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    file = io.BytesIO(packed[: data.draw(st.integers(len(packed) // 2, len(packed)))])
    try:
        entries = zipped.read_directory(file, zipped.find_directory(file), limits())
    except Fault as fault:
        assert fault.reason in (Reason.TRUNCATED, Reason.CORRUPT_ARCHIVE, Reason.ARCHIVE_BOMB)
        return
    for entry in entries:
        try:
            content = zipped.read_member(file, entry, 100_000)
        except Fault:
            continue
        assert len(content) == entry.size
        assert zipped.zlib.crc32(content) == entry.crc
    assert sys.getsizeof(entries) < 10_000
