"""A corpus made on the spot: two folders and a git repository, small enough to be built again and again.

    conf = corpus.make(tmp_path)          # writes the files and the configuration that names them
    codelake build --conf conf --lake ...

62 files: code that no other file holds, exact copies across sources, near copies, one file over the cap, one that is
not text. The same bytes each time; modification times are set, since a folder's fingerprint holds them.
"""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

CAP_BYTES = 20_000
WHEN = 1_767_000_000  # seconds since 1970: any moment, but the same one for every file
FOLDER_FILES = 28

_CONF = """\
lake:
  lock_wait_seconds: 300
spark:
  master: local[2]
  driver_memory: 1g
  conf: {{spark.sql.shuffle.partitions: "2"}}
code:
  ingest:
    sources:
      - {{name: left, kind: folder, location: {left}}}
      - {{name: right, kind: folder, location: {right}}}
      - {{name: repository, kind: git, location: {repository}, repo: faults/repository, stars: 7}}
    limits: {{max_file_bytes: {cap}}}
"""


def make(folder: Path) -> Path:
    """Write the corpus below `folder`; return the configuration that names its sources. Needs git."""
    places = {name: folder / name for name in ("left", "right", "repository")}
    for name, path in places.items():
        for relative, content in _FILES[name]().items():
            file = path / relative
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            os.utime(file, (WHEN, WHEN))
    commit(places["repository"])
    conf = folder / "conf.yaml"
    conf.write_text(_CONF.format(cap=CAP_BYTES, **places))
    return conf


def change(folder: Path) -> None:
    """The second version of the corpus that `make` wrote: files changed, gone and new, and a second commit."""
    left, repository = folder / "left" / "package", folder / "repository"
    (left / "module_00.py").write_bytes(code(700))
    (left / "module_01.py").unlink()
    (left / "module_new.py").write_bytes(code(701))
    (repository / "src" / "own.py").write_bytes(code(901))
    (repository / "src" / "nearly.py").unlink()
    for file in (left / "module_00.py", left / "module_new.py"):
        os.utime(file, (WHEN + 1, WHEN + 1))
    commit(repository)


def commit(repository: Path) -> None:
    """Everything in the folder as one commit on `main`, with a fixed author and time."""
    git(repository, "init", "-q", "-b", "main")
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "Everything")


def git(folder: Path, *command: str) -> None:
    """One git command that reads no configuration of this machine."""
    who = {f"GIT_{role}_{what}": text for role in ("AUTHOR", "COMMITTER") for what, text in _WHO.items()}
    plain = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")} | plain | who
    subprocess.run(["git", *command], cwd=folder, env=environment, check=True, capture_output=True, timeout=120)


_WHO = {"NAME": "Faults", "EMAIL": "faults@example.org", "DATE": f"{WHEN} +0000"}


def _left() -> dict[str, bytes]:
    files = {f"package/module_{n:02}.py": code(n) for n in range(FOLDER_FILES)}
    return files | {
        "package/again.py": code(3),
        "package/nearly.py": code(4).replace(b"return total", b"return total or None", 1),
        "large.py": code(500) + b"# padding\n" * (CAP_BYTES // 10),
    }


def _right() -> dict[str, bytes]:
    files = {f"other/module_{n:02}.py": code(100 + n) for n in range(FOLDER_FILES - 4)}
    return files | {"other/from_left.py": code(3), "other/program": bytes(range(256)) * 4}


def _repository() -> dict[str, bytes]:
    return {
        "README.md": b"# Faults\n\nA repository that exists to be read while things go wrong.\n",
        "src/from_left.py": code(3),
        "src/nearly.py": code(104).replace(b"return total", b"return total or None", 1),
        "src/own.py": code(900),
        "data/table.csv": b"x,y\n" + b"".join(b"%d,%d\n" % (n, n * n) for n in range(60)),
    }


_FILES = {"left": _left, "right": _right, "repository": _repository}
_NOUNS = ("packet", "ledger", "window", "branch", "sensor", "bucket", "matrix", "marker", "signal", "record")
_VERBS = ("merge", "split", "weigh", "shift", "clamp", "count", "order", "check", "blend", "track")


def code(seed: int) -> bytes:
    """A Python module of eight functions, about 1.7 kB; different seeds share hardly a line."""
    draw = random.Random(seed)
    return "\n\n".join(_function(draw, nth) for nth in range(8)).encode() + b"\n"


def _function(draw: random.Random, nth: int) -> str:
    verb, noun, other = draw.choice(_VERBS), *draw.sample(_NOUNS, 2)
    low, high = draw.randrange(1000), draw.randrange(1000, 9000)
    lines = [
        f"def {verb}_{noun}_{nth}({noun}s, {other}={low}):",
        f'    """{verb.title()} each {noun} below {high} against the {other}."""',
        "    total = 0",
        f"    for {noun} in {noun}s:",
        f"        if {noun} % {draw.randrange(2, 97)} < {other}:",
        f"            total += {noun} * {draw.randrange(2, 999)}",
        *(f"        total -= {other} // {draw.randrange(2, 999)}" for _ in range(draw.randrange(1, 4))),
        "    return total",
    ]
    return "\n".join(lines)
