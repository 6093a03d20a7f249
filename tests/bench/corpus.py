"""The benchmark's corpus: real archives, pinned in corpus.yaml, fetched once by the ordinary clients and kept.

    for archive in fetch(200):
        archive.path, archive.kind, archive.bytes

Kept in the folder that CODELAKE_BENCH names, else `bench` in codelake's own cache folder. Clients: pip for wheels and
sdists, `go mod download` for Go modules, `npm pack` for npm packages; none of them runs code of what it fetches, but
for the build backend that pip asks for an sdist's metadata. About 75 MB are downloaded for 250 MB of files.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lakehouse.session import cache_dir

PINS = Path(__file__).parent / "corpus.yaml"
SUFFIX = {"wheel": ".whl", "sdist": ".tar.gz", "go": ".zip", "npm": ".tgz"}
CLIENT = {"wheel": "pip", "sdist": "pip", "go": "go", "npm": "npm"}
SECONDS = 600  # for one archive; the largest has 14 MB


class CorpusError(Exception):
    """An archive cannot be had, or is not the one that was pinned."""


@dataclass(frozen=True)
class Archive:
    """One pinned archive. `bytes`: of the files inside it, uncompressed."""

    kind: str
    name: str
    version: str
    bytes: int

    @property
    def label(self) -> str:
        """Unique, and fit for a file or a source: `go-golang.org-x-tools-v0.52.0`."""
        return re.sub(r"[^a-z0-9._]+", "-", f"{self.kind}-{self.name}-{self.version}".lower())

    @property
    def path(self) -> Path:
        return folder() / (self.label + SUFFIX[self.kind])


def folder() -> Path:
    """Where archives are kept."""
    given = os.environ.get("CODELAKE_BENCH")
    return Path(given) if given else cache_dir() / "bench"


def pinned() -> tuple[tuple[Archive, ...], Archive]:
    """The archives in the order in which they are taken, and the small one that is added later."""
    pins: dict[str, Any] = yaml.safe_load(PINS.read_text("utf-8"))
    return tuple(Archive(**entry) for entry in pins["archives"]), Archive(**pins["added"])


def chosen(mb: float) -> tuple[Archive, ...]:
    """The first archives with at least `mb` million bytes of files. Raises CorpusError where there are not as many."""
    archives, total = pinned()[0], 0
    for count, archive in enumerate(archives, 1):
        total += archive.bytes
        if total >= mb * 1e6:
            return archives[:count]
    raise CorpusError(f"--mb {mb:g}: {PINS.name} pins {total / 1e6:.0f} MB. Ask for less, or pin more archives.")


def fetch(archives: Sequence[Archive]) -> None:
    """Have each archive at its path. Raises CorpusError where a client fails or the files inside are not as pinned."""
    for archive in archives:
        if not archive.path.exists():
            print(f"fetching {archive.kind} {archive.name} {archive.version}", file=sys.stderr, flush=True)
            _download(archive)
        found = size_inside(archive.path)
        if found != archive.bytes:
            raise CorpusError(
                f"{archive.path}: the files inside have {found} bytes, {PINS.name} says {archive.bytes}. Remove the file to"
                " fetch it again; if it stays so, another archive is served under this version: pin another one."
            )


def size_inside(path: Path) -> int:
    """Bytes of the regular files in an archive, from its directory or headers."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as opened:
            return sum(info.file_size for info in opened.infolist())
    with tarfile.open(path) as tar:
        return sum(member.size for member in tar if member.isreg())


def _download(archive: Archive) -> None:
    folder().mkdir(parents=True, exist_ok=True)
    # Beside the target, so that the last step is a rename: an archive under its name is whole.
    with tempfile.TemporaryDirectory(dir=folder()) as work:
        got = _go(archive, Path(work)) if archive.kind == "go" else _packed(archive, Path(work))
        got.replace(archive.path)


def _packed(archive: Archive, work: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", f"--dest={work}"]
    pin = f"{archive.name}=={archive.version}"
    _run(
        archive,
        {
            "wheel": [*pip, "--only-binary=:all:", pin],
            # By name: `:all:` would also build the backend from its sources.
            "sdist": [*pip, f"--no-binary={archive.name}", pin],
            "npm": [
                *("npm", "pack", "--silent", "--ignore-scripts", f"--pack-destination={work}"),
                f"{archive.name}@{archive.version}",
            ],
        }[archive.kind],
    )
    (got,) = work.iterdir()
    return got


def _go(archive: Archive, work: Path) -> Path:
    # A module cache of its own: the client also unpacks, read-only, and only it can remove that again.
    environment = {**os.environ, "GOMODCACHE": str(work)}
    said = _run(archive, ["go", "mod", "download", "-json", f"{archive.name}@{archive.version}"], environment)
    got = Path(shutil.move(json.loads(said)["Zip"], folder() / f".{archive.label}.{os.getpid()}"))
    _run(archive, ["go", "clean", "-modcache"], environment)
    return got


def _run(archive: Archive, command: list[str], environment: dict[str, str] | None = None) -> str:
    what = f"{archive.kind} {archive.name} {archive.version}"
    if shutil.which(command[0]) is None:
        raise CorpusError(
            f"{what}: {CLIENT[archive.kind]} is not installed. Install it, or put the archive at {archive.path} by hand."
        )
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, env=environment, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise CorpusError(f"{what}: `{' '.join(command)}` ended with {done.returncode}: {' '.join(said)}")
    return done.stdout
