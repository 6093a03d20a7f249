"""A checkpoint becomes a folder that anybody loads, and is the same model there.

codelake export runs/tiny/checkpoints/anneal_iter_0000100 exported
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner
from deltalake import write_deltalake

torch = pytest.importorskip("torch", reason="needs the training extra: make test installs it")
pytest.importorskip("deepspeed", reason="needs the training extra: make test installs it")

from lakehouse import ledger, ops, release  # noqa: E402
from lakehouse.cli.main import group  # noqa: E402
from lakehouse.errors import ConfigError, InputError, MachineError  # noqa: E402
from lakehouse.lake import Lake  # noqa: E402
from lakehouse.registry import graph, table  # noqa: E402
from tests.training import nano  # noqa: E402
from training.byte_rows import END  # noqa: E402
from training.evaluate import bits  # noqa: E402
from training.export import export  # noqa: E402
from training.pins import Pin  # noqa: E402
from training.run import train  # noqa: E402
from training.tracking import local_uri  # noqa: E402

TEXT = "def add(a, b):\n    return a + b  # ünïcode\n"


PRETRAIN = table("gold.pretrain")


def released(lake: Lake) -> None:
    """A lake with one release: forty documents of two repositories."""
    blank = {"corpus": "code", "source": "s", "path": "p", "language": "python", "copies": 1, "licence": "MIT"}
    rows = [
        {**blank, "doc_id": f"{n:064x}", "repo": f"r{n % 4 // 3}", "bytes": len(TEXT), "text": TEXT} for n in range(40)
    ]
    write_deltalake(lake.location(PRETRAIN), pa.Table.from_pylist(rows, schema=PRETRAIN.arrow_schema))
    release.create(lake, graph(), "first")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, ranks: object) -> Path:  # noqa: ARG001  joins the group
    """A model of bytes that has read one text many times."""
    folder = tmp_path_factory.mktemp("export")
    released(Lake(str(folder / "lake")))
    part = {
        "release": "first",
        "table": "gold.pretrain",
        "version": None,
        "encoding": "bytes",
        "query": None,
        "weight": 1,
        "source": None,
    }
    stages = {
        "pretrain": nano.stage(Pin("", 0), tokens=40 * 128, parts={"code": part}),
        "later": nano.stage(Pin("", 0), tokens=128, parts={"code": part}),
    }
    model = {**nano.SHAPE, "vocabulary": 264}
    config = nano.config(folder, stages, model=model, lake=str(folder / "lake"))
    result = train(config, say=lambda _: None, max_steps=40)
    export(Path(result.checkpoint), folder / "out", tokenizer=None)
    with pytest.raises(ConfigError, match=r"out: exists\. Name another folder"):
        export(Path(result.checkpoint), folder / "out", tokenizer=None)
    return folder / "out"


def test_it_loads_in_transformers_with_its_tokenizer_and_card(exported: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(exported)
    assert tokenizer(TEXT)["input_ids"] == list(TEXT.encode())
    assert tokenizer.decode(list(TEXT.encode())) == TEXT
    assert tokenizer.eos_token_id == END
    turns = [{"role": "user", "content": "Add two numbers."}]
    assert tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True) == (
        "<|im_start|>system\nYou are a helpful programming assistant.<|im_end|>\n"
        "<|im_start|>user\nAdd two numbers.<|im_end|>\n<|im_start|>assistant\n"
    )
    model = AutoModelForCausalLM.from_pretrained(exported)
    ids = torch.tensor([list(b"def ad")])
    assert model.generate(ids, max_new_tokens=2, do_sample=False).shape == (1, 8)
    card = (exported / "README.md").read_text()
    assert "| run | pretrain | code | 1 | gold.pretrain | 0 | first |" in card
    assert "| later |" not in card  # the checkpoint is older than this stage
    assert list(exported.glob("*.safetensors"))


def test_bits_per_byte_count_every_byte_once_whatever_the_window(exported: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(exported)
    found = bits.of_texts(model, [TEXT, "x"], encode=bits.as_bytes, length=64)
    nats = 0.0
    for text in (TEXT, "x"):
        ids = torch.tensor([[*b"\n", *text.encode()]])
        with torch.no_grad():
            told = model(ids).logits.log_softmax(-1)
        nats -= sum(float(told[0, at, ids[0, at + 1]]) for at in range(len(ids[0]) - 1))
    assert found == pytest.approx(nats / math.log(2) / (len(TEXT.encode()) + 1), rel=1e-5)
    assert found < 8  # better than a guess
    windows = list(bits._windows(list(range(21)), 1, 8))
    counted = [i for ids, count in windows for i in ids[-count:]]
    assert counted == list(range(1, 21))
    assert all(len(ids) <= 8 and (len(ids) - count >= 4 or ids[0] == 0) for ids, count in windows)


def command(*arguments: str) -> Any:
    """What a command prints as JSON."""
    ended = CliRunner().invoke(group, [*arguments, "--json"], standalone_mode=False)
    if ended.exception is not None:
        raise ended.exception
    return json.loads(ended.stdout)


def client(exported: Path) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(local_uri(exported.parent / "runs"))


def test_an_exported_model_is_scored_on_a_benchmark(exported: Path, tmp_path: Path) -> None:
    """The command, on one problem: the model has read nothing but its solution. Files, rows and an MLflow run say the same."""
    row = {"task_id": "t/0", "prompt": TEXT[:15], "canonical_solution": TEXT[15:], "entry_point": "add",
           "test": "def check(add):\n    assert add(1, 2) == 3\n"}  # fmt: skip
    file, out = tmp_path / "one.jsonl", tmp_path / "scores"
    file.write_text(json.dumps(row) + "\n")
    said = ["evaluate", str(exported), "humaneval", str(file), "--out", str(out), "--max-new-tokens", "20"]
    with pytest.raises(ConfigError, match="at temperature 0 are the same 2 times"):
        command(*said, "--samples", "2")
    with pytest.raises(ConfigError, match="elsewhere: no model there"):
        command("evaluate", str(tmp_path / "elsewhere"), *said[2:])
    sampled = ["--samples", "3", "--temperature", "0.7", "--k", "1", "--k", "3", "--workers", "1"]
    try:
        found = command(*said, *sampled)
    except MachineError as error:
        pytest.skip(f"no sandbox here: {error}")
    report = json.loads((out / "report.json").read_text())
    answers = [json.loads(line) for line in (out / "answers.jsonl").read_text().splitlines()]
    assert [answer["sample"] for answer in answers] == [0, 1, 2]
    assert all(answer["program"].startswith(TEXT[:15]) for answer in answers)
    passed = sum(answer["end"] == "passed" for answer in answers)
    assert report["pass_at"] == {"1": pytest.approx(passed / 3), "3": float(passed > 0)}
    assert report["settings"]["temperature"] == 0.7
    assert 0 < report["bits_per_byte"] < 8
    assert report["reference_faults"] == {}
    _recorded(Lake(str(exported.parent / "lake")), report, answers)
    _tracked(client(exported), exported, found, report)
    assert (found["rows_added"], command(*said, *sampled)["rows_added"]) == (3, 0)
    assert ledger.read(Lake(str(exported.parent / "lake")), ops.evaluations).num_rows == 3


def _recorded(lake: Lake, report: Any, answers: list[Any]) -> None:
    rows = sorted(ledger.read(lake, ops.evaluations).to_pylist(), key=lambda row: row["sample"])
    assert [(row["said"], row["end"], row["passed"]) for row in rows] == [
        (answer["said"], answer["end"], answer["end"] == "passed") for answer in answers
    ]
    one = rows[0]
    assert (one["benchmark"], one["prompt"], one["model"]) == ("humaneval", TEXT[:15], "run/pretrain_iter_0000040")
    assert [(t["release"], t["table"], t["version"]) for t in one["trained_on"]] == [("first", "gold.pretrain", 0)]
    assert one["solution_bits"] / one["solution_bytes"] == pytest.approx(report["bits_per_byte"])
    assert json.loads(one["settings"])["temperature"] == 0.7
    assert "\ndef " in one["stops"]
    values = {column.name: [row[column.name] for row in rows] for column in ops.evaluations.columns}
    for rule in ops.evaluations.base_rules():  # what a gate would ask of any batch of the table
        if rule.type == "expect_column_values_to_not_be_null":
            assert None not in values[rule.kwargs["column"]]
        if rule.type == "expect_column_values_to_match_regex":
            assert all(re.search(rule.kwargs["regex"], value) for value in values[rule.kwargs["column"]])


def _tracked(mlflow: Any, exported: Path, found: Any, report: Any) -> None:
    training = json.loads((exported / "lineage.json").read_text())["mlflow"]["run_id"]
    run = mlflow.get_run(found["mlflow_run"])
    assert run.data.tags["mlflow.parentRunId"] == training
    assert run.data.metrics["humaneval.pass_at_1"] == pytest.approx(report["pass_at"]["1"])
    assert run.data.metrics["humaneval.bits_per_byte"] == pytest.approx(report["bits_per_byte"])
    assert run.data.params["temperature"] == "0.7"
    assert {file.path for file in mlflow.list_artifacts(run.info.run_id)} == {"answers.jsonl", "report.json"}


def test_a_run_says_which_rows_it_saw(exported: Path) -> None:
    """Forty steps of eight rows, from a table that is read many times: the state of the stream is enough to name them."""
    seen = exported.parent / "seen.jsonl"
    run = exported.parent / "runs" / "run"
    said = command("lineage", f"run:{run}", "--rows", str(seen))
    rows = [json.loads(line) for line in seen.read_text().splitlines()]
    assert (said["checkpoint"], said["tokens"]) == ("pretrain_iter_0000040", 40 * 128)
    assert [row["row"] for row in rows] == list(range(40 * 8))
    assert {row["stage"] for row in rows} == {"pretrain"}
    first = [row["sequence_id"] for row in rows if row["epoch"] == 0]
    assert len(first) == len(set(first)) == max(Counter(row["epoch"] for row in rows).values())
    documents = release.show(Lake(str(exported.parent / "lake")), "first")[0]["rows"]
    assert len({name for row in rows if row["epoch"] == 0 for name in row["doc_ids"]}) == documents
    with pytest.raises(ConfigError, match="--rows needs the run"):
        command("lineage", "model:nano", "--rows", str(seen))


def test_a_registered_model_says_what_it_was_made_of(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow
    from huggingface_hub import utils

    asked: list[object] = []

    def hub(*given: object, **_: object) -> None:
        asked.append(given)
        raise OSError("no hub here")

    monkeypatch.setattr(utils._http, "_http_backoff_base", hub)
    uri = local_uri(exported.parent / "runs")
    assert [command("register", str(exported), "nano")["version"] for _ in range(2)] == [1, 2]
    assert asked == []
    version = client(exported).get_model_version("nano", "2")
    assert "| run | pretrain | code | 1 | gold.pretrain | 0 | first |" in version.description
    assert version.tags["codelake.releases"] == "first"
    mlflow.set_tracking_uri(uri)
    loaded = mlflow.pyfunc.load_model("models:/nano/2")
    assert loaded.metadata.signature.inputs.input_names() == ["prompt"]
    files = {path.name for path in Path(mlflow.artifacts.download_artifacts("models:/nano/2")).iterdir()}
    assert {"MLmodel", "data-card-first.md", "model_card.md"} <= files
    said = command("lineage", "model:nano", "--tracking-uri", uri)
    assert (said["model"], said["version"], said["releases"]) == ("nano", 2, ["first"])
    (read,) = said["data"]
    pinned = release.show(Lake(str(exported.parent / "lake")), "first")[0]
    assert (read["table"], read["version"], read["digest"]) == ("gold.pretrain", pinned["version"], pinned["digest"])
    assert [(row["repo"], row["documents"]) for row in said["repositories"]] == [("r0", 30), ("r1", 10)]
    ended = CliRunner().invoke(group, ["lineage", "model:nano/1", "--tracking-uri", uri], standalone_mode=False)
    assert ended.exception is None
    assert "2 of 2 repositories" in ended.stdout
    with pytest.raises(ConfigError, match=r"'nano/3' is no model of .* Models: nano\. Versions of nano: 1, 2"):
        command("lineage", "model:nano/3", "--tracking-uri", uri)
    with pytest.raises(ConfigError, match="expected model:NAME"):
        command("lineage", "nano", "--tracking-uri", uri)
    with pytest.raises(InputError, match=r"no lineage\.json in it"):
        command("register", str(exported.parent), "nano")
