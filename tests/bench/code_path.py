"""The code path end to end over real archives: what each job costs, and whether work is proportional to what changed.

    python -m tests.bench.code_path --mb 250 --write

Four builds, each `codelake build` in a process of its own: an empty lake; the same again; one threshold changed; one
small archive added. Prints Markdown; `--write` puts it into README.md beside this file. Ends with 1 when a build did
work that it should not have: times are reported, not judged, as they are the machine's.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import getloadavg
from pathlib import Path
from typing import Any

import yaml

from lakehouse import ledger, ops
from lakehouse.lake import Lake
from lakehouse.registry import graph
from lakehouse.report.funnel import Funnel, funnel
from tests.bench import corpus
from tests.bench.corpus import Archive
from tests.bench.markdown import README, about, table, write
from tests.bench.usage import Usage, measure

THRESHOLD = "code.decide.rules.types.code.long_line.above=900"  # 1000 in conf/filters/codelake-1.yaml
AGAIN_SECONDS = 10


@dataclass(frozen=True)
class Build:
    """One `codelake build`: what it used, its rows in `ops.runs`, the tables whose version moved, the load before it."""

    usage: Usage
    runs: tuple[Mapping[str, Any], ...]
    moved: tuple[str, ...]
    load: float

    def run(self, job: str) -> Mapping[str, Any] | None:
        return next((run for run in self.runs if run["job"] == job), None)


class Bench:
    """Builds one lake again and again. `root`: an empty folder."""

    def __init__(self, root: Path, work: Path) -> None:
        self.lake, self._work = Lake(str(root)), work
        self._tables = [table for table in graph().tables if table is not ops.quarantine]

    def build(self, archives: Sequence[Archive], *overrides: str) -> Build:
        conf = self._work / "sources.yaml"
        conf.write_text(yaml.safe_dump({"code": {"ingest": {"sources": [_source(archive) for archive in archives]}}}))
        known = {run["run_id"] for run in ledger.runs(self.lake)}
        before, load = self._versions(), getloadavg()[0]
        command = [str(Path(sys.executable).with_name("codelake")), "build"]
        command += [f"--lake={self.lake.root}", f"--conf={conf}", *(f"--set={override}" for override in overrides)]
        usage = measure(command)
        after = self._versions()
        runs = tuple(run for run in ledger.runs(self.lake) if run["run_id"] not in known)
        return Build(usage, runs, tuple(name for name in after if after[name] != before[name]), load)

    def _versions(self) -> dict[str, int | None]:
        return {table.name: self.lake.version(table) for table in self._tables}


def _source(archive: Archive) -> dict[str, str]:
    return {"name": archive.label, "kind": "archive", "location": str(archive.path), "repo": archive.name}


# ---- what is printed


def _rate(size: float, per: float) -> str:
    return f"{size / 1e6 / per:.1f}" if size and per else ""


def whole_table(build: Build) -> Iterator[str]:
    """Per job and for the whole build. Bytes are what the job says it looked at; a job that does not say has none."""
    rows = []
    for run in build.runs:
        peak = build.usage.peak_between(run["started_at"], run["ended_at"])
        rows.append(
            _row(run["job"], run["seconds"], run["cpu_seconds"], run["bytes_in"], peak, f"{run['peak_mb']:.0f}")
        )
    read = build.runs[0]["bytes_in"]
    used = build.usage
    rows.append(_row("**whole build**", used.seconds, used.cpu_seconds, read, used.peak_mb, ""))
    between = used.seconds - sum(run["seconds"] for run in build.runs)
    yield from table(("job", "s", "CPU-s", "MB", "MB/s", "MB/CPU-s", "peak MB (PSS)", "peak MB (RSS)"), rows)
    yield ""
    yield f"Of the whole, {between:.1f} s are no job's: start, plan and end."


def _row(name: str, seconds: float, cpu: float, size: float, peak: float, resident: str) -> tuple[str, ...]:
    megabytes = f"{size / 1e6:.1f}" if size else ""
    return (
        *(name, f"{seconds:.1f}", f"{cpu:.1f}", megabytes),
        *(_rate(size, seconds), _rate(size, cpu), f"{peak:.0f}", resident),
    )


def again_lines(build: Build) -> Iterator[str]:
    kept = "kept" if build.usage.seconds < AGAIN_SECONDS else "not kept"
    yield (
        f"{build.usage.seconds:.1f} s, {build.usage.cpu_seconds:.1f} CPU-s, {len(build.runs)} jobs ran, "
        f"{len(build.moved)} commits. Aim: under {AGAIN_SECONDS} s ({kept}), no commit."
    )


def change_table(build: Build, first: Build) -> Iterator[str]:
    """What ran after a change, beside the same job's figures in the first build."""
    rows = []
    for run in build.runs:
        before = first.run(run["job"])
        whole = before["bytes_in"] if before else 0
        share = f"{100 * run['bytes_in'] / whole:.1f} %" if whole else ""
        rows.append(
            (
                *(run["job"], f"{run['seconds']:.1f}", f"{before['seconds']:.1f}" if before else ""),
                *(f"{run['cpu_seconds']:.1f}", f"{before['cpu_seconds']:.1f}" if before else ""),
                *(f"{run['bytes_in'] / 1e6:.2f}" if whole else "", share, f"{run['rows_out']:,}"),
            )
        )
    used = build.usage
    rows.append(
        (
            *("**whole build**", f"{used.seconds:.1f}", f"{first.usage.seconds:.1f}"),
            *(f"{used.cpu_seconds:.1f}", f"{first.usage.cpu_seconds:.1f}", "", "", ""),
        )
    )
    yield from table(("job", "s", "first", "CPU-s", "first", "MB in", "of first", "rows changed"), rows)


