"""Decontamination, tokenization and packing beside what people install for them; planted copies found, and false alarms.

usage: python -m tests.bench.gold --benchmarks FOLDER [--mb 120] [--peer-mb 12] [--readme]

Texts are the distinct files of pinned archives (`tests.bench.documents`). Ours and `tokenizers` run in this process on one
thread, the second of two runs counts; other peers run by drivers in environments of their own, over the first megabytes. The
peer of decontamination has one rule, words in sequence, and is compared with ours by words alone. FOLDER holds the problem
files of benchmarks (HumanEval and MBPP among them): copies of each kind are planted in a file and looked for.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from jobs.corpus.benchmarks import Layout, load
from jobs.kernels.contamination import Hit, Index, Item, Setting
from jobs.kernels.encoder import Encoder
from jobs.kernels.packing import METHODS, Document
from lakehouse.config import conf_dir
from lakehouse.tokenizer import TokenizerConfig, _train
from tests.bench import documents
from tests.bench.markdown import about, table, write
from tests.bench.peers.environment import BINPACKING, HERE, PEERS, EnvironmentFailed, Peer, python
from tests.jobs.kernels.copies import KINDS, recall_of

SETTING = Setting(width=10, shortest=5, distinct=4, least_nodes=15)
LENGTH = 4096
VOCABULARY = 8000
TRAINED_ON = 5_000_000  # bytes
DATATROVE = next(peer for peer in PEERS if peer.name == "datatrove")
Row = list[str]


def texts_of(megabytes: float) -> list[tuple[str, str]]:
    """(archive and path, text) of every document."""
    with tempfile.TemporaryDirectory() as folder:
        made = documents.make(megabytes, Path(folder) / "documents")
        tables = [pq.read_table(part.path, columns=["repo", "path", "text"]) for part in made.base]
    rows = pa.concat_tables(tables).to_pylist()
    return [(f"{row['repo']}:{row['path']}", row["text"]) for row in rows]


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of this process, all threads, and what the work gives."""
    work()
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


def size(texts: Sequence[str]) -> int:
    return sum(len(text.encode()) for text in texts)


def first(texts: Sequence[str], megabytes: float) -> list[str]:
    found: list[str] = []
    total = 0
    for text in texts:
        if total >= megabytes * 1e6:
            break
        found.append(text)
        total += len(text.encode())
    return found


def driven(peer: Peer, driver: str, *arguments: object) -> dict[str, Any] | str:
    """What the driver answers, or why it could not."""
    try:
        command = [str(python(peer)), str(HERE / driver), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1800)
    except EnvironmentFailed as error:
        return str(error)
    if done.returncode:
        return done.stderr.strip().splitlines()[-1]
    said: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return said


def decontaminated(
    texts: Sequence[str], index: Index, items: Sequence[Item], peer_mb: float, found: list[Hit]
) -> Iterator[Row]:
    """`found` is filled with the hits of all rules, their rows counted over all texts."""
    batches = [(i, pa.array(texts[i : i + 256], pa.string())) for i in range(0, len(texts), 256)]
    total = size(texts) / 1e6

    def ours() -> list[Hit]:
        return [
            replace(hit, row=start + hit.row)
            for start, batch in batches
            for hit in index.find(batch, entry_points=False)
        ]

    def words_alone() -> int:
        return sum(len({match.row for match in index.sequences.find(batch)}) for _, batch in batches)

    seconds, hits = timed(ours)
    found += hits
    files = len({hit.row for hit in hits})
    yield ["decontaminate, all rules", f"{total / seconds:.0f}", "", f"{files} of {len(texts):,} files hit"]
    seconds, files = timed(words_alone)
    sought = f"{len(index.sequences):,} sequences"
    yield ["decontaminate, words alone", f"{total / seconds:.0f}", "", f"{files} of {len(texts):,} files hit, {sought}"]
    some = first(texts, peer_mb)
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder, "items.json"), Path(folder, "texts.json")
        given[0].write_text(json.dumps([part for item in items for part in item.parts.values()]))
        given[1].write_text(json.dumps(some))
        said = driven(DATATROVE, "datatrove_ngrams_job.py", *given, SETTING.width)
    if isinstance(said, str):
        yield ["decontaminate, peer: datatrove", "", "", said]
        return
    rate = size(some) / 1e6 / said["cpu_seconds"]
    what = f"{said['hits']} of {len(some):,} files hit, {said['sequences']:,} sequences, {size(some) / 1e6:.0f} MB"
    yield [f"decontaminate, peer: datatrove {said['version']}", f"{rate:.2f}", "", what]


def tokenized(texts: Sequence[str], encoder: Encoder, peer_mb: float) -> Iterator[Row]:
    total = size(texts) / 1e6
    seconds, ids = timed(lambda: encoder.encode(pa.array(texts, pa.string())))
    count = len(ids.values)
    said = f"{encoder.vocabulary:,} tokens, {total * 1e6 / count:.2f} bytes a token"
    yield ["tokenize", f"{total / seconds:.1f}", f"{count / seconds / 1e6:.2f}", said]
    peer, some = Encoder(encoder.json), first(texts, peer_mb)  # not known as ours: `tokenizers` encodes
    seconds, other = timed(lambda: peer.encode(pa.array(some, pa.string())))
    same = "yes" if other.equals(ids.slice(0, len(some))) else "NO"
    rates = f"{size(some) / 1e6 / seconds:.1f}", f"{len(other.values) / seconds / 1e6:.2f}"
    yield ["tokenize, peer: tokenizers", *rates, f"the same ids: {same}, {size(some) / 1e6:.0f} MB"]


