"""What each readable notebook holds: the facts beside its text, which goes the way of all texts. Used by `code.redact`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pyarrow as pa
from pydantic import Field
from pyspark.sql import DataFrame

from jobs.code.arrow import Rows, map_rows
from jobs.code.tables import code_contents, code_languages, code_notebooks
from jobs.kernels.decode import decode
from jobs.kernels.notebooks import Notebook, read
from lakehouse.job import Inputs, Params


class NotebookLimits(Params):
    output_characters: int = Field(ge=0, description="of each cell's output that are kept")


def facts(inputs: Inputs, limits: NotebookLimits) -> DataFrame:
    """One row per notebook that can be read. Parses them once more: they are few, and texts are written only once so."""
    mine = inputs[code_languages].where("type = 'notebook' AND unreadable IS NULL").select("content_id")
    rows = inputs[code_contents].join(mine, "content_id").select("content_id", "content")
    columns = {column.name: column.type for column in code_notebooks.columns}
    return map_rows(rows, columns, partial(_facts, limit=limits.output_characters))


def _facts(batches: Iterator[pa.RecordBatch], limit: int) -> Rows:
    for batch in batches:
        for content_id, content in zip(batch[0].to_pylist(), batch[1].to_pylist(), strict=True):
            found = read(decode(content).text or "", limit)
            yield _row(content_id, found)


def _row(content_id: str, found: Notebook) -> dict[str, Any]:
    return {
        "content_id": content_id,
        "format": found.format,
        "language": found.language,
        "cells": found.cells,
        "refused": found.refused,
        "triplets": len(found.triplets),
        "output_characters": found.output_characters,
        "cut": found.cut,
    }
