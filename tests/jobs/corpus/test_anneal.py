"""Mixtures of several tables: the paper's annealing, what a model leaves out, shares to a tenth of a point.

codelake mix plan anneal.mix --set "anneal.mix.parts=${conf:mixtures/paper-anneal.yaml}"
codelake build --profile paper_1_5b anneal.*
"""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession

from jobs.corpus.tables import anneal_mixture, mixture, packed_anneal, pretrain, pretrain_tokens, synthetic_tokens
from jobs.kernels.encoder import Encoder
from jobs.kernels.mixture import TOLERANCE
from jobs.synthesis.tables import algorithmic, synthetic
from lakehouse import ledger
from lakehouse.cli.main import main
from lakehouse.config import conf_dir, load
from lakehouse.errors import InputError
from lakehouse.lake import Lake
from lakehouse.registry import graph
from lakehouse.runner import Report, Runner
from lakehouse.table import Table
from lakehouse.tokenizer import TokenizerConfig, train
from tests.lakehouse import lakes

pytestmark = pytest.mark.spark

PAPER = "anneal.mix.parts=${conf:mixtures/paper-anneal.yaml}"
JOBS = ["corpus.tokenize", "corpus.mix", "anneal.*"]
# Source and corpus of the documents, and how many: in about the proportions of the paper's table.
SOURCES = {
    ("github", "code"): 1600, ("jupyter", "code"): 30, ("the_stack_v2", "code"): 260, ("common_crawl", "web"): 40,
    ("skypile", "web"): 12, ("fineweb", "web"): 130, ("automathtext", "web"): 12,
}  # fmt: skip
SAMPLES = {"snippets": 70, "textbooks": 30, "educational": 5}
ALGORITHMIC = 280


def _text(seed: str) -> str:
    rng = random.Random(seed)
    words = ("value", "index", "total", "items", "left", "right", "count", "queue")
    return f"# {seed}\n" + "".join(
        f"{rng.choice(words)} = {rng.choice(words)} + {rng.randrange(9)}\n" for _ in range(3)
    )


