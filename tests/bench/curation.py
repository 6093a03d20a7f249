"""What the kernels of curation cost on one core: language, marks, notices, personal data, licences; beside peers.

usage: python -m tests.bench.curation [--mb 200] [--readme]

Every step reads the same documents (`tests.bench.documents`: distinct texts of pinned archives) in a process of its own;
its clock runs over the calls alone, its memory is that of the process at its highest. The notices step strips what the
licence step then reads. Peers on the same texts: the patterns of conf/pii.yaml in Python's `re`, one after another, and
detect-secrets where it is installed; both see the first megabytes only (`--peer-mb`), because they take that long.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import yaml

from jobs.kernels import notices
from jobs.kernels.content_types import ContentTypes
from jobs.kernels.file_types import FileTypes
from jobs.kernels.licences import Licences
from jobs.kernels.marks import Marker
from jobs.kernels.pii import Redactor
from tests.bench import documents, markdown
from tests.bench.usage import measure

CONF = Path(__file__).parents[2] / "conf"
Step = Callable[[str, str], object]  # path, text


def conf(name: str) -> dict[str, object]:
    loaded: dict[str, object] = yaml.safe_load((CONF / f"{name}.yaml").read_text(encoding="utf-8"))
    return loaded


def names() -> Step:
    types = FileTypes.load(conf("file-types"))
    return lambda path, text: types.classify(path, text[:256].encode("utf-8", "replace"))


def content() -> Step:
    types = ContentTypes.load(FileTypes.load(conf("file-types")), conf("content-types"))
    return types.classify


def marks() -> Step:
    types, marker = FileTypes.load(conf("file-types")), Marker(conf("content-types"))
    return lambda path, text: marker.of(path, types.classify(path).language, text)


def _notices() -> Callable[[str, str], notices.Stripped]:
    types, syntaxes = FileTypes.load(conf("file-types")), notices.load(conf("comments"))

    def strip(path: str, text: str) -> notices.Stripped:
        syntax = syntaxes.get(types.classify(path).language)
        return notices.strip_notice(text, syntax) if syntax else notices.Stripped(text, ())

    return strip


def headers() -> Step:
    licences, strip = Licences.load(conf("licences")), _notices()

    def claim(path: str, text: str) -> object:
        stripped = strip(path, text)
        notice = "\n".join(text[span.start : span.end] for span in stripped.removed)
        return licences.of_header(notice, stripped.text[:4000])

    return claim


def licence_files() -> Step:
    """All texts as if they were licence files; a lake reads one in a hundred so."""
    licences = Licences.load(conf("licences"))
    return lambda _, text: licences.of_text(text)


def redact() -> Step:
    redactor = Redactor.load(conf("pii"))
    return lambda _, text: redactor.redact(text)


def redact_with_re() -> Step:
    rules = Redactor.load(conf("pii")).rules
    patterns = [re.compile(rule.pattern.replace(r"\z", r"\Z"), re.ASCII) for rule in rules]
    return lambda _, text: [match.span() for pattern in patterns for match in pattern.finditer(text)]


def detect_secrets() -> Step:
    from detect_secrets.core.scan import scan_line
    from detect_secrets.settings import default_settings

    held = default_settings()  # entered once: to load the plugins for every text would be our fault, not its own
    held.__enter__()

    def scan(_: str, text: str, held: object = held) -> object:  # noqa: ARG001  the settings end with their context
        return [list(scan_line(line)) for line in text.split("\n")]

    return scan


STEPS: dict[str, tuple[str, Callable[[], Step], bool]] = {
    # name: (what it does, how it is made, whether it is a peer)
    "names": ("language by name", names, False),
    "content": ("language by content where the name leaves it open", content, False),
    "marks": ("generated, vendored, minified", marks, False),
    "notices": ("notices stripped", _notices, False),
    "headers": ("notices stripped and their licences told", headers, False),
    "licence_files": ("every text compared with the SPDX list", licence_files, False),
    "redact": ("personal data and secrets", redact, False),
    "re": ("the same patterns in Python's re, without validators", redact_with_re, True),
    "detect_secrets": ("detect-secrets, default plugins", detect_secrets, True),
}


def texts(folder: Path, mb: float) -> Iterator[tuple[str, str]]:
    left = mb * 1e6
    for part in sorted(folder.rglob("*.parquet")):
        for row in pq.read_table(part, columns=["path", "text"]).to_pylist():
            if left <= 0:
                return
            left -= len(row["text"])
            yield row["path"], row["text"]


def one(name: str, folder: Path, mb: float) -> dict[str, float]:
    """Documents, MB and CPU seconds of a step in this process."""
    step = STEPS[name][1]()
    step("warm.py", "import x\n")
    count, size, cpu = 0, 0, 0.0
    for path, text in texts(folder, mb):
        began = time.process_time()
        step(path, text)
        cpu += time.process_time() - began
        count, size = count + 1, size + len(text.encode("utf-8", "replace"))
    return {"documents": count, "mb": size / 1e6, "cpu": cpu}


def measured(folder: Path, mb: float, peer_mb: float) -> Iterator[list[str]]:
    for name, (about, _, is_peer) in STEPS.items():
        if name == "detect_secrets" and importlib.util.find_spec("detect_secrets") is None:
            yield [about, "not installed", "", "", ""]
            continue
        asked = str(peer_mb if is_peer else mb)
        usage = measure(
            [sys.executable, "-m", "tests.bench.curation", "--one", name, "--mb", asked, "--folder", str(folder)]
        )
        said = json.loads(usage.output)
        speed, rate = said["mb"] / max(said["cpu"], 1e-9), said["documents"] / max(said["cpu"], 1e-9)
        yield [about, f"{said['mb']:.1f}", f"{speed:,.1f}", f"{rate:,.0f}", f"{usage.peak_mb:,.0f}"]


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mb", type=float, default=200, help="of texts")
    parser.add_argument("--peer-mb", type=float, default=5, help="of texts for the peers")
    parser.add_argument("--readme", action="store_true", help="put the table into README.md")
    parser.add_argument("--one", choices=sorted(STEPS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(argv)
    if given.one:
        print(json.dumps(one(given.one, given.folder, given.mb)))
        return
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as work:
        documents.make(given.mb, Path(work))
        rows = list(measured(Path(work), given.mb, given.peer_mb))
    head = ["step", "MB", "MB/CPU-s", "documents/CPU-s", "peak MB (PSS)"]
    arguments = [f"--mb {given.mb:g}"]
    lines = [*markdown.about("tests.bench.curation", arguments, load), "", *markdown.table(head, rows)]
    print("\n".join(lines))
    if given.readme:
        markdown.write("curation", lines)


if __name__ == "__main__":
    main()
