"""Tar archives: a user's sdist, and streams made to hurt."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import tarfile
import tracemalloc
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.code.sources import SourceError, fingerprint, shards
from jobs.code.sources.inflate import PlainStream
from jobs.code.sources.rows import Fault, Reason
from jobs.code.sources.tar import TarReader

Entry = tuple[str, bytes] | tarfile.TarInfo


def tarred(entries: Iterable[Entry], mode: str = "w", **options: object) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, **options) as archive:  # type: ignore[call-overload]
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                archive.addfile(entry)
            else:
                info = tarfile.TarInfo(entry[0])
                info.size = len(entry[1])
                info.mtime = 1_500_000_000
                archive.addfile(info, io.BytesIO(entry[1]))
    return out.getvalue()


def typed(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.fixture
def read_bytes(tmp_path, spec, reading):
    """Reads the bytes as an archive of the given name."""

    def go(content: bytes, name: str = "some.tar", **changes: object):
        (tmp_path / name).write_bytes(content)
        return reading(spec("archive", tmp_path / name), **changes)

    return go


FILES = {"tool-1.0/a.py": b"print(1)\n", "tool-1.0/empty": b"", "tool-1.0/src/b.bin": bytes(range(256)) * 9}


@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "tgz", "tar.bz2", "tar.xz"])
def test_every_member_of_every_compression_is_read(read_bytes, suffix) -> None:
    mode = {"tar": "w", "tgz": "w:gz"}.get(suffix, "w:" + suffix.removeprefix("tar."))
    found = read_bytes(tarred(FILES.items(), mode), f"tool-1.0.{suffix}")
    assert found.files == FILES
    assert found.faults == []
    assert {row.repo for row in found.rows} == {"tool-1.0"}
    assert {row.committed_at for row in found.rows} == {None}  # a member's time is when it was packed


def test_the_archive_of_a_commit_tells_its_id(tmp_path, spec, reading, repository, git) -> None:
    work = repository(tmp_path / "work", {"a": b"1"})
    git(work, "archive", "--format=tar.gz", "--output=../x.tar.gz", "--prefix=x/", "HEAD")
    [row] = reading(spec("archive", tmp_path / "x.tar.gz")).rows
    assert (row.path, row.commit) == ("x/a", git(work, "rev-parse", "HEAD"))


def test_licence_and_version_come_from_pkg_info_wherever_it_stands(read_bytes) -> None:
    about = b"Metadata-Version: 2.4\nName: tool\nVersion: 1.0\nLicense-Expression: MIT OR Apache-2.0\n\nText"
    for entries in (
        [*FILES.items(), ("tool-1.0/PKG-INFO", about)],
        [("tool-1.0/PKG-INFO", about), *FILES.items(), ("tool-1.0/vendor/PKG-INFO", b"Version: 9\n")],
    ):
        found = read_bytes(tarred(entries, "w:gz"), "tool-1.0.tar.gz")
        assert {(row.licence, row.version) for row in found.rows} == {("MIT OR Apache-2.0", "1.0")}
        assert "tool-1.0/PKG-INFO" in found.files
    plain = read_bytes(tarred(FILES.items()))
    assert {(row.licence, row.version) for row in plain.rows} == {(None, None)}


def test_the_time_of_the_spec_is_recorded(tmp_path, spec, reading) -> None:
    (tmp_path / "a.tar").write_bytes(tarred(FILES.items()))
    when = datetime(2020, 1, 1, tzinfo=UTC)
    rows = reading(spec("archive", tmp_path / "a.tar", committed_at=when, stars=1)).rows
    assert {(row.committed_at, row.stars) for row in rows} == {(when, 1)}


names = st.text(
    st.characters(codec="utf-8", exclude_characters="\0\\:", exclude_categories=["Cc"]), min_size=1, max_size=300
)


@settings(deadline=None, max_examples=60)
@given(
    files=st.dictionaries(names, st.binary(max_size=1200), max_size=5),
    form=st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
)
def test_the_reader_agrees_with_tarfile_in_every_format(files, form, limits) -> None:
    try:
        packed = tarred(files.items(), format=form)
    except ValueError:  # a name that ustar cannot hold
        return
    reader = TarReader(PlainStream(io.BytesIO(packed), limits()))
    found = [(member.name.decode(), reader.stream.read(member.size)) for member in reader]
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        expected = [(m.name, archive.extractfile(m).read()) for m in archive if m.isfile()]  # type: ignore[union-attr]
    # tarfile takes slashes off the end of a name; a regular member that has one is a folder by the older rule.
    assert found == [pair for pair, name in zip(expected, files, strict=True) if not name.endswith("/")]


def test_odd_but_valid_headers_are_read_as_tarfile_reads_them(limits) -> None:
    old = bytearray(tarred([("old", b"v7")], format=tarfile.USTAR_FORMAT))
    old[257:265] = bytes(8)  # before ustar there was no magic
    old[148:156] = b"%06o\0 " % (sum(old[:148]) + 8 * 32 + sum(old[156:512]))
    signed = bytearray(tarred([("sign\u00e9d", b"1")], format=tarfile.GNU_FORMAT))
    signed_sum = sum(b - 256 if b > 127 else b for b in signed[:148] + signed[156:512]) + 8 * 32
    signed[148:156] = b"%06o\0 " % signed_sum
    binary = bytearray(tarred([("large", b"12")], format=tarfile.GNU_FORMAT))
    binary[124:136] = b"\x80" + (2).to_bytes(11, "big")
    binary[148:156] = b"%06o\0 " % (sum(binary[:148]) + 8 * 32 + sum(binary[156:512]))
    for packed in (old, signed, binary):
        reader = TarReader(PlainStream(io.BytesIO(packed), limits()))
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            [member] = archive
            assert [(m.name.decode(), m.size) for m in reader] == [(member.name, member.size)]


def test_links_devices_and_fifos_are_rows_and_folders_are_nothing(read_bytes) -> None:
    found = read_bytes(
        tarred(
            [
                typed("folder", tarfile.DIRTYPE),
                ("a", b"1"),
                typed("soft", tarfile.SYMTYPE, "../../etc/passwd"),
                typed("hard", tarfile.LNKTYPE, "a"),
                typed("char", tarfile.CHRTYPE),
                typed("block", tarfile.BLKTYPE),
                typed("fifo", tarfile.FIFOTYPE),
                ("z", b"2"),
            ]
        )
    )
    assert found.files == {"a": b"1", "z": b"2"}
    assert found.faults == [
        ("soft", "symlink"),
        ("hard", "special_file"),
        ("char", "special_file"),
        ("block", "special_file"),
        ("fifo", "special_file"),
    ]


def test_sparse_members_are_rows_and_what_follows_is_read(read_bytes) -> None:
    sparse = tarred([("sparse", b"x" * 600), ("z", b"2")], format=tarfile.GNU_FORMAT)
    head = bytearray(sparse[:512])
    head[156:157] = b"S"
    head[482] = 1  # the map goes on in two more blocks
    head[148:156] = b"%06o\0 " % (sum(head[:148]) + 8 * 32 + sum(head[156:]))
    more = bytearray(512)
    more[504] = 1
    found = read_bytes(bytes(head) + bytes(more) + bytes(512) + sparse[512:])
    assert found.files == {"z": b"2"}
    assert found.faults == [("sparse", "special_file")]
    info = tarfile.TarInfo("GNUSparseFile.0/x")
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "x"}
    found = read_bytes(tarred([info, ("z", b"2")], format=tarfile.PAX_FORMAT))
    assert found.faults == [("x", "special_file")]
    assert found.files == {"z": b"2"}


def test_names_that_escape_or_cannot_be_recorded_are_rows(read_bytes) -> None:
    surrogate = "caf\udce9.py"
    found = read_bytes(
        tarred(
            [
                ("../up", b"1"),
                ("/etc/passwd", b"1"),
                ("a/../../b", b"1"),
                ("two\nlines", b"1"),
                (surrogate, b"1"),
                ("ok", b"2"),
            ],
            format=tarfile.GNU_FORMAT,
            encoding="utf-8",
            errors="surrogateescape",
        )
    )
    assert found.files == {"ok": b"2"}
    assert found.faults == [
        ("../up", "path_escapes"),
        ("/etc/passwd", "path_escapes"),
        ("a/../../b", "path_escapes"),
        ("two%0Alines", "unsafe_name"),
        ("caf%E9.py", "not_utf8_path"),
    ]


def test_a_nul_in_a_pax_name_is_not_cut_off(read_bytes) -> None:
    info = tarfile.TarInfo("short")
    info.pax_headers = {"path": "safe.py\0/../../evil"}
    found = read_bytes(tarred([info], format=tarfile.PAX_FORMAT))
    assert found.faults == [("safe.py%00/../../evil", "unsafe_name")]


def test_the_first_of_two_members_of_one_path_is_read(read_bytes) -> None:
    found = read_bytes(tarred([("./a", b"1"), ("a", b"2"), (".//a", b"3"), ("b", b"4")]))
    assert found.files == {"./a": b"1", "b": b"4"}
    assert found.faults == [("a", "duplicate_path"), (".//a", "duplicate_path")]


def test_a_member_over_the_cap_is_passed_over(read_bytes) -> None:
    found = read_bytes(tarred([("fits", b"x" * 1000), ("over", b"x" * 1001), ("z", b"1")]), max_file_bytes=1000)
    assert list(found.files) == ["fits", "z"]
    assert found.faults == [("over", "over_cap")]
    assert found.unreadables[0].size == 1001


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_bomb_is_refused_as_a_whole_at_little_cost(read_bytes, pack) -> None:
    packed = pack(tarred([("a", b"1"), ("zeros", bytes(30_000_000)), ("z", b"1")]))
    assert len(packed) < 40_000
    tracemalloc.start()
    found = read_bytes(packed, "bomb.tar.gz")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.rows == found.unreadables
    assert found.faults == [("bomb.tar.gz", "archive_bomb")]
    assert "(max_ratio)" in found.unreadables[0].detail
    assert peak < 12_000_000  # bzip2 and xz need 4 to 8 MB for their own tables


def test_an_archive_over_its_limits_of_bytes_or_members_is_refused_as_a_whole(read_bytes) -> None:
    noise = random.Random(1)
    packed = tarred([(f"f{n}", noise.randbytes(5_000)) for n in range(20)], "w:gz")
    assert len(read_bytes(packed, max_archive_bytes=200_000).files) == 20
    found = read_bytes(packed, max_archive_bytes=90_000)
    assert found.faults == [("some.tar", "archive_bomb")]
    assert found.files == {}
    assert len(read_bytes(packed, max_archive_members=20).files) == 20
    found = read_bytes(packed, max_archive_members=19)
    assert found.faults == [("some.tar", "too_many_members")]
    assert found.files == {}


def test_a_small_archive_is_no_bomb_for_its_padding(read_bytes) -> None:
    packed = tarred([("a", b"1")], "w:gz")
    assert 10_240 / len(packed) > 20
    assert read_bytes(packed, max_ratio=2).files == {"a": b"1"}


def test_a_truncated_archive_gives_what_came_before_and_one_row(read_bytes) -> None:
    noise = random.Random(1)
    contents = {f"f{n}": noise.randbytes(40_000) for n in range(10)}
    for mode in ("w:gz", "w:bz2", "w:xz", "w"):
        packed = tarred(contents.items(), mode)
        found = read_bytes(packed[: len(packed) * 6 // 10], "cut.tar")
        read = list(found.files)
        assert found.files == {name: contents[name] for name in read}
        assert read == list(contents)[: len(read)]
        assert mode == "w:bz2" or len(read) >= 4  # bzip2 has one block of 900 kB here
        [(path, reason)] = found.faults
        assert reason == "truncated"
        assert len(found.unreadables[0].first_bytes) <= 64
        assert path in (f"f{len(read)}", "cut.tar")  # a cut in a header names the archive


def test_a_cut_between_two_members_is_noticed(read_bytes) -> None:
    packed = tarred([("a", b"1"), ("b", b"2")])
    for size, files in ((1024, ["a"]), (1200, ["a"]), (1536, ["a", "b"]), (2048, ["a", "b"]), (2049, ["a", "b"])):
        found = read_bytes(packed[:size])
        assert list(found.files)[:1] == files[:1]
        assert [reason for _, reason in found.faults] == ["truncated"], size
    assert read_bytes(packed[:2560]).faults == []  # one empty block ends an archive


def test_damage_in_the_middle_is_never_taken_for_the_end(read_bytes) -> None:
    packed = bytearray(tarred([("a", b"1"), ("b", b"2"), ("c", b"3")]))
    packed[1024:1030] = b"\xff" * 6
    found = read_bytes(bytes(packed))
    assert found.files == {"a": b"1"}
    assert found.faults == [("some.tar", "corrupt_archive")]
    assert "byte 1,024 is no tar header" in found.unreadables[0].detail
    noise = random.Random(1)
    squeezed = bytearray(tarred([(f"f{n}", noise.randbytes(40_000)) for n in range(9)], "w:gz"))
    squeezed[200_000:200_200] = bytes(200)
    found = read_bytes(bytes(squeezed))
    assert len(found.files) >= 3
    assert [reason for _, reason in found.faults] == ["corrupt_archive"]


@pytest.mark.parametrize(
    "content", [b"", b"\0", b"not an archive", b"\x1f\x8b", gzip.compress(b"text, no tar", mtime=0), b"Rar!\x1a\x07"]
)
def test_what_is_no_archive_is_one_row(read_bytes, content) -> None:
    found = read_bytes(content, "odd.tar.gz")
    [(path, reason)] = found.faults
    assert path == "odd.tar.gz"
    assert reason in ("corrupt_archive", "truncated")
    assert found.files == {}


def test_an_archive_without_files_is_one_row(read_bytes) -> None:
    for entries in ([], [typed("d", tarfile.DIRTYPE)]):
        assert read_bytes(tarred(entries)).faults == [("some.tar", "missing_content")]


def test_a_header_that_asks_for_much_memory_is_refused(read_bytes) -> None:
    for kind in (b"x", b"g", b"L", b"K"):
        info = typed("h", kind)
        info.size = 8_000_000
        found = read_bytes(tarred([("a", b"1"), info], format=tarfile.USTAR_FORMAT) + bytes(9_000_000))
        assert found.files == {"a": b"1"}
        assert found.faults == [("some.tar", "corrupt_archive")]
        assert "allowed are 1,048,576" in found.unreadables[0].detail


@pytest.mark.parametrize(
    "records",
    [b"99 path=x\n", b"0 path=x\n", b"path=x\n", b"9 path=x", b"-5 path=x\n", b"1" * 30 + b" path=x\n", b"5\xb2 a=b\n"],
)
def test_pax_records_of_a_wrong_length_are_damage(read_bytes, records) -> None:
    head = tarred([("h", records)], format=tarfile.USTAR_FORMAT)[:1024]
    block = bytearray(head[:512])
    block[156:157] = b"x"
    block[148:156] = b"%06o\0 " % (sum(block[:148]) + 8 * 32 + sum(block[156:]))
    found = read_bytes(bytes(block) + head[512:] + tarred([("a", b"1")]))
    assert found.faults == [("some.tar", "corrupt_archive")]


def test_a_size_that_lies_is_damage_or_truncation_and_no_memory(read_bytes) -> None:
    packed = bytearray(tarred([("a", b"1"), ("b", b"2")], format=tarfile.GNU_FORMAT))
    for size in (b"77777777777\0", b"\x80" + b"\xff" * 11, b"00000002000\0", b"-0000000001\0", b"0000000000z\0"):
        packed[124:136] = size
        packed[148:156] = b"%06o\0 " % (sum(packed[:148]) + 8 * 32 + sum(packed[156:512]))
        found = read_bytes(bytes(packed))
        assert found.unreadables
        assert {reason for _, reason in found.faults} <= {"over_cap", "truncated", "corrupt_archive"}


def test_gzip_members_one_after_another_are_one_stream_and_padding_is_ignored(read_bytes) -> None:
    plain = tarred([("a", b"1" * 3000), ("b", b"2")])
    parts = [gzip.compress(plain[start : start + 700]) for start in range(0, len(plain), 700)]
    assert set(read_bytes(b"".join(parts) + b"\0" * 100).files) == {"a", "b"}


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_no_damage_raises_or_reads_what_was_not_there(data, limits) -> None:
    contents = {"a": b"alpha" * 100, "d/b": b"beta", "c": b""}
    mode = data.draw(st.sampled_from(["w", "w:gz", "w:bz2", "w:xz"]))
    packed = bytearray(tarred(contents.items(), mode))
    for _ in range(data.draw(st.integers(1, 4))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    packed = packed[: data.draw(st.integers(0, len(packed)))]
    reader = TarReader(PlainStream(io.BytesIO(packed), limits()))
    try:
        for member in reader:
            assert len(reader.stream.read(min(member.size, 100_000))) <= 100_000
    except Fault as fault:
        assert fault.reason in (Reason.TRUNCATED, Reason.CORRUPT_ARCHIVE, Reason.ARCHIVE_BOMB)


def test_one_archive_is_one_shard_and_a_folder_is_none(tmp_path: Path, spec, limits) -> None:
    (tmp_path / "a.tar").write_bytes(tarred(FILES.items()))
    assert len(shards(spec("archive", tmp_path / "a.tar"), limits(shard_bytes=1))) == 1
    with pytest.raises(SourceError, match="is not a file"):
        fingerprint(spec("archive", tmp_path))


def test_an_archive_that_cannot_be_opened_is_one_row(tmp_path: Path, spec, reading, monkeypatch) -> None:
    (tmp_path / "a.tar").write_bytes(tarred(FILES.items()))
    original = Path.open

    def refusing(self, *rest, **named):
        if self.name == "a.tar":
            raise PermissionError(13, "Permission denied")
        return original(self, *rest, **named)

    monkeypatch.setattr(Path, "open", refusing)
    found = reading(spec("archive", tmp_path / "a.tar"))
    assert found.faults == [("a.tar", "unreadable")]
