"""The public surface: one spec, its fingerprint, its shards, their rows, whatever the kind."""

from __future__ import annotations

import json
import pickle
import shutil
import sys
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import jobs.code.sources
from jobs.code.sources import Limits, Occurrence, Shard, SourceError, SourceSpec, fingerprint, read, shards
from jobs.code.sources.rows import Origin
from jobs.code.sources.spec import FILE_COST, split

FILES = {f"src/part{n % 5}/file{n}.py": b"x = 1\n" * (n * 37 % 400) for n in range(40)} | {"README.md": b"# all\n"}


def test_a_user_reads_a_folder(tmp_path: Path, limits: Callable[..., Limits]) -> None:
    (tmp_path / "tool").mkdir()
    (tmp_path / "tool" / "main.py").write_bytes(b"print(1)\n")
    spec = SourceSpec(name="mine", kind="folder", location=str(tmp_path / "tool"), stars=3, licence="MIT")
    rows = [row for shard in shards(spec, limits()) for row in read(shard, limits())]
    assert rows == [Occurrence("tool", None, "main.py", 3, None, "MIT", None, 9, b"print(1)\n")]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory, repository: Callable[..., Path]) -> dict[str, str]:
    """The same files as a source of each kind (the distribution is one that the tests need anyway)."""
    root = tmp_path_factory.mktemp("sources")
    work = repository(root / "work", FILES)
    with tarfile.open(root / "files.tar.gz", "w:gz") as archive:
        archive.add(work / "src", "src")
    rows = pa.table({"path": list(FILES), "content": list(FILES.values())})
    pq.write_table(rows, root / "files.parquet", row_group_size=7)
    return {
        "folder": str(work),
        "git": str(work),
        "archive": str(root / "files.tar.gz"),
        "parquet": str(root / "files.parquet"),
        "distribution": "hypothesis",
    }


