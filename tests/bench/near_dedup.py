"""Near-duplicates: ours beside datasketch, rensa, gaoya and datatrove over the same real documents.

    python -m tests.bench.near_dedup --mb 250 --write

Signatures alone and the whole job, documents in and clusters out, at 256 and 2048 permutations; then what 1 % more
documents cost. Every run is a process of its own. Slow tools get fewer MB: compare MB per CPU-second. Prints Markdown;
`--write` puts it into README.md beside this file. Environments of the tools are made on first use (about a minute).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from os import getloadavg
from pathlib import Path

from lakehouse.lake import Lake
from tests.bench import near_dedup_runs as runs
from tests.bench.corpus import Archive
from tests.bench.documents import Documents, count, make, size
from tests.bench.lake_jobs import Built, run
from tests.bench.markdown import about, table, write
from tests.bench.near_dedup_runs import COMPARED, DEFAULT, JOBS, PAPER, PLAIN, Kernel, Match, Whole
from tests.bench.peers.environment import PEERS, Peer, python

SHOWN = 12  # matches of new documents that are printed one by one


def _mb(size: float) -> str:
    return f"{size / 1e6:.1f}"


def kernel_table(measured: Sequence[Kernel]) -> Iterator[str]:
    rows = [
        (
            *(k.tool, f"{k.permutations}", _mb(k.size), f"{k.seconds:.2f}", f"{k.cpu_seconds:.2f}"),
            *(f"{k.size / 1e6 / k.seconds:.1f}", f"{k.size / 1e6 / k.cpu_seconds:.1f}", f"{k.peak_mb:.0f}"),
        )
        for k in measured
    ]
    yield from table(("tool", "permutations", "MB", "s", "CPU-s", "MB/s", "MB/CPU-s", "peak MB (PSS)"), rows)


def whole_table(measured: Sequence[Whole]) -> Iterator[str]:
    rows = [
        (
            *(w.tool, f"{w.permutations}", _mb(w.size), f"{w.seconds:.1f}", f"{w.cpu_seconds:.1f}"),
            *(f"{w.size / 1e6 / w.seconds:.1f}", f"{w.size / 1e6 / w.cpu_seconds:.1f}", f"{w.peak_mb:.0f}"),
            *(f"{w.worker_mb:.0f}" if w.worker_mb else "", f"{w.documents:,}", f"{w.duplicates:,}"),
        )
        for w in measured
    ]
    head = ("tool", "permutations", "MB", "s", "CPU-s", "MB/s", "MB/CPU-s", "peak MB (PSS)", "of one Python worker")
    yield from table((*head, "documents", "duplicates"), rows)


def jobs_table(builds: Sequence[tuple[str, Built]]) -> Iterator[str]:
    """Seconds and CPU seconds of each job, one build beside the other."""
    rows = []
    for name in JOBS:
        found = [built.run(name) for _, built in builds]
        rows.append((name, *(_both(run["seconds"], run["cpu_seconds"]) if run else "did not run" for run in found)))
    rows.append(("from plan to end", *(_both(_seconds(built), built.cpu_seconds) for _, built in builds)))
    yield from table(("s / CPU-s", *(title for title, _ in builds)), rows)


def _both(seconds: float, cpu: float) -> str:
    return f"{seconds:.1f} / {cpu:.1f}"


def _seconds(built: Built) -> float:
    return (built.ended - built.started).total_seconds()


def increment_line(kind: str, full: Built, lone: Built, added: Built) -> str:
    """What 1 % more costs: as it is, and without what a build costs that has one file to look at."""
    more, of_all = added.cpu_seconds - lone.cpu_seconds, full.cpu_seconds - lone.cpu_seconds
    beyond = f"{100 * more / of_all:.1f} %" if of_all > 0 else "not to be told"
    return (
        f"- {kind}: {added.cpu_seconds:.1f} CPU-s of the {full.cpu_seconds:.1f} that everything cost"
        f" ({100 * added.cpu_seconds / full.cpu_seconds:.0f} %). One file costs {lone.cpu_seconds:.1f}; beyond that fixed"
        f" cost it is {more:.1f} of {of_all:.1f} ({beyond})."
    )


def match_lines(matches: Sequence[Match], new: int) -> Iterator[str]:
    kept = sum(match.duplicate_of is None for match in matches)
    old = sum(not match.nearest_is_new for match in matches)
    yield (
        f"Of the {new} new documents {len(matches)} are in a cluster, {old} of them nearest to a document that was there;"
        f" {len(matches) - kept} are duplicates and {kept} survive in place of others. The first of each cluster:"
    )
    yield ""
    one_each = {match.duplicate_of or match.content_id: match for match in reversed(matches)}
    rows = [
        (
            f"{match.content_id[:12]} `{match.where}`",
            f"{match.nearest[:12]} `{match.nearest_where}`",
            f"{match.jaccard:.4f}",
            match.duplicate_of[:12] if match.duplicate_of else "survives",
        )
        for match in sorted(one_each.values(), key=lambda match: match.content_id)[:SHOWN]
    ]
    yield from table(("new document", "nearest", "Jaccard", "duplicate of"), rows)


def corpus_lines(documents: Documents) -> Iterator[str]:
    archives: Sequence[Archive] = documents.archives
    yield (
        f"- Documents: {count(documents.base):,} distinct texts, {_mb(size(documents.base))} MB, out of {len(archives)}"
        " archives that are pinned in corpus.yaml"
    )


def chosen(without: Sequence[str]) -> tuple[Peer, ...]:
    names = [peer.name for peer in PEERS]
    if unknown := sorted(set(without) - set(names)):
        raise SystemExit(f"--without {unknown[0]}: no such tool. Allowed: {', '.join(names)}.")
    return tuple(peer for peer in PEERS if peer.name not in without)


def say(text: str) -> None:
    print(f"-- {text}", file=sys.stderr, flush=True)


def compared(documents: Documents, peers: Sequence[Peer], work: Path) -> tuple[list[Kernel], list[Whole]]:
    kernels = [runs.own_kernel(documents, permutations) for permutations in COMPARED]
    wholes: list[Whole] = []
    for permutations in COMPARED:
        for peer in peers:
            say(f"{peer.name}, {permutations} permutations")
            kernels += runs.kernel(peer, documents, permutations, work)
            wholes += runs.whole(peer, documents, permutations, work)
    return kernels, wholes


def ours(documents: Documents, work: Path) -> tuple[list[Whole], list[str]]:
    """The rows of the whole job, and the sections on the jobs and the increment."""
    base, one, added = documents.base, documents.one, documents.added
    say("codelake: ingest, exact copies, languages and notices")
    lakes = {DEFAULT: Lake(str(work / "lake"))}
    run([runs.ingesting(lakes[DEFAULT], base)])
    runs.check_taken_in(lakes[DEFAULT], base)
    lakes |= {permutations: runs.copied(lakes[DEFAULT], work / f"lake-{permutations}") for permutations in COMPARED}
    warm_up, warm = (runs.copied(lakes[DEFAULT], work / name) for name in ("warm-up", "warm"))
    first, rows = {}, []
    for permutations, lake in lakes.items():
        say(f"codelake, {permutations} permutations")
        first[permutations] = run([runs.deduplicating(lake, permutations)])
        rows += runs.own_whole(first[permutations], lake, documents, permutations)
    lake, cold = lakes[DEFAULT], [first[DEFAULT].steps[0]]
    again = runs.build_again(lake)
    say("codelake: one file more, 1 % more")
    for folders in ([base, one], [base, one, added]):
        run([runs.ingesting(lake, *folders)])
        cold += run([runs.deduplicating(lake, DEFAULT)]).steps
    runs.check_taken_in(lake, base, one, added)
    say("codelake: the same in a session that is warm")
    steps = []
    for copy in (warm_up, warm):
        steps.append(runs.deduplicating(copy, DEFAULT))
        for folders in ([base, one], [base, one, added]):
            steps += [runs.ingesting(copy, *folders), runs.deduplicating(copy, DEFAULT)]
    hot = run(steps).steps[5::2]
    titles = (f"{DEFAULT}", "one file more", "1 % more")
    builds = [(f"{permutations}", first[permutations].steps[0]) for permutations in (PLAIN, PAPER)]
    builds += [*zip(titles, cold, strict=True), *zip((f"warm: {title}" for title in titles), hot, strict=True)]
    lines = ["### Ours by job", "", *jobs_table(builds), ""]
    lines.append(f"Nothing new: `codelake build` takes {_both(again.seconds, again.cpu_seconds)}, no job runs.")
    share = f"{count(added)} documents, {_mb(size(added))} MB, {100 * size(added) / size(base):.2f} % of what was there"
    lines += ["", "### 1 % more documents", "", f"{share}:", "", increment_line("a process of its own", *cold)]
    lines += [increment_line("a warm session", *hot), "", *match_lines(runs.matches(lake, added), count(added))]
    return rows, lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mb", type=float, default=250, help="size of the corpus, 10^6 bytes of distinct texts")
    parser.add_argument("--without", action="append", default=[], metavar="TOOL", help="leave a tool out; repeatable")
    parser.add_argument("--write", action="store_true", help="put the result into README.md")
    args = parser.parse_args()
    peers, load = chosen(args.without), getloadavg()[0]
    for peer in peers:
        python(peer)
    with tempfile.TemporaryDirectory(prefix="codelake-bench-") as work:
        documents = make(args.mb, Path(work) / "documents")
        kernels, wholes = compared(documents, peers, Path(work))
        own, sections = ours(documents, Path(work))
    lines = [*about("tests.bench.near_dedup", sys.argv[1:], load), *corpus_lines(documents), ""]
    lines += ["### Signatures alone", "", *kernel_table(sorted(kernels, key=lambda k: k.permutations)), ""]
    lines += ["### The whole job: documents in, clusters out", ""]
    lines += [*whole_table(sorted([*own, *wholes], key=lambda w: w.permutations)), "", *sections]
    print("\n".join(lines))
    if args.write:
        write("near_dedup", lines)


if __name__ == "__main__":
    main()
