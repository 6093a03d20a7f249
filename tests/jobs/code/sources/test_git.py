"""Repositories: a user's clone, and object stores made to hurt."""

from __future__ import annotations

import io
import os
import random
import subprocess
import tarfile
import threading
import zlib
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from jobs.code.sources import Occurrence, SourceError, fingerprint, gitrepo, read, shards
from jobs.code.sources.gitrepo import name_of_address

FILES = {
    "main.py": b"print(1)\n",
    "src/empty.c": b"",
    "src/bytes.bin": bytes(range(256)),
    "src/deep/a b.txt": b"a\r\nb",
}


def test_every_file_of_the_commit_is_read_with_its_commit_and_time(tmp_path, spec, reading, repository, git) -> None:
    work = repository(tmp_path / "work", FILES)
    git(work, "remote", "add", "origin", "https://me:s3cret@example.org/owner/tool.git?x=1")
    (work / "main.py").write_bytes(b"edited, not committed")
    found = reading(spec("git", work))
    assert found.files == FILES
    assert found.faults == []
    assert {row.repo for row in found.rows} == {"owner/tool"}
    assert {row.commit for row in found.rows} == {git(work, "rev-parse", "HEAD")}
    assert {row.committed_at for row in found.rows} == {datetime(2021, 6, 7, 6, 9, 10, tzinfo=UTC)}
    assert {row.version for row in found.rows} == {None}


