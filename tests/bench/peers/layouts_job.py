"""What is exported, read back by the libraries that it is for: mosaicml-streaming, Megatron's indexed data set, mlcroissant.

    python layouts_job.py FOLDER

FOLDER holds `rows.json` (the sequences), `mds`, `megatron` and `croissant.json` with the files that it names.
"""

from __future__ import annotations

import itertools
import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlcroissant
from megatron.core.datasets.indexed_dataset import IndexedDataset
from streaming import StreamingDataset


def mds(folder: Path, rows: list[dict[str, Any]]) -> int:
    found = StreamingDataset(local=str(folder / "mds"), shuffle=False, batch_size=1)
    assert len(found) == len(rows)
    for number, row in enumerate(rows):
        sample = found[number]
        assert (sample["sequence_id"], sample["source"]) == (row["sequence_id"], row["source"])
        assert sample["input_ids"].tolist() == row["input_ids"]
        assert sample["doc_starts"].tolist() == row["doc_starts"]
    return len(found)


def megatron(folder: Path, rows: list[dict[str, Any]]) -> int:
    found = IndexedDataset(str(folder / "megatron" / "tokens"))
    bounds = [[*row["doc_starts"], len(row["input_ids"])] for row in rows]
    pieces = [
        row["input_ids"][a:b] for row, places in zip(rows, bounds, strict=True) for a, b in itertools.pairwise(places)
    ]
    assert [found[number].tolist() for number in range(len(found))] == pieces
    assert found.document_indices.tolist() == list(range(len(pieces) + 1))
    return len(found)


def croissant(folder: Path, rows: list[dict[str, Any]]) -> int:
    found = list(mlcroissant.Dataset(str(folder / "croissant.json")).records("gold.packed_pretrain"))
    names = {record["gold.packed_pretrain/sequence_id"].decode() for record in found}
    assert names == {row["sequence_id"] for row in rows}
    return len(found)


def main() -> None:
    folder = Path(sys.argv[1])
    rows = json.loads((folder / "rows.json").read_text("utf-8"))
    checks = (("mosaicml-streaming", mds), ("megatron-core", megatron), ("mlcroissant", croissant))
    print(json.dumps([[name, version(name), check(folder, rows)] for name, check in checks]))


if __name__ == "__main__":
    main()
