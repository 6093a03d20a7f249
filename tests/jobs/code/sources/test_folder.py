"""Folders: a user's checkout, and folders made to hurt."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import jobs.code.sources.files as files
import jobs.code.sources.folder as folder
from jobs.code.sources import SourceError, fingerprint, read, shards
from jobs.code.sources.rows import Fault, Reason
from jobs.code.sources.spec import Span


def write(root: Path, **contents: bytes) -> Path:
    for name, content in contents.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def test_every_file_below_a_folder_is_read(tmp_path, spec, reading) -> None:
    write(tmp_path / "tool", a=b"1", src__b=b"", src__deep__c=b"\x00\xff")
    found = reading(spec("folder", tmp_path / "tool"))
    assert found.files == {"a": b"1", "src/b": b"", "src/deep/c": b"\x00\xff"}
    assert {row.repo for row in found.rows} == {"tool"}
    assert [row.size for row in found.rows] == [1, 0, 2]


def test_the_reader_agrees_with_os_walk_on_a_real_tree(spec, reading) -> None:
    root = Path(pytest.__file__).parent.parent / "_pytest"
    expected = {}
    for place, _, names in os.walk(root):
        for name in names:
            path = Path(place) / name
            expected[path.relative_to(root).as_posix()] = path.read_bytes()
    found = reading(spec("folder", root), max_file_bytes=10_000_000, shard_bytes=100_000)
    assert found.files == expected
    assert [row.path for row in found.rows] == sorted(expected)
    assert len(expected) > 50


def test_paths_come_in_byte_order_of_the_whole_path(tmp_path, spec, reading) -> None:
    names = ["a", "a.b/x", "a-b", "a0", "b/c/d", "b/c.d", "b.c", "é", "z"]
    for name in names:
        (tmp_path / "r" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "r" / name).write_bytes(b"")
    found = reading(spec("folder", tmp_path / "r"))
    assert [row.path for row in found.rows] == sorted(names, key=lambda name: name.encode())


@given(
    paths=st.sets(st.lists(st.sampled_from(["a", "a.", "a-", "b", "0"]), min_size=1, max_size=4).map("/".join)),
    ends=st.tuples(*[st.one_of(st.none(), st.text("ab.-/0", max_size=5).map(str.encode))] * 2),
)
def test_a_span_never_misses_a_folder_that_holds_one_of_its_paths(paths, ends) -> None:
    span = Span(*ends)
    for path in (path.encode() for path in paths):
        for cut in (n + 1 for n, byte in enumerate(path) if byte == ord("/")):
            assert not (path in span and span.misses(path[:cut]))


def test_a_span_does_miss_folders_outside_it() -> None:
    span = Span(b"b/x", b"d/x")
    assert span.misses(b"a/")
    assert span.misses(b"e/")
    assert not any(map(span.misses, (b"b/", b"c/", b"d/")))
    assert span.misses(b"d/y/")


def test_a_file_of_the_cap_is_read_and_one_byte_more_is_refused(tmp_path, spec, reading) -> None:
    write(tmp_path / "r", fits=b"x" * 1000, over=b"x" * 1001)
    found = reading(spec("folder", tmp_path / "r"), max_file_bytes=1000)
    assert list(found.files) == ["fits"]
    assert found.faults == [("over", "over_cap")]
    refused = found.unreadables[0]
    assert refused.size == 1001
    assert refused.detail == "1,001 bytes, allowed are 1,000 (max_file_bytes); not read."


def test_a_hundred_megabyte_line_is_refused_without_being_opened(tmp_path, spec, reading, monkeypatch) -> None:
    write(tmp_path / "r", small=b"1")
    with (tmp_path / "r" / "line.min.js").open("wb") as file:
        file.truncate(100_000_000)  # sparse: costs no disk
    opened: list[bytes] = []
    original = os.open

    def watched(path, *rest, **named):
        opened.append(path)
        return original(path, *rest, **named)

    monkeypatch.setattr(files.os, "open", watched)
    found = reading(spec("folder", tmp_path / "r"))
    assert found.faults == [("line.min.js", "over_cap")]
    assert found.unreadables[0].first_bytes == b""
    assert [Path(os.fsdecode(path)).name for path in opened] == ["small"]


def test_links_are_not_followed_and_not_lost(tmp_path, spec, reading) -> None:
    write(tmp_path / "secret", key=b"s")
    root = write(tmp_path / "r", a=b"1")
    (root / "to_file").symlink_to(tmp_path / "secret" / "key")
    (root / "to_folder").symlink_to(tmp_path / "secret")
    (root / "to_nothing").symlink_to("gone")
    (root / "loop").symlink_to(".")
    found = reading(spec("folder", root))
    assert found.files == {"a": b"1"}
    assert found.faults == [(name, "symlink") for name in ("loop", "to_file", "to_folder", "to_nothing")]


def test_a_link_may_be_the_location_itself(tmp_path, spec, reading) -> None:
    write(tmp_path / "real", a=b"1")
    (tmp_path / "alias").symlink_to("real")
    found = reading(spec("folder", tmp_path / "alias"))
    assert [(row.repo, row.path) for row in found.rows] == [("real", "a")]


def test_fifos_sockets_and_devices_are_never_opened(tmp_path, spec, reading) -> None:
    root = write(tmp_path / "r", a=b"1")
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "socket"))
        expected = [("fifo", "special_file"), ("socket", "special_file")]
        if os.geteuid() == 0:
            os.mknod(root / "device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
            expected.insert(0, ("device", "special_file"))
        found = reading(spec("folder", root))
    assert found.files == {"a": b"1"}
    assert found.faults == expected
    assert "a FIFO" in next(row.detail for row in found.unreadables if row.path == "fifo")


def test_a_file_that_became_a_fifo_after_the_listing_does_not_hang(tmp_path) -> None:
    os.mkfifo(tmp_path / "late")
    with pytest.raises(Fault) as raised:
        files.read_regular(os.fsencode(tmp_path / "late"), 100)
    assert raised.value.reason == Reason.SPECIAL_FILE


def test_what_was_swapped_between_lstat_and_open_is_judged_again(tmp_path, monkeypatch) -> None:
    regular = tmp_path / "regular"
    regular.write_bytes(b"1")
    status = os.lstat(regular)
    monkeypatch.setattr(files.os, "lstat", lambda _path: status)
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to(regular)
    (tmp_path / "large").write_bytes(b"x" * 200)
    for name, reason in (("fifo", "special_file"), ("link", "symlink"), ("large", "over_cap"), ("gone", "unreadable")):
        with pytest.raises(Fault) as raised:
            files.read_regular(os.fsencode(tmp_path / name), 100)
        assert raised.value.reason == reason


class Growing:
    """A file that is never at its end."""

    def read(self, size: int) -> bytes:
        return b"x" * min(size, 10)

    def __enter__(self) -> Growing:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def test_a_file_that_grows_is_read_to_its_new_end_and_never_past_the_cap(tmp_path, monkeypatch) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * 10)
    before = os.lstat(path)
    monkeypatch.setattr(files.os, "fstat", lambda _fd: before)
    with path.open("ab") as file:
        file.write(b"y" * 5)
    assert files.read_regular(os.fsencode(path), 100) == b"x" * 10 + b"y" * 5
    opened: list[int] = []
    monkeypatch.setattr(files.os, "fdopen", lambda fd, *_a, **_k: opened.append(fd) or Growing())
    with pytest.raises(Fault) as raised:
        files.read_regular(os.fsencode(path), 100)
    for fd in opened:
        os.close(fd)
    assert raised.value.reason == Reason.OVER_CAP
    assert "grew past 100 bytes" in raised.value.detail


def test_a_read_beside_a_writer_gives_a_prefix_of_what_was_written(tmp_path, spec, reading) -> None:
    root = write(tmp_path / "r", log=b"")
    stop = threading.Event()

    def append() -> None:
        with (root / "log").open("ab", buffering=0) as file:
            while not stop.is_set():
                file.write(b"0123456789")

    writer = threading.Thread(target=append)
    writer.start()
    try:
        found = reading(spec("folder", root), max_file_bytes=1_000)
    finally:
        stop.set()
        writer.join()
    if found.files:
        assert found.files["log"] == (b"0123456789" * 100)[: len(found.files["log"])]
    else:
        assert found.faults == [("log", "over_cap")]


@pytest.fixture
def unprivileged_folder() -> Iterator[Path]:
    """A folder of a user who is not root, and that user's rights: root may read everything."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
    finally:
        os.seteuid(was)


