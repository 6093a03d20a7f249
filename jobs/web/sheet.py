"""The sheet that a person fills in: domains and URL prefixes worth a look, with counts, shares and sample addresses.

Rows come from the last round of a topic: related domains and the prefixes inside them, the largest first. A sheet that is
there already keeps its answers; only counts are brought up to date, and new candidates are added behind.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jobs.kernels.url_patterns import forms_of
from lakehouse.report.views import Views

COLUMNS = (
    "topic", "pattern", "label", "author", "at", "note", "proposal", "proposed_by", "pages", "recalled", "missed", "share",
    "sample_1", "sample_2", "sample_3",
)  # fmt: skip
ANSWERS = ("label", "author", "at", "note")
SAMPLES = 3
MOST_PARTS = 2  # parts of a path that a prefix may have

_PAGES = """
SELECT t.url, t.domain, s.score > r.threshold AS recalled
FROM silver.web_scores s
JOIN silver.web_text t USING (page_id)
JOIN silver.web_rounds r ON r.topic = s.topic AND r.round = s.round
JOIN silver.web_domains d ON d.topic = s.topic AND d.round = s.round AND d.domain = t.domain
WHERE s.topic = ? AND s.round = ? AND d.related AND t.url IS NOT NULL
ORDER BY t.url
"""


def candidates(views: Views, topic: str, least_pages: int, most: int) -> list[dict[str, Any]]:
    """Rows of a fresh sheet, the largest patterns first. Cost: addresses of the related domains, in memory."""
    last = views.rows("SELECT max(round) AS n FROM silver.web_domains WHERE topic = ?", [topic])[0]["n"]
    if last is None:
        return []
    counted: dict[str, list[int]] = {}
    samples: dict[str, list[str]] = {}
    for row in views.rows(_PAGES, [topic, last]):
        for pattern in prefixes(row["url"]):
            pages, recalled = counted.setdefault(pattern, [0, 0])
            counted[pattern] = [pages + 1, recalled + bool(row["recalled"])]
            kept = samples.setdefault(pattern, [])
            if len(kept) < SAMPLES and (not row["recalled"] or pages >= SAMPLES):
                kept.append(row["url"])  # what the classifier missed says most about a pattern
    rows = [
        _row(topic, pattern, pages, recalled, samples[pattern])
        for pattern, (pages, recalled) in counted.items()
        if pages >= least_pages and not _same_as_longer(pattern, pages, counted)
    ]
    return sorted(rows, key=lambda row: (-row["pages"], row["pattern"]))[:most]


def prefixes(url: str) -> list[str]:
    """`a.test/%`, `a.test/x/%` and so on: the domain, and paths of at most MOST_PARTS parts, that hold this page."""
    bare = forms_of(url)[-1].partition("?")[0].partition("#")[0]
    host, *parts = bare.split("/")
    folders = parts[:-1][:MOST_PARTS]
    return [f"{'/'.join([host, *folders[:n]])}/%" for n in range(len(folders) + 1)]


def _same_as_longer(pattern: str, pages: int, counted: Mapping[str, Sequence[int]]) -> bool:
    """Whether the pattern one part shorter holds the very same pages: then that one is enough."""
    shorter = pattern.removesuffix("/%").rpartition("/")[0]
    return bool(shorter) and counted.get(f"{shorter}/%", (0,))[0] == pages


def _row(topic: str, pattern: str, pages: int, recalled: int, samples: Sequence[str]) -> dict[str, Any]:
    counts = {"pages": pages, "recalled": recalled, "missed": pages - recalled, "share": round(recalled / pages, 4)}
    shown = {f"sample_{n + 1}": url for n, url in enumerate(samples)}
    return dict.fromkeys(COLUMNS, "") | {"topic": topic, "pattern": pattern} | counts | shown


def merged(before: Iterable[Mapping[str, Any]], fresh: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a sheet with new counts: answers and order stay, candidates that are new come behind."""
    now = {(row["topic"], row["pattern"]): row for row in fresh}
    kept = []
    for row in before:
        new = now.pop((row.get("topic", ""), row.get("pattern", "")), {})
        answers = {name: row.get(name, "") for name in (*ANSWERS, "proposal", "proposed_by")}
        kept.append(dict.fromkeys(COLUMNS, "") | dict(row) | dict(new) | answers)
    return [*kept, *(dict(row) for row in now.values())]


def read_sheet(path: Path) -> list[dict[str, str]]:
    text = path.read_text("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=text.partition("\n")[0].count)))


def write_sheet(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    part.replace(path)
