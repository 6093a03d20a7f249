"""Source code as a corpus to deduplicate: texts without their notices; stars, then commit time decide which survives.

The paper compares files as they are. A licence header of 200 words makes short files alike that have nothing else in
common: 70 C++ headers of one package were one cluster at a similarity of 0.7.
"""

from __future__ import annotations

from jobs.code.survivor import best_first
from jobs.code.tables import code_near, code_texts, distinct_files
from jobs.dedup.corpus import Corpus

CODE = Corpus(
    name="code",
    document="content",
    tables=code_near,
    documents=code_texts,
    text="text",
    occurrences=distinct_files,
    best_first=best_first,
    module=__name__,
)