def test_a_file_without_rights_is_a_row_with_its_errno(unprivileged_folder, spec, reading) -> None:
    root = write(unprivileged_folder / "r", a=b"1", b=b"2", closed__c=b"3")
    (root / "a").chmod(0)
    (root / "closed").chmod(0)
    try:
        found = reading(spec("folder", root))
    finally:
        (root / "closed").chmod(0o700)
    assert found.files == {"b": b"2"}
    assert found.faults == [("a", "unreadable"), ("closed", "unreadable")]
    assert all(row.detail.startswith("EACCES: ") for row in found.unreadables)


def test_a_folder_that_cannot_be_listed_is_a_row_in_exactly_one_shard(tmp_path, spec, reading, monkeypatch) -> None:
    root = write(tmp_path / "r", a=b"1", closed__c=b"3", z=b"2")
    original = folder._children

    def refusing(top, prefix, span):
        if prefix == b"closed/":
            raise PermissionError(13, "Permission denied")
        return original(top, prefix, span)

    monkeypatch.setattr(folder, "_children", refusing)
    for shard_bytes in (1, 1_000_000):
        found = reading(spec("folder", root), shard_bytes=shard_bytes)
        assert found.files == {"a": b"1", "z": b"2"}
        assert found.faults == [("closed", "unreadable")]
        assert found.unreadables[0].detail == "EACCES: Permission denied."
    assert fingerprint(spec("folder", root))


