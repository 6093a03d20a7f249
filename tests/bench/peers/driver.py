"""What the drivers of the compared tools share: documents, shingles, clusters, the clock and the answer.

A driver runs in an environment that holds its tool and pyarrow only, so nothing of the project is imported here.

    python datasketch_job.py whole --bands 16 --rows 16 --shingle 5 --seed 1 --work FOLDER PART.parquet ...

`kernel`: the documents wait in memory, signatures alone are timed, on one core. `whole`: documents in, clusters out;
who starts the driver times it. The answer is one line of JSON, the last on stdout.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

BATCH = 256  # documents, about 2 MB of source code: as many token lists are alive at once
TOKEN = re.compile(r"\w+", re.ASCII)  # the tokens of ours


@dataclass(frozen=True)
class Job:
    """What is to be done. A signature has bands * rows permutations; `work`: an empty folder."""

    task: str
    parts: tuple[Path, ...]
    bands: int
    rows: int
    shingle: int
    seed: int
    work: Path

    @property
    def permutations(self) -> int:
        return self.bands * self.rows


def arguments() -> Job:
    parser = argparse.ArgumentParser()
    parser.add_argument("task", choices=("kernel", "whole"))
    parser.add_argument("parts", type=Path, nargs="+", help="Parquet files with a column `text`")
    for name in ("bands", "rows", "shingle", "seed"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--work", type=Path, required=True)
    given = vars(parser.parse_args())
    return Job(**{**given, "parts": tuple(given["parts"])})


def batches(parts: Sequence[Path]) -> Iterator[list[str]]:
    """The texts in order, up to BATCH at a time."""
    for part in parts:
        with pq.ParquetFile(part) as file:
            for batch in file.iter_batches(BATCH, columns=["text"], use_threads=False):
                yield batch["text"].to_pylist()


def shingles(text: str, n: int) -> set[str]:
    """Each run of n tokens joined by a blank, one of all tokens where there are fewer, none without a token."""
    tokens = TOKEN.findall(text)
    if len(tokens) < n:
        return {" ".join(tokens)} if tokens else set()
    return set(map(" ".join, zip(*(tokens[i:] for i in range(n)), strict=False)))


def time_kernel(job: Job, sign: Callable[[list[str]], Any]) -> dict[str, Any]:
    """Sign every batch; what comes out is thrown away. The first batch is signed once before, so that all is loaded."""
    waiting = list(batches(job.parts))
    sign(waiting[0])
    wall, cpu = time.perf_counter(), time.process_time()
    for batch in waiting:
        sign(batch)
    return {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}


def clusters(count: int, edges: Iterable[tuple[int, int]]) -> dict[str, int]:
    """Connected components: documents that are not alone, and how many would go if one of each cluster stayed."""
    parent = list(range(count))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for left, right in edges:
        a, b = root(left), root(right)
        parent[max(a, b)] = min(a, b)
    sizes: dict[int, int] = {}
    for node in range(count):
        sizes[root(node)] = sizes.get(root(node), 0) + 1
    members = [size for size in sizes.values() if size > 1]
    return {"documents": count, "clusters": len(members), "duplicates": sum(members) - len(members)}


def answer(tool: str, facts: dict[str, Any]) -> None:
    print(json.dumps({"version": version(tool), **facts}))
