"""The text that goes on: decoded, notices at the head taken out, personal data and secrets replaced by placeholders.

The text of a notebook is its triplets of markdown, code and output. Originals stay in bronze only. What was taken out
is recorded; contents that are not text have no row here.
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
from jobs.code.notebooks import NotebookLimits, facts
from jobs.code.tables import code_contents, code_languages, code_notebooks, code_texts
from jobs.kernels import notebooks, notices
from jobs.kernels.decode import decode
from jobs.kernels.pii import Redactor
from lakehouse.job import Inputs, Job, Params
from lakehouse.table import Table


class RedactParams(Params):
    comments: dict[str, Any] = Field(description="comment syntax per language")
    pii: dict[str, Any] = Field(description="patterns, validators and placeholders")
    notebooks: NotebookLimits


def redact(inputs: Inputs, params: RedactParams) -> Mapping[Table, DataFrame]:
    readable = inputs[code_languages].where(F.col("unreadable").isNull()).select("content_id", "language", "type")
    rows = inputs[code_contents].join(readable, "content_id").select("content_id", "language", "type", "content")
    columns = {column.name: column.type for column in code_texts.columns}
    texts = map_rows(rows, columns, partial(_redact, params=params))
    return {code_notebooks: facts(inputs, params.notebooks), code_texts: texts}


def _redact(batches: Iterator[pa.RecordBatch], params: RedactParams) -> Rows:
    syntaxes, redactor = notices.load(params.comments), Redactor.load(params.pii)
    for batch in batches:
        for content_id, language, kind, content in zip(*(batch[i].to_pylist() for i in range(4)), strict=True):
            text = decode(content).text
            if text is None:
                raise ValueError(f"{content_id}: silver.code_languages calls it readable, but it does not decode.")
            if kind == "notebook":
                text = notebooks.render(notebooks.read(text, params.notebooks.output_characters).triplets)
            syntax = syntaxes.get(language)
            stripped = notices.strip_notice(text, syntax) if syntax else notices.Stripped(text, ())
            redacted = redactor.redact(stripped.text)
            yield {
                "content_id": content_id,
                "text": redacted.text,
                "bytes": len(redacted.text.encode()),
                "notice": redactor.redact("\n".join(text[span.start : span.end] for span in stripped.removed)).text
                or None,
                "redactions": [
                    {"kind": s.kind, "rule": s.rule, "start": s.start, "end": s.end, "placeholder": s.placeholder}
                    for s in redacted.spans
                ],
            }


job = Job(
    "code.redact",
    about="take out notices, personal data and secrets; notebooks as triplets",
    reads=(code_contents, code_languages),
    writes=(code_notebooks, code_texts),
    params=RedactParams,
    transform=redact,
    scope=("content_id",),
    measures=code_contents,
)
