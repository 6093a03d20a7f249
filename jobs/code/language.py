"""Language, type and encoding of each content, and marks of contents that nobody wrote by hand.

From the surviving occurrence's name and, where the name leaves it open, the content. A notebook that cannot be read
counts as unreadable, with the reason. Both tables come from one look at the bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import pyarrow as pa
from pydantic import Field
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.code.arrow import Rows, map_rows
from jobs.code.tables import code_contents, code_languages, code_marks, distinct_files
from jobs.kernels import notebooks
from jobs.kernels.content_types import ContentTypes
from jobs.kernels.decode import Decoded, decode
from jobs.kernels.file_types import FileType, FileTypes
from jobs.kernels.marks import Marker
from lakehouse.job import Inputs, Job, Params
from lakehouse.table import Table

HEAD_BYTES = 512  # enough for a `#!` line

TOLD = {column.name: column.type for column in (*code_languages.columns, *code_marks.columns[1:])}


class LanguageParams(Params):
    file_types: dict[str, Any] = Field(description="names, extensions and interpreters, each to a language and type")
    content_types: dict[str, Any] = Field(description="extensions that content settles, and marks of generated files")
    by_content: bool = Field(description="whether content settles what a name leaves open; the paper asks names alone")


def language(inputs: Inputs, params: LanguageParams) -> Mapping[Table, DataFrame]:
    named = inputs[code_contents].join(inputs[distinct_files].select("content_id", "path"), "content_id")
    rows = named.select("content_id", "path", "content")
    told = inputs.hold("told", map_rows(rows, TOLD, partial(_told, params=params)))
    marked = F.coalesce("generated", "vendored", "minified").isNotNull()
    return {
        code_marks: told.where(marked).select(*code_marks.column_names),
        code_languages: told.select(*code_languages.column_names),
    }


def _told(batches: Iterator[pa.RecordBatch], params: LanguageParams) -> Rows:
    types = FileTypes.load(params.file_types)
    by_content = ContentTypes.load(types, params.content_types) if params.by_content else None
    marker = Marker(params.content_types)
    for batch in batches:
        for content_id, path, content in zip(*(batch[i].to_pylist() for i in range(3)), strict=True):
            decoded = decode(content)
            if by_content is None or decoded.text is None:
                found = types.classify(path, content[:HEAD_BYTES])
            else:
                found = by_content.classify(path, decoded.text)
            marks = marker.of(path, found.language, decoded.text or "")
            unreadable = decoded.reason or _problem(found, decoded)
            yield {
                "content_id": content_id,
                "language": found.language,
                "type": found.type,
                "how": found.how,
                "encoding": decoded.encoding if unreadable is None else None,
                "unreadable": unreadable,
                "generated": marks.generated,
                "vendored": marks.vendored,
                "minified": marks.minified,
            }


def _problem(found: FileType, decoded: Decoded) -> str | None:
    """Why a notebook cannot be read; None for one that can, and for everything else."""
    if found.type != "notebook" or decoded.text is None:
        return None
    problem = notebooks.read(decoded.text, output_limit=0).problem
    return f"notebook: {problem}" if problem else None


job = Job(
    "code.language",
    about="language, type and encoding of each content; generated, vendored and minified ones marked",
    reads=(code_contents, distinct_files),
    writes=(code_marks, code_languages),
    params=LanguageParams,
    transform=language,
    scope=("content_id",),
    measures=code_contents,
)
