"""From files of conversations to sequences that a training run reads: each reason to lose one shows up where it should.

codelake build --conf sft.yaml sft.*
codelake why chats/chat.jsonl:4
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession

from jobs.corpus.tables import pretrain
from jobs.kernels.chat import Chat
from jobs.kernels.encoder import Encoder
from jobs.sft.sources.layouts import sample_id
from jobs.sft.tables import packed_stages
from lakehouse import digest, ledger, planted, release
from lakehouse.ask.sample import sample
from lakehouse.cli.main import main
from lakehouse.config import load
from lakehouse.errors import InputError
from lakehouse.lake import Lake
from lakehouse.registry import graph, table
from lakehouse.runner import Report, Runner
from lakehouse.tokenizer import TokenizerConfig, train
from tests.lakehouse import lakes
from training.pins import Pin
from training.stream import NO_TARGET, Part, Reading, Stream

pytestmark = pytest.mark.spark

LENGTHS = {1: 160, 2: 200}
SYSTEM = "You answer briefly."
JOBS = [job for job in graph().select(["sft.*"]) if job.name != "sft.synthetic"]  # no teacher is asked here
LONG = "Explain a queue. " + " ".join(f"It holds item {n} until somebody asks." for n in range(60))


def turns(*said: str, system: str | None = None) -> list[dict[str, str]]:
    first = [] if system is None else [{"role": "system", "content": system}]
    return first + [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(said)]


PLAIN = turns("Reverse a list in Python.", "Use `values[::-1]`; it gives a new list.")
TWICE = turns("What does len do?", "It counts the items of a collection.", "And of a text?", "Its characters.")
BRIEF = turns("Say hello to a reader.", "print('hello, reader')", system="You write one line of code.")
ESSAY = turns("Tell me about queues, at length.", LONG)
NEAR = turns("Tell me about queues, at length!", LONG.replace("item 31", "thing 31"))
COPIED = turns("Weather.", planted.benchmark()["prompt"] + planted.benchmark()["canonical_solution"])
SAME_NAME = turns("Weather again.", "def warmest_stretch(readings, days):\n    return max(readings[:days])")
UNANSWERED = turns("Is anybody there?")
ORDERS = [{"role": "system", "content": "Only orders, and nobody to follow them."}]
BLANK = turns("And now?", " \n\t")
ENDLESS = turns("Ask on. " * 200, "Never reached within a sequence.")

CHATS = [PLAIN, TWICE, BRIEF, ESSAY, NEAR, COPIED, SAME_NAME, UNANSWERED, BLANK, ORDERS, ENDLESS]
CODE = "def double(x):\n    return 2 * x"
EDUCATIONAL = {
    "seq_id": 11, "instruction": "Double a number with a function.", "output": f"```python\n{CODE}\n```", "code": CODE,
    "entry_point": "double", "testcase": ["assert double(2) == 4", "assert double(0) == 0"],
}  # fmt: skip
AGAIN = {"seq_id": 12, "instruction": PLAIN[0]["content"], "output": PLAIN[1]["content"], "code": None,
         "entry_point": None, "testcase": None}  # fmt: skip


class SftLake:
    """A lake over two data sets and a tokenizer trained on a little text."""

    def __init__(self, root: Path, spark: SparkSession) -> None:
        self.lake, self.spark, self.root = Lake(str(root / "lake")), spark, root
        (root / "chats").mkdir()
        self.write("chat.jsonl", [json.dumps({"messages": chat}) for chat in CHATS] + ["{broken"])
        pq.write_table(pa.Table.from_pylist([EDUCATIONAL, AGAIN]), root / "educational.parquet")
        texts = [chat["content"] for chats in CHATS for chat in chats]
        template = lakes.rows()["gold.pretrain"][0]
        documents = [{**template, "doc_id": f"{n:064x}", "text": text} for n, text in enumerate(texts)]
        given = pa.Table.from_pylist(documents, schema=pretrain.arrow_schema)
        other = Lake(str(root / "other"))
        write_deltalake(other.location(pretrain), given)
        small = TokenizerConfig.standard().model_copy(update={"vocabulary": 600})
        train(other, pretrain, root / "tokenizer", small, megabytes=None)
        self.encoder = Encoder.load(root / "tokenizer")

    def write(self, name: str, lines: list[str]) -> None:
        (self.root / "chats" / name).write_text("\n".join(lines) + "\n")

    def build(self, *overrides: str) -> dict[str, Report]:
        sources = [
            {"name": "chats", "location": str(self.root / "chats"), "stage": 1},
            {"name": "educational", "location": str(self.root / "educational.parquet"), "stage": 2, "licence": "MIT"},
        ]
        said = [
            f"lake.root={self.lake.root}", "lake.docs=false", f"sft.ingest.sources={json.dumps(sources)}",
            f"sft.decontaminate.benchmarks=[{planted.make_benchmarks(self.root / 'benchmarks')}]",
            f"sft.tokenize.tokenizer={self.root / 'tokenizer'}", f"sft.tokenize.system={SYSTEM}",
            f"sft.pack.lengths={json.dumps(LENGTHS)}", *overrides,
        ]  # fmt: skip
        runner = Runner(self.lake, graph(), load(graph(), overrides=said), lambda: self.spark)
        return {report.job: report for report in runner.build(JOBS)}

    def rows(self, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = ledger.read(self.lake, table(name)).to_pylist()
        return found

    def digests(self) -> dict[str, str]:
        return {t.name: digest.of_version(self.lake, t)[0] for job in JOBS for t in job.writes}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> SftLake:
    made = SftLake(tmp_path_factory.mktemp("sft"), spark)
    assert {report.status for report in made.build().values()} == {"published"}
    return made


def test_copies_in_two_layouts_are_one_conversation_of_the_later_stage(built: SftLake) -> None:
    found = {row["sample_id"]: row for row in built.rows("silver.sft_samples")}
    copy = found[sample_id(PLAIN)]
    assert (copy["copies"], copy["stage"], copy["seq_id"], copy["licence"]) == (2, 2, "12", "MIT")
    assert len(found) == len(CHATS) + 1
    files = {row["file"]: row for row in built.rows("bronze.instruction_files")}
    assert (files["chats/chat.jsonl"]["rows"], files["chats/chat.jsonl"]["refused"]) == (len(CHATS), 1)
    assert files["educational/educational.parquet"]["layout"] == "instruction"
    (refused,) = built.rows("ops.quarantine")
    assert (refused["item"], refused["path"]) == (f"chats/chat.jsonl:{len(CHATS)} (not_json)", "chat.jsonl")


def test_each_reason_to_drop_a_conversation_is_recorded_and_the_rest_is_gold(built: SftLake) -> None:
    hits = {row["sample_id"]: {hit["rule"] for hit in row["hits"]} for row in built.rows("silver.sft_decisions")}
    near = [hits[sample_id(chat)] for chat in (ESSAY, NEAR)]
    assert sorted(map(sorted, near)) == [[], ["near_duplicate"]]
    assert hits[sample_id(COPIED)] == hits[sample_id(SAME_NAME)] == {"benchmark"}
    assert hits[sample_id(UNANSWERED)] == {"malformed", "short_answer"}
    assert hits[sample_id(BLANK)] == {"malformed"}
    assert hits[sample_id(ORDERS)] == {"malformed", "short_answer"}
    gold = {row["doc_id"]: row for row in built.rows("gold.sft")}
    assert gold.keys() == {name for name, rules in hits.items() if not rules}
    educational = next(row for row in gold.values() if row["seq_id"] == "11")
    assert (educational["entry_point"], educational["testcase"]) == ("double", EDUCATIONAL["testcase"])
    assert gold[sample_id(TWICE)]["messages"] == TWICE
    by_rule = {(row["sample_id"], row["rule"]) for row in built.rows("silver.sft_benchmark_hits")}
    assert (sample_id(SAME_NAME), "entry_point") in by_rule


def test_the_loss_counts_answers_alone_and_what_is_too_long_keeps_its_beginning(built: SftLake) -> None:
    chat = Chat(SYSTEM)
    gold = {row["doc_id"]: row for row in built.rows("gold.sft")}
    wanted = {name: chat.encode(built.encoder, name, row["messages"]) for name, row in gold.items()}
    cut = {row["doc_id"]: row["kept"] for row in built.rows("silver.sft_cut")}
    assert cut.keys() == {n for n, document in wanted.items() if len(document) > LENGTHS[gold[n]["stage"]]}
    assert cut[sample_id(ENDLESS)] == 0
    assert LENGTHS[1] in cut.values()
    seen = set()
    for stage, packed in packed_stages.items():
        for row in built.rows(packed.name):
            assert row["tokens"] == len(row["input_ids"]) == len(row["loss_mask"]) <= LENGTHS[stage]
            bounds = [*row["doc_starts"], row["tokens"]]
            for name, first, last in zip(row["doc_ids"], bounds, bounds[1:], strict=False):
                document, length = wanted[name], LENGTHS[stage]
                assert document.mask is not None and gold[name]["stage"] == stage
                assert row["input_ids"][first:last] == document.ids[:length].tolist()
                assert row["loss_mask"][first:last] == document.mask[:length].tolist()
                seen.add(name)
    assert seen == gold.keys() - {sample_id(ENDLESS)}


def test_a_training_run_reads_the_sequences_and_learns_only_their_targets(built: SftLake) -> None:
    packed = packed_stages[1]
    rows = built.rows(packed.name)
    pin = Pin(built.lake.location(packed), DeltaTable(built.lake.location(packed)).version())
    reading = Reading(LENGTHS[1], built.encoder.vocabulary, seed=1, window=2, bad_share=0.0, isolated=True)
    with Stream([Part("sft", 1.0, pin)], reading) as stream:
        batches = list(stream.batches(start=0, rank=0, world=1, rows=1, stop=len(rows)))
    learnt = sum(int(np.count_nonzero(batch.labels != NO_TARGET)) for batch in batches)
    assert learnt == sum(sum(row["loss_mask"]) for row in rows) > 0


def test_why_tells_the_story_of_a_conversation_and_of_a_refused_row(
    built: SftLake, capsys: pytest.CaptureFixture[str]
) -> None:
    place = CHATS.index(COPIED)
    told = sample(built.lake, f"chats/chat.jsonl:{place}")
    assert told is not None
    assert (told["verdict"], told["sample_id"]) == ("dropped: benchmark", sample_id(COPIED))
    assert {row["item"] for row in told["silver.sft_benchmark_hits"]} == {"planted/0"}
    refused = sample(built.lake, f"chats/chat.jsonl:{len(CHATS)}")
    assert refused is not None and refused["verdict"] == "refused: not_json"
    ended = sample(built.lake, sample_id(ENDLESS)[:12])
    assert ended is not None and "left out of the sequences" in ended["verdict"]
    main(["why", sample_id(PLAIN)[:10], "--lake", built.lake.root])
    said = capsys.readouterr().out
    assert said.startswith("kept: in gold.sft") and "educational/educational.parquet" in said
    assert sample(built.lake, "src/queue.py") is None


def test_a_release_pins_conversations_and_sequences(built: SftLake) -> None:
    rows = {row["table"]: row for row in release.create(built.lake, graph(), "sft")}
    assert set(rows) == {"gold.sft", "gold.sft_mixture", "gold.packed_sft_stage1", "gold.packed_sft_stage2"}
    assert all(check.equal for check in release.verify(built.lake, graph(), "sft"))


def test_a_data_set_with_other_rows_than_its_publisher_counts_is_refused(tmp_path: Path, spark: SparkSession) -> None:
    lake, folder = Lake(str(tmp_path / "lake")), tmp_path / "set"
    folder.mkdir()
    row = json.dumps({"instruction": "Say one.", "output": "One."})

    def ingest(rows: int) -> Report:
        sources = json.dumps([{"name": "set", "location": str(folder), "stage": 1, "rows": rows}])
        given = load(graph(), overrides=[f"lake.root={lake.root}", "lake.docs=false", f"sft.ingest.sources={sources}"])
        return Runner(lake, graph(), given, lambda: spark).run(graph().select(["sft.ingest"])[0])

    (folder / "first.jsonl").write_text(f"{row}\n{row}\n{{broken\n")
    with pytest.raises(InputError, match=r"source 'set' has 3 rows; its `rows` says 4"):
        ingest(4)
    assert ingest(3).status == "published"
    (folder / "second.jsonl").write_text(f"{row}\n")
    with pytest.raises(InputError, match=r"has 4 rows; its `rows` says 3"):
        ingest(3)
    assert ledger.read(lake, table("bronze.instructions")).num_rows == 2


@pytest.mark.slow
def test_a_file_that_comes_and_goes_leaves_everything_as_it_was(built: SftLake) -> None:
    before = built.digests()
    assert {report.status for report in built.build().values()} == {"skipped"}
    more = turns("Which loop runs at least once?", "A do-while loop: its condition stands at the end.")
    near = turns("Tell me about queues, at length...", LONG.replace("item 7 ", "entry 7 "))
    built.write("more.jsonl", [json.dumps({"messages": chat}) for chat in (more, near)])
    added = built.build()
    changes = {o["name"]: (o["inserted"], o["updated"], o["deleted"]) for r in added.values() for o in r.outputs}
    assert changes["silver.sft_samples"] == changes["silver.sft_bands"] == (2, 0, 0)
    assert changes["silver.sft_benchmark_hits"] == (0, 0, 0)
    assert sample_id(more) in {row["doc_id"] for row in built.rows("gold.sft")}
    assert built.digests() != before
    (built.root / "chats" / "more.jsonl").unlink()
    built.build()
    assert built.digests() == before


def test_a_mixture_of_conversations_repeats_and_leaves_out_as_it_says(
    built: SftLake, capsys: pytest.CaptureFixture[str]
) -> None:
    before = built.digests()
    first = {row["doc_id"] for row in built.rows("gold.sft") if row["stage"] == 1}
    second = sorted(row["doc_id"] for row in built.rows("gold.sft") if row["stage"] == 2)
    part = {"share": 1, "category": None}
    stages = {
        1: {
            "conversations": 2,
            "exclude": [],
            "parts": [{**part, "name": "some", "epochs": 1, "where": {"source": ["chats"]}}],
        },
        2: {
            "conversations": 3 * len(second),
            "exclude": [],
            "parts": [{**part, "name": "often", "epochs": 3, "where": {}}],
        },
    }
    said = f"sft.mix.stages={json.dumps(stages)}"
    main(["mix", "plan", "sft.mix", "--lake", built.lake.root, "--json", "--set", said])
    plan = {row["part"]: row for row in json.loads(capsys.readouterr().out)}
    assert (plan["some"]["available"], plan["some"]["takes"], plan["often"]["epochs"]) == (len(first), 2, 3.0)
    built.build(said)
    rows = {row["doc_id"]: row for row in built.rows("gold.sft_mixture")}
    assert {(rows[name]["part"], rows[name]["times"]) for name in second} == {("often", 3)}
    taken = [name for name in first if name in rows]
    assert [rows[name]["times"] for name in taken] == [1, 1]
    packed = [name for row in built.rows("gold.packed_sft_stage2") for name in row["doc_ids"]]
    assert sorted(packed) == sorted(second * 3)
    told = sample(built.lake, next(name for name in first if name not in rows))
    assert told is not None and "not in gold.sft_mixture" in told["verdict"]
    with pytest.raises(InputError, match=r"short of conversations: often by 1 of 7"):
        stages[2]["conversations"] = 7
        built.build(f"sft.mix.stages={json.dumps(stages)}")
    built.build()
    assert built.digests() == before


@pytest.mark.parametrize("stage", [1, 2])
def test_the_recipes_mixtures_are_there_and_add_up(stage: int) -> None:
    given = [f"sft.mix.stages.{stage}.parts=${{conf:mixtures/paper-sft-stage{stage}.yaml}}"]
    parts = load(graph(), overrides=given).jobs["sft.mix"].model_dump()["stages"][stage]["parts"]
    assert sum(part["share"] for part in parts) == pytest.approx(100, abs=0.001)
