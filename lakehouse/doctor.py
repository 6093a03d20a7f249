"""Is this machine ready? One check per fault that people meet, each with what was found and how to mend it."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lakehouse import jars, java, session
from lakehouse.config import conf_dir
from lakehouse.errors import MachineError

LEAST_FREE_GB = 2.0
LEAST_MEMORY_GB = 4.0


@dataclass(frozen=True)
class Finding:
    """`state`: ok, warning (works, with a drawback) or fault (will not work). `mend`: what to do, empty when ok."""

    what: str
    state: Literal["ok", "warning", "fault"]
    found: str
    mend: str = ""


def examine(root: str) -> list[Finding]:
    """Every check, none of which starts Spark or writes to the lake."""
    checks: list[Callable[[], Finding]] = [
        _python,
        _packages,
        _java,
        _jars,
        _archive,
        _git,
        _sandbox,
        _memory,
        lambda: _disk("space for the lake", Path(root)),
        lambda: _disk("space for Spark's scratch files", Path(os.environ.get("SPARK_LOCAL_DIRS", "/tmp"))),
        lambda: _writable(Path(root)),
        lambda: _tables(root),
    ]
    return [check() for check in checks]


def _python() -> Finding:
    found = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro} at {sys.executable}"
    good = (3, 11) <= sys.version_info[:2] < (3, 13)
    return Finding(
        "Python", "ok" if good else "fault", found, "" if good else "Use Python 3.11 or 3.12: make a new environment."
    )


def _packages() -> Finding:
    """Installed versions against the lock file, which every result is keyed by."""
    folder = conf_dir()
    lock = next(f for f in (folder / "base.lock", folder.parent / "requirements" / "base.lock") if f.is_file())
    pinned = re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)((?: ;[^\\\n]*)?)", lock.read_text(), re.MULTILINE)
    wrong = []
    for name, version, marker in pinned:
        if marker:
            continue  # for another platform or Python
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            installed = "missing"
        if installed != version:
            wrong.append(f"{name} {installed} (lock: {version})")
    if wrong:
        mend = "Run `make` again, or `pip install --require-hashes -r requirements/base.lock`."
        return Finding("packages", "warning", "; ".join(wrong[:5]) + (" …" if len(wrong) > 5 else ""), mend)
    return Finding("packages", "ok", f"{len(pinned)} as in the lock file")


def _java() -> Finding:
    try:
        found = java.find(session.cache_dir())
    except MachineError as error:
        return Finding("Java", "fault", str(error).split(". ")[0], str(error))
    kind = "packaged, through a script that drops one argument" if found.packaged else str(found.home)
    return Finding("Java", "ok", f"{found.version} ({kind})")


def _jars() -> Finding:
    wanted, have = jars.pinned(), jars.ready(session.cache_dir())
    if len(have) == len(wanted):
        return Finding("Delta JARs", "ok", f"{len(have)} in {session.cache_dir() / 'jars'}, SHA-256 as pinned")
    names = {path.name for path in have}
    missing = ", ".join(jar.file for jar in wanted if jar.file not in names)
    return Finding(
        "Delta JARs", "fault", f"missing or damaged: {missing}", "Run `codelake setup`; it fetches them once."
    )


def _archive() -> Finding:
    made = list((session.cache_dir() / "classes").glob("*.jsa"))
    if made:
        return Finding(
            "class-data archive", "ok", f"{sum(f.stat().st_size for f in made) / 1e6:.0f} MB in {made[0].parent}"
        )
    return Finding("class-data archive", "warning", "not made yet: starting takes longer", "Run `codelake setup`.")


def _git() -> Finding:
    command = shutil.which("git")
    if command is None:
        return Finding("git", "fault", "not found", "Install git; sources of kind git and the quickstart need it.")
    said = subprocess.run([command, "--version"], capture_output=True, text=True, timeout=60, check=False)
    return Finding("git", "ok", said.stdout.strip())


def _sandbox() -> Finding:
    """Start one: whether a wall holds depends on the kernel and on what this process may do."""
    from lakehouse.sandbox import Limits, Sandbox, bwrap

    try:
        Sandbox(Limits.default()).close()
        return Finding("sandbox", "ok", f"holds, by {bwrap.find()}")
    except MachineError as error:
        found, _, _ = str(error).partition(". ")
        return Finding("sandbox", "warning", f"{found}: synthesis cannot verify, evaluation cannot run", bwrap.MEND)


def _memory() -> Finding:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    low = total < LEAST_MEMORY_GB
    mend = "Lower spark.driver_memory, for instance --set spark.driver_memory=2g." if low else ""
    return Finding("memory", "warning" if low else "ok", f"{total:.1f} GB, {os.cpu_count()} cores", mend)


def _disk(what: str, path: Path) -> Finding:
    there = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())
    free = shutil.disk_usage(there).free / 1e9
    low = free < LEAST_FREE_GB
    mend = f"Free space at {there}, or use another place (--lake, SPARK_LOCAL_DIRS)." if low else ""
    return Finding(what, "fault" if low else "ok", f"{free:.1f} GB free at {there}", mend)


def _writable(root: Path) -> Finding:
    there = next(folder for folder in (root.absolute(), *root.absolute().parents) if folder.exists())
    if os.access(there, os.W_OK):
        return Finding("lake", "ok", f"{root.absolute()} {'exists' if root.exists() else 'can be made'}")
    return Finding(
        "lake",
        "warning",
        f"{there} is not writable",
        "Reading works; building needs write permission or another --lake.",
    )


def _tables(root: str) -> Finding:
    """Open every table that exists: a damaged log is found here, not in the middle of a night's build."""
    from lakehouse.lake import Lake
    from lakehouse.registry import tables

    lake, opened, broken = Lake(root), 0, []
    for table in tables():
        try:
            opened += lake.open(table) is not None
        except Exception as error:  # noqa: BLE001  whatever is wrong with one table is the finding
            broken.append(f"{table.name}: {str(error).splitlines()[0]}")
    if broken:
        return Finding(
            "tables", "fault", "; ".join(broken), "Restore the named tables' folders from a copy, or build them again."
        )
    return Finding("tables", "ok", f"{opened} tables open")
