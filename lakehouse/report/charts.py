"""Pictures as inline SVG. Geometry is in per cent, text in pixels: a picture fits any width and its words stay readable.

Colours come from the page's style by class; place and words say the same, so that no picture needs them. Every argument
that is text is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from markupsafe import Markup

from lakehouse.report.funnel import Amount, Step
from lakehouse.shown import count, size

LABEL, BAR, NECK = 24, 22, 56  # pixels: the words above the first bar, a bar, what joins it to the next


def funnel(steps: Sequence[Step]) -> Markup:
    """Files to the left of the axis, bytes to the right, each to its own scale.

    A bar is what a step left over; it joins the next one by a slope, and what lies beside the slope was dropped. A bar
    that is longer than the picture is marked as torn off.
    """
    done = [step for step in steps if step.out is not None]
    if not done or done[0].out is None:
        return Markup("")
    whole = _scale(done)
    height = LABEL + len(done) * (BAR + NECK) - NECK + 2
    drawn = Markup("").join(_step(i, step, whole, done[i - 1].out if i else None) for i, step in enumerate(done))
    return Markup(
        '<svg class="funnel" role="img" aria-label="{label}" width="100%" height="{height}">{drawn}</svg>'
    ).format(label=_spoken(done), height=height, drawn=drawn)


def _scale(steps: Sequence[Step]) -> Amount:
    """What fills the width: what was found, but not more than twice what was taken in.

    A single dump over the cap can outweigh everything else; to its scale, no other bar would be seen.
    """
    found, taken = (step.out or Amount() for step in steps[:2])
    return Amount(min(found.files, 2 * taken.files) or found.files, min(found.bytes, 2 * taken.bytes) or found.bytes)


def _step(nth: int, step: Step, whole: Amount, before: Amount | None) -> Markup:
    out, top = step.out or Amount(), LABEL + nth * (BAR + NECK)
    left, right = _half(out.files, whole.files), _half(out.bytes, whole.bytes)
    bar = Markup(
        '<rect class="kept" x="{x}%" width="{width}%" y="{y}" height="{height}"/>'
        '<line class="axis" x1="50%" x2="50%" y1="{y}" y2="{end}"/>'
    ).format(x=_n(50 - left), width=_n(left + right), y=top, height=BAR, end=top + BAR)
    torn = Markup('<text class="torn" x="{x}%" y="{y}">//</text>')
    for longer, x in ((out.files > whole.files, 1.5), (out.bytes > whole.bytes, 98.5)):
        bar += torn.format(x=x, y=top + BAR - 6) if longer else Markup("")
    words = Markup(
        '<text class="count" x="0" y="{y}">{files} files</text><text class="name" x="50%" y="{y}">{name}</text>'
        '<text class="count end" x="100%" y="{y}">{bytes}</text>'
    ).format(y=top - 8, files=count(out.files), name=step.left, bytes=size(out.bytes))
    if before is None:
        return bar + words
    return _neck(top - NECK, before, out, whole) + bar + words + _loss(top - NECK, step)


def _neck(y: int, before: Amount, out: Amount, whole: Amount) -> Markup:
    """The slopes between two bars. A picture in the picture, stretched, because a polygon knows no per cent."""
    a, b = 50 - _half(before.files, whole.files), 50 + _half(before.bytes, whole.bytes)
    c, d = 50 - _half(out.files, whole.files), 50 + _half(out.bytes, whole.bytes)
    shapes = [("neck", [(a, 0), (b, 0), (d, NECK), (c, NECK)])]
    shapes += [("lost", [(x, 0), (x, NECK), (z, NECK)]) for x, z in ((a, c), (b, d)) if abs(z - 50) < abs(x - 50)]
    polygon = Markup('<polygon class="{kind}" points="{points}"/>')
    drawn = Markup("").join(
        polygon.format(kind=kind, points=" ".join(f"{_n(x)},{y_}" for x, y_ in points)) for kind, points in shapes
    )
    return Markup(
        '<svg x="0" y="{y}" width="100%" height="{height}" viewBox="0 0 100 {height}" preserveAspectRatio="none">'
        "{drawn}</svg>"
    ).format(y=y, height=NECK, drawn=drawn)


def _loss(y: int, step: Step) -> Markup:
    dropped, why = step.dropped or Amount(), step.why
    if dropped == Amount():
        return Markup("")
    said = [f"− {count(dropped.files)} {why}" if dropped.files else f"− {why}" if dropped.bytes > 0 else f"+ {why}"]
    said.append(size(abs(dropped.bytes)))
    return Markup('<text class="loss" x="50%" y="{y}">{said}</text>').format(y=y + 22, said=" · ".join(said))


def _spoken(steps: Iterable[Step]) -> str:
    return "Funnel: " + "; ".join(
        f"{step.left} {count(step.out.files)} files, {size(step.out.bytes)}" for step in steps if step.out is not None
    )


def _half(part: int, whole: int) -> float:
    """Per cent of the width for one side; the axis is in the middle."""
    return 50 * min(1.0, max(0.0, part / whole)) if whole else 0.0


def columns(bins: Mapping[str, int], *, label: str) -> Markup:
    """A column per bin, its count on top, its name below."""
    if not bins:
        return Markup("")
    tallest, slot, height = max(bins.values()) or 1, 100 / max(len(bins), 6), 120
    column = Markup(
        '<rect class="kept" x="{x}%" width="{width}%" y="{y}" height="{tall}"/>'
        '<text class="name" x="{mid}%" y="{above}">{count}</text><text class="tick" x="{mid}%" y="{below}">{name}</text>'
    )
    drawn = Markup("").join(
        column.format(
            x=_n(i * slot + slot / 8),
            width=_n(slot * 3 / 4),
            y=_n(20 + height - tall),
            tall=_n(tall),
            mid=_n((i + 0.5) * slot),
            above=_n(15 + height - tall),
            count=count(number),
            below=20 + height + 17,
            name=name,
        )
        for i, (name, number) in enumerate(bins.items())
        for tall in [max(1.0 if number else 0.0, height * number / tallest)]
    )
    return Markup(
        '<svg class="columns" role="img" aria-label="{label}" width="100%" height="{total}">{drawn}'
        '<line class="axis" x1="0" x2="{end}%" y1="{base}" y2="{base}"/></svg>'
    ).format(label=label, total=20 + height + 24, drawn=drawn, end=_n(slot * len(bins)), base=20 + height)


def bar(part: float, whole: float, of: float, *, kind: str = "kept") -> Markup:
    """A bar for a table's cell: `part` solid on `whole` pale, both out of `of`. The number stands beside it as text."""
    widths = [(f"{kind} pale", whole), (kind, part)] if whole > part else [(kind, part)]
    rect = Markup('<rect class="{kind}" width="{width}%" height="10"/>')
    drawn = Markup("").join(
        rect.format(kind=name, width=_n(min(100.0, 100 * value / of))) for name, value in widths if of > 0 and value > 0
    )
    return Markup('<svg class="bar" aria-hidden="true" width="100%" height="10">{}</svg>').format(drawn)


def doubling(sizes: Mapping[int, int]) -> dict[str, int]:
    """Counts by size in bins that double: 2, 3, 4, 5–8, 9–16, ...; empty bins in between are kept."""
    if not sizes:
        return {}
    limits = [2, 3, 4]
    while limits[-1] < max(sizes):
        limits.append(2 * limits[-1])
    bins = {}
    low = 2
    for high in limits:
        name = str(high) if high == low else f"{count(low)}–{count(high)}"
        bins[name] = sum(number for size_, number in sizes.items() if low <= size_ <= high)
        low = high + 1
    while bins and not bins[next(reversed(bins))]:
        bins.popitem()
    return bins


def _n(number: float) -> str:
    """A coordinate with at most three decimals."""
    return f"{number:.3f}".rstrip("0").rstrip(".")
