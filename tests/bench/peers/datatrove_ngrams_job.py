"""datatrove: its n-gram decontamination filter over texts that wait in memory, on one core.

    python datatrove_ngrams_job.py ITEMS.json TEXTS.json WIDTH

Both files hold a list of texts. Its indexer wants another package only to fetch benchmarks: the hashes are made here by the
filter's own words and hash. It answers with the documents that it would take out.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from datatrove.data import Document
from datatrove.pipeline.decont import NGramsDecontFilter
from datatrove.pipeline.decont.n_grams import NGramsDecontConfig
from datatrove.utils.text import ngrams, simplify_text
from driver import answer


def main() -> None:
    items, texts = (json.loads(Path(name).read_text("utf-8")) for name in sys.argv[1:3])
    config = NGramsDecontConfig(n_grams=int(sys.argv[3]))
    with tempfile.TemporaryDirectory() as folder:
        step = NGramsDecontFilter(folder, config=config, language="eng")
        hashes = {
            step.hash_func(" ".join(gram))
            for item in items
            for gram in ngrams(step.tokenizer.word_tokenize(simplify_text(item, config.norm_config)), config.n_grams)
        }
        found = np.array(sorted(hashes), dtype=config.hash_config.np_descr)
        found.tofile(Path(folder) / "items.index.hashes")
        step.filter(Document(text="one to load the index", id="0"))
        began = time.process_time()
        hits = sum(step.filter(Document(text=text, id=str(n))) is not True for n, text in enumerate(texts))
        seconds = time.process_time() - began
    answer("datatrove", {"cpu_seconds": seconds, "hits": hits, "sequences": len(found)})


if __name__ == "__main__":
    main()
