"""Sources made in a temporary folder, and their rows sorted into files read and files refused."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jobs.code.sources import Limits, Occurrence, Shard, SourceSpec, Unreadable, read, shards

LIMITS = {
    "max_file_bytes": 100_000,
    "max_archive_bytes": 10_000_000,
    "max_archive_members": 1_000,
    "max_ratio": 100,
    "max_nesting": 32,
    "shard_bytes": 1_000_000,
    "committed_until": None,
}


@dataclass(frozen=True)
class Reading:
    """All rows of a source, in order."""

    rows: list[Occurrence | Unreadable]

    @property
    def occurrences(self) -> list[Occurrence]:
        return [row for row in self.rows if isinstance(row, Occurrence)]

    @property
    def unreadables(self) -> list[Unreadable]:
        return [row for row in self.rows if isinstance(row, Unreadable)]

    @property
    def files(self) -> dict[str, bytes]:
        return {row.path: row.content for row in self.occurrences}

    @property
    def faults(self) -> list[tuple[str, str]]:
        return [(row.path, row.reason.value) for row in self.unreadables]


@pytest.fixture(scope="session")
def limits() -> Callable[..., Limits]:
    return lambda **changes: Limits.model_validate(LIMITS | changes)


@pytest.fixture(scope="session")
def spec() -> Callable[..., SourceSpec]:
    def make(kind: str, location: Path | str, **more: Any) -> SourceSpec:
        return SourceSpec.model_validate({"name": "a-source", "kind": kind, "location": str(location), **more})

    return make


@pytest.fixture(scope="session")
def reading(limits: Callable[..., Limits]) -> Callable[..., Reading]:
    """Reads a source as a job does: every shard sent as JSON, and read on its own."""

    def collect(source: SourceSpec, **changes: Any) -> Reading:
        bounds = limits(**changes)
        sent = [shard.model_dump_json() for shard in shards(source, bounds)]
        return Reading([row for text in sent for row in read(Shard.model_validate_json(text), bounds)])

    return collect


@pytest.fixture(scope="session")
def git() -> Callable[..., str]:
    """Runs git in a folder with no configuration but the author's name, and gives back what it prints."""
    names = {f"GIT_{who}_{what}": "someone" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    dates = {"GIT_AUTHOR_DATE": "2020-01-02T03:04:05 +0200", "GIT_COMMITTER_DATE": "2021-06-07T08:09:10 +0200"}
    no_config = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}

    def run(folder: Path, *arguments: str | bytes, stdin: bytes = b"") -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env={"PATH": os.environ["PATH"], **names, **dates, **no_config},
            input=stdin,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return done.stdout.decode().strip()

    return run


@pytest.fixture(scope="session")
def repository(git: Callable[..., str]) -> Callable[[Path, dict[str, bytes]], Path]:
    """A repository with one commit of the given files."""

    def make(folder: Path, files: dict[str, bytes]) -> Path:
        folder.mkdir()
        git(folder, "init", "--quiet", "--initial-branch=main")
        for path, content in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        git(folder, "add", "--all", "--force")
        git(folder, "commit", "--quiet", "--message=all", "--allow-empty")
        return folder

    return make
