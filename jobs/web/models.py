"""Classifiers as workers load them: from the files of the table that holds them."""

from __future__ import annotations

from functools import lru_cache

import pyarrow.fs as pafs
import pyarrow.parquet as pq

from jobs.kernels.page_classifier import Classifier


@lru_cache(maxsize=2)
def classifier(files: tuple[str, ...], name: str) -> Classifier:
    """The model in these Parquet files, loaded once per worker. `name`: its id, by which another model is another."""
    for file in files:
        system, path = pafs.FileSystem.from_uri(file)
        found = pq.read_table(path, columns=["model_id", "model"], filesystem=system)
        for row in found.to_pylist():
            if row["model_id"] == name:
                return Classifier(row["model"])
    raise FileNotFoundError(f"no model {name} in {', '.join(files)}")
