"""binpacking: pieces of documents into sequences of a fixed length, greedy, in one process.

    python binpacking_job.py IDS.npy SIZES.npy LENGTH

IDS: the token ids of all documents one after the other; SIZES: how many each has. Longer documents are cut first, as ours are.
"""

from __future__ import annotations

import sys
import time
from itertools import accumulate

import binpacking
import numpy as np
from driver import answer


def main() -> None:
    ids, sizes, length = np.load(sys.argv[1]), np.load(sys.argv[2]).tolist(), int(sys.argv[3])
    began = time.process_time()
    starts = [0, *accumulate(sizes)]
    pieces = {
        start + at: min(length, size - at)
        for start, size in zip(starts, sizes, strict=False)
        for at in range(0, size, length)
    }
    bins = binpacking.to_constant_volume(pieces, length)
    packed = [np.concatenate([ids[at : at + size] for at, size in one.items()]) for one in bins]
    seconds = time.process_time() - began
    answer("binpacking", {"cpu_seconds": seconds, "sequences": len(packed)})


if __name__ == "__main__":
    main()