KINDS = ("folder", "git", "archive", "parquet", "distribution")


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_source_gives_the_same_rows_in_the_same_order(
    kind: str, sources: dict[str, str], spec: Callable[..., SourceSpec], reading: Callable[..., object]
) -> None:
    source = spec(kind, sources[kind])
    assert reading(source) == reading(source)
    assert fingerprint(source) == fingerprint(source)


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=12)  # an example starts up to fourteen git processes
@given(shard_bytes=st.integers(1, 3_000_000))
def test_the_shards_of_any_size_together_give_each_row_once(
    kind: str,
    shard_bytes: int,
    sources: dict[str, str],
    spec: Callable[..., SourceSpec],
    reading: Callable[..., object],
    limits: Callable[..., Limits],
) -> None:
    source = spec(kind, sources[kind])
    pieces = shards(source, limits(shard_bytes=shard_bytes))
    assert [shard.index for shard in pieces] == list(range(len(pieces)))
    # Reading is done at a few sizes only: a shard is a process for git and a listing for all.
    bounds = limits(shard_bytes=max(shard_bytes, sum(shard.weight for shard in pieces) // 6))
    whole = reading(source, shard_bytes=sys.maxsize)
    rows = [row for shard in shards(source, bounds) for row in read(shard, bounds)]
    assert rows == whole.rows  # type: ignore[attr-defined]
    assert len({(row.repo, row.path) for row in rows}) == len(rows)


short_paths = st.text("ab/.", min_size=1, max_size=4).map(str.encode)


@given(
    files=st.lists(st.tuples(short_paths, st.integers(0, 200_000)), min_size=1, max_size=20),
    shard_bytes=st.integers(1, 500_000),
    other=short_paths,
)
def test_every_path_falls_into_exactly_one_span_even_of_a_listing_out_of_order(
    files: list[tuple[bytes, int]],
    shard_bytes: int,
    other: bytes,
    spec: Callable[..., SourceSpec],
    limits: Callable[..., Limits],
) -> None:
    bounds = limits(shard_bytes=shard_bytes)
    found = list(split(spec("folder", "x"), Origin(repo="x"), files, bounds))
    for path in [*(path for path, _ in files), other]:
        assert sum(path in shard.span for shard in found) == 1
    assert sum(shard.weight for shard in found) == sum(
        FILE_COST + (size if size <= bounds.max_file_bytes else 0) for _, size in files
    )


@pytest.mark.parametrize("kind", ["folder", "git", "parquet"])
def test_a_large_source_is_split_near_the_wanted_size(
    kind: str, sources: dict[str, str], spec: Callable[..., SourceSpec], limits: Callable[..., Limits]
) -> None:
    source = spec(kind, sources[kind])
    total = shards(source, limits(shard_bytes=sys.maxsize))[0].weight
    pieces = shards(source, limits(shard_bytes=60_000))
    assert total > 150_000
    assert sum(shard.weight for shard in pieces) == total
    assert all(shard.weight <= 60_000 for shard in pieces)
    assert len(pieces) < 2 * total / 60_000 + 1


def test_a_shard_travels_as_json_and_by_pickle(
    sources: dict[str, str], spec: Callable[..., SourceSpec], limits: Callable[..., Limits]
) -> None:
    for kind in KINDS:
        for shard in shards(spec(kind, sources[kind]), limits(shard_bytes=50_000)):
            assert Shard.model_validate(json.loads(shard.model_dump_json())) == shard
            assert pickle.loads(pickle.dumps(shard)) == shard
    with pytest.raises(SourceError, match="no such file") as raised:
        fingerprint(spec("folder", "does/not/exist"))
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)


@pytest.mark.parametrize("kind", ["folder", "archive", "parquet"])
def test_the_fingerprint_follows_the_files_and_not_their_place(
    kind: str, sources: dict[str, str], spec: Callable[..., SourceSpec], tmp_path: Path
) -> None:
    before = fingerprint(spec(kind, sources[kind]))
    original = Path(sources[kind])
    moved = tmp_path / "elsewhere" / original.name
    if original.is_dir():
        shutil.copytree(original, moved)  # keeps modification times
    else:
        moved.parent.mkdir()
        shutil.copy2(original, moved)
    assert fingerprint(spec(kind, moved)) == before
    assert fingerprint(spec(kind, moved, name="another")) == before
    changed = next(path for path in sorted(moved.rglob("*.py"))) if moved.is_dir() else moved
    content = changed.read_bytes()
    changed.write_bytes(content[:-1] + b"?")
    assert fingerprint(spec(kind, moved)) != before


def test_the_fingerprint_of_a_repository_follows_the_commit(
    sources: dict[str, str], spec: Callable[..., SourceSpec], git: Callable[..., str], tmp_path: Path
) -> None:
    before = fingerprint(spec("git", sources["git"]))
    moved = tmp_path / "work"
    shutil.copytree(sources["git"], moved)
    (moved / "untracked.py").write_bytes(b"1")
    assert fingerprint(spec("git", moved)) == before
    git(moved, "add", "untracked.py")
    git(moved, "commit", "--quiet", "--message=more")
    assert fingerprint(spec("git", moved)) != before


def test_what_the_spec_says_of_its_rows_is_in_the_fingerprint(
    sources: dict[str, str], spec: Callable[..., SourceSpec]
) -> None:
    when = datetime(2020, 1, 1, tzinfo=UTC)
    changes: list[dict[str, object]] = [{}, {"stars": 1}, {"licence": "MIT"}, {"repo": "a/b"}, {"committed_at": when}]
    seen = {fingerprint(spec("folder", sources["folder"], **change)) for change in changes}
    assert len(seen) == len(changes)
    columns = {"stars": "a", "commit": "b"}
    backwards = dict(reversed(columns.items()))
    first, second = (fingerprint(spec("parquet", sources["parquet"], columns=c)) for c in (columns, backwards))
    assert first == second != fingerprint(spec("parquet", sources["parquet"]))


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_spec_says_wins_over_the_source(
    kind: str, sources: dict[str, str], spec: Callable[..., SourceSpec], reading: Callable[..., object]
) -> None:
    when = datetime(2020, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    source = spec(kind, sources[kind], repo="o/n", stars=7, licence="X11", committed_at=when)
    rows = reading(source).occurrences  # type: ignore[attr-defined]
    assert rows
    assert {(r.repo, r.stars, r.licence, r.committed_at) for r in rows} == {
        ("o/n", 7, "X11", datetime(2020, 1, 1, tzinfo=UTC))
    }
    assert all(row.committed_at.tzinfo is UTC for row in rows)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"colour": "red"}, "colour"),
        ({"name": "Not Allowed"}, "name"),
        ({"name": "newline\n"}, "name"),
        ({"kind": "svn"}, "kind"),
        ({"location": ""}, "location"),
        ({"location": "a\0b"}, "control character"),
        ({"stars": -1}, "stars"),
        ({"committed_at": datetime(2020, 1, 1)}, "committed_at"),
        ({"ref": "main"}, "kind 'git' only"),
        ({"columns": {"content": "c"}}, "kind 'parquet' only"),
        ({"kind": "parquet", "columns": {"contents": "c"}}, "allowed are content, path"),
    ],
)
def test_a_wrong_spec_is_refused_by_name(change: dict[str, object], said: str) -> None:
    valid: dict[str, object] = {"name": "a", "kind": "folder", "location": "src"}
    SourceSpec.model_validate(valid)
    with pytest.raises(ValidationError, match=said):
        SourceSpec.model_validate(valid | change)


