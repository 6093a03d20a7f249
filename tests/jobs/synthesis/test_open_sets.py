"""Open sets from their files to gold and back: dialogues cleaned, instructions chosen, released data sets repacked.

codelake build --conf my.yaml --profile open-sets synthesis.*
codelake synthesis export OUT
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from pyspark.sql import SparkSession

from jobs.synthesis.cli import synthesis
from jobs.synthesis.kinds.repack import INSTRUCTIONS, TEXTS
from jobs.synthesis.layouts import LAYOUTS
from lakehouse.errors import MachineError
from lakehouse.sandbox import Limits, Sandbox
from tests.jobs.synthesis import lakes
from tests.jobs.synthesis.open_rows import CODED, PROSE, Turns
from tests.jobs.synthesis.servers import Server
from tests.jobs.synthesis.test_samples import DECISIONS, GOLD, REQUESTS, SAMPLES, SEEDS, by
from tests.jobs.synthesis.writer import reply

pytestmark = pytest.mark.spark

ROWS, CONVERSATIONS = "bronze.open_rows", "silver.sft_synthetic"
TAGGED = ("filtered_infinity_instruct", "realuser_instruct", "largescale_diverse_instruct")
# Words that no two rows share, so that nothing is a near-copy of another.
WORDS = (
    "queue",
    "heap",
    "trie",
    "graph",
    "stack",
    "list",
    "tree",
    "map",
    "set",
    "ring",
    "mask",
    "edge",
    "node",
    "path",
    "sort",
)


def prose(name: str, n: int) -> str:
    mark = hashlib.sha256(f"{name} {n}".encode()).hexdigest()[:8]
    return f"{name}: " + " ".join(f"{word} {mark}" for word in WORDS)


def exchange(data_set: str, n: int) -> dict[str, Any]:
    """A row of instruction data in its released layout."""
    row: dict[str, Any] = {
        "seq_id": n,
        "instruction": f"Explain {prose(data_set, n)}",
        "output": f"So it is. {prose(data_set, n)}\n\n```python\nvalue = {n}\n```",
    }
    if data_set in TAGGED:
        row["tag"] = data_set
    if data_set == "educational_instruct":
        code = f"def add{n}(x):\n    return x + {n}\n"
        row |= {
            "code": code,
            "entry_point": f"add{n}",
            "testcase": [f"assert add{n}({i}) == {i + n}" for i in range(3)],
        }
    return row


def text(data_set: str, n: int) -> dict[str, Any]:
    """A row of annealing data in its released layout."""
    return {
        "text": f"def about{n}(): pass\n# {prose(data_set, n)}\n",
        "program_lang" if data_set == "synthetic_qa" else "lang": "go",
    }


RELEASED = {name: [exchange(name, n) for n in range(1, 4)] for name in INSTRUCTIONS} | {
    name: [text(name, n) for n in range(1, 4)] for name in TEXTS
}
# What is none of a repacked set, and why.
BAD = {
    "evol_instruct": ({"seq_id": 9, "instruction": "Half?", "output": "```python\nx = 1"}, "unsound_answer"),
    "educational_instruct": (exchange("educational_instruct", 9) | {"testcase": ["assert add9(1) == 0"]}, "not_passed"),
}
MAIL = "somebody.real" + "@" + "acme-widgets.com"
WHO = ("user", f"Write to {MAIL} about it.")
DIALOGUES: dict[str, Turns] = {"good": CODED, "poor": CODED, "low score": [*PROSE, WHO]}
INSTRUCTED: dict[str, Turns] = {
    "good": [("user", "Sort a list, please."), ("assistant", "Call sorted on it.")],
    "unsure": [("user", "How do heaps work?"), ("assistant", "The least item is on top of it.")],
    "low score": [("user", "What is the capital of France?"), ("assistant", "Paris.")],
}


def write_open_sets(folder: Path) -> None:
    """Every layout: JSON Lines with messages and ShareGPT's turns, Parquet as released, Arrow streams for annealing data."""
    for data_set, rows in RELEASED.items():
        given = [*rows, rows[0], *([BAD[data_set][0]] if data_set in BAD else [])]  # one copy each
        (folder / data_set).mkdir(parents=True)
        table = pa.Table.from_pylist(given)
        if data_set in TEXTS:
            with pa.ipc.new_stream(folder / data_set / "data-00000-of-00001.arrow", table.schema) as out:
                out.write_table(table)
        else:
            pq.write_table(table, folder / data_set / "train-00000-of-00001.parquet")
    for name, rows, column, who, what in (
        ("dialogues", DIALOGUES, "conversations", "from", "value"),
        ("instructions", INSTRUCTED, "messages", "role", "content"),
    ):
        lines = []
        for outcome, turns in rows.items():
            said = [{who: role, what: content} for role, content in turns]
            said[0][what] = f"# outcome: {outcome}\n{said[0][what]}"
            lines.append(json.dumps({column: said}))
        (folder / f"{name}.jsonl").write_text("\n".join([*lines, "{torn"]) + "\n")


