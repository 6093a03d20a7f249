"""The picture of two corpora as one HTML page that loads nothing, and as an SVG of its own.

Whatever comes from texts is escaped, and hidden characters are written out.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from jobs.pictures.clouds import Picture
from lakehouse.shown import visible

WIDTH, HEIGHT, MARGIN = 760, 560, 40
EXCERPT = 120  # characters of an outlier
COLOURS = ("#d1670b", "#1f6fa8")  # told apart by the colour-blind, on white and on black

_STYLE = """
:root { color-scheme: light dark; } body { margin: 0 auto; max-width: 64rem; padding: 1rem 1.25rem 3rem; font: 15px/1.5 system-ui, sans-serif; }
table { border-collapse: collapse; display: block; overflow-x: auto; } td, th { padding: .2rem .6rem; border-bottom: 1px solid #8886; text-align: right; }
td.t, th.t { text-align: left; overflow-wrap: anywhere; } .note { max-width: 46rem; opacity: .8; } svg { max-width: 100%; height: auto; background: #fff; }
"""


def write(found: Picture, path: Path, how: str) -> Path:
    """The page at `path` and the picture beside it as .svg. `how`: what made the points."""
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = svg(found)
    path.with_suffix(".svg").write_text(drawn, "utf-8")
    path.write_text(_page(found, drawn, how), "utf-8")
    return path


def svg(found: Picture) -> Markup:
    """Points of both corpora, the first below; outliers ringed and numbered as in the list."""
    at = _scaled(found.points)
    first = found.clouds[0].texts
    dots = [
        Markup('<circle cx="{:.1f}" cy="{:.1f}" r="2.6" fill="{}" fill-opacity=".55"/>').format(
            x, y, COLOURS[n >= first]
        )
        for n, (x, y) in enumerate(at)
    ]
    for one, place in zip(found.outliers, found.where, strict=True):
        x, y = at[place]
        ring = '<circle cx="{:.1f}" cy="{:.1f}" r="6" fill="none" stroke="{}" stroke-width="1.2"/><text x="{:.1f}" y="{:.1f}" font-size="10">{}</text>'
        dots.append(Markup(ring).format(x, y, COLOURS[one.corpus], x + 8, y - 4, one.rank))
    legend = [
        Markup('<circle cx="{}" cy="{y}" r="5" fill="{}"/><text x="{}" y="{t}" font-size="13">{}</text>').format(
            MARGIN + 6, COLOURS[n], MARGIN + 18, f"{cloud.name}: {cloud.texts:,} texts", y=18 + 20 * n, t=22 + 20 * n
        )
        for n, cloud in enumerate(found.clouds)
    ]
    axes = [
        Markup('<text x="{}" y="{}" text-anchor="end" font-size="12">{}</text>').format(
            WIDTH - MARGIN, HEIGHT - 12, f"first component, {found.explained[0]:.1%} of the variance"
        ),
        Markup('<text x="14" y="{y}" font-size="12" transform="rotate(-90 14 {y})">{}</text>').format(
            f"second component, {found.explained[1]:.1%}", y=HEIGHT - MARGIN
        ),
    ]
    frame = Markup('<rect x="{m}" y="56" width="{w}" height="{h}" fill="none" stroke="#bbb"/>').format(
        m=MARGIN, w=WIDTH - 2 * MARGIN, h=HEIGHT - 56 - MARGIN
    )
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img" '
        'aria-label="two corpora in the plane of their principal components" font-family="sans-serif" fill="#1d2329">'
        '<rect width="{w}" height="{h}" fill="#fff"/>{frame}{drawn}</svg>'
    ).format(w=WIDTH, h=HEIGHT, frame=frame, drawn=Markup("").join([*legend, *axes, *dots]))


def _scaled(points: npt.NDArray[np.float64]) -> list[tuple[float, float]]:
    """Both axes with the same scale, so that a distance is a distance."""
    low, high = points.min(0), points.max(0)
    room = np.array([WIDTH - 2 * MARGIN - 24, HEIGHT - 56 - MARGIN - 24])
    scale = float((room / np.maximum(high - low, 1e-9)).min())
    centre = np.array([WIDTH / 2, (56 + HEIGHT - MARGIN) / 2])
    moved = (points - (low + high) / 2) * scale * np.array([1, -1]) + centre
    return [(float(x), float(y)) for x, y in moved]


def _page(found: Picture, drawn: Markup, how: str) -> str:
    clouds = Markup("").join(
        Markup('<tr><td class="t">{}</td><td>{:,}</td><td>{:.3f}</td><td>{}</td></tr>').format(
            c.name, c.texts, c.spread, c.outliers
        )
        for c in found.clouds
    )
    rows = Markup("").join(
        Markup(
            '<tr><td>{}</td><td class="t">{}</td><td>{:.3f}</td><td>{:,}</td><td class="t">{}</td><td class="t"><code>{}</code></td></tr>'
        ).format(
            one.rank,
            found.clouds[one.corpus].name,
            one.remoteness,
            len(one.text.text.encode()),
            visible(one.text.place),
            visible(" ".join(one.text.text[:1000].split()), EXCERPT),
        )
        for one in found.outliers
    )
    return Markup(
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Two corpora</title>'
        "<style>{style}</style></head><body><h1>Two corpora</h1><p class=note>Points: {how}. Spread is the mean squared"
        " distance of a corpus to its own centre. Outliers are the texts whose fifth nearest neighbour, of either corpus,"
        " is farthest (1 - cosine).</p>{drawn}<table><tr><th class=t>corpus</th><th>texts</th><th>spread</th><th>of the"
        " outliers</th></tr>{clouds}</table><h2>Outliers</h2><table><tr><th>no.</th><th class=t>corpus</th><th>remoteness</th>"
        "<th>bytes</th><th class=t>file</th><th class=t>begins</th></tr>{rows}</table></body></html>"
    ).format(style=Markup(_STYLE), how=how, drawn=drawn, clouds=clouds, rows=rows)