def funnel_table(counted: Funnel) -> Iterator[str]:
    rows = [
        (step.left, f"{step.out.files:,}", f"{step.out.bytes / 1e6:.1f}", step.why, f"{step.dropped.files:,}")
        for step in counted.steps
        if step.out is not None and step.dropped is not None
    ]
    yield from table(("left", "files", "MB", "dropped as", "files"), rows)


def header(archives: Sequence[Archive], arguments: Sequence[str], load: float) -> Iterator[str]:
    yield from about("tests.bench.code_path", arguments, load)
    yield corpus_line(archives)


def corpus_line(archives: Sequence[Archive]) -> str:
    kinds = [archive.kind for archive in archives]
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    total = sum(archive.bytes for archive in archives) / 1e6
    return f"- Corpus: {total:.1f} MB of files in {len(archives)} archives ({counts}), pinned in corpus.yaml"


def report(
    first: Build, again: Build, threshold: Build, added: Build, extra: Archive, counted: Funnel
) -> Iterator[str]:
    """The sections, one per build; each says the load average before it, as other work slows it down."""
    yield from ["### An empty lake", "", *whole_table(first), ""]
    yield from [f"### The same build again (load {again.load:.1f})", "", *again_lines(again), ""]
    yield from [f"### `--set {THRESHOLD}` (load {threshold.load:.1f})", "", *change_table(threshold, first), ""]
    title = f"### {extra.kind} {extra.name} {extra.version} added, {extra.bytes / 1e6:.1f} MB (load {added.load:.1f})"
    yield from [title, "", *change_table(added, first), ""]
    yield from ["### Files", "", *funnel_table(counted)]


def faults(again: Build, threshold: Build) -> list[str]:
    """Work that was done and should not have been."""
    found = []
    if again.moved or again.runs:
        ran = ", ".join(run["job"] for run in again.runs)
        found.append(f"the second build ran {ran or 'no job'} and committed to {', '.join(again.moved) or 'no table'}")
    allowed = {job.name for job in graph().select(["code.decide+"])}
    if other := [run["job"] for run in threshold.runs if run["job"] not in allowed]:
        found.append(f"a changed threshold ran {', '.join(other)}; allowed: {', '.join(sorted(allowed))}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mb", type=float, default=250, help="least size of the corpus, 10^6 bytes of files")
    parser.add_argument("--lake", type=Path, help="empty folder for the lake, kept; else a temporary one")
    parser.add_argument("--write", action="store_true", help=f"put the result into {README.name}")
    args = parser.parse_args()
    if args.lake is not None and args.lake.exists() and any(args.lake.iterdir()):
        raise SystemExit(
            f"--lake {args.lake}: the folder is not empty. The first build starts from nothing: name another."
        )
    archives, (_, extra) = corpus.chosen(args.mb), corpus.pinned()
    corpus.fetch([*archives, extra])
    with tempfile.TemporaryDirectory(prefix="codelake-bench-") as work:
        bench = Bench(args.lake or Path(work) / "lake", Path(work))
        first = bench.build(archives)
        again = bench.build(archives)
        counted = funnel(bench.lake)
        threshold = bench.build(archives, THRESHOLD)
        added = bench.build([*archives, extra], THRESHOLD)
    lines = [*header(archives, sys.argv[1:], first.load), "", *report(first, again, threshold, added, extra, counted)]
    print("\n".join(lines))
    if args.write:
        write("code_path", lines)
    if found := faults(again, threshold):
        raise SystemExit("\n".join(found))


if __name__ == "__main__":
    main()