def _id(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def documents() -> list[dict[str, Any]]:
    template = lakes.rows()["gold.pretrain"][0]
    return [
        {**template, "doc_id": _id(text), "source": source, "corpus": corpus, "text": text, "bytes": len(text)}
        for (source, corpus), count in SOURCES.items()
        for n in range(count)
        for text in [_text(f"{source} {n}")]
    ]


def samples() -> list[dict[str, Any]]:
    common = {
        "seed_id": "0" * 64, "content_id": "0" * 64, "corpus": "code", "source": "github", "repo": "r", "path": "p",
        "seed_licence": "MIT", "model": "m", "terms": "t", "language": "python", "instruction": "", "output": "",
        "code": "", "entry_point": "", "tests": [], "labels": [],
    }  # fmt: skip
    return [
        {**common, "kind": kind, "doc_id": _id(text), "text": text, "bytes": len(text)}
        for kind, count in SAMPLES.items()
        for n in range(count)
        for text in [_text(f"{kind} {n}")]
    ]


def put(lake: Lake, table: Table, rows: list[dict[str, Any]]) -> None:
    data = pa.Table.from_pylist(rows, schema=table.arrow_schema)
    write_deltalake(lake.location(table), data, configuration={"delta.enableChangeDataFeed": "true"})


class Annealing:
    def __init__(self, root: Path, spark: SparkSession) -> None:
        self.lake, self.spark, self.folder = Lake(str(root / "lake")), spark, root / "tokenizer"
        given = documents()
        put(self.lake, pretrain, given)
        put(self.lake, synthetic, samples())
        chosen = [row for row in given if row["source"] == "github"][: ALGORITHMIC + 20]
        taken = [
            {"doc_id": row["doc_id"], "language": "python", "keywords": ["leetcode"], "taken": n < ALGORITHMIC,
             "bytes": row["bytes"]}
            for n, row in enumerate(chosen)
        ]  # fmt: skip
        put(self.lake, algorithmic, taken)
        small = TokenizerConfig.standard().model_copy(update={"vocabulary": 400})
        train(self.lake, pretrain, self.folder, small, megabytes=None)

    def build(self, *overrides: str, profile: str | None = None, only: list[str] = JOBS) -> dict[str, Report]:
        said = [f"lake.root={self.lake.root}", "lake.docs=false"]
        said += [f"{job}.tokenize.tokenizer={self.folder}" for job in ("corpus", "anneal")]
        config = load(graph(), profile=profile, overrides=[*said, "anneal.pack.length=256", *overrides])
        runner = Runner(self.lake, graph(), config, lambda: self.spark)
        return {report.job: report for report in runner.build(graph().select(only))}

    def rows(self, table: Table) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = ledger.read(self.lake, table).to_pylist()
        return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Annealing:
    made = Annealing(tmp_path_factory.mktemp("anneal"), spark)
    assert {report.status for report in made.build(PAPER).values()} == {"published"}
    return made


def shares(rows: list[dict[str, Any]]) -> dict[str, float]:
    tokens: dict[str, int] = defaultdict(int)
    for row in rows:
        tokens[row["part"]] += row["times"] * row["tokens"]
    return {part: 100 * n / sum(tokens.values()) for part, n in tokens.items()}


def stated(name: str, without: str | None = None) -> dict[str, float]:
    parts = yaml.safe_load((conf_dir() / "mixtures" / f"{name}.yaml").read_text())
    found = {part["name"]: part["share"] for part in parts if part["category"] != without}
    return {part: 100 * share / sum(found.values()) for part, share in found.items()}


def test_the_papers_annealing_mixture_is_met_to_a_tenth_of_a_point(made: Annealing) -> None:
    realised = shares(made.rows(anneal_mixture))
    assert realised == pytest.approx(stated("paper-anneal"), abs=TOLERANCE)
    assert stated("paper-anneal") == pytest.approx(
        {"refinecode_replay": 83.94, "algorithmic_corpus": 12.44, "synthetic_snippets": 2.71, "code_textbooks": 0.91}
    )


def test_each_document_is_of_the_part_that_it_belongs_to(made: Annealing) -> None:
    kinds = {row["doc_id"]: row["kind"] for row in made.rows(synthetic)}
    taken = {row["doc_id"] for row in made.rows(algorithmic) if row["taken"]}
    expected = {"snippets": "synthetic_snippets", "textbooks": "code_textbooks"}
    for row in made.rows(anneal_mixture):
        name = row["doc_id"]
        otherwise = "algorithmic_corpus" if name in taken else "refinecode_replay"
        assert row["part"] == (expected[kinds[name]] if name in kinds else otherwise)


def test_every_document_of_the_mixture_is_packed_whole_with_the_end_behind_it(made: Annealing) -> None:
    encoder = Encoder.load(made.folder)
    texts = {row["doc_id"]: row["text"] for row in (*documents(), *samples())}
    wanted = Counter({(row["part"], row["doc_id"]): row["times"] for row in made.rows(anneal_mixture)})
    seen: Counter[tuple[str, str]] = Counter()
    for row in made.rows(packed_anneal):
        bounds = [*row["doc_starts"], row["tokens"]]
        for name, first, last in zip(row["doc_ids"], bounds, bounds[1:], strict=False):
            assert row["input_ids"][first:last] == [*encoder.plain(texts[name]), encoder.special("<|endoftext|>")]
            seen[row["source"], name] += 1
    assert seen == wanted


def test_the_plan_shows_what_is_short_by_how_much_before_anything_is_written(
    made: Annealing, capsys: pytest.CaptureFixture[str]
) -> None:
    before = DeltaTable(made.lake.location(anneal_mixture)).version()
    arguments = ["mix", "plan", "anneal.mix", "--lake", made.lake.root, "--json", "--set", PAPER]
    main(arguments)
    rows = {row["part"]: row for row in json.loads(capsys.readouterr().out)}
    tokens = {row["doc_id"]: row["tokens"] for row in made.rows(synthetic_tokens)}
    books = sum(tokens[row["doc_id"]] for row in made.rows(synthetic) if row["kind"] == "textbooks")
    assert rows["code_textbooks"]["available"] == books
    assert max(row["epochs"] for row in rows.values()) == pytest.approx(
        1, abs=0.001
    )  # as many as the scarcest part has
    assert rows["(in no part)"]["available"] == sum(tokens.values()) - sum(
        tokens[row["doc_id"]] for row in made.rows(synthetic) if row["kind"] != "educational"
    )
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--set", "anneal.mix.tokens=1000000"])
    assert ended.value.code == 1
    short = {row["part"]: row for row in json.loads(capsys.readouterr().out)}
    assert short["code_textbooks"]["short"] == 9100 - books
    assert DeltaTable(made.lake.location(anneal_mixture)).version() == before
    with pytest.raises(SystemExit):
        main(["mix", "plan", "code.decide", "--lake", made.lake.root])
    assert "Allowed: corpus.mix, sft.mix, anneal.mix" in capsys.readouterr().err


@pytest.mark.parametrize("model", ["paper_1_5b", "paper_8b"])
def test_a_model_leaves_out_the_categories_that_its_profile_names(made: Annealing, model: str) -> None:
    made.build(profile=model, only=["corpus.mix"])
    without = "code_web" if model == "paper_1_5b" else None
    assert shares(made.rows(mixture)) == pytest.approx(stated("paper-pretrain", without), abs=TOLERANCE)
    sources = {row["doc_id"]: row["source"] for row in made.rows(pretrain)}
    read = {sources[row["doc_id"]] for row in made.rows(mixture)}
    web = {"common_crawl", "skypile", "fineweb"}
    assert read & web == (set() if model == "paper_1_5b" else web)
    assert {"github", "automathtext"} <= read


def test_without_parts_nothing_is_mixed_and_what_was_mixed_stays(made: Annealing) -> None:
    before = made.rows(anneal_mixture)
    reports = made.build(only=["anneal.*"])
    assert reports["anneal.tokenize"].status == "skipped"
    assert sorted(made.rows(anneal_mixture), key=str) == sorted(before, key=str)


def test_ids_of_two_tokenizers_are_not_mixed(made: Annealing, tmp_path: Path) -> None:
    import shutil

    other = Lake(str(tmp_path / "lake"))
    shutil.copytree(made.lake.root, other.root)
    DeltaTable(other.location(synthetic_tokens)).update({"tokenizer": "'0123456789abcdef'"})
    config = load(graph(), overrides=[f"lake.root={other.root}", "lake.docs=false", PAPER])
    with pytest.raises(InputError, match=r"ids of two tokenizers cannot be mixed: silver\.synthetic_tokens by 0123"):
        Runner(other, graph(), config, lambda: made.spark).build(graph().select(["anneal.mix"]))


def test_counts_of_samples_are_those_of_a_direct_count(made: Annealing) -> None:
    encoder = Encoder.load(made.folder)
    counts = {row["doc_id"]: row["tokens"] for row in made.rows(synthetic_tokens)}
    assert counts == {row["doc_id"]: len(encoder.plain(row["text"])) + 1 for row in samples()}
    assert len(made.rows(pretrain_tokens)) == sum(SOURCES.values())
