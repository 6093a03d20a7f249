"""A checkpoint becomes a folder that anybody loads, and is the same model there.

codelake export runs/tiny/checkpoints/anneal_iter_0000100 exported
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

torch = pytest.importorskip("torch", reason="needs the training extra: make test installs it")
pytest.importorskip("deepspeed", reason="needs the training extra: make test installs it")

from lakehouse.errors import ConfigError  # noqa: E402
from tests.training import nano  # noqa: E402
from training.byte_rows import END  # noqa: E402
from training.evaluate import bits  # noqa: E402
from training.export import export  # noqa: E402
from training.pins import Pin  # noqa: E402
from training.run import train  # noqa: E402

TEXT = "def add(a, b):\n    return a + b  # ünïcode\n"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, ranks: object) -> Path:  # noqa: ARG001  joins the group
    """A model of bytes that has read one text many times."""
    folder = tmp_path_factory.mktemp("export")
    write_deltalake(str(folder / "documents"), pa.table({"doc_id": [f"d{n}" for n in range(40)], "text": [TEXT] * 40}))
    stage = nano.stage(Pin(str(folder / "documents"), 0), tokens=40 * 128)
    stage["parts"]["code"]["encoding"] = "bytes"
    result = train(
        nano.config(folder, {"pretrain": stage}, model={**nano.SHAPE, "vocabulary": 264}), say=lambda _: None
    )
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
    assert f"| pretrain | code | 1 | {exported.parent / 'documents'} | 0 | - | - |" in card
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


def test_an_exported_model_is_scored_on_a_benchmark(exported: Path, tmp_path: Path) -> None:
    """The command, on one problem: the model has read nothing but its solution."""
    from lakehouse.cli.main import group
    from lakehouse.errors import MachineError

    row = {"task_id": "t/0", "prompt": TEXT[:15], "canonical_solution": TEXT[15:], "entry_point": "add",
           "test": "def check(add):\n    assert add(1, 2) == 3\n"}  # fmt: skip
    file, out = tmp_path / "one.jsonl", tmp_path / "scores"
    file.write_text(json.dumps(row) + "\n")
    command = ["evaluate", str(exported), "humaneval", str(file), "--out", str(out), "--json", "--max-new-tokens", "20"]
    with pytest.raises(ConfigError, match="at temperature 0 are the same 2 times"):
        group.main([*command, "--samples", "2"], standalone_mode=False)
    sampled = ["--samples", "3", "--temperature", "0.7", "--k", "1", "--k", "3", "--workers", "1"]
    try:
        group.main([*command, *sampled], standalone_mode=False)
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
