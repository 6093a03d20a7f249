"""Source code as a corpus to deduplicate: the texts of all contents; stars, then commit time decide which survives."""

from __future__ import annotations

from jobs.code.survivor import best_first
from jobs.code.tables import code_contents, code_near, distinct_files
from jobs.dedup.corpus import Corpus

CODE = Corpus(
    name="code",
    document="content",
    tables=code_near,
    documents=code_contents,
    text="content",
    occurrences=distinct_files,
    best_first=best_first,
    module=__name__,
)
