"""datatrove: its MinHash steps up to clusters with the local executor, two workers. The last one, writing, is left out.

Words come from its English tokenizer (spaCy), lower case and without punctuation, as it does it.
"""

from __future__ import annotations

import os
import struct
import sys

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets, MinhashDedupCluster
from datatrove.pipeline.readers import ParquetReader
from driver import Job, answer, arguments, time_kernel

WORKERS = 2


def config(job: Job) -> MinhashConfig:
    return MinhashConfig(n_grams=job.shingle, num_buckets=job.bands, hashes_per_bucket=job.rows, seed=job.seed)


def whole(job: Job) -> dict[str, int]:
    setting, work = config(job), job.work
    names = work / "parts.txt"
    names.write_text("".join(f"{part.name}\n" for part in job.parts))
    reader = ParquetReader(str(job.parts[0].parent), paths_file=str(names), read_metadata=False)
    tasks = min(WORKERS, len(job.parts))
    steps = (
        (tasks, [reader, MinhashDedupSignature(f"{work}/signatures", config=setting, language="eng")]),
        (job.bands, [MinhashDedupBuckets(f"{work}/signatures", f"{work}/buckets", config=setting)]),
        (1, [MinhashDedupCluster(f"{work}/buckets", f"{work}/clusters", config=setting, save_cluster_id=True)]),
    )
    for number, (count, pipeline) in enumerate(steps):
        logs = f"{work}/logs-{number}"
        LocalPipelineExecutor(pipeline, tasks=count, workers=min(WORKERS, count), logging_dir=logs).run()
    # (document, cluster) as two little-endian uint32 each, in one file per task
    found = [
        pair for file in (work / "clusters").glob("*.clusters") for pair in struct.iter_unpack("<2I", file.read_bytes())
    ]
    names_of_clusters = {cluster for _, cluster in found}
    return {"clusters": len(names_of_clusters), "duplicates": len(found) - len(names_of_clusters)}


def main() -> None:
    job = arguments()
    if job.task == "kernel":
        step = MinhashDedupSignature(str(job.work), config=config(job), language="eng")

        def sign(texts: list[str]) -> list[object]:
            shingles = [step.get_shingles(text) for text in texts]
            return [step.get_signature(hashes) for hashes in shingles if hashes.size]

        answer("datatrove", time_kernel(job, sign))
        return
    # It prints about its work; stdout is for the answer.
    kept = os.dup(1)
    os.dup2(2, 1)
    facts = whole(job)
    sys.stdout.flush()
    os.dup2(kept, 1)
    answer("datatrove", facts)


if __name__ == "__main__":
    main()
