"""Installed Python packages: real ones, and one made to hurt."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

import pytest

from jobs.code.sources import SourceError, fingerprint, shards


def test_an_installed_package_is_read_with_version_and_licence(spec, reading) -> None:
    found = reading(spec("distribution", "Hypothesis"), max_file_bytes=10_000_000)
    assert b"def given(" in found.files["hypothesis/core.py"]
    assert {row.repo for row in found.rows} == {"hypothesis"}
    assert {row.version for row in found.rows} == {importlib.metadata.version("hypothesis")}
    assert {row.licence for row in found.rows} == {"MPL-2.0"}


@pytest.mark.parametrize("name", ["hypothesis", "pytest", "networkx"])
def test_the_reader_agrees_with_importlib_metadata(name, spec, reading) -> None:
    installed = importlib.metadata.distribution(name)
    notes = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
    expected = {
        str(file): file.locate().read_bytes()
        for file in installed.files or ()
        if file.suffix != ".pyc" and ".." not in file.parts and file.name not in notes and file.locate().is_file()
    }
    found = reading(spec("distribution", name), max_file_bytes=10_000_000, shard_bytes=500_000)
    assert found.files == expected
    assert [row.path for row in found.rows] == sorted(expected, key=str.encode)
    assert found.faults == []
    assert any(path.endswith("/METADATA") for path in expected)


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Installs a made package: its files, and what its RECORD says."""
    site = tmp_path / "site"

    def make(record: str | None, files: dict[str, bytes], about: str = "Name: made-up\nVersion: 1.5\n") -> Path:
        info = site / "made_up-1.5.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\n{about}")
        if record is not None:
            (info / "RECORD").write_text(record)
        for path, content in files.items():
            (site / path).parent.mkdir(parents=True, exist_ok=True)
            (site / path).write_bytes(content)
        monkeypatch.syspath_prepend(str(site))
        return site

    return make


def test_only_what_the_record_lists_the_author_wrote_and_is_there_is_read(install, spec, reading) -> None:
    listed = (
        "made_up/a.py",
        "made_up/a.py",
        "made_up/gone.py",
        "made_up/__pycache__/a.cpython-311.pyc",
        "made_up/old.pyc",
        "../outside.py",
        "../../etc/passwd",
        "/etc/passwd",
        "made_up/../made_up/b.py",
        "made_up-1.5.dist-info/METADATA",
        "made_up-1.5.dist-info/RECORD",
        "made_up-1.5.dist-info/INSTALLER",
        "made_up-1.5.dist-info/direct_url.json",
    )
    files = {"made_up/a.py": b"1", "made_up/b.py": b"2", "made_up/unlisted.py": b"3", "../outside.py": b"4"}
    more = ("made_up/__pycache__/a.cpython-311.pyc", "made_up/old.pyc", *listed[-2:])
    install("".join(f"{path},,\n" for path in listed), files | dict.fromkeys(more, b"x"))
    found = reading(spec("distribution", "Made_Up"))
    assert list(found.files) == ["made_up-1.5.dist-info/METADATA", "made_up/a.py", "made_up/b.py"]
    assert found.faults == []
    assert {(row.repo, row.version) for row in found.rows} == {("made-up", "1.5")}


def test_links_large_files_and_odd_names_become_rows(install, spec, reading, tmp_path) -> None:
    record = "made_up/a.py,,\nmade_up/link.py,,\nmade_up/large.py,,\nlinked/secret.py,,\n"
    site = install(record, {"made_up/a.py": b"1", "made_up/large.py": b"x" * 2000})
    (site / "made_up" / "link.py").symlink_to("a.py")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "secret.py").write_bytes(b"s")
    (site / "linked").symlink_to(tmp_path / "elsewhere")
    found = reading(spec("distribution", "made-up"), max_file_bytes=1000)
    assert found.files == {"made_up/a.py": b"1"}
    assert found.faults == [("made_up/large.py", "over_cap"), ("made_up/link.py", "symlink")]


def test_the_fingerprint_follows_version_and_record(install, spec) -> None:
    site = install("made_up/a.py,sha256=x,1\n", {"made_up/a.py": b"1"})
    info = site / "made_up-1.5.dist-info"
    seen = [fingerprint(spec("distribution", "made-up"))]
    assert fingerprint(spec("distribution", "Made.Up")) == seen[0]
    (info / "RECORD").write_text("made_up/a.py,sha256=y,1\n")
    seen.append(fingerprint(spec("distribution", "made-up")))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: made-up\nVersion: 1.6\n")
    seen.append(fingerprint(spec("distribution", "made-up")))
    assert len(set(seen)) == 3


@pytest.mark.parametrize("name", ["no-such-package-here", "../etc", "a b", "-"])
def test_a_distribution_that_is_not_installed_is_an_error(name, spec, limits) -> None:
    with pytest.raises(SourceError, match="no installed distribution of this name"):
        shards(spec("distribution", name), limits())


def test_a_distribution_without_record_or_files_is_an_error(install, spec, limits) -> None:
    site = install(None, {})
    with pytest.raises(SourceError, match="has no RECORD"):
        shards(spec("distribution", "made-up"), limits())
    (site / "made_up-1.5.dist-info" / "RECORD").write_text("gone.py,,\n")
    with pytest.raises(SourceError, match="has no files"):
        shards(spec("distribution", "made-up"), limits())
    assert str(site) in sys.path
