"""The report of the rounds: one HTML page with a picture per topic, domains that were gained, and pages at the threshold.

The page is self-contained and loads nothing. Whatever comes from pages is escaped, and hidden characters are written out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from lakehouse.report.views import Views
from lakehouse.shown import visible

MOST_DOMAINS, MOST_BORDERLINE, MOST_CONFLICTS = 15, 12, 30
EXCERPT = 300
_WIDTH, _HEIGHT, _LEFT, _TOP = 640, 240, 44, 16

_STYLE = """
:root { color-scheme: light dark; --bg: #fcfcfa; --fg: #1d2329; --muted: #57606a; --line: #d9dde2; --a: #1f6fa8; --b: #9e430a; --c: #17704a; }
@media (prefers-color-scheme: dark) { :root { --bg: #14181d; --fg: #e6e9ec; --muted: #a3adb8; --line: #313941; --a: #5fb0e5; --b: #f4a76f; --c: #6fcf9b; } }
body { margin: 0 auto; max-width: 64rem; padding: 1rem 1.25rem 3rem; background: var(--bg); color: var(--fg); font: 15px/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; display: block; overflow-x: auto; } td, th { padding: .2rem .6rem; border-bottom: 1px solid var(--line); text-align: right; } td { white-space: nowrap; }
td.t, th.t { text-align: left; overflow-wrap: anywhere; white-space: normal; } .note { color: var(--muted); max-width: 46rem; }
svg { max-width: 100%; height: auto; } svg text { font: 12px system-ui, sans-serif; fill: var(--fg); }
.grid { stroke: var(--line); } .a { stroke: var(--a); fill: none; } .b { stroke: var(--b); fill: none; stroke-dasharray: 6 3; } .bar { fill: var(--c); opacity: .25; }
.fa { fill: var(--a); stroke: none; } .fb { fill: var(--b); stroke: none; }
"""


def write(views: Views, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(views), "utf-8")
    return path


def render(views: Views) -> str:
    rounds = views.rows("SELECT * FROM silver.web_rounds ORDER BY topic, round")
    topics = dict.fromkeys(row["topic"] for row in rounds)
    parts = [_topic(views, topic, [row for row in rounds if row["topic"] == topic]) for topic in topics]
    return Markup(
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Rounds of recall</title>'
        "<style>{style}</style></head><body><h1>Rounds of recall</h1>{parts}</body></html>"
    ).format(style=Markup(_STYLE), parts=Markup("").join(parts))


def _topic(views: Views, topic: str, rounds: Sequence[Mapping[str, Any]]) -> Markup:
    last = rounds[-1]
    return Markup(
        "<h2>{topic}</h2>{picture}{table}<p class=note>Ended: {ended}.</p>{conflicts}{domains}{borderline}"
    ).format(
        topic=visible(topic),
        picture=_picture(rounds),
        table=_rounds(rounds),
        ended=visible(last["ended"] or "not yet"),
        conflicts=_conflicts(views, topic),
        domains=_domains(views, topic, last["round"]),
        borderline=_borderline(views, topic, last["round"], last["threshold"]),
    )


def _picture(rounds: Sequence[Mapping[str, Any]]) -> Markup:
    """Precision and recall on held-out pages per round, with their intervals, over bars of recalled pages."""
    most = max(max(row["recalled"] for row in rounds), 1)
    step = (_WIDTH - _LEFT - 20) / len(rounds)
    at = [_LEFT + step * (n + 0.5) for n in range(len(rounds))]
    drawn = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        line = '<line class="grid" x1="{l}" x2="{r}" y1="{y:.1f}" y2="{y:.1f}"/><text x="4" y="{t:.1f}">{s:.0%}</text>'
        drawn.append(Markup(line).format(l=_LEFT, r=_WIDTH - 20, y=_y(share), t=_y(share) + 4, s=share))
    for x, row in zip(at, rounds, strict=True):
        bar = '<rect class="bar" x="{x:.1f}" width="{w:.1f}" y="{y:.1f}" height="{h:.1f}"/><text x="{c:.1f}" y="{b}" text-anchor="middle">round {n}: {pages:,} pages</text>'
        top = _y(row["recalled"] / most)
        drawn.append(
            Markup(bar).format(
                x=x - step * 0.3, w=step * 0.6, y=top, h=_y(0) - top, c=x, b=_HEIGHT + _TOP + 18, n=row["round"], pages=row["recalled"]
            )
        )  # fmt: skip
    for name, css, shift in (("precision", "a", -5), ("recall", "b", 5)):
        drawn.append(_line(name, css, [(x + shift, row) for x, row in zip(at, rounds, strict=True)]))
    words = "Precision and recall on held-out pages per round: " + "; ".join(
        f"round {row['round']}: {_percent(row['precision'])}, {_percent(row['recall'])}" for row in rounds
    )
    legend = Markup(
        '<text class="fa" x="{l}" y="{y}">precision (with 95 % interval)</text><text class="fb" x="{m}" y="{y}">recall</text><text x="{n}" y="{y}">bars: pages recalled</text>'
    ).format(l=_LEFT, m=_LEFT + 220, n=_LEFT + 300, y=_HEIGHT + _TOP + 40)
    return Markup(
        '<svg role="img" aria-label="{words}" viewBox="0 0 {w} {h}" width="{w}">{drawn}{legend}</svg>'
    ).format(words=words, w=_WIDTH, h=_HEIGHT + _TOP + 48, drawn=Markup("").join(drawn), legend=legend)


def _line(name: str, css: str, points: Sequence[tuple[float, Mapping[str, Any]]]) -> Markup:
    known = [(x, row) for x, row in points if row[name] is not None]
    path = " ".join(f"{x:.1f},{_y(row[name]):.1f}" for x, row in known)
    marks = [
        Markup(
            '<line class="{c}" x1="{x:.1f}" x2="{x:.1f}" y1="{a:.1f}" y2="{b:.1f}"/><circle class="f{c}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
            '<text class="f{c}" x="{x:.1f}" y="{t:.1f}" text-anchor="middle">{value}</text>'
        ).format(
            c=css,
            t=_beside(name, row),
            value=_percent(row[name]),
            x=x,
            a=_y(row[f"{name}_low"]),
            b=_y(row[f"{name}_high"]),
            y=_y(row[name]),
        )
        for x, row in known
    ]
    return Markup('<polyline class="{c}" points="{p}"/>').format(c=css, p=path) + Markup("").join(marks)


def _beside(name: str, row: Mapping[str, Any]) -> float:
    """Where the figure stands: off both lines, that of the higher point above its interval, that of the other below."""
    precision, recall = (row[key] if row[key] is not None else -1 for key in ("precision", "recall"))
    above = (name == "precision") == (precision >= recall)
    return _y(row[f"{name}_high"]) - 6 if above else _y(row[f"{name}_low"]) + 15


def _y(share: float) -> float:
    return _TOP + _HEIGHT * (1 - share)


def _rounds(rounds: Sequence[Mapping[str, Any]]) -> Markup:
    counts = ("held out", "seed yes", "seed no", "pages", "recalled", "bytes", "gained", "gained bytes", "domains", "gained domains", "missed")  # fmt: skip
    rows = []
    for row in rounds:
        shares = [_with_interval(row, name) for name in ("precision", "recall")]
        threshold = f"{row['threshold']:.3f} ({row['threshold_by']})"
        numbers = [f"{row[name.replace(' ', '_')]:,}" for name in counts]
        rows.append([str(row["round"]), *shares, threshold, *numbers])
    return _table(("round", "precision", "recall", "threshold", *counts), rows, texts=())


def _with_interval(row: Mapping[str, Any], name: str) -> str:
    if row[name] is None:
        return "not known"
    return f"{row[name]:.1%} ({row[f'{name}_low']:.1%} to {row[f'{name}_high']:.1%})"


def _conflicts(views: Views, topic: str) -> Markup:
    """URL patterns of which authors say different things; nothing where there is none."""
    if not views.has("silver.url_labels"):
        return Markup("")
    found = views.rows(
        "SELECT pattern, label, author, how, statements FROM silver.url_labels WHERE topic = ? AND conflict ORDER BY pattern",
        [topic],
    )
    if not found:
        return Markup("")
    shown = found[:MOST_CONFLICTS]
    rows = [
        [visible(r["pattern"]), "yes" if r["label"] else "no", visible(r["author"]), f"{r['statements']:,}"]
        for r in shown
    ]
    more = f" The first {len(shown)} of {len(found):,}." if len(found) > len(shown) else ""
    said = "Patterns of which authors say different things, with what counts: a person before a model, then the later."
    return Markup("<h3>Conflicts</h3><p class=note>{said}{more}</p>{table}").format(
        said=said, more=more, table=_table(("pattern", "wanted", "says", "statements"), rows, texts=(0, 2))
    )


def _domains(views: Views, topic: str, last: int) -> Markup:
    found = views.rows(
        "SELECT round, domain, pages, recalled, share, missed FROM silver.web_domains d WHERE topic = ? AND related AND NOT EXISTS"
        " (SELECT 1 FROM silver.web_domains b WHERE b.topic = d.topic AND b.domain = d.domain AND b.round = d.round - 1 AND b.related)"
        " AND round <= ? ORDER BY round, pages DESC, domain",
        [topic, last],
    )
    shown = found[:MOST_DOMAINS]
    rows = [
        [str(r["round"]), visible(r["domain"]), f"{r['pages']:,}", f"{r['recalled']:,}", f"{r['share']:.1%}", f"{r['missed']:,}"]
        for r in shown
    ]  # fmt: skip
    more = f" The first {len(shown)} of {len(found):,}." if len(found) > len(shown) else ""
    table = _table(("since round", "domain", "pages", "recalled", "share", "missed"), rows, texts=(1,))
    return Markup("<h3>Related domains</h3><p class=note>With the round that gained them.{more}</p>{table}").format(
        more=more, table=table
    )


def _borderline(views: Views, topic: str, last: int, threshold: float) -> Markup:
    found = views.rows(
        "SELECT s.score, t.url, t.title, left(t.text, ?) AS text FROM silver.web_scores s JOIN silver.web_text t USING (page_id)"
        " WHERE s.topic = ? AND s.round = ? ORDER BY abs(s.score - ?), page_id LIMIT ?",
        [EXCERPT, topic, last, threshold, MOST_BORDERLINE],
    )
    rows = [
        [
            f"{r['score']:.4f}",
            visible(r["url"] or "", 120),
            visible(" ".join(f"{r['title']} | {r['text']}".split()), EXCERPT),
        ]
        for r in found
    ]
    return Markup(
        "<h3>At the threshold</h3><p class=note>Pages whose score is nearest to {limit:.3f}.</p>{table}"
    ).format(limit=threshold, table=_table(("score", "address", "begins"), rows, texts=(1, 2)))


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], texts: Sequence[int]) -> Markup:
    def cells(tag: str, values: Sequence[str]) -> Markup:
        return Markup("").join(
            Markup("<{tag}{css}>{value}</{tag}>").format(
                tag=Markup(tag), css=Markup(" class=t" if n in texts else ""), value=value
            )
            for n, value in enumerate(values)
        )

    body = Markup("").join(Markup("<tr>{}</tr>").format(cells("td", row)) for row in rows)
    return Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(cells("th", heads), body)


def _percent(value: float | None) -> str:
    return "not known" if value is None else f"{value:.1%}"