@dataclass
class Open:
    """A lake over the open sets of a folder, and the teacher that it asks."""

    lake: lakes.SynthesisLake
    folder: Path
    server: Server

    def settings(self, *, score: int = 3, without: str = "") -> dict[str, Any]:
        places = {name: self.folder / name for name in RELEASED}
        places |= {name: self.folder / f"{name}.jsonl" for name in ("dialogues", "instructions")}
        sources = [
            {"name": name, "location": str(place), "licence": "ODC-BY" if name == "dialogues" else "MIT"}
            for name, place in places.items()
            if name != without
        ]

        def kind(*prompts: str, **more: Any) -> dict[str, Any]:
            filled = {name: f"${{conf:prompts/{name}.yaml}}" for name in prompts}
            return {"seeds": 50, "model": "m", "parameters": {"max_tokens": 500}, "prompts": filled, **more}

        infinity = {"score": score, "answers": "new"}
        sets = {name: name for name in RELEASED}
        return lakes.settings(self.server.url) | {
            "sft.synthetic.kinds": {"realuser": 1, "repack": 2},
            "synthesis.ingest.sources": sources,
            "synthesis.seeds.kinds": {
                "realuser": kind("dialogue", "reply", open_sets=["dialogues"], options={"score": 4}),
                "infinity": kind("choice", "reply", open_sets=["instructions"], options=infinity),
                "repack": {"seeds": 50, "open_sets": [*RELEASED], "options": {"data_sets": sets, "characters": 1}},
            },
        }

    def samples(self, kind: str) -> list[dict[str, Any]]:
        return [row for row in self.lake.rows(SAMPLES) if row["kind"] == kind]

    def by_outcome(self, kind: str) -> dict[str, dict[str, Any]]:
        seeds = by(self.lake.rows(SEEDS), "seed_id")
        found = {}
        for row in self.samples(kind):
            said = json.loads(seeds[row["seed_id"]]["text"])["messages"][0]["content"]
            found[said.partition("\n")[0].removeprefix("# outcome: ")] = row
        return found


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Iterator[Open]:
    try:
        Sandbox(Limits.default()).close()
    except MachineError as error:
        pytest.skip(f"no sandbox on this machine: {error}")
    root = tmp_path_factory.mktemp("open")
    write_open_sets(root / "sets")
    with Server(reply=reply) as server:
        opened = Open(lakes.SynthesisLake(root / "lake", spark), root / "sets", server)
        opened.lake.build(opened.settings(), "synthesis.*")
        yield opened


def test_dialogues_about_code_are_cleaned_and_what_was_rewritten_keeps_the_old_answer(built: Open) -> None:
    found = built.by_outcome("realuser")
    assert {name: (row["accepted"], row["reason"]) for name, row in found.items()} == {
        "good": (True, ""), "poor": (True, ""), "low score": (False, "not_code"),
    }  # fmt: skip
    good, poor, prose_ = found["good"], found["poor"], found["low score"]
    assert (good["instruction"], good["output"], good["original"]) == ("Add two numbers.", CODED[3][1], None)
    assert (poor["original"], poor["labels"]) == (CODED[1][1], ["answer=rewritten"])
    assert (len(good["request_ids"]), len(poor["request_ids"])) == (1, 2)
    assert (prose_["scores"], prose_["seed_licence"]) == ([{"name": "answer", "value": 5.0}], "ODC-BY")
    assert (good["corpus"], good["repo"], good["path"]) == ("open", "dialogues", "dialogues/dialogues.jsonl:0")
    assert good["language"] == "python"  # of its first code block


def test_a_sample_tells_from_which_rows_of_which_set_it_grew(built: Open) -> None:
    sample = next(row for row in built.samples("repack") if row["source"] == "evol_instruct" and row["accepted"])
    arguments = ["why", sample["sample_id"], "--lake", built.lake.lake.root, "--json"]
    told = json.loads(CliRunner().invoke(synthesis, arguments, catch_exceptions=False).stdout)
    stored = [row for row in built.lake.rows(ROWS) if row["content_id"] == sample["content_id"]]
    assert [(row["file"], row["place"]) for row in told["bronze.open_rows"]] == sorted(
        (row["file"], row["place"]) for row in stored
    )
    assert told["verdict"].startswith("kept")
    assert told["bronze.teacher_requests"] == []


def test_personal_data_of_dialogues_is_gone_before_a_teacher_is_asked(built: Open) -> None:
    stored = [m["content"] for row in built.lake.rows(ROWS) for m in row["messages"]]
    assert any(MAIL in content for content in stored)  # bronze is what was read
    said = [m["content"] for body in built.server.bodies for m in body["messages"]]
    assert not any(MAIL in content for content in (*said, *(row["text"] for row in built.lake.rows(SEEDS))))
    assert any("Write to <email>" in content for content in said)


def test_instructions_are_chosen_by_a_model_whose_decision_and_score_stay_with_each(built: Open) -> None:
    found = built.by_outcome("infinity")
    scores = {name: row["scores"][0]["value"] for name, row in found.items() if row["scores"]}
    assert {name: row["reason"] for name, row in found.items()} == {
        "good": "",
        "unsure": "not_code",
        "low score": "not_code",
    }
    assert scores == {"good": 4.0, "unsure": 2.0, "low score": -4.0}
    assert {row["model"] for row in found.values()} == {"m"}
    assert found["good"]["original"] == "Call sorted on it."


