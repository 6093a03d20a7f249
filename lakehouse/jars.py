"""The Delta JARs: pinned by SHA-256 in `conf/jars.yaml`, fetched once, then used offline.

Ivy, which the pyspark wheel carries, fetches the two artifacts without their dependencies: 4 s, against 39 s and 700 MB
with Maven. The default resolver chain of `spark.jars.packages` is avoided: it trips over half-filled local repositories
and waits for hosts that a closed network does not know. A site mirror is one setting: CODELAKE_MAVEN_ROOT.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

import yaml

from lakehouse.config import conf_dir
from lakehouse.errors import MachineError
from lakehouse.java import Java


@dataclass(frozen=True)
class Jar:
    organisation: str
    name: str
    version: str
    sha256: str

    @property
    def file(self) -> str:
        return f"{self.name}-{self.version}.jar"


def pinned() -> list[Jar]:
    return [Jar(**entry) for entry in yaml.safe_load((conf_dir() / "jars.yaml").read_text("utf-8"))]


def ready(cache: Path) -> list[Path]:
    """The pinned JARs that are present and whole."""
    return [cache / "jars" / jar.file for jar in pinned() if _whole(cache / "jars" / jar.file, jar)]


def ensure(cache: Path, java: Java) -> list[Path]:
    """The pinned JARs, fetched first where they are missing. Raises MachineError when that fails."""
    folder = cache / "jars"
    missing = [jar for jar in pinned() if not _whole(folder / jar.file, jar)]
    if missing:
        _fetch(missing, folder, java)
    return [folder / jar.file for jar in pinned()]


def _whole(path: Path, jar: Jar) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == jar.sha256


def _fetch(jars: list[Jar], folder: Path, java: Java) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        said = _run_ivy(jars, Path(work), java)
        for jar in jars:
            got = Path(work) / jar.file
            if not got.is_file():
                tail = "\n".join(line for line in said.splitlines() if line.strip())[-800:]
                raise MachineError(
                    f"{jar.file}: could not be fetched. Put the file into {folder} by hand (SHA-256 {jar.sha256}), or name a"
                    f" mirror of Maven's central repository in CODELAKE_MAVEN_ROOT. Behind a proxy with a certificate of its own,"
                    f" name a trust store: JAVA_TOOL_OPTIONS=-Djavax.net.ssl.trustStore=FILE. Ivy said:\n{tail}"
                )
            found = hashlib.sha256(got.read_bytes()).hexdigest()
            if found != jar.sha256:
                raise MachineError(
                    f"{jar.file}: SHA-256 is {found}, expected {jar.sha256}. The mirror serves another file: it was not used."
                )
            got.replace(folder / jar.file)


def _run_ivy(jars: list[Jar], work: Path, java: Java) -> str:
    import pyspark

    root = os.environ.get("CODELAKE_MAVEN_ROOT")
    settings = work / "settings.xml"
    settings.write_text(
        '<ivysettings><settings defaultResolver="central"/><resolvers><ibiblio name="central" m2compatible="true"'
        f"{' root=' + quoteattr(root) if root else ''}/></resolvers></ivysettings>"
    )
    wanted = "".join(
        f'<dependency org="{j.organisation}" name="{j.name}" rev="{j.version}" transitive="false" conf="default->master"/>'
        for j in jars
    )
    ivy = work / "ivy.xml"
    ivy.write_text(
        f'<ivy-module version="2.0"><info organisation="codelake" module="jars"/><dependencies>{wanted}</dependencies></ivy-module>'
    )
    tools = Path(pyspark.__file__).parent / "jars"
    classpath = os.pathsep.join(str(p) for name in ("ivy", "commons-cli") for p in sorted(tools.glob(f"{name}-*.jar")))
    command = [str(java.command), "-cp", classpath, "org.apache.ivy.Main"]
    command += [
        "-cache",
        str(work / "cache"),
        "-settings",
        str(settings),
        "-ivy",
        str(ivy),
        "-retrieve",
        str(work / "[artifact]-[revision].[ext]"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    return done.stdout + done.stderr