def test_names_that_are_no_utf8_or_hold_control_characters_are_rows(tmp_path, spec, reading) -> None:
    root = write(tmp_path / "r", a=b"1")
    for name in (b"caf\xe9.py", b"two\nlines.py"):
        (root / os.fsdecode(name)).write_bytes(b"x")
    for shard_bytes in (1, 1_000_000):
        found = reading(spec("folder", root), shard_bytes=shard_bytes)
        assert found.files == {"a": b"1"}
        assert found.faults == [("caf%E9.py", "not_utf8_path"), ("two%0Alines.py", "unsafe_name")]


def test_nesting_beyond_the_limit_is_a_row(tmp_path, spec, reading) -> None:
    deep = tmp_path / "r" / "/".join("d" * 40)
    deep.mkdir(parents=True)
    (deep / "f").write_bytes(b"1")
    found = reading(spec("folder", tmp_path / "r"), max_nesting=39)
    assert [reason for _, reason in found.faults] == ["unsafe_name"]
    assert "40 folders above the file, allowed are 39 (max_nesting)" in found.unreadables[0].detail
    assert reading(spec("folder", tmp_path / "r"), max_nesting=40).files


def test_git_data_is_left_out_at_every_level(tmp_path, spec, reading) -> None:
    root = write(tmp_path / "r", a=b"1")
    for place in (".git", "vendor/.git"):
        (root / place).mkdir(parents=True)
        (root / place / "HEAD").write_bytes(b"ref: x")
    (root / "submodule").mkdir()
    (root / "submodule" / ".git").write_bytes(b"gitdir: ../x")
    (root / ".gitignore").write_bytes(b"*.o")
    assert list(reading(spec("folder", root)).files) == [".gitignore", "a"]


def test_a_folder_without_files_is_an_error(tmp_path, spec, limits) -> None:
    (tmp_path / "r" / ".git").mkdir(parents=True)
    (tmp_path / "r" / "empty").mkdir()
    with pytest.raises(SourceError, match="has no files"):
        shards(spec("folder", tmp_path / "r"), limits())


def test_a_file_is_not_a_folder(tmp_path, spec, limits) -> None:
    write(tmp_path, a=b"1")
    with pytest.raises(SourceError, match="cannot be listed as a folder"):
        shards(spec("folder", tmp_path / "a"), limits())


def test_what_appears_or_vanishes_after_the_split_is_seen_once_or_not(tmp_path, spec, limits) -> None:
    root = write(tmp_path / "r", **{f"f{n}": b"x" * 100 for n in range(10)})
    bounds = limits(shard_bytes=10_000)
    split = shards(spec("folder", root), bounds)
    assert len(split) > 3
    write(root, f0a=b"new", zz=b"new", a=b"new")
    (root / "f5").unlink()
    rows = [row for shard in split for row in read(shard, bounds)]
    assert [row.path for row in rows] == ["a", "f0", "f0a", "f1", "f2", "f3", "f4", "f6", "f7", "f8", "f9", "zz"]


def test_the_fingerprint_sees_new_names_links_and_times(tmp_path, spec) -> None:
    root = write(tmp_path / "r", a=b"1")
    source = spec("folder", root)
    seen = [fingerprint(source)]
    write(root, b=b"")
    seen.append(fingerprint(source))
    (root / "b").rename(root / "c")
    seen.append(fingerprint(source))
    os.utime(root / "c", ns=(1, 1))
    seen.append(fingerprint(source))
    (root / "c").unlink()
    (root / "c").symlink_to("a")
    seen.append(fingerprint(source))
    assert len(set(seen)) == len(seen)
