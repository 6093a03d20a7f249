"""The report: one HTML page that shows what a lake holds, what was dropped on the way, and how the jobs ran.

write(Lake("lake"), Path("lake/report.html"))

The page is self-contained: it opens from a file, offline, and its content policy lets the browser run only our few
lines of script, by their digest, and load nothing. Everything from the data is escaped, hidden characters are made
visible, and every list is bounded, so that the page stays below 2 MB whatever the lake holds.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from lakehouse import shown
from lakehouse.errors import StorageError
from lakehouse.lake import Lake
from lakehouse.report import charts, facts
from lakehouse.report.diff import LINES
from lakehouse.report.facts import Gate, Redaction, Top
from lakehouse.report.funnel import DISTINCT, FOUND, GOLD, KEPT, TAKEN_IN, Amount, Funnel, Slice, measure
from lakehouse.report.views import Views

MOST_SOURCES, MOST_LANGUAGES, MOST_RULES, MOST_REASONS = 50, 60, 60, 50
MOST_LICENCES, MOST_KINDS, MOST_RELEASES, MOST_FAILED = 30, 50, 50, 5
MOST_CLUSTERS, MOST_MEMBERS = 5, 10
LINE_LIMIT = 120  # characters of a line of code

_SECTIONS = (
    ("funnel", "Funnel"),
    ("sources", "Sources"),
    ("languages", "Languages"),
    ("reasons", "Reasons"),
    ("duplicates", "Near-duplicates"),
    ("licences", "Licences"),
    ("redactions", "Redactions"),
    ("gates", "Gates"),
    ("runs", "Runs"),
    ("releases", "Releases"),
    ("tables", "Tables"),
)


@dataclass(frozen=True)
class Card:
    """A headline number. `tone`: good, warn, bad or nothing."""

    label: str
    value: str
    more: str
    tone: str = ""


def write(lake: Lake, path: Path) -> Path:
    """Draw the lake as it is now, as far as it was built, and return the page's path.

    Cost: that of the funnel, one scan of the ids of `silver.code_texts`, and the row groups that hold a text that is
    shown. Raises InputError when a table cannot be read, StorageError when the page cannot be written.
    """
    page = render(lake, path.parent)
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(page, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}. Name a file in a writable folder.") from error
    return path


def render(lake: Lake, folder: Path) -> str:
    """The page as text. Links to Data Docs are relative to `folder`, where the page will lie."""
    with Views(lake) as views:
        context = _context(views, folder)
    return str(_template().render(context))


def _template() -> Any:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "count": shown.count,
        "size": shown.size,
        "share": shown.share,
        "shown": shown.markup,
        "visible": shown.visible,
        "line": lambda text: shown.line(text, LINE_LIMIT),
        "when": lambda at: f"{at.astimezone(UTC):%Y-%m-%d %H:%M}",
    }
    return environment.from_string(_file("page.html.j2"))


def _file(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """The source expression by which a content policy allows exactly this inline style or script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _context(views: Views, folder: Path) -> dict[str, Any]:
    funnel = measure(views)
    amounts = {step.left: step.out for step in funnel.steps}
    style, script = _file("page.css"), _file("page.js")
    redactions, gates = facts.redactions(views, MOST_KINDS), facts.gates(views, MOST_FAILED)
    return {
        "lake": views.lake.root,
        "at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "style": Markup(style),
        "script": Markup(script),
        "style_digest": _digest(style),
        "script_digest": _digest(script),
        "sections": _SECTIONS,
        "bar": charts.bar,
        "found": amounts[FOUND],
        "distinct": amounts[DISTINCT] or Amount(),
        "gold": amounts[GOLD],
        "pending": dict.fromkeys(step.job for step in funnel.steps if step.out is None),
        "cards": _cards(funnel, redactions, gates),
        "redactions": redactions,
        "licences": facts.licences(views, MOST_LICENCES),
        "releases": facts.releases(views, MOST_RELEASES),
        "versions": facts.versions(views),
        **_funnel(funnel),
        **_duplicates(views),
        **_gates(views.lake, gates, folder),
        **_runs(views),
    }


