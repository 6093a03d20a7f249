"""datasketch: MinHash.bulk, then MinHashLSH, one process. Each document asks for its candidates before it is inserted.

Its fastest way: XXH3 instead of SHA-1 as hash function, the scheme affine32, each shingle once.
"""

from __future__ import annotations

from collections.abc import Iterator

import xxhash
from datasketch import MinHash, MinHashLSH
from driver import Job, answer, arguments, batches, clusters, shingles, time_kernel


def low_32_bits(shingle: bytes) -> int:
    return xxhash.xxh3_64_intdigest(shingle) & 0xFFFFFFFF


def sign(texts: list[str], job: Job) -> list[MinHash]:
    sets = [[shingle.encode() for shingle in shingles(text, job.shingle)] for text in texts]
    return MinHash.bulk(sets, num_perm=job.permutations, seed=job.seed, hashfunc=low_32_bits, scheme="affine32")


def candidates(job: Job, count: list[int]) -> Iterator[tuple[int, int]]:
    index = MinHashLSH(num_perm=job.permutations, params=(job.bands, job.rows))
    for texts in batches(job.parts):
        for signature in sign(texts, job):
            number = count[0]
            if not signature.is_empty():  # documents without a token have one signature
                yield from ((found, number) for found in index.query(signature))
                index.insert(number, signature, check_duplication=False)
            count[0] += 1


def main() -> None:
    job = arguments()
    if job.task == "kernel":
        answer("datasketch", time_kernel(job, lambda texts: sign(texts, job)))
        return
    count = [0]
    edges = list(candidates(job, count))
    answer("datasketch", clusters(count[0], edges))


if __name__ == "__main__":
    main()
