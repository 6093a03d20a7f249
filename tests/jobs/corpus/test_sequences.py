"""From gold documents to training sequences: every token accounted for, shares met, the same on any number of partitions.

codelake tokenizer train tokenizers/mine
codelake build --set corpus.tokenize.tokenizer=tokenizers/mine corpus.tokenize+
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession

from jobs.corpus.tables import mixture, packed_pretrain, pretrain, pretrain_tokens
from jobs.kernels.encoder import Encoder
from lakehouse import digest, ledger, release
from lakehouse.cli.main import main
from lakehouse.config import load
from lakehouse.errors import ConfigError, InputError
from lakehouse.lake import Lake
from lakehouse.registry import graph
from lakehouse.runner import Report, Runner
from lakehouse.table import Table
from lakehouse.tokenizer import TokenizerConfig, train
from tests.lakehouse import lakes
from training.pins import Pin
from training.stream import Part, Reading, Stream

pytestmark = pytest.mark.spark

LENGTH = 512
PARTS = [
    {"name": "cli", "share": 70, "epochs": 2, "category": "raw", "where": {"repo": ["click"]}},
    {"name": "colour", "share": 30, "epochs": 4, "category": "web", "where": {"repo": ["rich"]}},
]
JOBS = graph().select(["corpus.tokenize", "corpus.mix", "corpus.pack"])


class Sequences:
    """A lake with real documents in gold.pretrain, as if the code path had run."""

    def __init__(self, root: Path, spark: SparkSession) -> None:
        self.lake, self.spark, self.folder = Lake(str(root / "lake")), spark, root / "tokenizer"

    def build(self, *overrides: str, shuffles: int | None = None) -> dict[str, Report]:
        said = [f"lake.root={self.lake.root}", "lake.docs=false", f"corpus.tokenize.tokenizer={self.folder}"]
        config = load(graph(), overrides=[*said, f"corpus.pack.length={LENGTH}", *overrides])
        before = self.spark.conf.get("spark.sql.shuffle.partitions")
        self.spark.conf.set("spark.sql.shuffle.partitions", str(shuffles or before))
        try:
            runner = Runner(self.lake, graph(), config, lambda: self.spark)
            return {report.job: report for report in runner.build(JOBS)}
        finally:
            self.spark.conf.set("spark.sql.shuffle.partitions", str(before))

    def rows(self, table: Table) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = ledger.read(self.lake, table).to_pylist()
        return found

    def digests(self) -> list[str]:
        return [digest.of_version(self.lake, table)[0] for table in (pretrain_tokens, mixture, packed_pretrain)]


def documents() -> Iterator[dict[str, Any]]:
    import click
    import rich

    for module in (click, rich):
        for path in sorted(Path(module.__path__[0]).glob("*.py")):
            if text := path.read_text("utf-8"):
                yield document(module.__name__, text)
    yield document("click", "A turn that a file ends: <|im_end|>\n<|endoftext|>\n" * 5)


def document(repo: str, text: str) -> dict[str, Any]:
    template = lakes.rows()["gold.pretrain"][0]
    said = {
        "doc_id": hashlib.sha256(text.encode()).hexdigest(),
        "repo": repo,
        "text": text,
        "bytes": len(text.encode()),
    }
    return {**template, **said}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Sequences:
    made = Sequences(tmp_path_factory.mktemp("sequences"), spark)
    table = pa.Table.from_pylist(list(documents()), schema=pretrain.arrow_schema)
    write_deltalake(made.lake.location(pretrain), table, configuration={"delta.enableChangeDataFeed": "true"})
    small = TokenizerConfig.standard().model_copy(update={"vocabulary": 2000})
    train(made.lake, pretrain, made.folder, small, megabytes=None)
    made.build()
    return made


def test_every_document_is_packed_whole_and_once(made: Sequences) -> None:
    encoder = Encoder.load(made.folder)
    end = encoder.special("<|endoftext|>")
    texts = {row["doc_id"]: row["text"] for row in made.rows(pretrain)}
    found: dict[str, list[list[int]]] = {}
    for row in sorted(made.rows(packed_pretrain), key=lambda row: row["sequence_id"]):
        assert len(row["input_ids"]) == row["tokens"] <= LENGTH
        assert row["loss_mask"] is None
        bounds = [*row["doc_starts"], row["tokens"]]
        for name, first, last in zip(row["doc_ids"], bounds, bounds[1:], strict=False):
            found.setdefault(name, []).append(row["input_ids"][first:last])
    assert found.keys() == texts.keys()
    for name, pieces in found.items():
        ids = encoder.plain(texts[name])
        assert sum(map(len, pieces)) == len(ids) + 1
        assert Counter(map(tuple, pieces)) == Counter(
            tuple([*ids, end][at : at + LENGTH]) for at in range(0, len(ids) + 1, LENGTH)
        )


def test_counts_are_those_of_a_direct_count(made: Sequences) -> None:
    encoder = Encoder.load(made.folder)
    counts = {row["doc_id"]: row["tokens"] for row in made.rows(pretrain_tokens)}
    assert counts == {row["doc_id"]: len(encoder.plain(row["text"])) + 1 for row in made.rows(pretrain)}
    assert {row["tokenizer"] for row in made.rows(pretrain_tokens)} == {encoder.digest}


def test_no_text_ends_a_turn_or_a_document(made: Sequences) -> None:
    control = Encoder.load(made.folder).control
    for row in made.rows(pretrain_tokens):
        assert not control & set(row["input_ids"][:-1])


def test_the_same_sequences_come_from_any_number_of_partitions(made: Sequences, tmp_path: Path) -> None:
    import shutil

    other = Sequences(tmp_path, made.spark)
    shutil.copytree(Path(made.lake.root) / "gold" / "pretrain", Path(other.lake.root) / "gold" / "pretrain")
    shutil.copytree(made.folder, other.folder)
    other.build(shuffles=5)
    assert other.digests() == made.digests()
    assert {report.status for report in other.build().values()} == {"skipped"}


def test_plain_readers_see_the_rows_and_small_row_groups(made: Sequences) -> None:
    opened = DeltaTable(made.lake.location(packed_pretrain))
    assert not set(opened.protocol().reader_features or ())
    for name in opened.file_uris():
        file = pq.ParquetFile(name)
        assert all(file.metadata.row_group(i).total_byte_size <= 17 << 20 for i in range(file.num_row_groups))
    assert sum(pq.read_metadata(name).num_rows for name in opened.file_uris()) == len(made.rows(packed_pretrain))


def test_the_training_stream_reads_what_was_packed(made: Sequences) -> None:
    opened = DeltaTable(made.lake.location(packed_pretrain))
    pin = Pin(made.lake.location(packed_pretrain), opened.version())
    reading = Reading(LENGTH, Encoder.load(made.folder).vocabulary, seed=1, window=2, bad_share=0.0, isolated=True)
    wanted = Counter(tuple(row["input_ids"]) for row in made.rows(packed_pretrain))
    seen: Counter[tuple[int, ...]] = Counter()
    with Stream([Part("all", 1.0, pin)], reading) as stream:
        for batch in stream.batches(start=0, rank=0, world=1, rows=1, stop=sum(wanted.values())):
            used = np.flatnonzero(batch.input_ids[0])
            seen[tuple(batch.input_ids[0][: used[-1] + 1].tolist()) if len(used) else ()] += 1
    assert sum(seen.values()) == sum(wanted.values())
    end = Encoder.load(made.folder).special("<|endoftext|>")  # id 0, like the padding: what is behind the last other id
    assert seen == Counter(tuple(_without_end(ids, end)) for ids in wanted.elements())


def _without_end(ids: tuple[int, ...], end: int) -> list[int]:
    kept = list(ids)
    while kept and kept[-1] == end:
        kept.pop()
    return kept


def test_a_mixture_meets_its_shares_and_says_how_often_each_part_is_read(made: Sequences, tmp_path: Path) -> None:
    import shutil

    mixed = Sequences(tmp_path, made.spark)
    shutil.copytree(made.lake.root, mixed.lake.root)
    shutil.copytree(made.folder, mixed.folder)
    mixed.build(f"corpus.mix.parts={json.dumps(PARTS)}", "corpus.pack.method=concatenate")
    rows = mixed.rows(mixture)
    total = sum(row["times"] * row["tokens"] for row in rows)
    shares = {p: 100 * sum(r["times"] * r["tokens"] for r in rows if r["part"] == p) / total for p in ("cli", "colour")}
    largest = max(row["tokens"] for row in made.rows(pretrain_tokens))
    assert shares["cli"] == pytest.approx(70, abs=100 * largest / total)  # a toy's documents are large beside its parts
    times = {part: {row["times"] for row in rows if row["part"] == part} for part in shares}
    assert times["cli"] == {2}
    packed = mixed.rows(packed_pretrain)
    assert sum(row["tokens"] for row in packed) == total
    assert sum(row["tokens"] < LENGTH for row in packed) <= len(PARTS)
    read = Counter(name for row in packed for name in set(row["doc_ids"]))
    assert read.keys() == {row["doc_id"] for row in rows}
    with pytest.raises(InputError, match=r"short of tokens: cli by .*`codelake mix plan`"):
        mixed.build(f"corpus.mix.parts={json.dumps(PARTS)}", "corpus.mix.tokens=100000000")
    nothing = [*PARTS, {"name": "absent", "share": 1, "epochs": 1, "where": {"repo": ["nowhere"]}}]
    with pytest.raises(InputError, match="there is nothing of absent"):
        mixed.build(f"corpus.mix.parts={json.dumps(nothing)}")
    without = mixed.build(f"corpus.mix.parts={json.dumps(PARTS)}", "corpus.mix.exclude=[web]")
    assert without["corpus.mix"].status == "published"
    assert (
        {row["part"] for row in mixed.rows(mixture)}
        == {row["source"] for row in mixed.rows(packed_pretrain)}
        == {"cli"}
    )


def test_the_plan_of_a_mixture_shows_what_is_short_and_writes_nothing(
    made: Sequences, capsys: pytest.CaptureFixture[str]
) -> None:
    before = made.digests()
    arguments = ["mix", "plan", "--lake", made.lake.root, "--json", "--set", f"corpus.mix.parts={json.dumps(PARTS)}"]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--set", "corpus.mix.tokens=10000000"])
    assert ended.value.code == 1
    short = {row["part"]: row for row in json.loads(capsys.readouterr().out)}
    assert short["cli"]["takes"] + short["cli"]["short"] == 7_000_000
    main(arguments)
    rows = {row["part"]: row for row in json.loads(capsys.readouterr().out)}
    assert (rows["cli"]["epochs"], rows["cli"]["short"], rows["colour"]["short"]) == (2.0, 0, 0)
    assert made.digests() == before


def test_a_part_by_a_column_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="no column 'stars' to choose by"):
        load(graph(), overrides=['corpus.mix.parts=[{name: a, share: 1, epochs: 1, where: {stars: ["1"]}}]'])


@pytest.mark.parametrize("name", ["paper-pretrain", "paper-anneal"])
def test_the_papers_mixtures_are_there_and_add_up(name: str) -> None:
    config = load(graph(), overrides=["corpus.mix.parts=${conf:mixtures/" + name + ".yaml}"])
    parts = config.jobs["corpus.mix"].model_dump()["parts"]
    assert sum(part["share"] for part in parts) == pytest.approx(100, abs=0.01)


def test_a_release_pins_mixture_and_sequences(made: Sequences) -> None:
    rows = {row["table"]: row for row in release.create(made.lake, graph(), "seq")}
    assert set(rows) == {"gold.pretrain", "gold.mixture", "gold.packed_pretrain"}
    assert all(check.equal for check in release.verify(made.lake, graph(), "seq"))
