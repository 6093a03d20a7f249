"""The tools that ours is compared with: pinned, each in an environment of its own, made once in the benchmark's folder.

No two of them agree on their dependencies, and none belongs into ours. `uv` makes the environments where there is one,
else venv and pip.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench import corpus

HERE = Path(__file__).parent
SECONDS = 900  # for one environment
EVERYTHING = 10**9


@dataclass(frozen=True)
class Peer:
    """One tool. `kernel` and `whole`: by permutations, how many MB of documents it gets, so that a run stays short.

    A task without permutations is one that the tool does not offer.
    """

    name: str
    packages: tuple[str, ...]
    kernel: Mapping[int, int]
    whole: Mapping[int, int]

    @property
    def driver(self) -> Path:
        return HERE / f"{self.name}_job.py"

    def share(self, task: str, permutations: int) -> int | None:
        return (self.kernel if task == "kernel" else self.whole).get(permutations)


PEERS = (
    Peer(
        "datasketch",
        ("datasketch==2.0.0", "xxhash==4.1.0", "numpy==2.4.6", "scipy==1.17.1", "pyarrow==25.0.1"),
        kernel={256: 128, 2048: 32},
        whole={256: 128, 2048: 32},
    ),
    Peer(
        "rensa",
        ("rensa==0.5.0", "pyarrow==25.0.1"),
        kernel={256: EVERYTHING, 2048: EVERYTHING},
        whole={256: EVERYTHING, 2048: EVERYTHING},
    ),
    Peer("gaoya", ("gaoya==0.2.2", "pyarrow==25.0.1"), kernel={}, whole={256: 64, 2048: 16}),
    Peer(
        "datatrove",
        ("datatrove[processing]==0.10.1", "spacy==3.8.18", "xxhash==3.8.2", "numpy==2.4.6", "pyarrow==25.0.1"),
        kernel={256: 8, 2048: 4},
        whole={256: 16, 2048: 4},
    ),
)

BINPACKING = Peer("binpacking", ("binpacking==2.0.1", "numpy==2.4.6", "pyarrow==25.0.1"), kernel={}, whole={})

TRAFILATURA = Peer("trafilatura", ("trafilatura==2.3.1", "pyarrow==25.0.1"), kernel={}, whole={})

# Not compared with: they read what is exported.
LAYOUTS = Peer(
    "layouts",
    ("mosaicml-streaming==0.13.0", "megatron-core==0.16.1", "mlcroissant==1.1.1", "pyarrow==25.0.1"),
    kernel={},
    whole={},
)


class EnvironmentFailed(Exception):
    """An environment cannot be made."""


def python(peer: Peer) -> Path:
    """The interpreter of the peer's environment, which is made first where it is missing. Raises EnvironmentFailed."""
    made_for = "\n".join([platform.python_version(), *peer.packages])
    folder = corpus.folder() / "peers" / f"{peer.name}-{hashlib.sha256(made_for.encode()).hexdigest()[:12]}"
    found = folder / "bin" / "python"
    whole = folder / "complete"  # written last
    if not whole.exists():
        print(f"installing {', '.join(peer.packages)}", file=sys.stderr, flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        for command in _commands(folder, found, peer.packages):
            _run(peer, command)
        whole.touch()
    return found


def _commands(folder: Path, interpreter: Path, packages: Sequence[str]) -> list[list[str]]:
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv is not None:
        return [
            [uv, "venv", "--quiet", "--python", sys.executable, str(folder)],
            [uv, "pip", "install", "--quiet", "--python", str(interpreter), *packages],
        ]
    return [
        [sys.executable, "-m", "venv", str(folder)],
        [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages],
    ]


def _run(peer: Peer, command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise EnvironmentFailed(
            f"{peer.name}: `{' '.join(command)}` ended with {done.returncode}: {' '.join(said)}. Leave it out with"
            " --without, or pin packages that this machine can have."
        )
