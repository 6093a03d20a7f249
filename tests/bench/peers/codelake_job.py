"""Our own kernel over the same documents, on one core: texts as Arrow arrays in, band hashes out.

Runs in the project's environment. The whole job has no driver here: it is `codelake build`.
"""

from __future__ import annotations

import time
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
from driver import answer, arguments

from jobs.kernels.minhash import band_hashes
from lakehouse.config import load
from lakehouse.registry import graph


def main() -> None:
    job = arguments()
    configured = load(graph()).jobs["code.bands"].setting  # type: ignore[attr-defined]
    setting = replace(configured, permutations=job.permutations, bands=job.bands, rows=job.rows)
    texts = [
        pq.read_table(part, columns=["text"])["text"].combine_chunks().cast(pa.large_string()) for part in job.parts
    ]
    band_hashes(texts[0][:1], setting)  # compiled, or loaded from numba's cache
    wall, cpu = time.perf_counter(), time.process_time()
    for text in texts:
        band_hashes(text, setting)
    answer("codelake", {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu})


if __name__ == "__main__":
    main()
