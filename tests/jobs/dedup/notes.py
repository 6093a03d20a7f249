"""A corpus small enough to read at once: notes in a JSON file, deduplicated by the three jobs of every corpus.

notes.json → notes.ingest → bronze.notes → notes.bands → notes.pairs → notes.near_dedup → silver.notes_duplicates
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.dedup.bands import MinHashParams, bands_job
from jobs.dedup.clusters import ClustersParams, clusters_job
from jobs.dedup.corpus import Corpus
from jobs.dedup.pairs import PairsParams, pairs_job
from jobs.dedup.tables import duplicate_tables
from lakehouse import digest, ledger
from lakehouse.config import Config, LakeConfig, SparkConfig
from lakehouse.job import Graph, Inputs, Job, Params
from lakehouse.lake import Lake
from lakehouse.runner import Report, Runner
from lakehouse.table import Column, Table

NOTE_ID = Column("note_id", "string", "name of the note")
notes = Table(
    "bronze.notes",
    row="one note",
    key=("note_id",),
    columns=(
        NOTE_ID,
        Column("text", "string", "what it says"),
        Column("bytes", "bigint", "its length", unit="bytes"),
        Column("likes", "bigint", "how many like it"),
        Column("fingerprint", "string", "changes with it", volatile=True),
    ),
)
tables = duplicate_tables("notes", NOTE_ID, document="note")


def _most_liked() -> list[SparkColumn]:
    return [F.col("likes").desc()]


NOTES = Corpus(
    name="notes",
    document="note",
    tables=tables,
    documents=notes,
    text="text",
    occurrences=notes,
    best_first=_most_liked,
    module=__name__,
)


class FileParams(Params):
    placement: ClassVar[Mapping[str, Any]] = {"file": True}
    file: str


def _rows(params: FileParams) -> dict[str, tuple[str, int, int, str]]:
    said = json.loads(Path(params.file).read_text())
    return {
        name: (text, len(text.encode()), likes, hashlib.sha256(f"{text}{likes}".encode()).hexdigest())
        for name, (text, likes) in said.items()
    }


def _ingest(inputs: Inputs, params: FileParams) -> DataFrame:
    assert inputs.changed is not None
    changed = {row[0] for row in inputs.changed.collect()}
    found = [(name, *row) for name, row in _rows(params).items() if name in changed]
    return inputs.spark.createDataFrame(found, notes.spark_schema)


ingest = Job(
    "notes.ingest",
    "read notes",
    (),
    (notes,),
    FileParams,
    _ingest,
    ("note_id",),
    lambda params: {name: row[-1] for name, row in _rows(params).items()},
)
GRAPH = Graph.of([ingest, bands_job(NOTES), pairs_job(NOTES), clusters_job(NOTES)])


class Notebook:
    """A lake of notes. A change of `notes` is what the next `build` finds."""

    def __init__(self, folder: Path, spark: SparkSession) -> None:
        folder.mkdir(exist_ok=True)
        self.lake, self._spark, self._file = Lake(str(folder / "lake")), spark, folder / "notes.json"
        self.notes: dict[str, tuple[str, int]] = {}

    def build(
        self,
        *,
        jaccard: float = 0.7,
        exact_to: float = 1.0,
        others: int = 64,
        driver_rows: int = 100_000,
        driver_edges: int = 1000,
        shingle: int = 2,
    ) -> dict[str, Report]:
        self._file.write_text(json.dumps(self.notes))
        params: dict[str, Params] = {
            "notes.ingest": FileParams(file=str(self._file)),
            "notes.bands": MinHashParams(unit="ascii_words", shingle=shingle, hash="xxh3", bands=8, rows=4, seed=1),
            "notes.pairs": PairsParams(exact_to=exact_to, others=others, driver_rows=driver_rows),
            "notes.near_dedup": ClustersParams(jaccard=jaccard, driver_rows=driver_rows, driver_edges=driver_edges),
        }
        spark = SparkConfig(master="local[2]", driver_memory="2g", fast_start=True, conf={})
        config = Config(LakeConfig(root=self.lake.root, lock_wait_seconds=5, docs=False), spark, params)
        return {r.job: r for r in Runner(self.lake, GRAPH, config, lambda: self._spark).build(GRAPH.jobs)}

    def rows(self, table: Table) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = ledger.read(self.lake, table).to_pylist()
        return found

    def clusters(self) -> dict[str, list[str]]:
        """Members of every cluster in order of names, by the survivor."""
        found: dict[str, list[str]] = {}
        for row in sorted(self.rows(tables.duplicates), key=lambda row: row["note_id"]):
            found.setdefault(row["duplicate_of"] or row["note_id"], []).append(row["note_id"])
        return found

    def digests(self) -> dict[str, str]:
        return {table.name: digest.of_version(self.lake, table)[0] for table in GRAPH.tables}
