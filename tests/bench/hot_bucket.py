"""A million short documents, 200,000 of them in one bucket of every band: does near-dedup end, in how much memory?

    python -m tests.bench.hot_bucket --documents 1000000 --hot 200000 --write

The hot documents hold the same words between different punctuation: other bytes, the same shingles, so any two of them
are a pair of Jaccard 1, 20 billion pairs. Of the others one in five has a partner that ends in another word (Jaccard
16/18), and the rest resemble nothing. The documents are put into bronze by a job of their own through the lake's runner;
then code.bands, code.pairs and code.near_dedup run in a process that is measured. Ends with 1 where the hot documents
are not one cluster with one survivor.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from os import getloadavg
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from jobs.code.tables import code_duplicates, code_pairs, code_texts, distinct_files
from lakehouse.config import Config, load
from lakehouse.job import Graph, Inputs, Job, Params
from lakehouse.lake import Lake
from lakehouse.registry import graph
from lakehouse.runner import Runner
from lakehouse.table import Table
from tests.bench import lake_jobs
from tests.bench.lake_jobs import Ran, Step
from tests.bench.markdown import about, table, write
from tests.bench.usage import measure

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

JOBS = ("code.bands", "code.pairs", "code.near_dedup")
WORDS = 20  # of a document; the hot ones' words are all the same
PARTITIONS = 16
HOT = " ".join(f"word{i}" for i in range(WORDS))


class FillParams(Params):
    documents: int = Field(ge=1)
    hot: int = Field(ge=2, description="documents with the same words")


def fill(inputs: Inputs, params: FillParams) -> Mapping[Table, DataFrame]:
    from pyspark.sql import functions as F

    texts = inputs.spark.range(0, params.documents, numPartitions=PARTITIONS).selectExpr(
        "id", f"{_text(params.hot)} AS text"
    )
    rows = texts.selectExpr(
        *("sha2(text, 256) AS content_id", "text", "CAST(length(text) AS bigint) AS size", "size AS bytes"),
        *("CAST(NULL AS string) AS notice", "array() AS redactions"),
        *("'hot' AS source", "'hot' AS repo", "concat(id, '.txt') AS path", "1 AS copies"),
    )
    unknown = [name for name in distinct_files.column_names if name not in rows.columns]
    return {
        code_texts: rows.select(*code_texts.column_names),
        distinct_files: rows.select("*", *(F.lit(None).alias(name) for name in unknown)),
    }


def _text(hot: int) -> str:
    """SQL of a document's text by `id`. The number in binary as dots and commas makes hot ones differ in bytes alone."""
    # Of ten, the second is the first but for its last word.
    like = "IF(id % 10 = 1, id - 1, id)"
    words = f"transform(sequence(1, {WORDS}), i -> concat('w', substr(md5(concat({like}, ' ', i)), 1, 12)))"
    own = f"concat_ws(' ', {words}, IF(id % 10 = 1, 'other', 'one'))"
    return f"IF(id < {hot}, concat('{HOT} ', translate(bin(id), '01', '.,')), {own})"


job = Job("bench.fill", "synthetic documents", (), (code_texts, distinct_files), FillParams, fill)


def fill_lake(root: str, params: FillParams) -> None:
    """In this process, through the runner: gate, publish and books as for any job."""
    from lakehouse import session

    base = load(graph(), overrides=[f"lake.root={root}"])
    config = Config(base.lake, base.spark, {job.name: params})
    spark = session.build(config.spark)
    Runner(Lake(root), Graph.of([job]), config, lambda: spark).build([job])
    spark.stop()


# ---- what is printed


def cluster_sizes(lake: Lake) -> Counter[str]:
    """Members by cluster."""
    opened = lake.open(code_duplicates)
    assert opened is not None
    return Counter(opened.to_pyarrow_dataset().to_table(columns=["cluster"], use_threads=False)["cluster"].to_pylist())


def report(ran: Ran, lake: Lake, sizes: Counter[str]) -> Iterator[str]:
    rows = [
        (
            *(run["job"], f"{run['seconds']:.1f}", f"{run['cpu_seconds']:.1f}"),
            *(f"{ran.usage.peak_between(run['started_at'], run['ended_at']):.0f}", f"{run['rows_out']:,}"),
        )
        for run in ran.steps[0].runs
    ]
    used = ran.usage
    rows.append(("**whole process**", f"{used.seconds:.1f}", f"{used.cpu_seconds:.1f}", f"{used.peak_mb:.0f}", ""))
    yield from table(("job", "s", "CPU-s", "peak MB (PSS)", "rows changed"), rows)
    yield ""
    opened = lake.open(code_pairs)
    assert opened is not None
    pairs = opened.to_pyarrow_dataset().count_rows(use_threads=False)
    yield (
        f"{pairs:,} rows of pairs, {len(sizes):,} clusters of {sum(sizes.values()):,} documents, the largest of"
        f" {max(sizes.values(), default=0):,}. Largest Python worker: {used.worker_mb:.0f} MB."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--hot", type=int, default=200_000, help="documents in one bucket")
    parser.add_argument("--write", action="store_true", help="put the result into README.md")
    parser.add_argument("--fill", metavar="LAKE", help=argparse.SUPPRESS)  # the process that writes the documents
    args = parser.parse_args()
    if not 2 <= args.hot <= args.documents:
        raise SystemExit(f"--hot {args.hot}: expected 2 to {args.documents}, the number of documents.")
    if args.fill:
        fill_lake(args.fill, FillParams(documents=args.documents, hot=args.hot))
        return
    load_before = getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="codelake-bench-") as work:
        lake = Lake(str(Path(work) / "lake"))
        filling = [sys.executable, "-m", "tests.bench.hot_bucket", f"--fill={lake.root}"]
        measure([*filling, f"--documents={args.documents}", f"--hot={args.hot}"])
        ran = lake_jobs.run([Step(lake, JOBS)])
        sizes = cluster_sizes(lake)
        lines = [*about("tests.bench.hot_bucket", sys.argv[1:], load_before), "", *report(ran, lake, sizes)]
    print("\n".join(lines))
    if args.write:
        write("hot_bucket", lines)
    if max(sizes.values(), default=0) != args.hot:
        raise SystemExit(f"the largest cluster has {max(sizes.values(), default=0)} documents, expected {args.hot}.")


if __name__ == "__main__":
    main()
