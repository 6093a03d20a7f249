"""Exports read back by the libraries that they are for; their environment is made on first use (about 3 GB).

usage: python -m tests.bench.layouts [--sequences 2000]

A small release of packed sequences is made, exported as MDS and as Megatron's indexed data set, described as Croissant, and
read by mosaicml-streaming, Megatron's own reader and mlcroissant, id by id.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from deltalake import write_deltalake

from jobs.corpus.tables import packed_pretrain
from lakehouse import release, release_sequences
from lakehouse.lake import Lake
from lakehouse.registry import graph
from lakehouse.report.croissant import croissant
from tests.bench.markdown import table
from tests.bench.peers.environment import HERE, LAYOUTS, python

IDS, LENGTH = 96_640, 4096


def sequences(count: int) -> list[dict[str, Any]]:
    """Of random lengths, some of one id, in the order of their names."""
    rng, rows = np.random.default_rng(0), []
    for number in range(count):
        ids = rng.integers(0, IDS, int(rng.choice([1, 255, 256, LENGTH]))).tolist()
        starts = sorted({0, *rng.integers(0, len(ids), 3).tolist()})
        said = {"sequence_id": f"part/000000/{number:08d}", "source": "part", "tokens": len(ids), "input_ids": ids}
        rows.append({**said, "doc_starts": starts, "loss_mask": None, "doc_ids": ["d"] * len(starts)})
    return rows


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sequences", type=int, default=2000)
    rows = sequences(parser.parse_args(arguments).sequences)
    with tempfile.TemporaryDirectory() as folder:
        lake, name = Lake(folder), packed_pretrain.name
        write_deltalake(lake.location(packed_pretrain), pa.Table.from_pylist(rows, schema=packed_pretrain.arrow_schema))
        release.create(lake, graph(), "r")
        for form in release_sequences.FORMATS:
            release_sequences.export(lake, "r", name, Path(folder, form), form)
        Path(folder, "croissant.json").write_text(croissant(lake, "r"))
        Path(folder, "rows.json").write_text(json.dumps(rows))
        command = [str(python(LAYOUTS)), str(HERE / "layouts_job.py"), folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    read = [
        [f"{library} {version}", f"{count:,}"] for library, version, count in json.loads(done.stdout.splitlines()[-1])
    ]
    print("\n".join(table(("read back by", "records, all equal"), read)))


if __name__ == "__main__":
    main(sys.argv[1:])
