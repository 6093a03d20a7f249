"""The web path measured: WARC reading, extraction beside trafilatura, the classifier, and whole rounds over a labelled web.

    python -m tests.bench.web --readme      # fetches the corpus where it is not there (630 MB), prints, fills README.md

Kernels: one process, CPU seconds of its own; the peer runs in an environment of its own, over fewer pages. Indentation kept: of
code blocks (`pre`) of three and more lines with an indented one, the share of which nine lines in ten are in the text with
every blank.

Rounds: the jobs on Spark as `codelake build` runs them, with the settings of conf/base.yaml. A sitting is a build, then
`codelake web annotate`, and for each *domain* in the sheet the answer that is known of it; prefixes are left open, pages
are never asked. Sittings end when the sheet has no new domain, at the latest after the third. Precision and recall of the report are those of held-out pages; the truth over all
pages that no seed labelled is counted beside them.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jobs.kernels.charset import decode_page
from jobs.kernels.html_text import extract
from jobs.kernels.page_classifier import Classifier, Settings, model_id, train
from jobs.web.sources import Limits, Page
from jobs.web.sources.warc import pages
from lakehouse.config import load
from lakehouse.lake import Lake
from lakehouse.registry import graph
from tests.bench import corpus, lake_jobs, web_corpus
from tests.bench.markdown import about, table, write
from tests.bench.peers.environment import HERE, TRAFILATURA, EnvironmentFailed, python
from tests.bench.usage import measure

LIMITS = Limits(max_page_bytes=5_000_000, max_ratio=200, max_faults=1000, shard_bytes=1 << 30)
JOBS = ("web.ingest", "web.extract", "web.annotations", "web.label", "web.recall")
SITTINGS = 3
Row = list[str]


def main(arguments: Sequence[str]) -> None:
    before = os.getloadavg()[0]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=corpus.folder() / "web")
    parser.add_argument("--only", choices=("kernels", "rounds"), help="one part")
    parser.add_argument("--sample", type=int, default=600, help="pages that extractors are compared on")
    parser.add_argument("--peer-sample", type=int, default=200, help="the first of them, for the peer")
    parser.add_argument("--keep", type=Path, help="where the lake and rounds.html stay; else they are removed")
    parser.add_argument("--readme", action="store_true", help="put the tables into README.md")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.child:
        print(json.dumps(list(kernels(given.corpus, given.sample, given.peer_sample))))
        return
    if not (given.corpus / "truth.csv").exists():
        print(json.dumps(web_corpus.make(given.corpus, web_corpus.PER_PACKAGE)), file=sys.stderr)
    places = {str(given.corpus), str(given.keep)}
    said = ["FOLDER" if argument in places else argument for argument in arguments]
    head = [*about("tests.bench.web", said, before), *_about_corpus(given.corpus), ""]
    parts = {"kernels": lambda: _kernels(given), "rounds": lambda: _rounds(given.corpus, given.keep)}
    for name, part in parts.items():
        if given.only in (None, name):
            lines = [*head, *part()]
            print("\n".join(lines), flush=True)
            if given.readme:
                write(f"web_{name}", lines)


def _about_corpus(folder: Path) -> Iterator[str]:
    truth = _rows(folder / "truth.csv")
    wanted = sum(row["label"] == "yes" for row in truth)
    domains = len({row["package"] for row in truth})
    yield (
        f"- Corpus: {len(truth):,} pages, {wanted:,} of them wanted, {domains} domains; {len(_rows(folder / 'seed.csv'))} labelled for"
        f" the first seed, {len(_rows(folder / 'held-out.csv')):,} held out"
    )


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


# Kernels


def _kernels(given: argparse.Namespace) -> Iterator[str]:
    said = ["--child", "--corpus", given.corpus, "--sample", given.sample, "--peer-sample", given.peer_sample]
    usage = measure([sys.executable, "-m", "tests.bench.web", *map(str, said)])
    head = ("one core", "pages", "pages/CPU-s", "MB/CPU-s", "code blocks", "text kept", "indentation kept", "")
    yield from table(head, json.loads(usage.output.splitlines()[-1]))
    yield ""
    yield f"Peak memory of that process with all pages in it: {usage.peak_mb:,.0f} MB."


def kernels(folder: Path, sample: int, peer_sample: int) -> Iterator[Row]:
    began = time.process_time()
    found = read(folder)
    yield _row("WARC reading", len(found), sum(len(p.body) for p in found), time.process_time() - began)
    yield _fastwarc(folder)
    some = sorted(found, key=lambda page: web_corpus._hash(page.url or ""))[:sample]
    sources = [decode_page(page.body, page.charset).text for page in some]
    truth = [blocks(source) for source in sources]
    for name, function in (("ours", lambda source: extract(source).text), ("resiliparse, main content", _resiliparse)):
        yield _extracted(name, function, sources, truth)
    yield _peer(sources[:peer_sample], truth)
    yield from _classifier(found, folder)


def read(folder: Path) -> list[Page]:
    found: list[Page] = []
    for path in sorted(folder.glob("*.warc.gz")):
        with path.open("rb") as file:
            found += [row for row in pages(file, None, LIMITS) if isinstance(row, Page)]
    return found


def _row(what: str, count: int, size: int, seconds: float, kept: Sequence[str] = ("", "", ""), note: str = "") -> Row:
    return [what, f"{count:,}", f"{count / seconds:,.0f}", f"{size / 1e6 / seconds:,.1f}", *kept, note]


def _fastwarc(folder: Path) -> Row:
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    began, count, size = time.process_time(), 0, 0
    for path in sorted(folder.glob("*.warc.gz")):
        with path.open("rb") as file:
            for record in ArchiveIterator(file, record_types=WarcRecordType.response, parse_http=True):
                count += 1
                size += len(record.reader.read())
    return _row("WARC reading, peer: fastwarc", count, size, time.process_time() - began)


def _resiliparse(source: str) -> str:
    from resiliparse.extract.html2text import extract_plain_text
    from resiliparse.parse.html import HTMLTree

    found: str = extract_plain_text(HTMLTree.parse(source), main_content=True, preserve_formatting=True)
    return found


def _extracted(
    name: str, function: Callable[[str], str], sources: Sequence[str], truth: Sequence[Sequence[Sequence[str]]]
) -> Row:
    function(sources[0])
    began = time.process_time()
    texts = [function(source) for source in sources]
    seconds = time.process_time() - began
    return _row(f"extraction, {name}", len(texts), sum(map(len, sources)), seconds, kept(texts, truth))


def _peer(sources: Sequence[str], truth: Sequence[Sequence[Sequence[str]]]) -> Row:
    """What trafilatura makes of the same pages, or why it could not be asked."""
    name = f"extraction, peer: {TRAFILATURA.packages[0].replace('==', ' ')}"
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder, "pages.json"), Path(folder, "texts.json")
        given.write_text(json.dumps(sources), "utf-8")
        try:
            command = [python(TRAFILATURA), HERE / "trafilatura_job.py", given, made]
            done = subprocess.run([str(a) for a in command], capture_output=True, text=True, check=False, timeout=1800)
        except EnvironmentFailed as error:
            return [name, *[""] * 6, str(error)]
        if done.returncode:
            return [name, *[""] * 6, done.stderr.strip().splitlines()[-1]]
        texts = json.loads(made.read_text("utf-8"))
    seconds = json.loads(done.stdout.strip().splitlines()[-1])["cpu_seconds"]
    return _row(name, len(texts), sum(map(len, sources)), seconds, kept(texts, truth[: len(texts)]))


def blocks(source: str) -> list[list[str]]:
    """Lines of every code block worth keeping, as an HTML parser other than ours reads them."""
    from resiliparse.parse.html import HTMLTree

    body = HTMLTree.parse(source).body
    found = []
    for block in body.get_elements_by_tag_name("pre") if body is not None else ():
        lines = [line.rstrip() for line in block.text.split("\n") if line.strip()]
        if len(lines) >= 3 and any(line[0] in " \t" for line in lines):
            found.append(lines)
    return found


def kept(texts: Sequence[str], truth: Sequence[Sequence[Sequence[str]]]) -> tuple[str, str, str]:
    """How many code blocks there are; the shares of them whose words, and whose lines with every blank, are in the text."""
    total = indented = flat = 0
    for text, found in zip(texts, truth, strict=True):
        lines, words = {line.rstrip() for line in text.split("\n")}, re.sub(r"\s+", " ", text)
        for block in found:
            total += 1
            indented += sum(line in lines for line in block) >= 0.9 * len(block)
            flat += re.sub(r"\s+", " ", " ".join(block)).strip()[:200] in words
    return f"{total:,}", f"{flat / max(1, total):.3f}", f"{indented / max(1, total):.3f}"


def settings() -> Settings:
    """The classifier's, as conf/base.yaml has them."""
    found: Settings = load(graph()).jobs["web.recall"].classifier.settings  # type: ignore[attr-defined]
    return found


