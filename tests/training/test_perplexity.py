"""A sample of texts under a local model, both ends listed; nothing is stored and nothing is fetched.

codelake perplexity models/small --language python --kept
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from lakehouse.lake import Lake
from tests.lakehouse import lakes
from tests.lakehouse.lakes import Run

torch = pytest.importorskip("torch", reason="needs the training extra: make test installs it")
transformers = pytest.importorskip("transformers", reason="needs the training extra: make test installs it")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return lakes.make_lake(tmp_path_factory.mktemp("lake"))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of bytes with weights that nobody trained."""
    from training.export import of_bytes

    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(1)
    shape = transformers.LlamaConfig(
        vocab_size=257, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=128,
    )  # fmt: skip
    transformers.LlamaForCausalLM(shape).save_pretrained(folder)
    of_bytes().save_pretrained(folder)
    return folder


def test_each_text_has_the_perplexity_that_the_model_gives_its_tokens(run: Run, lake: Lake, model: Path) -> None:
    code, out, err = run("perplexity", str(model), "--lake", lake.root, "--tokens", "100", "--json")
    assert code == 0, err
    found = json.loads(out)
    texts = {row["content_id"]: row["text"] for row in lakes.rows()["silver.code_texts"]}
    assert [one["perplexity"] for one in found] == sorted(one["perplexity"] for one in found)
    loaded = transformers.AutoModelForCausalLM.from_pretrained(model)
    for one in found:
        ids = torch.tensor([list(texts[one["content_id"]].encode()[:100])])
        with torch.no_grad():
            loss = float(loaded(input_ids=ids, labels=ids).loss)
        assert one["tokens"] == ids.shape[1] - 1
        assert one["perplexity"] == pytest.approx(math.exp(loss), rel=1e-4)
    kinds = {row["content_id"]: row["type"] for row in lakes.rows()["silver.code_languages"]}
    wanted = [key for key, text in texts.items() if text and kinds[key] in ("code", "data", "text", "notebook")]
    assert sorted(one["content_id"] for one in found) == sorted(wanted)


def test_both_ends_are_listed_for_the_kept_files_of_a_language(run: Run, lake: Lake, model: Path) -> None:
    before = sorted(path for path in Path(lake.root).rglob("*"))
    code, out, err = run("perplexity", str(model), "--lake", lake.root, "--language", "python", "--kept", "--ends", "2")
    assert code == 0, err
    assert out.index("reads easiest") < out.index("reads hardest")
    assert "markdown" not in out
    assert lakes.BIDI not in out
    assert sorted(path for path in Path(lake.root).rglob("*")) == before


def test_a_smaller_sample_is_part_of_a_larger_one(run: Run, lake: Lake, model: Path) -> None:
    small, large = (
        {
            one["content_id"]
            for one in json.loads(run("perplexity", str(model), "--lake", lake.root, "--sample", n, "--json")[1])
        }
        for n in ("3", "6")
    )
    assert len(small) == 3
    assert small < large


def test_a_folder_without_a_model_is_refused(run: Run, lake: Lake, tmp_path: Path) -> None:
    code, _, err = run("perplexity", str(tmp_path), "--lake", lake.root)
    assert code == 2
    assert "no config.json" in err


def test_without_torch_it_says_what_to_install(run: Run, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    from training import cli

    monkeypatch.setattr(cli, "find_spec", lambda name: None if name == "torch" else cli)
    code, _, err = run("perplexity", "model", "--lake", lake.root)
    assert code == 1
    assert "perplexity needs torch" in err
    assert "codelake[training]" in err
