"""Decontamination, tokenization and packing: MB and tokens per CPU second of one process, beside what people install for it.

usage: python -m tests.bench.gold [--mb 20] [--benchmarks FOLDER]

Texts are the Python sources of the installed packages and of Python itself. Peers are used where they are installed:
`tokenizers` itself, which encodes foreign vocabularies here too, and `binpacking` for whole documents. The peer of decontamination is the usual one,
a set of word 10-grams per text; it has no other rule, so it is compared with ours by words alone. Without FOLDER the
benchmark items are functions taken from the texts themselves.
"""

from __future__ import annotations

import argparse
import re
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml

from jobs.corpus.benchmarks import Layout, load
from jobs.kernels.contamination import Index, Item, Setting
from jobs.kernels.encoder import Encoder
from jobs.kernels.packing import METHODS, Document
from lakehouse.config import conf_dir
from lakehouse.tokenizer import TokenizerConfig, _train
from tests.bench.markdown import about, table

SETTING = Setting(width=10, shortest=5, distinct=4, least_nodes=15)
LENGTH = 4096
WORD = re.compile(r"\w+")


def sources(megabytes: float) -> list[str]:
    found, size = [], 0
    for path in sorted(Path(sysconfig.get_paths()["purelib"]).rglob("*.py")):
        text = path.read_bytes().decode("utf-8", "replace")
        found.append(text)
        size += len(text)
        if size >= megabytes * 1e6:
            break
    return found


def items(texts: Sequence[str], folder: Path | None) -> list[Item]:
    if folder is not None:
        layouts = yaml.safe_load((conf_dir() / "benchmarks.yaml").read_text("utf-8"))
        return load(folder, {name: Layout(**said) for name, said in layouts.items()})
    functions = [m[0] for text in texts[::7] for m in re.finditer(r"(?m)^def \w+\(.*\n(?:(?:[ \t].*)?\n)+", text)][
        :2000
    ]
    return [Item("own", str(i), {"solution": code}, code) for i, code in enumerate(functions)]


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of this process, all threads, and what the work gives."""
    work()
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


def decontaminated(texts: Sequence[str], known: Sequence[Item]) -> Iterator[list[str]]:
    size = sum(len(text.encode()) for text in texts) / 1e6
    index = Index.of(known, SETTING)
    batches = [pa.array(texts[i : i + 256], pa.string()) for i in range(0, len(texts), 256)]
    grams = set(index.sequences.texts)

    def ours() -> int:
        return sum(len({hit.row for hit in index.find(batch, entry_points=False)}) for batch in batches)

    def words_alone() -> int:
        return sum(len({match.row for match in index.sequences.find(batch)}) for batch in batches)

    def python_set() -> int:
        hits = 0
        for text in texts:
            words = [word.encode() for word in WORD.findall(text.lower())]
            hits += any(b" ".join(words[i : i + 10]) in grams for i in range(len(words) - 9))
        return hits

    for name, work in (("all rules", ours), ("words alone", words_alone), ("peer: set of 10-grams", python_set)):
        seconds, hits = timed(work)
        yield [
            f"decontaminate, {name}",
            f"{size / seconds:.1f}",
            "",
            f"{hits} of {len(texts)} texts hit, {len(grams)} sequences",
        ]


def tokenized(texts: Sequence[str], encoder: Encoder) -> Iterator[list[str]]:
    size = sum(len(text.encode()) for text in texts) / 1e6
    seconds, ids = timed(lambda: encoder.encode(pa.array(texts, pa.string())))
    count = len(ids.values)
    yield [
        "tokenize",
        f"{size / seconds:.1f}",
        f"{count / seconds / 1e6:.2f}",
        f"{encoder.vocabulary} tokens, {size * 1e6 / count:.2f} bytes a token",
    ]
    peer = Encoder(encoder.json)  # not known as ours: `tokenizers` encodes
    seconds, other = timed(lambda: peer.encode(pa.array(texts, pa.string())))
    yield [
        "tokenize, peer: tokenizers",
        f"{size / seconds:.1f}",
        f"{len(other.values) / seconds / 1e6:.2f}",
        f"the same ids: {'yes' if other.equals(ids) else 'NO'}",
    ]


def packed(ids: pa.ListArray) -> Iterator[list[str]]:
    documents = [Document(str(i), one.values.to_numpy()) for i, one in enumerate(ids) if len(one)]
    count = sum(map(len, documents))
    for name, method in METHODS.items():
        seconds, sequences = timed(lambda method=method: [s.input_ids for s in method(documents, LENGTH)])
        yield [
            f"pack, {name}",
            f"{4 * count / seconds / 1e6:.0f}",
            f"{count / seconds / 1e6:.1f}",
            _padding(count, len(sequences)),
        ]
    try:
        import binpacking
    except ImportError:
        yield ["pack, peer: binpacking", "", "", "not installed"]
        return
    pieces = {(d.name, at): min(LENGTH, len(d) - at) for d in documents for at in range(0, len(d), LENGTH)}
    whole = {d.name: d.ids for d in documents}

    def peer() -> list[Any]:
        bins = binpacking.to_constant_volume(dict(pieces), LENGTH)
        return [np.concatenate([whole[name][at : at + LENGTH] for name, at in one]) for one in bins]

    seconds, sequences = timed(peer)
    yield [
        "pack, peer: binpacking",
        f"{4 * count / seconds / 1e6:.0f}",
        f"{count / seconds / 1e6:.1f}",
        _padding(count, len(sequences)),
    ]


def _padding(tokens: int, sequences: int) -> str:
    return f"{sequences} sequences of {LENGTH}, padding {100 - 100 * tokens / (sequences * LENGTH):.2f} %"


def main(arguments: Sequence[str]) -> None:
    import os

    load_before = os.getloadavg()[0]
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # one thread, as in a worker of Spark
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mb", type=float, default=20)
    parser.add_argument("--benchmarks", type=Path)
    given = parser.parse_args(arguments)
    texts = sources(given.mb)
    config = TokenizerConfig.standard().model_copy(update={"vocabulary": 8000})
    with tempfile.TemporaryDirectory() as folder:
        _train(iter(texts[::4]), config).save(f"{folder}/tokenizer.json")
        Path(folder, "codelake.json").write_text("{}")  # what tells our own vocabularies
        encoder = Encoder.load(Path(folder))
    rows = [*decontaminated(texts, items(texts, given.benchmarks)), *tokenized(texts, encoder)]
    rows += packed(encoder.encode(pa.array(texts, pa.string())))
    print("\n".join(about("tests.bench.gold", arguments, load_before)), end="\n\n")
    print("\n".join(table(("what", "MB/CPU-s", "M tokens/CPU-s", "result"), rows)))


if __name__ == "__main__":
    main(sys.argv[1:])
