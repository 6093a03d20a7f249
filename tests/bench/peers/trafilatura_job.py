"""trafilatura: pages of HTML to text with its defaults, one process.

    python trafilatura_job.py PAGES.json TEXTS.json

PAGES: the decoded pages as a list; TEXTS: written, the text of each, "" where it finds none.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import trafilatura
from driver import answer


def main() -> None:
    sources = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    trafilatura.extract(sources[0])  # what it loads once
    began = time.process_time()
    texts = [trafilatura.extract(source) or "" for source in sources]
    seconds = time.process_time() - began
    Path(sys.argv[2]).write_text(json.dumps(texts), "utf-8")
    answer("trafilatura", {"cpu_seconds": seconds})


if __name__ == "__main__":
    main()