def packed(ids: pa.ListArray) -> Iterator[Row]:
    whole = [Document(str(i), one.values.to_numpy()) for i, one in enumerate(ids) if len(one)]
    count = sum(map(len, whole))

    def row(what: str, seconds: float, sequences: int) -> Row:
        padding = 100 - 100 * count / (sequences * LENGTH)
        said = f"{sequences:,} sequences of {LENGTH}, padding {padding:.3f} %"
        return [what, f"{4 * count / seconds / 1e6:,.0f}", f"{count / seconds / 1e6:.0f}", said]

    for name, method in METHODS.items():
        seconds, sequences = timed(lambda method=method: [s.input_ids for s in method(whole, LENGTH)])
        yield row(f"pack, {name}", seconds, len(sequences))
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/ids.npy", np.concatenate([one.ids for one in whole]))
        np.save(f"{folder}/sizes.npy", np.array([len(one) for one in whole]))
        said = driven(BINPACKING, "binpacking_job.py", f"{folder}/ids.npy", f"{folder}/sizes.npy", LENGTH)
    if isinstance(said, str):
        yield ["pack, peer: binpacking", "", "", said]
    else:
        yield row(f"pack, peer: binpacking {said['version']}", said["cpu_seconds"], said["sequences"])


def recalled(index: Index, items: Sequence[Item]) -> Iterator[Row]:
    for kind in KINDS:
        shares = [recall_of(index, items, benchmark, kind)[0] for benchmark in ("humaneval", "mbpp")]
        yield [kind, *(f"{share:.3f}" for share in shares)]


def false_alarms(texts: Sequence[tuple[str, str]], hits: Sequence[Hit]) -> Iterator[str]:
    """Per rule, and the files that are hit with the items that most of them name."""
    total, files = sum(len(text.encode()) for _, text in texts), {hit.row for hit in hits}
    yield (
        f"Nobody planted anything in {len(texts):,} files ({total / 1e6:.0f} MB). Hit: {len(files)}"
        f" ({100 * len(files) / len(texts):.2f} %)."
    )
    yield ""
    rows = []
    for rule in ("ngram", "exact", "form"):
        of = [hit for hit in hits if hit.rule == rule]
        items = Counter(f"{hit.benchmark} {hit.item}" for hit in of)
        most = "; ".join(f"{item} ({n})" for item, n in sorted(items.items(), key=lambda pair: (-pair[1], pair[0]))[:3])
        rows.append([rule, str(len({hit.row for hit in of})), str(len(items)), most])
    yield from table(("rule", "files", "items", "most often"), rows)


def main(arguments: Sequence[str]) -> None:
    load_before = os.getloadavg()[0]
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # one thread, as in a worker of Spark
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--benchmarks", type=Path, required=True)
    parser.add_argument("--mb", type=float, default=120)
    parser.add_argument("--peer-mb", type=float, default=12)
    parser.add_argument("--readme", action="store_true", help="put the tables into README.md")
    given = parser.parse_args(arguments)
    layouts = yaml.safe_load((conf_dir() / "benchmarks.yaml").read_text("utf-8"))
    items = load(given.benchmarks, {name: Layout(**said) for name, said in layouts.items()})
    named = texts_of(given.mb)
    texts = [text for _, text in named]
    began = time.process_time()
    index = Index.of(items, SETTING)
    built = time.process_time() - began
    encoder = trained(texts)
    hits: list[Hit] = []
    rows = [*decontaminated(texts, index, items, given.peer_mb, hits), *tokenized(texts, encoder, given.peer_mb)]
    rows += packed(encoder.encode(pa.array(texts, pa.string())))
    command = ["FOLDER" if one == str(given.benchmarks) else one for one in arguments]
    lines = [
        *about("tests.bench.gold", command, load_before),
        f"- Benchmarks: {len(items):,} items; their index is made in {built:.1f} CPU seconds",
        "",
        *table(("what", "MB/CPU-s", "M tokens/CPU-s", "result"), rows),
        "",
        *false_alarms(named, hits),
        "",
        "Share of planted copies that are found:",
        "",
        *table(("copy", "HumanEval", "MBPP"), list(recalled(index, items))),
    ]
    print("\n".join(lines))
    if given.readme:
        write("gold", lines)


def trained(texts: Sequence[str]) -> Encoder:
    config = TokenizerConfig.standard().model_copy(update={"vocabulary": VOCABULARY})
    with tempfile.TemporaryDirectory() as folder:
        _train(iter(first(texts, TRAINED_ON / 1e6)), config).save(f"{folder}/tokenizer.json")
        Path(folder, "codelake.json").write_text("{}")  # what tells our own vocabularies
        return Encoder.load(Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
