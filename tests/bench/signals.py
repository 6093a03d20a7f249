"""What signals cost on one core: all of them, each family alone, the released filter's.

usage: python -m tests.bench.signals [--mb 200] [--released-mb 10] [--folder FOLDER] [--readme]

Every step reads the same documents (`tests.bench.documents`: distinct texts of pinned archives, or the source files below
FOLDER) in a process of its own; its clock runs over the measuring alone. A family is timed with what it needs made anew,
so the families add up to more than all of them together. The release's own code took 0.19-0.22 MB per CPU second on the
machine where its verdicts were recorded; it cannot be installed, so that figure stands beside ours as it was written down.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from jobs.kernels import language_measures, measures, notices
from jobs.kernels.document import Document, Measure
from jobs.kernels.file_types import FileTypes, extension_of
from jobs.kernels.parts import Marks
from jobs.kernels.released.measure import Measured, missing
from jobs.kernels.released.measure import measure as measure_released
from jobs.kernels.signals import signals
from tests.bench import documents, markdown
from tests.bench.usage import measure

CONF = Path(__file__).parents[2] / "conf"
KINDS = ("code", "data", "text")
BATCH = 64  # documents
LARGEST = 3_000_000  # characters; larger files are dropped by one rule of either set

File = tuple[str, str, str, str]  # path, language, type, text


def conf(name: str) -> dict[str, object]:
    loaded: dict[str, object] = yaml.load((CONF / f"{name}.yaml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return loaded


def files(folder: Path, mb: float) -> Iterator[File]:
    """Files of a known type below a folder of Parquet parts, or of sources, in a fixed order, up to `mb`."""
    types, left = FileTypes.load(conf("file-types")), mb * 1e6
    for path, text in _texts(folder):
        if left <= 0:
            return
        found = types.classify(path)
        if found.type in KINDS and len(text) <= LARGEST:
            left -= len(text)
            yield path, found.language, found.type, text


def _texts(folder: Path) -> Iterator[tuple[str, str]]:
    parts = sorted(folder.rglob("*.parquet"))
    for part in parts:
        yield from ((row["path"], row["text"]) for row in pq.read_table(part, columns=["path", "text"]).to_pylist())
    for path in () if parts else sorted(folder.rglob("*")):
        if path.is_file():
            try:
                yield str(path.relative_to(folder)), path.read_bytes().decode("utf-8")
            except UnicodeDecodeError:
                continue


def batches(chosen: Iterator[File]) -> Iterator[list[File]]:
    held: list[File] = []
    for file in chosen:
        held.append(file)
        if len(held) == BATCH:
            yield held
            held = []
    if held:
        yield held


# ---- steps: what is done with one batch

Step = Callable[[Sequence[File]], object]


def everything() -> Step:
    syntaxes = notices.load(conf("comments"))
    return lambda batch: measures.measure(pa.array([f[3] for f in batch]), [f[:3] for f in batch], syntaxes)


def counted() -> Step:
    return lambda batch: signals(pa.array([f[3] for f in batch]))


def family(chosen: Sequence[Measure]) -> Callable[[], Step]:
    def made() -> Step:
        syntaxes = notices.load(conf("comments"))
        marks = {language: Marks.of(language, syntax) for language, syntax in syntaxes.items()}

        def step(batch: Sequence[File]) -> object:
            found = []
            for path, language, kind, text in batch:
                document = Document(text, path.rpartition("/")[2], language, kind, marks.get(language))
                for one in chosen:
                    try:
                        found.append(one.value(document) if one.applies(document) else None)
                    except ValueError:
                        found.append(None)
            return found

        return step

    return made


def released() -> Step:
    return lambda batch: [_released(file) for file in batch]


def _released(file: File) -> Measured:
    path, language, kind, text = file
    name = path.rpartition("/")[2]
    return measure_released(
        text,
        name=name,
        extension=extension_of(name),
        size=len(text.encode("utf-8", "replace")),
        language=language,
        kind=kind,
        natural_language="en",
    )


STEPS: dict[str, tuple[str, Callable[[], Step], bool]] = {
    # name: (what it does, how it is made, whether it is the release's)
    "all": ("all signals of codelake-1", everything, False),
    "counts": ("characters, lines, words, encoded runs", counted, False),
    "repetition": ("repeated n-grams", family(measures.REPETITION), False),
    "parts": ("comments and quoted text", family(measures.PARTS), False),
    "prose": ("signals of text files", family(measures.PROSE), False),
    "languages": ("syntax trees and pages", family(language_measures.MEASURES), False),
    "released": ("all signals of opencoder-1", released, True),
}


def one(name: str, folder: Path, mb: float) -> dict[str, object]:
    """Documents, MB and CPU seconds of a step in this process, and the same by language."""
    step = STEPS[name][1]()
    _warm(step)
    count, size, cpu = 0, 0, 0.0
    by_language: Counter[str] = Counter()
    spent: dict[str, float] = defaultdict(float)  # CPU seconds
    for batch in batches(files(folder, mb)) if name != "released" else ([file] for file in files(folder, mb)):
        bytes_ = sum(len(file[3].encode("utf-8", "replace")) for file in batch)
        began = time.process_time()
        step(batch)
        took = time.process_time() - began
        count, size, cpu = count + len(batch), size + bytes_, cpu + took
        if len(batch) == 1:
            by_language[batch[0][1]] += bytes_
            spent[batch[0][1]] += took
    languages = {key: by_language[key] / 1e6 / max(spent[key], 1e-9) for key, _ in by_language.most_common(8)}
    return {"documents": count, "mb": size / 1e6, "cpu": cpu, "languages": languages}


SHARED: dict[str, Callable[[Document], object]] = {
    # what several measures stand on, made once a document, in the order in which one needs the other
    "characters as numbers": lambda d: d.points,
    "code and comments told apart": lambda d: (d.parts, d.code, d.code_lines),
    "quoted text": lambda d: d.strings,
    "words": lambda d: d.words,
    "repeated runs of words": lambda d: d.repeats,
    "words and lines of prose": lambda d: (d.prose.raw_words, d.prose.stripped) if d.kind == "text" else None,
    "syntax tree": lambda d: d.tree,
}


def _warm(step: Step) -> None:
    """Kernels are loaded and tables made before the clock runs."""
    types = FileTypes.load(conf("file-types"))
    for warm in ("warm.py", "warm.js", "warm.md", "warm.json", "warm.html", "warm.c", "warm.go", "warm.java"):
        found = types.classify(warm)
        step([(warm, found.language, found.type, "x = 1\n")])


def each(folder: Path, mb: float) -> dict[str, list[float]]:
    """By what is shared, then by signal: [CPU seconds, MB of the documents that it was asked of]."""
    syntaxes = notices.load(conf("comments"))
    marks = {language: Marks.of(language, syntax) for language, syntax in syntaxes.items()}
    spent: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    _warm(everything())
    for batch in batches(files(folder, mb)):
        size = sum(len(file[3].encode("utf-8", "replace")) for file in batch) / 1e6
        _timed(
            spent["the counted signals, one pass"], size, lambda batch=batch: signals(pa.array([f[3] for f in batch]))
        )
        for path, language, kind, text in batch:
            document = Document(text, path.rpartition("/")[2], language, kind, marks.get(language))
            size = len(text.encode("utf-8", "replace")) / 1e6
            for name, made in SHARED.items():
                _timed(spent[name], size, lambda made=made, document=document: made(document))
            for one_of in measures.MEASURES:
                if one_of.applies(document):
                    _timed(spent[one_of.name], size, lambda m=one_of, document=document: m.value(document))
    return dict(spent)


def _timed(into: list[float], size: float, call: Callable[[], object]) -> None:
    began = time.process_time()
    with suppress(ValueError):  # a bound was passed: that too takes time
        call()
    into[0] += time.process_time() - began
    into[1] += size


def measured(folder: Path, mb: float, released_mb: float) -> Iterator[list[str]]:
    for name, (about, _, is_release) in STEPS.items():
        if is_release and missing():
            yield [about, f"not installed: {', '.join(missing())}", "", "", ""]
            continue
        asked = str(released_mb if is_release else mb)
        usage = measure(
            [sys.executable, "-m", "tests.bench.signals", "--one", name, "--mb", asked, "--folder", str(folder)]
        )
        said = json.loads(usage.output)
        speed, rate = said["mb"] / max(said["cpu"], 1e-9), said["documents"] / max(said["cpu"], 1e-9)
        yield [about, f"{said['mb']:.1f}", f"{speed:,.2f}", f"{rate:,.0f}", f"{usage.peak_mb:,.0f}"]
        for language, of_language in said["languages"].items():
            yield [f"... {language}", "", f"{of_language:,.2f}", "", ""]


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mb", type=float, default=200, help="of texts")
    parser.add_argument("--released-mb", type=float, default=10, help="of texts for opencoder-1")
    parser.add_argument("--folder", type=Path, help="sources to measure instead of the pinned archives")
    parser.add_argument("--readme", action="store_true", help="put the tables into README.md")
    parser.add_argument("--one", choices=[*sorted(STEPS), "each"], help=argparse.SUPPRESS)
    given = parser.parse_args(argv)
    if given.one == "each":
        print(json.dumps(each(given.folder, given.mb)))
        return
    if given.one:
        print(json.dumps(one(given.one, given.folder, given.mb)))
        return
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as work:
        folder = given.folder or Path(work)
        if given.folder is None:
            documents.make(given.mb, folder)
        rows = list(measured(folder, given.mb, given.released_mb))
        command = [sys.executable, "-m", "tests.bench.signals", "--one", "each", "--mb", str(given.mb / 10)]
        costs = json.loads(measure([*command, "--folder", str(folder)]).output)
    head = ["step", "MB", "MB/CPU-s", "documents/CPU-s", "peak MB (PSS)"]
    arguments = [f"--mb {given.mb:g}", f"--released-mb {given.released_mb:g}"]
    lines = [*markdown.about("tests.bench.signals", arguments, load), "", *markdown.table(head, rows)]
    ordered = sorted(costs.items(), key=lambda item: -item[1][0])
    by_signal = [[name, f"{1000 * spent / max(mb, 1e-9):,.2f}", f"{mb:,.1f}"] for name, (spent, mb) in ordered]
    lines += [
        "",
        "What each signal costs beside what it shares with others, and what that costs; on a tenth of the documents:",
        "",
    ]
    lines += markdown.table(["signal, or what several share", "ms a MB", "MB that it was asked of"], by_signal)
    print("\n".join(lines))
    if given.readme:
        markdown.write("signals", lines)


if __name__ == "__main__":
    main()
