"""Open sets that samples grow from: user dialogues, instruction sets, released data sets. Read as instruction data are, into
tables of their own, since what lies here is material and nothing to tune on by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from jobs.sft.ingest import IngestParams, Reading, ingest_job
from jobs.sft.sources.files import Source
from jobs.sft.sources.layouts import WITH_TEXTS
from jobs.synthesis.tables import open_files, open_rows


class OpenSource(Source):
    """An open set. Its rows may be conversations, or texts with nothing to answer."""

    layouts: ClassVar[Sequence[str]] = WITH_TEXTS


class OpenParams(IngestParams):
    sources: tuple[OpenSource, ...] = Field(description="open sets that samples grow from")


job = ingest_job(
    Reading("synthesis.ingest", OpenSource, open_rows, open_files),
    about="read open sets that samples grow from",
    params=OpenParams,
    module=__name__,
)
