"""Every page to text, its code intact, personal data and secrets replaced by placeholders as in source code.

A page's text depends on the page alone, so only new pages are extracted. Originals stay in bronze only; what was taken
out is recorded with its place. Addresses of pages stay as they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import pyarrow as pa
from pydantic import Field
from pyspark.sql import DataFrame

from jobs.code.arrow import Rows, map_rows
from jobs.kernels.charset import decode_page
from jobs.kernels.html_text import Extracted, extract, extractor
from jobs.kernels.pii import Redactor
from jobs.kernels.url_patterns import domain_of
from jobs.web.tables import web_pages, web_text
from lakehouse.job import Inputs, Job, Params

NEEDED = ("page_id", "url", "content_type", "charset", "kind", "body")
COLUMNS = {column.name: column.type for column in web_text.columns}


class ExtractParams(Params):
    pii: dict[str, Any] = Field(description="patterns, validators and placeholders")


def extract_pages(inputs: Inputs, params: ExtractParams) -> DataFrame:
    return map_rows(inputs[web_pages].select(*NEEDED), COLUMNS, partial(_rows, params=params))


def _rows(batches: Iterator[pa.RecordBatch], params: ExtractParams) -> Rows:
    redactor = Redactor.load(params.pii)
    for batch in batches:
        columns = [batch.column(name) for name in NEEDED]
        for n in range(batch.num_rows):  # one body in memory at a time
            page = {name: column[n].as_py() for name, column in zip(NEEDED, columns, strict=True)}
            yield text_row(redactor, **page)


def text_row(
    redactor: Redactor,
    page_id: str,
    url: str | None,
    content_type: str | None,
    charset: str | None,
    kind: str,
    body: bytes,
) -> dict[str, Any]:
    """The row of one page."""
    decoded = decode_page(body, charset)
    if kind == "text" or content_type == "text/plain":
        found = Extracted(decoded.text, "", "given", "" if decoded.text.strip() else "no text", 0, 0, 0)
    else:
        found = extract(decoded.text)
    redacted = redactor.redact(found.text)
    data = redacted.text.encode("utf-8", "replace")
    return {
        "page_id": page_id,
        "url": url,
        "domain": domain_of(url),
        "text_id": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "title": redactor.redact(found.title).text,
        "how": found.how,
        "extractor": "none" if found.how == "given" else extractor(),
        "charset": decoded.charset,
        "charset_by": decoded.how,
        "code_blocks": found.code_blocks,
        "code_blocks_kept": found.code_blocks_kept,
        "code_share": min(1.0, found.code_characters / max(1, len(found.text))),
        "note": found.note,
        "text": data.decode(),
        "redactions": [
            {"kind": s.kind, "rule": s.rule, "start": s.start, "end": s.end, "placeholder": s.placeholder}
            for s in redacted.spans
        ],
    }


job = Job(
    "web.extract",
    about="pages to text with their code intact, personal data and secrets taken out",
    reads=(web_pages,),
    writes=(web_text,),
    params=ExtractParams,
    transform=extract_pages,
    scope=("page_id",),
    measures=web_pages,
)
