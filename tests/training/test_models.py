"""Shapes count their parameters, and the models that are built have as many.

shapes()["paper_8b"].parameters
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from training.models import Shape, build, shapes


def test_the_papers_models_have_the_papers_sizes() -> None:
    counted = {name: shape.parameters / 1e9 for name, shape in shapes().items()}
    assert round(counted["paper_1_5b"], 3) == 1.906
    assert round(counted["paper_8b"], 3) == 7.771


def test_the_papers_shapes_are_those_of_the_recorded_facts(shared: Path) -> None:
    facts = yaml.safe_load((shared / "recipe" / "models.yaml").read_text())["models"]
    same = ("layers", "hidden_size", "attention_heads", "kv_heads", "ffn_size", "max_positions", "rope_theta",
            "norm_eps", "init_std", "tied_embeddings")  # fmt: skip
    for name, fact in facts.items():
        shape = shapes()[name]
        assert {key: getattr(shape, key) for key in same} == {key: fact["architecture"][key] for key in same}
        assert shape.vocabulary == fact["architecture"]["vocab_size"]


def test_work_per_token_is_six_times_the_parameters_and_a_share_for_attention() -> None:
    shape = shapes()["paper_8b"]
    multiplied = shape.parameters - 96_640 * 4096
    assert shape.flops_per_token(8192) == 6 * multiplied + 12 * 32 * 4096 * 8192


@pytest.mark.parametrize("name", ["bytes_1m", "bytes_5m"])
def test_a_built_model_has_the_counted_parameters_and_is_the_seeds(name: str) -> None:
    torch = pytest.importorskip("torch", reason="needs the training extra")
    shape = shapes()[name]
    model = build(shape, seed=3)
    assert model.num_parameters() == shape.parameters
    again, other = build(shape, seed=3), build(shape, seed=4)
    first = [next(iter(m.parameters())) for m in (model, again, other)]
    assert torch.equal(first[0], first[1])
    assert not torch.equal(first[0], first[2])


@pytest.mark.parametrize("name", ["paper_1_5b", "paper_8b"])
def test_the_papers_models_are_counted_as_transformers_builds_them(name: str) -> None:
    torch = pytest.importorskip("torch", reason="needs the training extra")
    from transformers import LlamaForCausalLM

    from training.models import llama_config

    with torch.device("meta"):
        model = LlamaForCausalLM(llama_config(shapes()[name]))
    assert model.num_parameters() == shapes()[name].parameters


def test_sizes_that_do_not_divide_are_refused() -> None:
    good = shapes()["bytes_1m"].model_dump()
    with pytest.raises(ValidationError, match="hidden_size 130 is not a multiple of attention_heads 4"):
        Shape.model_validate(good | {"hidden_size": 130})
    with pytest.raises(ValidationError, match="attention_heads 4 is not a multiple of kv_heads 3"):
        Shape.model_validate(good | {"kv_heads": 3})
