"""Language, type and encoding of each content, from the surviving occurrence's name and the bytes' first line."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pyarrow as pa
from pydantic import Field
from pyspark.sql import DataFrame

from jobs.code.arrow import Rows, map_rows
from jobs.code.tables import code_contents, code_languages, distinct_files
from jobs.kernels.decode import decode
from jobs.kernels.file_types import FileTypes
from lakehouse.job import Inputs, Job, Params

HEAD_BYTES = 512  # enough for a `#!` line


class LanguageParams(Params):
    file_types: dict[str, Any] = Field(description="names, extensions and interpreters, each to a language and type")


def language(inputs: Inputs, params: LanguageParams) -> DataFrame:
    named = inputs[code_contents].join(inputs[distinct_files].select("content_id", "path"), "content_id")
    columns = {column.name: column.type for column in code_languages.columns}
    rows = named.select("content_id", "path", "content")
    return map_rows(rows, columns, partial(_classify, file_types=params.file_types))


def _classify(batches: Iterator[pa.RecordBatch], file_types: dict[str, Any]) -> Rows:
    types = FileTypes.load(file_types)
    for batch in batches:
        for content_id, path, content in zip(*(batch[i].to_pylist() for i in range(3)), strict=True):
            decoded = decode(content)
            found = types.classify(path, content[:HEAD_BYTES])
            yield {
                "content_id": content_id,
                "language": found.language,
                "type": found.type,
                "how": found.how,
                "encoding": decoded.encoding if decoded.text is not None else None,
                "unreadable": decoded.reason,
            }


job = Job(
    "code.language",
    about="language, type and encoding of each content",
    reads=(code_contents, distinct_files),
    writes=(code_languages,),
    params=LanguageParams,
    transform=language,
    scope=("content_id",),
    measures=code_contents,
)
