"""The stage of a run: what an attempt that died had held is there for the next one, and for nobody else.

held = Stage(lake, "toy.words", run_key).begin(step.identity)
"""

from __future__ import annotations

from pathlib import Path

from lakehouse.lake import Lake
from lakehouse.stage import Stage, Staged

KEY, OTHER = "a" * 64, "b" * 64


def test_a_second_attempt_at_the_same_step_finds_what_the_first_one_held(tmp_path: Path) -> None:
    stage = Stage(Lake(str(tmp_path)), "toy.words", KEY)
    (stage.begin("1" * 64) / "words").mkdir()
    stage.finish([Staged("silver.words", "", 0, 1, 0, 0)])
    (stage.folder / "silver.words").mkdir()  # what was staged of tables is written again
    assert [entry.name for entry in stage.begin("1" * 64).iterdir()] == ["words"]
    assert [entry.name for entry in stage.folder.iterdir()] == ["held"]
    assert stage.finished() is None


def test_another_step_of_the_same_run_key_begins_empty(tmp_path: Path) -> None:
    stage = Stage(Lake(str(tmp_path)), "toy.words", KEY)
    (stage.begin("1" * 64) / "words").mkdir()
    assert list(stage.begin("2" * 64).iterdir()) == []
    assert len(list((stage.folder / "held").iterdir())) == 1


def test_another_run_key_takes_away_what_a_run_that_was_given_up_left(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    first, second = Stage(lake, "toy.words", KEY), Stage(lake, "toy.words", OTHER)
    first.begin("1" * 64)
    second.begin("1" * 64)
    assert [entry.name for entry in second.folder.parent.iterdir()] == [OTHER[:32]]