def _classifier(found: Sequence[Page], folder: Path) -> Iterator[Row]:
    said = {row["url"]: row["label"] == "yes" for row in _rows(folder / "seed.csv")}
    texts = {p.url: extract(decode_page(p.body, p.charset).text).text for p in found if p.url in said}
    labelled = [(label, texts[url]) for url, label in sorted(said.items())]
    chosen = settings()
    size = sum(len(text[: chosen.characters].encode()) for _, text in labelled)
    began = time.process_time()
    model = train((text for _, text in labelled), labelled, chosen)
    seconds = time.process_time() - began
    reads = max(chosen.epochs, -(-chosen.least_updates // len(labelled)))
    again = (
        "the same bytes again"
        if model_id(train((t for _, t in labelled), labelled, chosen)) == model_id(model)
        else "OTHER BYTES AGAIN"
    )
    note = f"read {reads} times in {seconds:.0f} s; {len(model) / 1e6:.0f} MB; {again}"
    yield _row("classifier, training", reads * len(labelled), reads * size, seconds, note=note)
    loaded = Classifier(model)
    began = time.process_time()
    loaded.scores([text for _, text in labelled])
    yield _row("classifier, scoring", len(labelled), size, time.process_time() - began)


# Rounds


def _rounds(folder: Path, keep: Path | None) -> Iterator[str]:
    work = keep or Path(tempfile.mkdtemp(prefix="codelake-web-"))
    work.mkdir(parents=True, exist_ok=True)
    if any(work.iterdir()):
        raise SystemExit(f"{work} is not empty: a lake that is there would be built upon. Name another folder.")
    try:
        sheet, lake = work / "urls.csv", Lake(str(work / "lake"))
        known = {f"{row['package']}{web_corpus.HOST}/%": row["label"] for row in _rows(folder / "truth.csv")}
        sittings = [_sitting(folder, lake, sheet)]
        while annotate(lake, sheet, known) and len(sittings) < SITTINGS:
            sittings.append(_sitting(folder, lake, sheet))
        yield from _jobs(sittings)
        yield ""
        yield from _found(folder, lake)
        _codelake("web", "rounds", "--lake", lake.root, "--out", work / "rounds.html")
    finally:
        if keep is None:
            shutil.rmtree(work, ignore_errors=True)


def _sitting(folder: Path, lake: Lake, sheet: Path) -> lake_jobs.Ran:
    """As many rounds as the answers in the sheet are good for; those that they do not touch are not computed again."""
    files = [str(folder / name) for name in ("seed.csv", "held-out.csv")] + [str(sheet)] * sheet.exists()
    source = {"name": "debian", "kind": "warc", "location": str(folder), "dump": "debian"}
    said = {
        "web.ingest.sources": [source],
        "web.annotations.files": files,
        "web.label.held_out": 0.0,
        "lake.docs": False,
    }
    overrides = tuple(f"{key}={json.dumps(value)}" for key, value in said.items())
    return lake_jobs.run([lake_jobs.Step(lake, JOBS, overrides=overrides)])


def annotate(lake: Lake, sheet: Path, known: Mapping[str, str]) -> int:
    """What a person does: ask for the sheet, say of each domain in it what is known of it; returns how many are new."""
    _codelake("web", "annotate", sheet, "--lake", lake.root)
    rows = _rows(sheet)
    new = [row for row in rows if row["pattern"] in known and not row["label"]]
    for row in new:
        row |= {"label": known[row["pattern"]], "author": "debian"}
    with sheet.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return len(new)


def _codelake(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "lakehouse.cli.main", *map(str, arguments)], check=True, stdout=sys.stderr)


def _jobs(sittings: Sequence[lake_jobs.Ran]) -> Iterator[str]:
    rows = []
    for number, ran in enumerate(sittings, start=1):
        for step in ran.steps:
            for run in step.runs:
                if run["status"] == "published":
                    peak = ran.usage.peak_between(run["started_at"], run["ended_at"])
                    rows.append(
                        [
                            f"{number}: {run['job']}",
                            f"{run['seconds']:.0f}",
                            f"{run['cpu_seconds']:.0f}",
                            f"{peak:,.0f}",
                        ]
                    )
        rows.append([f"{number}: all, with the start of Spark", f"{ran.usage.seconds:.0f}", f"{ran.usage.cpu_seconds:.0f}", f"{ran.usage.peak_mb:,.0f}"])  # fmt: skip
    yield from table(("sitting: job", "s", "CPU-s", "peak MB (PSS)"), rows)


def _found(folder: Path, lake: Lake) -> Iterator[str]:
    """Figures of the report, and the truth over all pages that no label of the seed names."""
    label = {row["url"]: row["label"] == "yes" for row in _rows(folder / "truth.csv")}
    seen = {row["url"] for row in _rows(folder / "seed.csv")}
    rows = []
    for r in _of_lake(lake, "SELECT * EXCLUDE (curve) FROM silver.web_rounds ORDER BY round"):
        query = (
            "SELECT t.url, s.score FROM silver.web_scores s JOIN silver.web_text t USING (page_id) WHERE s.round = ?"
        )
        scored = [
            (row["score"] > r["threshold"], label[row["url"]])
            for row in _of_lake(lake, query, [r["round"]])
            if row["url"] not in seen
        ]
        right, recalled, wanted = sum(h and w for h, w in scored), sum(h for h, _ in scored), sum(w for _, w in scored)
        rows.append(
            [
                str(r["round"]), f"{r['seed_yes']} + {r['seed_no']}", f"{r['threshold']:.3f} ({r['threshold_by']})", f"{r['recalled']:,}",
                str(r["domains"]), _interval(r, "precision"), _interval(r, "recall"), f"{right / max(1, recalled):.3f}", f"{right / wanted:.3f}",
            ]
        )  # fmt: skip
    head = (
        "round",
        "seed yes + no",
        "threshold",
        "recalled",
        "domains",
        "precision, held out",
        "recall, held out",
        "precision, all",
        "recall, all",
    )
    yield from table(head, rows)


def _interval(row: Mapping[str, Any], name: str) -> str:
    return f"{row[name]:.3f} ({row[f'{name}_low']:.3f} to {row[f'{name}_high']:.3f})"


def _of_lake(lake: Lake, query: str, values: Sequence[object] = ()) -> list[dict[str, Any]]:
    from lakehouse.report.views import Views

    with Views(lake) as views:
        return views.rows(query, list(values))


if __name__ == "__main__":
    main(sys.argv[1:])
