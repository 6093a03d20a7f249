"""The repository that the quickstart makes on the spot: one file for every reason the funnel can show.

Beside it a benchmark of one problem, of which the repository holds a copy.

Same bytes and same commit on every machine, so that a second quickstart has nothing to do. The secrets are random
letters put together here; none was ever valid.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from lakehouse.errors import InputError

WHEN = "2026-01-15T12:00:00+00:00"
OVER_CAP_BYTES = 8_000_001  # one more than conf/limits.yaml allows

_NOTICE = """# Copyright (c) 2026 The Planted Authors. All rights reserved.
# Licensed under the Example Licence, version 1.
# SPDX-License-Identifier: MIT

"""

_QUEUE = '''"""A queue that forgets: items older than a limit are dropped when somebody looks."""

from collections import deque
from time import monotonic


class ForgetfulQueue:
    """First in, first out; an item lives for `seconds`."""

    def __init__(self, seconds):
        self._seconds = seconds
        self._items = deque()

    def put(self, item):
        self._items.append((monotonic() + self._seconds, item))

    def get(self):
        self._forget()
        if not self._items:
            raise LookupError("nothing left that is young enough")
        return self._items.popleft()[1]

    def __len__(self):
        self._forget()
        return len(self._items)

    def _forget(self):
        now = monotonic()
        while self._items and self._items[0][0] < now:
            self._items.popleft()
'''

_CLIENT = '''"""Sends readings to a collector; keeps what could not be sent."""

import json
import urllib.request

COLLECTOR = "http://{address}:8125/readings"
OPERATOR = "{mail}"
password = "{password}"
TOKEN = "{token}"


def send(readings, timeout=5):
    """Post the readings as JSON; return those that were refused."""
    refused = []
    for reading in readings:
        body = json.dumps(reading).encode()
        request = urllib.request.Request(COLLECTOR, data=body, headers={{"Authorization": "Bearer " + TOKEN}})
        try:
            urllib.request.urlopen(request, timeout=timeout).close()
        except OSError:
            refused.append(reading)
    return refused
'''


_PROBLEM = '''def warmest_stretch(readings, days):
    """Return the place at which the warmest stretch of that many days begins in a list
    of daily readings. Of stretches that are equally warm, the earliest one counts.
    A list with fewer readings than days has no stretch, and the answer is None.
    """
'''
_SOLUTION = """    if days < 1 or len(readings) < days:
        return None
    total = sum(readings[:days])
    best, place = total, 0
    for start in range(1, len(readings) - days + 1):
        total += readings[start + days - 1] - readings[start - 1]
        if total > best:
            best, place = total, start
    return place
"""
_TESTS = """def check(candidate):
    assert candidate([3, 1, 4, 1, 5, 9], 2) == 4
    assert candidate([2, 2, 2], 1) == 0
    assert candidate([1], 2) is None
"""


def benchmark() -> dict[str, str]:
    """A problem in the layout of HumanEval, made up for this purpose."""
    said = {"task_id": "planted/0", "entry_point": "warmest_stretch"}
    return {**said, "prompt": _PROBLEM, "canonical_solution": _SOLUTION, "test": _TESTS}


def make_benchmarks(folder: Path) -> Path:
    """The folder with the problem file, made where it is not there yet."""
    path = folder / "planted.jsonl"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.{os.getpid()}")
        new.write_text(json.dumps(benchmark()) + "\n", "utf-8")
        new.replace(path)
    return folder


def files() -> dict[str, bytes]:
    """Path to bytes: copies, a near copy, secrets, a notice, a minified file, a broken encoding, a file over the cap,
    a benchmark's solution."""
    queue = (_NOTICE + _QUEUE).encode()
    near = queue.replace(b"nothing left that is young enough", b"the queue holds nothing young enough")
    client = _CLIENT.format(
        address=".".join(["81", "2", "69", "142"]),
        mail="operations" + "@" + "planted-collector.io",
        password="t7" + "Qz" * 4 + "!kw",
        token="gh" + "p_" + "Zk3vQ9sLw1Xb7Tn5Rj2Hy8Gd4Mc6Pf0AuEoI",
    )
    minified = b"var q=[];" + b";".join(b"function f%d(a,b){return a*%d+b-q.length}" % (i, i) for i in range(900))
    weather = '"""Helpers for a weather station."""\n\n\n' + _PROBLEM + _SOLUTION
    table = "x,y\n" + "".join(f"{i},{i * i}\n" for i in range(200))
    return {
        "planted/queue.py": queue,
        "planted/copies/queue_again.py": queue,
        "vendor/third/queue.py": queue,
        "planted/queue_near.py": near,
        "planted/client.py": client.encode(),
        "planted/weather.py": weather.encode(),
        "static/app.min.js": minified,
        "docs/old_names.txt": "Fran\xe7ois, Zo\xeb, J\xfcrgen\n".encode("latin-1") * 40,
        "docs/broken.md": b"# Notes\n\nA file that was cut in a transfer:\n" + bytes(range(128, 192)) * 8 + b"\nend\n",
        "bin/program": b"\x7fELF\x00\x01\x02\x03" * 64,
        "data/table.csv": table.encode(),
        "data/readings.sql": b"-- one line too many\n" * (OVER_CAP_BYTES // 21 + 1),
        "README.md": b"# planted\n\nA repository made by the quickstart, with one file for every reason to drop a file.\n",
        "empty.py": b"",
    }


def make(folder: Path) -> Path:
    """The repository at `folder`, made where it is not there yet. Raises InputError when git cannot be run."""
    if (folder / ".git").is_dir():
        return folder
    new = folder.with_name(f"{folder.name}.{os.getpid()}")
    for name, content in files().items():
        path = new / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    who = {"GIT_AUTHOR_NAME": "Quickstart", "GIT_AUTHOR_EMAIL": "quickstart@example.org"}
    who |= {name.replace("AUTHOR", "COMMITTER"): value for name, value in who.items()}
    plain = {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_DATE": WHEN,
        "GIT_COMMITTER_DATE": WHEN,
    }
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "One file for every reason"]):
        _git(new, command, who | plain)
    new.replace(folder)
    return folder


def _git(folder: Path, command: list[str], settings: dict[str, str]) -> None:
    environment = {**{k: v for k, v in os.environ.items() if not k.startswith("GIT_")}, **settings}
    try:
        done = subprocess.run(
            ["git", "-c", "core.autocrlf=false", *command],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    except FileNotFoundError as error:
        raise InputError("git was not found. The quickstart makes a repository with it: install git.") from error
    if done.returncode:
        raise InputError(
            f"git {' '.join(command)} in {folder}: {done.stderr.strip()}. Remove the folder and try again."
        )
