"""The tables of a finished loop, written without Spark: two rounds of one topic over twelve pages."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import write_deltalake

from jobs.kernels.url_patterns import domain_of
from jobs.web import tables
from lakehouse.lake import Lake

HOSTILE = "<script>alert(1)</script>"
URLS = [
    *(f"https://qa.test/questions/{n}" for n in range(6)),
    *(f"https://www.qa.test/jobs/{n}" for n in range(3)),
    *(f"https://docs.test/{HOSTILE}{n}" for n in range(2)),
    "https://story.test/1",
]
SCORES = {1: [0.9, 0.8, 0.7, 0.2, 0.1, 0.4, 0.1, 0.1, 0.2, 0.95, 0.9, 0.1]}
SCORES[2] = [0.9] * 6 + SCORES[1][6:]


def page_id(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()


def make(root: Path) -> Lake:
    lake = Lake(str(root))
    ids = [page_id(url) for url in URLS]
    texts: list[dict[str, Any]] = [
        {
            "page_id": ids[n], "url": url, "domain": domain_of(url), "text_id": ids[n], "bytes": 30, "title": HOSTILE, "how": "main",
            "extractor": "x", "charset": "utf-8", "charset_by": "utf8", "code_blocks": 0, "code_blocks_kept": 0, "code_share": 0.0,
            "note": "", "text": f"text of page {n}", "redactions": [],
        }
        for n, url in enumerate(URLS)
    ]  # fmt: skip
    _write(lake, tables.web_text, texts)
    _write(lake, tables.web_pages, [
        {"page_id": ids[n], "file": "crawl/a.warc.gz", "source": "crawl", "place": n, "inside": 0, "url": url, "kind": "html",
         "body_id": ids[n], "size": 9, "body": b"<p>x"}
        for n, url in enumerate([*URLS[:-1], URLS[0]])  # the last page was fetched from the address of the first
    ])  # fmt: skip
    _write(lake, tables.web_seeds, [
        {"topic": "code", "round": 2, "page_id": ids[3], "text_id": ids[3], "label": True, "why": "url"}
    ])  # fmt: skip
    _write(lake, tables.url_labels, [
        {"topic": "code", "pattern": pattern, "label": True, "author": "Ada", "how": "person", "statements": n, "conflict": n > 1}
        for n, pattern in ((1, "docs.test/%"), (2, f"qa.test/{HOSTILE}%"))
    ])  # fmt: skip
    _write(lake, tables.web_scores, [
        {"topic": "code", "round": r, "page_id": ids[n], "text_id": ids[n], "model_id": "a" * 64, "score": score}
        for r, scores in SCORES.items() for n, score in enumerate(scores)
    ])  # fmt: skip
    _write(lake, tables.web_domains, [
        {"topic": "code", "round": r, "domain": domain, "pages": pages, "bytes": 30 * pages, "recalled": hits, "share": hits / pages,
         "related": hits > 0, "missed": missed}
        for r, domain, pages, hits, missed in (
            (1, "qa.test", 9, 3, 3), (1, "docs.test", 2, 2, 0), (1, "story.test", 1, 0, 0),
            (2, "qa.test", 9, 6, 0), (2, "docs.test", 2, 2, 0), (2, "story.test", 1, 0, 0),
        )
    ])  # fmt: skip
    _write(lake, tables.web_rounds, [_round(1, 5, 0.4, None), _round(2, 8, 1.0, "round 2 of 2 (rounds)")])
    _write(lake, tables.web_models, [
        {"topic": "code", "round": r, "model_id": "a" * 64, "training_id": "b" * 64, "settings": "{}", "model": b"model"} for r in (1, 2)
    ])  # fmt: skip
    return lake


def _round(number: int, recalled: int, share: float, ended: str | None) -> dict[str, Any]:
    return {
        "topic": "code", "round": number, "model_id": "a" * 64, "seed_yes": 4, "seed_no": 4, "pages": 12, "recalled": recalled,
        "bytes": 30 * recalled, "gained": recalled, "gained_bytes": 30 * recalled, "domains": 2, "gained_domains": 2, "missed": 3,
        "held_out": 10, "tuned_on": 10, "threshold": 0.5, "threshold_by": "given", "precision": 1.0, "precision_low": 0.7, "precision_high": 1.0, "recall": share,
        "recall_low": share / 2, "recall_high": 1.0, "curve": [{"threshold": 0.5, "precision": 1.0, "recall": share}],
        "ended": ended,
    }  # fmt: skip


def _write(lake: Lake, table: Any, rows: list[dict[str, Any]]) -> None:
    write_deltalake(lake.location(table), pa.Table.from_pylist(rows, schema=table.arrow_schema))
