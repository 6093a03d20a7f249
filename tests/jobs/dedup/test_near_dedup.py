"""Near-duplicates of any corpus: bands, pairs, clusters against all pairs at once, and in batches against at once.

book.notes["a"] = ("buy milk and bread today", 1)
book.build()
book.clusters()          # {"b": ["a", "b"]}: b has more likes
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterable
from itertools import combinations, pairwise
from pathlib import Path

import networkx as nx
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.dedup.clusters import ClustersParams, cluster
from jobs.dedup.pairs import PairsParams
from jobs.dedup.stars import star_components
from jobs.kernels.minhash import Setting, band_hashes
from jobs.kernels.shingles import Shingling, jaccard, shingle_set
from lakehouse.errors import ConfigError
from lakehouse.job import Output, Params
from lakehouse.table import Table
from tests.jobs.dedup.notes import GRAPH, Notebook, notes, tables

pytestmark = pytest.mark.spark

SETTING = Setting(Shingling("ascii_words", 2, "xxh3"), permutations=32, bands=8, rows=4, seed=1)
WORDS = [f"w{i}" for i in range(400)]
WAYS = pytest.mark.parametrize("rows", [100_000, 0], ids=["on the driver", "by Spark"])
Hold = Callable[[str, DataFrame], DataFrame]


@pytest.fixture
def hold(tmp_path: Path, spark: SparkSession) -> Hold:
    def held(name: str, rows: DataFrame) -> DataFrame:
        rows.write.mode("overwrite").parquet(str(tmp_path / name))
        return spark.read.schema(rows.schema).parquet(str(tmp_path / name))

    return held


def families(seed: int, families: int, members: int) -> dict[str, tuple[str, int]]:
    """Notes that drift: each member changes a few words of one before it, so that families are chains, not balls."""
    draw = random.Random(seed)
    found: dict[str, tuple[str, int]] = {}
    for _ in range(families):
        texts = [draw.choices(WORDS, k=60)]
        for _ in range(members - 1):
            words = list(draw.choice(texts))
            for place in draw.sample(range(60), draw.randint(0, 9)):
                words[place] = draw.choice(WORDS)
            texts.append(words)
        for words in texts:
            found[f"{draw.getrandbits(48):012x}"] = (" ".join(words), draw.randint(0, 3))
    return found


class Oracle:
    """All pairs of every bucket, with their similarity: quadratic, one pair at a time."""

    def __init__(self, found: dict[str, tuple[str, int]]) -> None:
        names = sorted(found)
        bands = band_hashes(pa.array([found[n][0] for n in names], pa.large_string()), SETTING).to_pylist()
        sets = {n: shingle_set(found[n][0].encode(), SETTING.shingling) for n in names}
        buckets: dict[int, list[str]] = {}
        for name, hashes in zip(names, bands, strict=True):
            for band in hashes:
                buckets.setdefault(band, []).append(name)
        self.largest = max(map(len, buckets.values()))
        self.pairs = {p: jaccard(sets[p[0]], sets[p[1]]) for b in buckets.values() for p in combinations(b, 2)}
        self.stars = {(b[0], other): self.pairs[b[0], other] for b in buckets.values() for other in b[1:]}

    def components(self, threshold: float, *, stars_only: bool = False) -> set[frozenset[str]]:
        return components_of(p for p, j in (self.stars if stars_only else self.pairs).items() if j >= threshold)


def components_of(edges: Iterable[tuple[str, str]]) -> set[frozenset[str]]:
    return {frozenset(c) for c in nx.connected_components(nx.Graph(list(edges)))}


@pytest.fixture(scope="module", params=[100_000, 0], ids=["on the driver", "by Spark"])
def book(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Notebook:
    made = Notebook(tmp_path_factory.mktemp("notes"), spark)
    made.notes = families(1, families=12, members=9)
    made.notes |= {"0" * 12: ("", 5), "1" * 12: ("", 5), "2" * 12: ("all alone here", 0)}
    made.build(driver_rows=request.param)
    return made


def measured(book: Notebook) -> dict[tuple[str, str], float]:
    return {(r["note_id"], r["other"]): r["jaccard"] for r in book.rows(tables.pairs) if r["note_id"] < r["other"]}


def test_clusters_are_those_of_all_pairs_at_every_threshold(book: Notebook) -> None:
    oracle = Oracle(book.notes)
    assert oracle.largest > 3
    lost_by_stars = 0
    for threshold in (0.05, 0.3, 0.5, 0.7, 0.8, 0.9, 0.99):
        found = components_of(pair for pair, j in measured(book).items() if j >= threshold)
        assert found == oracle.components(threshold), threshold
        lost_by_stars += found != oracle.components(threshold, stars_only=True)
    assert lost_by_stars  # the corpus holds what stars alone would lose
    assert {frozenset(members) for members in book.clusters().values()} == oracle.components(0.7)


def test_every_pair_carries_its_true_similarity_in_both_directions(book: Notebook) -> None:
    oracle = Oracle(book.notes)
    assert all(oracle.pairs[pair] == similarity for pair, similarity in measured(book).items())
    both = {(r["note_id"], r["other"]): r["jaccard"] for r in book.rows(tables.pairs)}
    assert all(both[other, name] == similarity for (name, other), similarity in both.items())


def test_the_most_liked_survives_and_the_others_name_it_and_their_nearest(book: Notebook) -> None:
    rows = {row["note_id"]: row for row in book.rows(tables.duplicates)}
    pairs = {(r["note_id"], r["other"]): r["jaccard"] for r in book.rows(tables.pairs)}
    assert rows
    for members in book.clusters().values():
        first = min(members, key=lambda name: (-book.notes[name][1], name))
        assert [n for n in members if rows[n]["kept"]] == [first]
        for name in members:
            row = rows[name]
            assert (row["cluster"], row["members"]) == (min(members), len(members))
            assert row["duplicate_of"] == (None if name == first else first)
            assert row["jaccard"] == max(j for (n, other), j in pairs.items() if n == name and other in members)
            assert pairs[name, row["nearest"]] == row["jaccard"]


def test_a_note_without_a_token_has_no_partner(book: Notebook) -> None:
    bands = {row["note_id"]: row["bands"] for row in book.rows(tables.bands)}
    assert bands["0" * 12] == bands["1" * 12] == []
    assert not {name for name, _ in measured(book)} & {"0" * 12, "1" * 12}


def test_batches_changes_and_deletions_end_where_one_build_does(tmp_path: Path, spark: SparkSession) -> None:
    """Notes come in two batches, the survivor of a cluster goes, another is rewritten: as if it had always been so.

    The last step is done twice, on the driver and by Spark, and the one build of all by Spark.
    """
    every = families(2, families=6, members=6)
    slow = Notebook(tmp_path / "slow", spark)
    slow.notes = {name: every[name] for name in list(every)[: len(every) * 3 // 4]}
    slow.build()
    slow.notes = dict(every)
    slow.build()
    survivor, members = max(slow.clusters().items(), key=lambda item: len(item[1]))
    rewritten = next(name for name in members if name != survivor)
    del slow.notes[survivor]
    slow.notes[rewritten] = ("something else altogether " + every[rewritten][0][:40], 9)
    spread = Notebook(tmp_path / "spread", spark)
    shutil.copytree(tmp_path / "slow", tmp_path / "spread", dirs_exist_ok=True)
    spread.notes = slow.notes
    spread.build(driver_rows=0, driver_edges=0)
    reports = slow.build()
    changed = {o["name"]: o for report in reports.values() for o in report.outputs}
    assert changed["silver.notes_bands"]["inserted"] + changed["silver.notes_bands"]["updated"] == 1
    assert survivor not in {name for pair in measured(slow) for name in pair}
    fast = Notebook(tmp_path / "fast", spark)
    fast.notes = dict(slow.notes)
    shuffled = spark.conf.get("spark.sql.shuffle.partitions")
    spark.conf.set(
        "spark.sql.shuffle.partitions", "8"
    )  # another way to cut the work, another way to join: the same rows
    try:
        fast.build(driver_rows=0, driver_edges=0)
    finally:
        spark.conf.set("spark.sql.shuffle.partitions", str(shuffled))
    assert slow.digests() == fast.digests() == spread.digests()
    heirs = [
        n
        for n in members
        if n in slow.notes and n != rewritten and n in {m for c in slow.clusters().values() for m in c}
    ]
    assert {row["kept"] for row in slow.rows(tables.duplicates) if row["note_id"] in heirs} >= {True}


class Frames:
    """The inputs of a transform out of plain DataFrames, everything computed anew."""

    changed = None

    def __init__(self, spark: SparkSession, hold: Hold, frames: dict[Table, DataFrame]) -> None:
        self.spark, self.hold, self._frames = spark, hold, frames

    def whole(self, table: Table) -> DataFrame:
        return self._frames[table]

    def current(self, table: Table) -> DataFrame:
        return self.spark.createDataFrame([], table.spark_schema)


def run(name: str, inputs: Frames, params: Params) -> DataFrame:
    (job,) = [job for job in GRAPH.jobs if job.name == name]
    result = job.transform(inputs, params)
    assert isinstance(result, Output)
    return result.rows


def banded(spark: SparkSession, texts: dict[str, str], setting: Setting = SETTING) -> dict[Table, DataFrame]:
    hashes = band_hashes(pa.array(list(texts.values()), pa.large_string()), setting).to_pylist()
    rows = [(name, bands, setting.canonical) for name, bands in zip(texts, hashes, strict=True)]
    documents = [(name, text, len(text), 0, "") for name, text in texts.items()]
    return {
        tables.bands: spark.createDataFrame(rows, tables.bands.spark_schema),
        notes: spark.createDataFrame(documents, notes.spark_schema),
    }


@WAYS
def test_copies_cost_a_pair_each_and_not_a_pair_of_each_two(spark: SparkSession, hold: Hold, rows: int) -> None:
    frames = banded(spark, {f"{i:04}": "the very same words in every note of them" for i in range(500)})
    pairs = run("notes.pairs", Frames(spark, hold, frames), PairsParams(exact_to=1.0, others=64, driver_rows=rows))
    assert (pairs.count(), pairs.select("jaccard").distinct().collect()[0][0]) == (2 * 499, 1.0)


@WAYS
def test_a_crowd_of_unlike_members_meets_so_many_others_and_no_more(spark: SparkSession, hold: Hold, rows: int) -> None:
    frames = banded(spark, {f"{i:04}": " ".join([f"w{i}", "x", f"y{i}"]) for i in range(300)})
    crowd = frames[tables.bands].withColumn("bands", F.array(F.lit(7).cast("bigint")))
    frames[tables.bands] = crowd
    pairs = run("notes.pairs", Frames(spark, hold, frames), PairsParams(exact_to=0.9, others=4, driver_rows=rows))
    per_note = [row["count"] for row in pairs.groupBy("note_id").count().collect()]
    # The least meets all. Whoever follows meets it, four that follow and four that are followed; near the least, who
    # follows nobody, one pair less.
    assert sorted(per_note) == [8] * 8 + [9] * 291 + [299]


@WAYS
def test_bands_of_two_settings_are_refused(spark: SparkSession, hold: Hold, rows: int) -> None:
    frames = banded(spark, {"a": "one two three four"})
    other = banded(spark, {"b": "one two three four"}, Setting(Shingling("ascii_words", 3, "xxh3"), 32, 8, 4, 1))
    frames[tables.bands] = frames[tables.bands].unionByName(other[tables.bands])
    with pytest.raises(ConfigError, match=r"silver\.notes_bands holds bands of 2 settings.*--full-refresh"):
        run("notes.pairs", Frames(spark, hold, frames), PairsParams(exact_to=1.0, others=4, driver_rows=rows))
    foreign = frames[tables.bands].withColumn("setting", F.lit(SETTING.canonical.replace("affine32", "legacy")))
    frames[tables.bands] = foreign
    with pytest.raises(ConfigError, match=r"silver\.notes_bands: setting .*legacy.*--full-refresh"):
        run("notes.pairs", Frames(spark, hold, frames), PairsParams(exact_to=1.0, others=4, driver_rows=rows))


def test_bands_without_their_document_are_an_error_and_no_similarity_of_zero(spark: SparkSession, hold: Hold) -> None:
    frames = banded(spark, dict.fromkeys("abc", "one two three four"))
    frames[notes] = frames[notes].where("note_id <> 'b'")
    with pytest.raises(
        ConfigError, match=r"names 1 documents that are not in bronze\.notes, such as b\..*--full-refresh"
    ):
        run("notes.pairs", Frames(spark, hold, frames), PairsParams(exact_to=1.0, others=4, driver_rows=100))


def tangle() -> list[tuple[str, str]]:
    """A loop, a path in no order of names, a star and a random graph, apart from each other."""
    draw = random.Random(3)
    names = [f"{draw.getrandbits(40):010x}" for _ in range(150)]
    shapes = [[("b", "a"), ("b", "b")], list(pairwise(names[:60])), [(names[0], other) for other in names[1:100]]]
    shapes.append([(draw.choice(names), draw.choice(names)) for _ in range(110)])
    return [(f"{x}/{n}", f"{y}/{n}") for n, shape in enumerate(shapes) for x, y in shape]


def test_both_ways_to_find_components_agree_with_networkx(spark: SparkSession, hold: Hold) -> None:
    edges = tangle()
    expected = {name: min(component) for component in components_of(edges) for name in component}
    frame = spark.createDataFrame(edges, "left string, right string")
    rounds: list[str] = []

    def counted(name: str, rows: DataFrame) -> DataFrame:
        rounds.append(name)
        return hold(name, rows)

    assert {row["id"]: row["cluster"] for row in star_components(frame, counted).collect()} == expected
    assert 3 < len(rounds) < 12
    columns = [pa.array([edge[i] for edge in edges], pa.string()) for i in (0, 1)]
    on_driver = cluster(pa.table(columns, names=["id", "other"])).to_pylist()
    assert {row["id"]: row["cluster"] for row in on_driver} == expected


def test_where_something_is_found_is_no_part_of_the_result() -> None:
    clusters = [ClustersParams(jaccard=0.7, driver_rows=rows, driver_edges=rows) for rows in (1, 2)]
    pairs = [PairsParams(exact_to=0.9, others=4, driver_rows=rows) for rows in (1, 2)]
    assert clusters[0].digest == clusters[1].digest
    assert pairs[0].digest == pairs[1].digest