def test_limits_have_no_defaults_and_no_unknown_keys(limits: Callable[..., Limits]) -> None:
    valid = limits().model_dump()
    for key in valid:
        with pytest.raises(ValidationError, match=key):
            Limits.model_validate({k: v for k, v in valid.items() if k != key})
        with pytest.raises(ValidationError, match=key):
            Limits.model_validate(valid | {key: "yesterday" if key == "committed_until" else 0})
    with pytest.raises(ValidationError, match="max_files"):
        Limits.model_validate(valid | {"max_files": 1})


@pytest.mark.parametrize("kind", ["folder", "git", "archive", "parquet"])
def test_a_missing_location_is_an_error_that_says_what_to_do(
    kind: str, spec: Callable[..., SourceSpec], limits: Callable[..., Limits], tmp_path: Path
) -> None:
    for location in (tmp_path / "gone", "https://example.org/owner/name.git"):
        source = spec(kind, location)
        for call in (lambda source=source: fingerprint(source), lambda source=source: shards(source, limits())):
            with pytest.raises(SourceError) as raised:
                call()
            said = str(raised.value)
            assert "source 'a-source'" in said
            assert str(location) in said
            assert "Allowed: " in said
            assert "Next: " in said


def test_no_reader_imports_spark_or_the_lake() -> None:
    folder = Path(jobs.code.sources.__file__).parent
    for module in folder.glob("*.py"):
        text = module.read_text("utf-8")
        assert "pyspark" not in text, module.name
        assert "lakehouse" not in text, module.name


def test_a_commit_after_the_cut_off_is_not_taken_and_says_when_it_was(tmp_path, spec, reading) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    until = datetime(2023, 11, 30, 23, 59, 59, tzinfo=UTC)
    for late in (timedelta(0), timedelta(seconds=1)):
        found = reading(spec("folder", tmp_path, committed_at=until + late), committed_until=until.isoformat())
        assert list(found.files) == ([] if late else ["a.py"])
        assert found.faults == ([("a.py", "after_cutoff")] if late else [])
    assert (
        found.unreadables[0].detail
        == "committed 2023-12-01 00:00 UTC, allowed until 2023-11-30 23:59 (committed_until)."
    )
    assert list(reading(spec("folder", tmp_path), committed_until=until.isoformat()).files) == [
        "a.py"
    ]  # nobody knows when