def test_the_released_data_sets_come_back_out_as_they_went_in(built: Open, tmp_path: Path) -> None:
    done = CliRunner().invoke(
        synthesis, ["export", str(tmp_path), "--lake", built.lake.lake.root, "--json"], catch_exceptions=False
    )
    written = {row["layout"]: row["rows"] for row in json.loads(done.stdout)}
    assert set(written) == {layout.folder for layout in LAYOUTS}
    own = Counter(row["kind"] for row in built.lake.rows(GOLD))
    for layout in LAYOUTS:
        data_set = layout.folder.rpartition("/")[2]
        table = pq.read_table(tmp_path / layout.folder / "train-00000-of-00001.parquet")
        rows, released = table.to_pylist(), RELEASED[data_set]
        assert table.column_names == list(released[0]), layout.folder
        same = [row for row in rows if without_number(row) in [without_number(r) for r in released]]
        assert len(same) == len(released) == 3, layout.folder
        more = {"filtered_infinity_instruct": own["infinity"], "realuser_instruct": own["realuser"]}.get(data_set, 0)
        assert len(rows) == written[layout.folder] == 3 + more
        if "seq_id" in released[0]:
            assert [row["seq_id"] for row in rows] == list(range(len(rows)))
            assert table.schema.field("seq_id").type == pa.int64()


def without_number(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "seq_id"}


def test_copies_are_one_seed_and_what_is_broken_says_why_and_is_not_gold(built: Open) -> None:
    assert len(built.lake.rows(ROWS)) == sum(len(rows) + 1 for rows in RELEASED.values()) + len(BAD) + 6
    repacked = built.samples("repack")
    assert len(repacked) == 3 * len(RELEASED) + len(BAD)
    assert Counter(row["reason"] for row in repacked if not row["accepted"]) == Counter(why for _, why in BAD.values())
    tested = [row for row in repacked if row["source"] == "educational_instruct" and row["accepted"]]
    assert {(row["ended"], row["control"], row["sandbox"]) for row in tested} == {("passed", "failed", "bwrap")}
    torn = built.lake.rows("ops.quarantine")
    assert Counter((row["job"], row["reason"]) for row in torn) == {("synthesis.ingest", "not_json"): 2}
    assert {row["kind"] for row in built.lake.rows(REQUESTS)} == {"realuser", "infinity"}  # repacking asks nothing


def test_another_limit_decides_again_from_the_stored_answers(built: Open) -> None:
    before, asked = built.by_outcome("infinity"), len(built.server.bodies)
    for job in ("synthesis.seeds", "synthesis.answers", "synthesis.samples"):
        built.lake.build(built.settings(score=2), job)
    after = built.by_outcome("infinity")
    assert {name: row["accepted"] for name, row in after.items()} == {"good": True, "unsure": True, "low score": False}
    assert after["unsure"]["request_ids"][0] == before["unsure"]["request_ids"][0]
    assert len(built.server.bodies) == asked + 1  # the answer that is newly needed


@pytest.mark.slow
def test_samples_become_conversations_of_their_stage_and_texts_do_not(built: Open) -> None:
    built.lake.build(built.settings(), "sft.synthetic")
    built.lake.build(built.settings(), "sft.samples")
    gold, found = by(built.lake.rows(GOLD), "doc_id"), by(built.lake.rows(CONVERSATIONS), "doc_id")
    wanted = {"realuser": 1, "repack": 2}
    assert found.keys() == {key for key, row in gold.items() if row["kind"] in wanted and row["instruction"]}
    for key, row in found.items():
        assert [m["content"] for m in row["messages"]] == [gold[key]["instruction"], gold[key]["output"]]
        assert (row["stage"], row["licence"]) == (wanted[gold[key]["kind"]], gold[key]["seed_licence"])
        assert row["testcase"] == (gold[key]["tests"] or None)
    assert len(built.lake.rows("silver.sft_samples")) == len(found)  # distinct as they are


@pytest.mark.slow
def test_a_set_that_goes_takes_its_samples_along_into_what_is_tuned_on(built: Open) -> None:
    built.lake.build(built.settings(score=2, without="dialogues"), "synthesis.*")
    for job in ("sft.synthetic", "sft.samples"):
        built.lake.build({}, job)  # the build knows no kinds: what was erased goes all the same, and nothing else
    left = {row["source"] for name in (CONVERSATIONS, "silver.sft_samples") for row in built.lake.rows(name)}
    assert left == {"synthesis-repack"}
    for name in (ROWS, SEEDS, SAMPLES, GOLD):
        assert "dialogues" not in {row["source"] for row in built.lake.rows(name)}
    assert {row["kind"] for row in built.lake.rows(REQUESTS)} == {"infinity"}
    assert len(built.lake.rows(DECISIONS)) == len(built.lake.rows(SAMPLES))
