"""What benchmarks print: Markdown tables, the machine beside every figure, and their place in README.md."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

from lakehouse import java
from lakehouse.session import cache_dir

README = Path(__file__).parent / "README.md"
PACKAGES = ("pyspark", "delta-spark", "deltalake", "pyarrow", "numpy", "numba", "great-expectations", "duckdb")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A Markdown table; all columns but the first to the right."""
    yield f"| {' | '.join(head)} |"
    yield f"|---|{'---:|' * (len(head) - 1)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def about(module: str, arguments: Sequence[str], load: float) -> Iterator[str]:
    """Command, code, versions and machine. `load`: the load average before the first run."""
    installed = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    memory = psutil.virtual_memory().total / 2**30
    yield f"- Command: `{' '.join([f'python -m {module}', *arguments])}`, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    yield f"- Code: {_commit()}; Python {platform.python_version()}, {java.find(cache_dir()).version}, {installed}"
    yield f"- Machine: {_cpu_model()}, {psutil.cpu_count()} cores, {memory:.0f} GiB; load average before: {load:.1f}"


def write(name: str, lines: Sequence[str]) -> None:
    """Replace what stands between the markers of this name in README.md."""
    marks = [f"<!-- {name}: {end} -->" for end in ("begin", "end")]
    before, begin, rest = README.read_text("utf-8").partition(marks[0])
    _, end, after = rest.partition(marks[1])
    if not begin or not end:
        raise SystemExit(f"{README}: expected the lines {marks[0]} and {marks[1]}. Put them where the results belong.")
    README.write_text("\n".join([before + begin, "", *lines, "", end + after]), "utf-8")


def _commit() -> str:
    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True, cwd=README.parent).stdout

    changed = " with changes" if git("status", "--porcelain", "--untracked-files=no").strip() else ""
    return git("rev-parse", "--short=10", "HEAD").strip() + changed


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
