"""The web path measured: WARC reading, extraction beside trafilatura, the classifier, and whole rounds over a labelled web.

    python -m tests.bench.web_corpus CORPUS                # fetches real pages, once
    python -m tests.bench.web kernels CORPUS               # one process, no Spark
    python -m tests.bench.web rounds CORPUS --lake LAKE    # web.* to the last round; draws rounds.html beside the lake

Figures are per CPU-second of one process. Indentation kept: of code blocks (`pre`) of three and more lines with an
indented one, the share of which nine lines in ten are in the text with every blank.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from jobs.kernels.charset import decode_page
from jobs.kernels.html_text import extract
from jobs.web.sources import Limits, Page
from jobs.web.sources.warc import pages

LIMITS = Limits(max_page_bytes=5_000_000, max_ratio=200, max_faults=1000, shard_bytes=1 << 30)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("kernels", "rounds"))
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--lake", type=Path, default=Path("bench-web-lake"))
    parser.add_argument("--extracted", type=int, default=600, help="pages that extractors are measured on")
    chosen = parser.parse_args(arguments)
    rows = kernels(chosen.corpus, chosen.extracted) if chosen.what == "kernels" else rounds(chosen.corpus, chosen.lake)
    for row in rows:
        print(json.dumps(row), flush=True)


def read(corpus: Path) -> list[Page]:
    found: list[Page] = []
    for path in sorted(corpus.glob("*.warc.gz")):
        with path.open("rb") as file:
            found += [row for row in pages(file, None, LIMITS) if isinstance(row, Page)]
    return found


def kernels(corpus: Path, extracted: int) -> Iterator[dict[str, Any]]:
    began = time.process_time()
    all_pages = read(corpus)
    yield _row("WARC reading, ours", len(all_pages), sum(len(p.body) for p in all_pages), began)
    yield from _fastwarc(corpus)
    some = sorted(all_pages, key=lambda page: _hash(page.url or ""))[:extracted]
    sources = [decode_page(page.body, page.charset).text for page in some]
    truth = [blocks(source) for source in sources]
    for name, function in extractors():
        function(sources[0])
        began = time.process_time()
        texts = [function(source) for source in sources]
        row = _row(f"extraction, {name}", len(sources), sum(map(len, sources)), began)
        yield row | kept(texts, truth)
    yield from classifier(all_pages, corpus)


def _row(what: str, count: int, size: int, began: float) -> dict[str, Any]:
    seconds = max(time.process_time() - began, 1e-9)
    return {"what": what, "pages": count, "pages_per_cpu_s": round(count / seconds), "mb_per_cpu_s": round(size / 1e6 / seconds, 1)}  # fmt: skip


def _fastwarc(corpus: Path) -> Iterator[dict[str, Any]]:
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    began, count, size = time.process_time(), 0, 0
    for path in sorted(corpus.glob("*.warc.gz")):
        with path.open("rb") as file:
            for record in ArchiveIterator(file, record_types=WarcRecordType.response, parse_http=True):
                count += 1
                size += len(record.reader.read())
    yield _row("WARC reading, fastwarc", count, size, began)


def extractors() -> Iterator[tuple[str, Callable[[str], str]]]:
    yield "ours", lambda source: extract(source).text
    from resiliparse.extract.html2text import extract_plain_text
    from resiliparse.parse.html import HTMLTree

    def resiliparse(source: str) -> str:
        found: str = extract_plain_text(HTMLTree.parse(source), main_content=True, preserve_formatting=True)
        return found

    yield "resiliparse main content", resiliparse
    try:
        import trafilatura
    except ImportError:
        print(json.dumps({"what": "extraction, trafilatura", "note": "not installed: pip install trafilatura"}))
        return
    yield "trafilatura", lambda source: trafilatura.extract(source) or ""


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


def kept(texts: Sequence[str], truth: Sequence[Sequence[Sequence[str]]]) -> dict[str, Any]:
    total = indented = flat = 0
    for text, found in zip(texts, truth, strict=True):
        lines, words = {line.rstrip() for line in text.split("\n")}, re.sub(r"\s+", " ", text)
        for block in found:
            total += 1
            indented += sum(line in lines for line in block) >= 0.9 * len(block)
            flat += re.sub(r"\s+", " ", " ".join(block)).strip()[:200] in words
    return {"code_blocks": total, "text_kept": round(flat / max(1, total), 3), "indentation_kept": round(indented / max(1, total), 3)}  # fmt: skip


def classifier(all_pages: Sequence[Page], corpus: Path) -> Iterator[dict[str, Any]]:
    from jobs.kernels.page_classifier import Classifier, Settings, model_id, train

    said = {row["url"]: row["label"] == "yes" for row in csv.DictReader((corpus / "seed.csv").open())}
    texts = {p.url: extract(decode_page(p.body, p.charset).text).text for p in all_pages if p.url in said}
    labelled = [(label, texts[url]) for url, label in sorted(said.items()) if url in texts]
    settings = Settings(16_000, 8_000, 64, 5, 0.3, 2, 2, 100_000, 1)
    began = time.process_time()
    model = train((text for _, text in labelled), labelled, settings)
    yield _row("classifier, training", len(labelled), sum(len(text[:8_000]) for _, text in labelled), began) | {
        "model_mb": round(len(model) / 1e6, 1),
        "same_bytes_again": model_id(train((t for _, t in labelled), labelled, settings)) == model_id(model),
    }
    loaded = Classifier(model)
    began = time.process_time()
    loaded.scores([text for _, text in labelled])
    yield _row("classifier, scoring", len(labelled), sum(len(text[:8_000]) for _, text in labelled), began)


def rounds(corpus: Path, lake: Path) -> Iterator[dict[str, Any]]:
    """The loop with its labels; figures out of the lake's own books."""
    from jobs.web import round_page
    from lakehouse import ledger, session
    from lakehouse.config import load
    from lakehouse.lake import Lake
    from lakehouse.registry import graph
    from lakehouse.report.views import Views
    from lakehouse.runner import Runner

    settings = {
        "lake.root": str(lake),
        "lake.docs": False,
        "web.ingest.sources": [{"name": "debian", "kind": "warc", "location": str(corpus), "dump": "debian"}],
        "web.annotations.files": [str(corpus / name) for name in ("seed.csv", "held-out.csv", "urls.csv")],
        "web.label.held_out": 0.0,
        "web.recall.classifier": {
            "pieces": 16000, "sample": 5000, "characters": 8000, "dimensions": 64, "epochs": 5, "learning_rate": 0.3, "ngrams": 2,
            "least_count": 2, "buckets": 100000, "seed": 1,
        },
    }  # fmt: skip
    config = load(graph(), overrides=[f"{key}={json.dumps(value)}" for key, value in settings.items()])
    spark = session.build(config.spark)
    Runner(Lake(str(lake)), graph(), config, lambda: spark).build(graph().select(["web.*"]))
    for run in ledger.runs(Lake(str(lake))):
        yield {"job": run["job"], "status": run["status"], "seconds": round(run["seconds"], 1), "cpu_seconds": round(run["cpu_seconds"], 1), "peak_mb": round(run["peak_mb"])}  # fmt: skip
    with Views(Lake(str(lake))) as views:
        yield from views.rows(
            "SELECT round, seed_yes, seed_no, pages, recalled, gained, domains, gained_domains, missed, precision, precision_low,"
            " precision_high, recall, recall_low, recall_high, held_out, ended FROM silver.web_rounds ORDER BY round"
        )
        print(round_page.write(views, lake / "rounds.html"))
    spark.stop()


def _hash(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()


if __name__ == "__main__":
    main()
