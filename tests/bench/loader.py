"""Reading packed sequences for training, beside Hugging Face datasets and mosaicml-streaming, in one run.

    python -m tests.bench.loader --tokens 100000000

Writes one synthetic table (sequences of 4,096 Zipf-distributed ids, row groups of 1,024, zstd) as Delta and as MDS into a
temporary folder. Each reader is a process of its own and reads every token once, shuffled where it can, into int64
batches of 8. Ours also makes positions and labels. Peers are installed with uv into an environment of their own, because
mosaicml-streaming wants an older numpy: the command `uv` is needed, and about 2 GB.

Steady: tokens per second after the first batch. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

LENGTH, GROUP, FILES, BATCH = 4096, 1024, 8, 8
IDS = 96_640  # vocabulary of the paper's models
PEERS = ("datasets>=4", "mosaicml-streaming>=0.13")


def make(folder: Path) -> None:
    """The table as Delta: `FILES` files of row groups of `GROUP` sequences."""
    import pyarrow as pa
    from deltalake import WriterProperties, write_deltalake

    rng, rows = np.random.default_rng(0), int(os.environ["TOKENS"]) // LENGTH
    for chunk in np.array_split(np.arange(rows), FILES):
        ids = np.minimum(rng.zipf(1.2, size=len(chunk) * LENGTH) - 1, IDS - 1).astype(np.int32)
        offsets = pa.array(np.arange(0, len(ids) + 1, LENGTH, dtype=np.int32))
        starts = pa.ListArray.from_arrays(
            pa.array(np.arange(0, 4 * len(chunk) + 1, 4, dtype=np.int32)),
            pa.array(np.tile(np.arange(0, LENGTH, LENGTH // 4, dtype=np.int32), len(chunk))),
        )
        columns = {"input_ids": pa.ListArray.from_arrays(offsets, pa.array(ids)), "doc_starts": starts}
        properties = WriterProperties(compression="ZSTD", max_row_group_size=GROUP, write_batch_size=GROUP)
        write_deltalake(str(folder / "delta"), pa.table(columns), mode="append", writer_properties=properties)


def ours(folder: Path) -> Iterator[Any]:
    from training.pins import Pin
    from training.stream import Part, Reading, Stream

    reading = Reading(row_tokens=LENGTH, vocabulary=IDS, seed=7, window=4, bad_share=0.0, isolated=True)
    with Stream([Part("all", 1.0, Pin(str(folder / "delta"), FILES - 1))], reading) as stream:
        for batch in stream.batches(start=0, rank=0, world=1, rows=BATCH, stop=stream.rows_of(0) // BATCH * BATCH):
            yield batch.input_ids


def hugging_face(folder: Path, buffer: int) -> Iterator[Any]:
    import datasets
    from torch.utils.data import DataLoader

    files = sorted(map(str, (folder / "delta").glob("*.parquet")))
    data = datasets.load_dataset("parquet", data_files=files, split="train", streaming=True).select_columns(
        ["input_ids"]
    )
    if buffer:
        data = data.shuffle(seed=7, buffer_size=buffer)
    for batch in DataLoader(data.with_format("torch"), batch_size=BATCH):
        yield batch["input_ids"]


def make_mds(folder: Path) -> None:
    import pyarrow.parquet as pq
    from streaming import MDSWriter

    with MDSWriter(out=str(folder / "mds"), columns={"input_ids": f"ndarray:int32:{LENGTH}"}) as out:
        for file in sorted((folder / "delta").glob("*.parquet")):
            for batch in pq.ParquetFile(file).iter_batches(GROUP, columns=["input_ids"]):
                for ids in batch["input_ids"].values.to_numpy().reshape(-1, LENGTH):
                    out.write({"input_ids": ids})


def mosaic(folder: Path) -> Iterator[Any]:
    from streaming import StreamingDataset
    from torch.utils.data import DataLoader

    data = StreamingDataset(local=str(folder / "mds"), shuffle=True, shuffle_seed=7, batch_size=BATCH)
    for batch in DataLoader(data, batch_size=BATCH):
        yield batch["input_ids"].long()


READERS = {
    "ours": (ours, "every row, seeded"),
    "datasets": (lambda folder: hugging_face(folder, 0), "none"),
    "datasets, buffer 1,000": (lambda folder: hugging_face(folder, 1000), "buffer"),
    "mosaicml-streaming": (mosaic, "every row, seeded"),
}


MAKERS = {"make": make, "make_mds": make_mds}


def read(name: str, folder: Path) -> dict[str, float]:
    """Read it all in this process."""
    started, tokens, total, first = time.monotonic(), 0, 0, 0.0
    cpu = time.process_time()
    for batch in READERS[name][0](folder):
        first = first or time.monotonic() - started
        rows, length = batch.shape
        tokens += rows * length
        total += int(batch[0, 0])
    seconds = time.monotonic() - started
    return {
        "tokens": tokens,
        "steady": (tokens - BATCH * LENGTH) / (seconds - first) / 1e6,
        "whole": tokens / seconds / 1e6,
        "first": first,
        "cpu": tokens / (time.process_time() - cpu) / 1e6,
        "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
        "check": total,
    }


def peers() -> str:
    """Python of the environment that holds the peers, made on first use."""
    from tests.bench.corpus import folder

    home = folder() / "loader-peers"
    python = home / "bin" / "python"
    if not (home / "ready").is_file():
        subprocess.run(["uv", "venv", "--quiet", "--clear", "--python", sys.executable, str(home)], check=True)
        subprocess.run(["uv", "pip", "install", "--quiet", "--python", str(python), *PEERS], check=True)
        (home / "ready").touch()
    return str(python)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=100_000_000)
    parser.add_argument("--peers", metavar="PYTHON", help="an environment that has the peers; default: make one")
    parser.add_argument("--only", choices=READERS, help="one reader and no peer")
    parser.add_argument("--read", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.read:
        name, where = given.read
        print(json.dumps(MAKERS[name](Path(where)) if name in MAKERS else read(name, Path(where))))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        # In a process of its own: Linux hands the peak memory of a parent on to its children.
        os.environ["TOKENS"] = str(given.tokens)
        _in_process(sys.executable, "make", folder)
        foreign = "" if given.only == "ours" else given.peers or peers()
        if foreign and given.only in (None, "mosaicml-streaming"):
            _in_process(foreign, "make_mds", folder)
        print(f"`python -m tests.bench.loader --tokens {given.tokens}`; load {os.getloadavg()[0]:.1f}\n")
        print("| reader | shuffle | M tokens/s steady | whole run | per CPU-s | first batch, s | peak RSS, MB |")
        print("|---|---|---:|---:|---:|---:|---:|")
        for name in [given.only] if given.only else READERS:
            found = _in_process(sys.executable if name == "ours" else foreign, name, folder)
            print(
                f"| {name} | {READERS[name][1]} | {found['steady']:.1f} | {found['whole']:.1f} | {found['cpu']:.1f} |"
                f" {found['first']:.1f} | {found['mb']:.0f} |",
                flush=True,
            )


def _in_process(python: str, name: str, folder: Path) -> Any:
    command = [python, "-m", "tests.bench.loader", "--read", name, str(folder)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


if __name__ == "__main__":
    main()
