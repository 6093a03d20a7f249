"""A run is data: profiles hold the recipe's values, and what is wrong is said with file and line.

load(profile="tiny", overrides=["stages.pretrain.tokens=1000000"])
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from lakehouse.errors import ConfigError
from training.config import load, profiles


def test_every_profile_is_whole() -> None:
    assert set(profiles()) >= {"tiny", "paper_1_5b", "paper_8b", "sft"}
    assert len({load(profile=name).digest for name in profiles()}) == len(profiles())


def test_steps_of_the_papers_models_take_as_many_tokens_as_the_paper_says() -> None:
    assert {s.step_tokens for s in load(profile="paper_1_5b").stages.values()} == {4_194_304}
    large = load(profile="paper_8b").stages
    assert {stage.step_tokens for stage in large.values()} == {8_388_608}
    assert [stage.sequence_length for stage in large.values()] == [4096, 8192, 8192]
    assert large["short"].tokens == 130_000 * 8_388_608
    assert (large["short"].tokens or 0) + (large["long"].tokens or 0) == 2_500_000_000_000
    assert [part.weight for part in large["anneal"].parts.values()] == [83.94, 12.44, 2.71, 0.91]


def test_tuning_has_the_recipes_values(shared: Path) -> None:
    facts = yaml.safe_load((shared / "recipe" / "models.yaml").read_text())["sft"]
    for stage, fact in zip(load(profile="sft").stages.values(), facts["stages"], strict=True):
        found = (stage.epochs, stage.batch_sequences, stage.schedule.peak, stage.sequence_length, stage.micro_batch)
        assert found == tuple(fact[key] for key in ("epochs", "global_batch", "peak_lr", "max_length", "micro_batch"))
        assert stage.schedule.warmup_tokens == facts["common"]["warmup_steps"] * stage.step_tokens
        assert (stage.schedule.kind, stage.optimizer) == ("cosine", "fresh")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("stages.pretrain.tokns=3", r"stages\.pretrain\.tokns: unknown key\..*Did you mean 'tokens'"),
        ("engine.precision=bf16", r"tiny\.yaml:\d+: engine: .*bf16 needs zero 1, 2 or 3"),
        ("model=tny", r"no such model\. Allowed: bytes_1m"),
        ("stages.pretrain.rows_per_sequence=100", r"stage pretrain: sequences of 25600 tokens; the model takes 2048"),
        ("stages.pretrain.epochs=1", "give either tokens or epochs"),
        ("start_stage=x", r"start_stage 'x' is no stage\. Stages: pretrain, anneal"),
    ],
)
def test_what_is_wrong_is_named(override: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load(profile="tiny", overrides=[override])


def test_a_wrong_profile_lists_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"--profile tny: no such profile\. Allowed: .*tiny.*Did you mean 'tiny'"):
        load(profile="tny")