def _funnel(funnel: Funnel) -> dict[str, Any]:
    picture = charts.funnel(funnel.steps)
    return {
        "funnel": funnel,
        "picture": picture,
        "torn": 'class="torn"' in picture,
        "decided": "silver.code_decisions" not in funnel.missing,
        "sources": _top(funnel.by_source, MOST_SOURCES),
        "languages": _top(funnel.by_language, MOST_LANGUAGES),
        "rules": _top(funnel.rules, MOST_RULES),
        "refused": _top(funnel.refused, MOST_REASONS),
        "most_hits": max((rule.hits.files for rule in funnel.rules), default=0),
    }


def _top(rows: Sequence[Any], most: int) -> Top[Any]:
    return Top(tuple(rows[:most]), len(rows))


def _duplicates(views: Views) -> dict[str, Any]:
    sizes = facts.cluster_sizes(views)
    clusters, members = sum((sizes or {}).values()), sum(n * many for n, many in (sizes or {}).items())
    label = f"{shown.count(clusters)} clusters by number of members"
    return {
        "cluster_sizes": sizes,
        "cluster_count": clusters,
        "cluster_members": members,
        "cluster_picture": charts.columns(charts.doubling(sizes or {}), label=label),
        "clusters": facts.largest_clusters(views, MOST_CLUSTERS, MOST_MEMBERS),
        "diff_lines": LINES,
        "text_limit": facts.TEXT_LIMIT,
    }


def _gates(lake: Lake, gates: Sequence[Gate] | None, folder: Path) -> dict[str, Any]:
    """Gates with links to those pages of the Data Docs that are there."""
    docs = Path(lake.root).absolute() / "_docs" if lake.is_local else None

    def href(*parts: str) -> str | None:
        page = None if docs is None else docs.joinpath(*parts)
        if page is None or not page.is_file():
            return None
        return quote(os.path.relpath(page, folder.absolute()))

    linked = None
    if gates is not None:
        names = [(quote(gate.table, safe=""), f"{quote(gate.run_id, safe='')}.html") for gate in gates]
        linked = [{**vars(gate), "href": href(*parts)} for gate, parts in zip(gates, names, strict=True)]
    return {"gates": linked, "docs": href("index.html")}


def _runs(views: Views) -> dict[str, Any]:
    runs = facts.runs(views)
    seconds = [run["seconds"] for run in runs or ()]
    return {"runs": runs, "seconds": sum(seconds), "most_seconds": max(seconds, default=0.0)}


def _cards(funnel: Funnel, redactions: Top[Redaction] | None, gates: Sequence[Gate] | None) -> list[Card]:
    steps = {step.left: step for step in funnel.steps}
    cards = []
    if (found := steps[FOUND].out) is not None:
        names: Sequence[Slice] = funnel.by_source
        cards.append(Card("Found", shown.count(found.files), f"files, {shown.size(found.bytes)}, {len(names)} sources"))
    distinct, taken = steps[DISTINCT], steps[TAKEN_IN].out
    if distinct.out is not None and distinct.dropped is not None and taken is not None:
        more = f"{shown.count(distinct.dropped.files)} of {shown.count(taken.files)} files taken in"
        cards.append(Card("Exact copies", shown.share(distinct.dropped.files, taken.files), more))
    if (kept := steps[KEPT].out) is not None and distinct.out is not None:
        more = f"files, {shown.share(kept.files, distinct.out.files)} of {shown.count(distinct.out.files)} distinct"
        cards.append(Card("Kept", shown.count(kept.files), more))
    if (gold := steps[GOLD].out) is not None:
        more = f"{shown.count(gold.files)} documents"
        cards.append(Card("In gold.pretrain", shown.size(gold.bytes), more))
    if redactions is not None:
        places = sum(row.places for row in redactions.rows)
        cards.append(Card("Redactions", shown.count(places), f"places of {redactions.total} kinds, notices too"))
    if gates:
        failed, judged = sum(gate.failed.total for gate in gates), sum(gate.judged for gate in gates)
        tone = "bad" if any(gate.errors for gate in gates) else "warn" if failed else "good"
        value = f"{shown.count(failed)} not met" if failed else "all met"
        cards.append(Card("Gates", value, f"{shown.count(judged)} expectations, {len(gates)} tables", tone))
    return cards
