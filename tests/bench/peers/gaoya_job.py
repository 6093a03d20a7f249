"""gaoya: MinHashStringIndex, which shingles and signs in Rust on all cores. It gives no signatures, so it has no kernel.

It takes whole texts and answers for whole texts, so each is signed twice: when it is inserted and when it asks. It
splits words by itself.
"""

from __future__ import annotations

from driver import Job, answer, arguments, batches, clusters
from gaoya.minhash import MinHashStringIndex

THRESHOLD = 0.7  # it checks candidates by their signatures


def whole(job: Job) -> dict[str, int]:
    index = MinHashStringIndex(
        hash_size=32,
        jaccard_threshold=THRESHOLD,
        num_bands=job.bands,
        band_size=job.rows,
        analyzer="word",
        ngram_range=(job.shingle, job.shingle),
        id_container="vec",
    )
    texts = [text for batch in batches(job.parts) for text in batch]
    index.par_bulk_insert_docs(list(range(len(texts))), texts)
    answers = index.par_bulk_query(texts)
    edges = ((other, number) for number, found in enumerate(answers) for other in found if other != number)
    return clusters(len(texts), edges)


def main() -> None:
    job = arguments()
    if job.task == "kernel":
        raise SystemExit("gaoya gives no signatures: only `whole` can be run.")
    answer("gaoya", whole(job))


if __name__ == "__main__":
    main()
