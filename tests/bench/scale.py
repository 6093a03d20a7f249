"""Does ten times the input cost ten times the work? CPU seconds of every step of curation at one size and at ten times it.

usage: python -m tests.bench.scale [--mb 20] [--times 10] [--readme]

Each step runs in a process of its own (those of `tests.bench.curation` and `tests.bench.signals`); its clock runs over
the work alone, so no fixed cost flatters the larger size. The figure is CPU seconds at the larger size per CPU second at
the smaller one, scaled to exactly ten times the bytes. Aim: at most 10.5.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench import curation, documents, markdown, signals
from tests.bench.usage import measure

MODULES = {
    "tests.bench.curation": {name: step[0] for name, step in curation.STEPS.items() if not step[2]},
    "tests.bench.signals": {name: step[0] for name, step in signals.STEPS.items() if not step[2]},
}


def spent(module: str, step: str, mb: float, folder: Path) -> tuple[float, float, float]:
    """(MB, CPU seconds, peak MB) of a step."""
    usage = measure([sys.executable, "-m", module, "--one", step, "--mb", str(mb), "--folder", str(folder)])
    said = json.loads(usage.output)
    return said["mb"], said["cpu"], usage.peak_mb


def measured(mb: float, times: float, folder: Path) -> Iterator[list[str]]:
    for module, steps in MODULES.items():
        for name, about in steps.items():
            (small_mb, small, small_peak), (large_mb, large, large_peak) = (
                spent(module, name, size, folder) for size in (mb, mb * times)
            )
            ratio = large / max(small, 1e-9) * times / (large_mb / small_mb)
            yield [
                about, f"{small_mb:.1f}", f"{small:.2f}", f"{large_mb:.1f}", f"{large:.2f}", f"{ratio:.2f}",
                f"{small_peak:,.0f}", f"{large_peak:,.0f}",
            ]  # fmt: skip


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mb", type=float, default=20, help="of texts, the smaller size")
    parser.add_argument("--times", type=float, default=10, help="how much larger the larger one is")
    parser.add_argument("--readme", action="store_true", help="put the table into README.md")
    given = parser.parse_args(argv)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as work:
        documents.make(given.mb * given.times, Path(work))
        rows = list(measured(given.mb, given.times, Path(work)))
    head = ["step", "MB", "CPU-s", "MB", "CPU-s", f"CPU for {given.times:g} x the bytes", "peak MB", "peak MB"]
    lines = [
        *markdown.about("tests.bench.scale", [f"--mb {given.mb:g} --times {given.times:g}"], load),
        "",
        *markdown.table(head, rows),
    ]
    print("\n".join(lines))
    if given.readme:
        markdown.write("scale", lines)


if __name__ == "__main__":
    main()
