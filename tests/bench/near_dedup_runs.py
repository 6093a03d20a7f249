"""The runs of the near-duplicate benchmark, each a process of its own: ours on a lake, a peer by its driver."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from jobs.code.tables import code_contents, code_duplicates, distinct_files
from jobs.kernels.minhash import Setting
from lakehouse.config import load
from lakehouse.lake import Lake
from lakehouse.registry import graph
from lakehouse.table import Table
from tests.bench.documents import Documents, Part, count, first, size
from tests.bench.lake_jobs import Ran, Step
from tests.bench.peers.environment import EVERYTHING, HERE, Peer, python
from tests.bench.usage import Usage, measure

JOBS = ("code.bands", "code.pairs", "code.near_dedup")
DEFAULT, PLAIN, PAPER = 250, 256, 2048  # permutations, which name the settings


@dataclass(frozen=True)
class Options:
    """How a build is told to use a setting."""

    profile: str | None = None
    overrides: tuple[str, ...] = ()


# 25 bands of 10 rows; 16 of 16; 16 of 128.
SETTINGS: Mapping[int, Options] = {
    DEFAULT: Options(),
    PLAIN: Options(overrides=("code.bands.bands=16", "code.bands.rows=16")),
    PAPER: Options(profile="paper"),
}
COMPARED = (PLAIN, PAPER)


@dataclass(frozen=True)
class Kernel:
    """Signatures alone. `size`: bytes of text; `peak_mb`: of the process, which holds the texts."""

    tool: str
    permutations: int
    size: int
    seconds: float
    cpu_seconds: float
    peak_mb: float


@dataclass(frozen=True)
class Whole:
    """Documents in, clusters out. `duplicates`: documents that would go. `worker_mb`: the largest Python worker, MB."""

    tool: str
    permutations: int
    size: int
    seconds: float
    cpu_seconds: float
    peak_mb: float
    worker_mb: float
    documents: int
    duplicates: int


@dataclass(frozen=True)
class Match:
    """A new document in a cluster. `duplicate_of`: the survivor, None where it survives itself.

    `nearest`: the most similar other member; `nearest_is_new`: did it come with the same addition?
    """

    content_id: str
    where: str
    duplicate_of: str | None
    nearest: str
    nearest_where: str
    nearest_is_new: bool
    jaccard: float


# ---- ours


def own_kernel(documents: Documents, permutations: int) -> Kernel:
    # The driver's folder comes first on its path; the project's modules are found by PYTHONPATH.
    driver = HERE / "codelake_job.py"
    with tempfile.TemporaryDirectory() as work:
        usage, said = _driven([sys.executable, str(driver)], "kernel", documents.base, permutations, Path(work))
    return Kernel("codelake", permutations, size(documents.base), said["seconds"], said["cpu_seconds"], usage.peak_mb)


def ingesting(lake: Lake, *folders: Sequence[Part]) -> Step:
    """Takes the documents into bronze and finds their exact copies: what comes before the jobs that are measured."""
    sources = [
        {
            "name": parts[0].path.parent.name,
            "kind": "parquet",
            "location": str(parts[0].path.parent),
            "columns": {"content": "text"},
        }
        for parts in folders
    ]
    conf = lake.folder.with_name(f"{lake.folder.name}-{len(folders)}.yaml")
    conf.write_text(yaml.safe_dump({"code": {"ingest": {"sources": sources}}}))
    return Step(lake, ("code.ingest", "code.exact_dedup", "code.language", "code.redact"), conf=conf)


def check_taken_in(lake: Lake, *folders: Sequence[Part]) -> None:
    """Raises SystemExit where a document was refused: tools would not be compared on the same."""
    found, wanted = len(_read(lake, code_contents, "content_id")), sum(count(parts) for parts in folders)
    if found != wanted:
        raise SystemExit(
            f"{lake.root}: {found} of {wanted} documents were taken in. `codelake sql` ops.quarantine says why."
        )


def copied(lake: Lake, root: Path) -> Lake:
    shutil.copytree(lake.folder, root)
    return Lake(str(root))


def deduplicating(lake: Lake, permutations: int) -> Step:
    """The three jobs that are measured, on what the lake holds."""
    options = SETTINGS[permutations]
    return Step(lake, JOBS, options.profile, options.overrides)


def build_again(lake: Lake) -> Usage:
    """`codelake build` of the three jobs when all is up to date."""
    command = Path(sys.executable).with_name("codelake")
    return measure([str(command), "build", f"--lake={lake.root}", "--quiet", *JOBS])


def own_whole(ran: Ran, lake: Lake, documents: Documents, permutations: int) -> Iterator[Whole]:
    """Two rows: the process as it is, and without the start of the session."""
    kept = _read(lake, code_duplicates, "kept")
    rest = (ran.usage.peak_mb, ran.usage.worker_mb, count(documents.base), sum(not row["kept"] for row in kept))
    total = size(documents.base)
    yield Whole("codelake", permutations, total, ran.seconds, ran.cpu_seconds, *rest)
    yield Whole("codelake, session start", permutations, total, ran.usage.seconds, ran.usage.cpu_seconds, *rest)


def matches(lake: Lake, added: Sequence[Part]) -> list[Match]:
    """The new documents that are in a cluster, in the order of their ids."""
    new = {name for part in added for name in pq.read_table(part.path, columns=["id"])["id"].to_pylist()}
    where = {
        row["content_id"]: f"{row['repo']}:{row['path']}"
        for row in _read(lake, distinct_files, "content_id", "repo", "path")
    }
    rows = _read(lake, code_duplicates, "content_id", "duplicate_of", "nearest", "jaccard")
    return [
        Match(
            *(row["content_id"], where[row["content_id"]], row["duplicate_of"]),
            *(row["nearest"], where[row["nearest"]], row["nearest"] in new, row["jaccard"]),
        )
        for row in sorted(rows, key=lambda row: str(row["content_id"]))
        if row["content_id"] in new
    ]


def _read(lake: Lake, table: Table, *columns: str) -> list[dict[str, Any]]:
    opened = lake.open(table)
    assert opened is not None
    rows: list[dict[str, Any]] = (
        opened.to_pyarrow_dataset().to_table(columns=list(columns), use_threads=False).to_pylist()
    )
    return rows


# ---- peers


def kernel(peer: Peer, documents: Documents, permutations: int, work: Path) -> Iterator[Kernel]:
    """One row, or none where the peer gives no signatures."""
    parts, usage, said = _peer(peer, "kernel", documents, permutations, work)
    if parts:
        tool = f"{peer.name} {said['version']}"
        yield Kernel(tool, permutations, size(parts), said["seconds"], said["cpu_seconds"], usage.peak_mb)


def whole(peer: Peer, documents: Documents, permutations: int, work: Path) -> Iterator[Whole]:
    """One row, or none where the peer cannot do it."""
    parts, usage, said = _peer(peer, "whole", documents, permutations, work)
    if parts:
        rest = (usage.peak_mb, usage.worker_mb, count(parts), said["duplicates"])
        tool = f"{peer.name} {said['version']}"
        yield Whole(tool, permutations, size(parts), usage.seconds, usage.cpu_seconds, *rest)


def _peer(
    peer: Peer, task: str, documents: Documents, permutations: int, work: Path
) -> tuple[tuple[Part, ...], Usage, Mapping[str, Any]]:
    share = peer.share(task, permutations)
    if share is None:
        return (), Usage(0, 0, (), ""), {}
    parts = first(documents.base, None if share == EVERYTHING else share)
    with tempfile.TemporaryDirectory(dir=work) as folder:
        usage, said = _driven([str(python(peer)), str(peer.driver)], task, parts, permutations, Path(folder))
    return parts, usage, said


def _driven(
    command: Sequence[str], task: str, parts: Sequence[Part], permutations: int, work: Path
) -> tuple[Usage, Mapping[str, Any]]:
    """A driver's usage and answer. What its tool tells of the work is kept back, unless it fails."""
    setting, log = _setting(permutations), work / "stderr"
    options = [f"--{name}={getattr(setting, name)}" for name in ("bands", "rows", "seed")]
    options.append(f"--shingle={setting.shingling.size}")
    started = [*command, task, *options, f"--work={work}", *(str(part.path) for part in parts)]
    try:
        usage = measure(started, log)
    except subprocess.CalledProcessError as error:
        tail = "\n".join(log.read_text("utf-8", "replace").splitlines()[-15:])
        raise SystemExit(
            f"{' '.join(started[:8])} ... ended with {error.returncode}. Its last lines:\n{tail}"
        ) from error
    return usage, json.loads(usage.output.splitlines()[-1])


def _setting(permutations: int) -> Setting:
    """What the configuration makes of the options. Raises SystemExit where the tools would be given something else."""
    options = SETTINGS[permutations]
    params = load(graph(), profile=options.profile, overrides=options.overrides).jobs["code.bands"]
    setting: Setting = params.setting  # type: ignore[attr-defined]
    if setting.bands * setting.rows != permutations:
        raise SystemExit(
            f"{options}: bands * rows = {setting.bands} * {setting.rows}, expected {permutations}. Correct SETTINGS in"
            f" {__file__}."
        )
    if (setting.shingling.unit, setting.shingling.hash) != ("ascii_words", "xxh3"):
        raise SystemExit(
            f"{setting.shingling}: expected ascii_words hashed by xxh3, which is what the drivers of the tools do."
        )
    return setting
