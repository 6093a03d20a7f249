"""rensa: RMinHash and RMinHashLSH, its full-set signatures in batches. Threads are those that it takes by itself.

Not compared: its rho sketch, which looks at some tokens only.
"""

from __future__ import annotations

from driver import Job, answer, arguments, batches, clusters, shingles, time_kernel
from rensa import RMinHash, RMinHashLSH

THRESHOLD = 0.7  # of the index; bands alone decide what is a candidate


def kernel(texts: list[str], job: Job) -> object:
    sets = [list(shingles(text, job.shingle)) for text in texts]
    return RMinHash.digest_matrix_from_token_sets(sets, job.permutations, job.seed)


def whole(job: Job) -> dict[str, int]:
    index = RMinHashLSH(THRESHOLD, job.permutations, job.bands)
    edges: list[tuple[int, int]] = []
    count = 0
    for texts in batches(job.parts):
        sets = [list(shingles(text, job.shingle)) for text in texts]
        numbers = [count + i for i, tokens in enumerate(sets) if tokens]
        signatures = RMinHash.from_token_sets([tokens for tokens in sets if tokens], job.permutations, job.seed)
        index.insert_pairs(list(zip(numbers, signatures, strict=True)))
        for number, found in zip(numbers, index.query_all(signatures), strict=True):
            edges += [(other, number) for other in found if other != number]
        count += len(texts)
    return clusters(count, edges)


def main() -> None:
    job = arguments()
    if job.task == "kernel":
        answer("rensa", time_kernel(job, lambda texts: kernel(texts, job)))
    else:
        answer("rensa", whole(job))


if __name__ == "__main__":
    main()