@pytest.mark.parametrize("shard_bytes", [1, 20_000, 10_000_000])
def test_the_reader_agrees_with_git_archive_bit_for_bit(tmp_path, spec, reading, repository, git, shard_bytes) -> None:
    source = Path(pytest.__file__).parent.parent / "_pytest"
    files = {p.relative_to(source).as_posix(): p.read_bytes() for p in sorted(source.rglob("*.py"))[:12]}
    work = repository(tmp_path / "work", files | FILES)
    git(work, "gc", "--quiet")
    (tmp_path / "bare.git").mkdir()
    git(tmp_path, "clone", "--quiet", "--bare", "work", "bare.git")
    packed = subprocess.run(["git", "-C", str(work), "archive", "HEAD"], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        expected = {m.name: archive.extractfile(m).read() for m in archive if m.isfile()}
    for place in (work, work / ".git", tmp_path / "bare.git"):
        found = reading(spec("git", place), shard_bytes=shard_bytes, max_file_bytes=1_000_000)
        assert found.files == expected
        assert [row.path for row in found.rows] == sorted(expected)
    assert found.rows[0].repo == "work"  # the remote of the bare clone is a path: its last part, without the folders


def test_a_linked_work_tree_is_read_like_its_repository(tmp_path, spec, reading, repository, git) -> None:
    work = repository(tmp_path / "work", FILES)
    git(work, "worktree", "add", "--quiet", "../linked")
    assert reading(spec("git", tmp_path / "linked")).files == FILES


def test_a_sha256_repository_is_read(tmp_path, spec, reading, git) -> None:
    git(tmp_path, "init", "--quiet", "--object-format=sha256", "work")
    (tmp_path / "work" / "a").write_bytes(b"1")
    git(tmp_path / "work", "add", "a")
    git(tmp_path / "work", "commit", "--quiet", "--message=a")
    found = reading(spec("git", tmp_path / "work"))
    assert found.files == {"a": b"1"}
    assert len(found.rows[0].commit) == 64


def test_a_ref_names_branch_tag_or_commit_and_a_tag_is_the_version(tmp_path, spec, reading, repository, git) -> None:
    work = repository(tmp_path / "work", {"a": b"old"})
    git(work, "tag", "--annotate", "--message=x", "v1.0")
    first = git(work, "rev-parse", "HEAD")
    git(work, "branch", "old")
    (work / "a").write_bytes(b"new")
    git(work, "commit", "--quiet", "--all", "--message=new")
    for ref, version in (("v1.0", "v1.0"), ("refs/tags/v1.0", "v1.0"), ("old", None), (first, None), ("HEAD~1", None)):
        [row] = reading(spec("git", work, ref=ref)).rows
        assert (row.content, row.commit, row.version) == (b"old", first, version)
    assert reading(spec("git", work)).files == {"a": b"new"}


def test_a_shard_reads_its_commit_although_the_branch_moved(tmp_path, spec, limits, repository, git) -> None:
    work = repository(tmp_path / "work", {"a": b"old", "b": b"old"})
    split = shards(spec("git", work), limits(shard_bytes=1))
    (work / "a").write_bytes(b"new")
    git(work, "commit", "--quiet", "--all", "--message=new")
    assert [row.content for shard in split for row in read(shard, limits())] == [b"old", b"old"]


def test_links_submodules_and_names_that_are_no_utf8_become_rows(tmp_path, spec, reading, repository, git) -> None:
    work = repository(tmp_path / "work", {"a": b"1"})
    commit = git(work, "rev-parse", "HEAD")
    (work / "link").symlink_to("../../etc/passwd")
    (work / os.fsdecode(b"caf\xe9.py")).write_bytes(b"x")
    (work / "two\nlines").write_bytes(b"x")
    git(work, "add", "--all")
    git(work, "update-index", "--add", "--cacheinfo", f"160000,{commit},vendor/lib")
    git(work, "commit", "--quiet", "--message=odd")
    for shard_bytes in (1, 1_000_000):
        found = reading(spec("git", work), shard_bytes=shard_bytes)
        assert found.files == {"a": b"1"}
        assert found.faults == [
            ("caf%E9.py", "not_utf8_path"),
            ("link", "symlink"),
            ("two%0Alines", "unsafe_name"),
            ("vendor/lib", "submodule"),
        ]
    assert commit in found.unreadables[-1].detail


def test_the_cap_is_judged_by_the_listing_and_the_object_is_not_asked_for(
    tmp_path, spec, reading, repository, monkeypatch
) -> None:
    work = repository(tmp_path / "work", {"fits": b"x" * 1000, "over": b"x" * 1001})
    asked: list[bytes] = []
    original = gitrepo.Repository.objects

    def watched(self, ids):
        asked.extend(ids)
        return original(self, ids)

    monkeypatch.setattr(gitrepo.Repository, "objects", watched)
    found = reading(spec("git", work), max_file_bytes=1000)
    assert list(found.files) == ["fits"]
    assert found.faults == [("over", "over_cap")]
    assert found.unreadables[0].size == 1001
    assert len(asked) == 1


def forged(git, work: Path, *trees: bytes) -> str:
    """A commit of trees that git itself would not write, each naming the one before as {0}."""
    tree = b""
    for content in trees:
        tree = bytes.fromhex(
            git(work, "hash-object", "-t", "tree", "--literally", "-w", "--stdin", stdin=content.replace(b"{0}", tree))
        )
    commit = git(work, "commit-tree", tree.hex(), "-m", "forged")
    git(work, "update-ref", "refs/heads/main", commit)
    return commit


def test_a_forged_tree_cannot_point_outside_or_repeat_a_path(tmp_path, spec, reading, repository, git) -> None:
    work = repository(tmp_path / "work", {"a": b"1"})
    blob = bytes.fromhex(git(work, "rev-parse", "HEAD:a"))
    names = [b"z", b"..", b"b", b"b", b"a", b"/abs", b"same"]
    forged(git, work, b"".join(b"100644 " + name + b"\0" + blob for name in names))
    for shard_bytes in (1, 1_000_000):
        found = reading(spec("git", work), shard_bytes=shard_bytes)
        assert sorted(found.files) == ["a", "b", "same", "z"]
        assert sorted(found.faults) == [("..", "path_escapes"), ("/abs", "path_escapes"), ("b", "duplicate_path")]


def test_a_tree_that_unfolds_without_end_stops_at_the_member_limit(tmp_path, spec, reading, repository, git) -> None:
    work = repository(tmp_path / "work", {"a": b"1"})
    blob = bytes.fromhex(git(work, "rev-parse", "HEAD:a"))
    wide = [b"%02d" % n for n in range(20)]
    leaf = b"".join(b"100644 " + name + b"\0" + blob for name in wide)
    folder = b"".join(b"40000 " + name + b"\0{0}" for name in wide)
    forged(git, work, leaf, *[folder] * 10)  # 20 to the power of 11 paths
    found = reading(spec("git", work), max_archive_members=500)
    assert len(found.files) == 500
    assert [reason for _, reason in found.faults] == ["too_many_members"]


def loose(work: Path, oid: str) -> Path:
    return work / ".git" / "objects" / oid[:2] / oid[2:]


def test_missing_and_damaged_objects_are_rows_and_the_others_are_read(tmp_path, spec, reading, repository, git) -> None:
    contents = {name: random.Random(name).randbytes(1000) for name in ("a", "b", "c", "d", "e", "f", "g")}
    work = repository(tmp_path / "work", contents)
    paths = {name: loose(work, git(work, "rev-parse", f"HEAD:{name}")) for name in contents}
    for path in paths.values():
        path.chmod(0o600)
    paths["b"].unlink()
    paths["d"].write_bytes(b"no zlib data")
    paths["e"].write_bytes(zlib.compress(b"blob 3\0xyz"))  # sound, but another file's bytes
    paths["f"].write_bytes(paths["f"].read_bytes()[:500])
    found = reading(spec("git", work))
    assert found.files == {name: contents[name] for name in ("a", "c", "g")}
    assert {path: reason for path, reason in found.faults if path != "d"} == {
        "b": "missing_content",
        "e": "unreadable",
        "f": "unreadable",
    }
    assert dict(found.faults)["d"] in ("missing_content", "unreadable")
    assert "is damaged: its bytes hash to" in next(row.detail for row in found.unreadables if row.path == "e")


def test_an_entry_whose_object_is_no_file_is_a_row(tmp_path, spec, reading, repository, git) -> None:
    work = repository(tmp_path / "work", {"a": b"1"})
    tree = bytes.fromhex(git(work, "rev-parse", "HEAD^{tree}"))
    forged(git, work, b"100644 posing\0" + tree)
    found = reading(spec("git", work))
    assert found.files == {}
    assert found.faults == [("posing", "unreadable")]


def test_a_partial_clone_fetches_nothing_and_says_how_to_go_on(tmp_path, spec, limits, repository, git) -> None:
    work = repository(tmp_path / "work", FILES)
    git(work, "config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "--quiet", "--bare", "--filter=blob:none", work.as_uri(), "partial.git")
    with pytest.raises(SourceError, match="without --filter"):
        shards(spec("git", tmp_path / "partial.git"), limits())


def test_programs_that_a_repository_names_are_not_run(tmp_path, spec, reading, repository, git) -> None:
    work = repository(tmp_path / "work", FILES)
    trap = tmp_path / "ran"
    program = tmp_path / "trap.sh"
    program.write_text(f"#!/bin/sh\ntouch {trap}\nexit 1\n")
    program.chmod(0o755)
    keys = ("core.fsmonitor", "core.pager", "core.sshCommand", "core.askPass", "core.editor", "core.gitProxy")
    more = (
        "diff.external",
        "gpg.program",
        "credential.helper",
        "uploadpack.packObjectsHook",
        "core.alternateRefsCommand",
    )
    for key in keys + more:
        git(work, "config", key, str(program))
    git(work, "config", "log.showSignature", "true")
    git(work, "config", "filter.x.smudge", str(program))
    (work / ".git" / "info").mkdir(exist_ok=True)
    (work / ".git" / "info" / "attributes").write_text("* filter=x diff=x\n")
    for hook in ("post-checkout", "post-index-change", "reference-transaction", "fsmonitor-watchman"):
        (work / ".git" / "hooks").mkdir(exist_ok=True)
        (work / ".git" / "hooks" / hook).symlink_to(program)
    assert reading(spec("git", work)).files == FILES
    assert not trap.exists()


def test_git_variables_and_settings_of_the_caller_change_nothing(
    tmp_path, spec, reading, repository, monkeypatch
) -> None:
    work = repository(tmp_path / "work", FILES)
    other = repository(tmp_path / "other", {"x": b"x"})
    before = reading(spec("git", work))
    config = tmp_path / "config"
    config.write_text('[core]\n\tquotePath = true\n[url "file:///nowhere/"]\n\tinsteadOf = https://\n[broken\n')
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(other / ".git" / "objects"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_TRACE", str(tmp_path / "trace"))
    assert reading(spec("git", work)) == before
    assert not (tmp_path / "trace").exists()


def test_replace_refs_do_not_change_what_a_commit_holds(tmp_path, spec, reading, repository, git) -> None:
    work = repository(tmp_path / "work", {"a": b"true", "b": b"false"})
    git(work, "replace", git(work, "rev-parse", "HEAD:a"), git(work, "rev-parse", "HEAD:b"))
    assert reading(spec("git", work)).files == {"a": b"true", "b": b"false"}


def test_a_repository_around_the_location_is_not_taken(tmp_path, spec, limits, repository) -> None:
    work = repository(tmp_path / "work", FILES)
    with pytest.raises(SourceError, match="not a git repository"):
        shards(spec("git", work / "src"), limits())


def test_an_empty_repository_an_unknown_ref_and_an_empty_tree_are_errors(
    tmp_path, spec, limits, repository, git
) -> None:
    (tmp_path / "empty").mkdir()
    git(tmp_path / "empty", "init", "--quiet")
    with pytest.raises(SourceError, match="the repository is empty"):
        shards(spec("git", tmp_path / "empty"), limits())
    work = repository(tmp_path / "work", FILES)
    git(work, "tag", "v1")
    for ref in ("v2", "--all", "-h", "HEAD:main.py", "f" * 40):
        with pytest.raises(SourceError) as raised:
            fingerprint(spec("git", work, ref=ref))
        assert f"no commit at ref {ref!r}" in str(raised.value)
        assert "Allowed: main, v1, or a commit id" in str(raised.value)
    bare = repository(tmp_path / "bare", {})
    with pytest.raises(SourceError, match="has no files"):
        shards(spec("git", bare), limits())


def test_git_not_installed_is_said(tmp_path, spec, limits, repository, monkeypatch) -> None:
    work = repository(tmp_path / "work", FILES)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceError, match="git is not installed"):
        shards(spec("git", work), limits())


def test_a_commit_of_an_impossible_time_has_none(tmp_path, spec, reading, repository, git) -> None:
    work = repository(tmp_path / "work", {"a": b"1"})
    text = git(work, "cat-file", "commit", "HEAD").replace("1623046150 +0200", "999999999999999 +0000")
    assert "999999999999999" in text
    commit = git(work, "hash-object", "-t", "commit", "--literally", "-w", "--stdin", stdin=text.encode() + b"\n")
    git(work, "update-ref", "refs/heads/main", commit)
    [row] = reading(spec("git", work)).rows
    assert row.committed_at is None


def test_a_caller_that_stops_early_leaves_no_process_and_no_thread(tmp_path, spec, limits, repository) -> None:
    work = repository(tmp_path / "work", {f"f{n}": b"%d" % n * 50_000 for n in range(60)})
    [shard] = shards(spec("git", work), limits(shard_bytes=100_000_000, max_file_bytes=1_000_000))
    threads = threading.active_count()
    rows = read(shard, limits(max_file_bytes=1_000_000))
    assert isinstance(next(rows), Occurrence)
    rows.close()
    assert threading.active_count() == threads
    assert not [child for child in psutil.Process().children() if "git" in child.name()]


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://example.org/owner/name.git", "owner/name"),
        ("https://user:token@example.org:8443/owner/name/", "owner/name"),
        ("https://example.org/group/sub/name.git", "group/sub/name"),
        ("ssh://git@example.org:22/owner/name", "owner/name"),
        ("git@example.org:owner/name.git", "owner/name"),
        ("example.org:owner/name.git", "owner/name"),
        ("git://example.org/name.git", "name"),
        ("file:///srv/private/owner/name.git", "name"),
        ("/srv/private/owner/name.git", "name"),
        ("../name", "name"),
        ("https://tok%65n@example.org/o/n.git?access_token=s#frag", "o/n"),
        ("https://[broken", ""),
        ("", ""),
    ],
)
def test_the_name_of_a_repository_never_holds_credentials_or_places(address: str, name: str) -> None:
    assert name_of_address(address) == name
