"""Configuration: merged in order, every fault named with file, line, key, value and what is allowed.

load(graph(), profile="paper", overrides=["code.near_dedup.jaccard=0.8"])
"""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.code.decide import DecideParams
from jobs.dedup.clusters import ClustersParams
from lakehouse.config import Config, load, lock_digest, profiles
from lakehouse.errors import ConfigError
from lakehouse.registry import graph


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def near_dedup(config: Config) -> ClustersParams:
    found = config.jobs["code.near_dedup"]
    assert isinstance(found, ClustersParams)
    return found


def test_later_wins_base_then_profile_then_file_then_override(tmp_path: Path) -> None:
    file = written(tmp_path / "my.yaml", "code:\n  near_dedup:\n    jaccard: 0.5\n")
    assert near_dedup(load(graph())).jaccard == 0.7
    assert near_dedup(load(graph(), profile="paper")).jaccard == 0.01
    assert near_dedup(load(graph(), profile="paper", files=[file])).jaccard == 0.5
    assert near_dedup(load(graph(), files=[file], overrides=["code.near_dedup.jaccard=0.9"])).jaccard == 0.9


def test_a_lake_brings_its_own_settings_and_what_is_typed_wins_over_them(tmp_path: Path) -> None:
    own = written(tmp_path / "codelake.yaml", "code:\n  near_dedup:\n    jaccard: 0.6\n")
    here = f"lake.root={tmp_path}"
    assert near_dedup(load(graph(), overrides=[here])).jaccard == 0.6
    assert near_dedup(load(graph(), profile="paper", overrides=[here])).jaccard == 0.01
    assert near_dedup(load(graph(), overrides=[here, "code.near_dedup.jaccard=0.9"])).jaccard == 0.9
    own.write_text("lake:\n  root: elsewhere\n")
    with pytest.raises(ConfigError, match=r"codelake\.yaml: lake\.root cannot be set here"):
        load(graph(), overrides=[here])


@pytest.mark.parametrize("profile", profiles())
def test_every_profile_is_valid(profile: str) -> None:
    load(graph(), profile=profile)


def test_a_rule_can_be_changed_or_turned_off_from_the_command_line() -> None:
    rules = "code.decide.rules.types.code"
    overrides = [f"{rules}.long_line.above=800", f"{rules}.many_digits=null"]
    decide = load(graph(), overrides=overrides).jobs["code.decide"]
    assert isinstance(decide, DecideParams)
    changed = decide.rules.types["code"]["long_line"]
    assert changed is not None
    assert changed.above == 800
    assert decide.rules.types["code"]["many_digits"] is None
    assert "many_digits" not in decide.rules.table("code", "rust")
    assert "many_digits" in decide.rules.table("data", "json")


def test_a_whole_rule_set_can_be_swapped_for_a_named_one_or_a_file(tmp_path: Path) -> None:
    decide = load(graph(), profile="opencoder").jobs["code.decide"]
    assert isinstance(decide, DecideParams)
    assert decide.rules.name == "opencoder-1"
    body = "name: strict\nsignals: measured\nlanguages: {}\nnatural_languages: {}\n"
    rules = written(tmp_path / "strict.yaml", body + "types: {code: {only: {signal: lines, below: 5}}}\n")
    decide = load(graph(), overrides=[f"code.decide.rules={rules}"]).jobs["code.decide"]
    assert isinstance(decide, DecideParams)
    assert list(decide.rules.table("code", "rust")) == ["only"]


def test_a_rule_set_or_signal_that_does_not_exist_is_refused_with_what_there_is() -> None:
    with pytest.raises(ConfigError, match=r"no such rule set\. Allowed: .*codelake-1, opencoder-1.*Did you mean"):
        load(graph(), overrides=["code.decide.rules=opencoder-2"])
    with pytest.raises(ConfigError, match="no signal 'wrods'; allowed: size_bytes"):
        load(graph(), overrides=["code.decide.rules.types.code.long_line.signal=wrods"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "code:\n  near_dedup:\n    jacard: 0.5\n",
            r"my\.yaml:3: code\.near_dedup\.jacard: unknown key\. Allowed: driver_edges, driver_rows, jaccard\. Did you mean 'jaccard'\?",
        ),
        ("code:\n  near_dedup:\n    jaccard: often\n", r"my\.yaml:3: code\.near_dedup\.jaccard: .*found 'often'"),
        (
            "code:\n  near_dedup:\n    jaccard: 1.5\n",
            r"my\.yaml:3: code\.near_dedup\.jaccard: .*less than or equal to 1.*found 1\.5",
        ),
        (
            "code:\n  near_dup: {}\n",
            r"my\.yaml:2: code\.near_dup: unknown key\. Allowed: .*Did you mean 'code\.near_dedup'",
        ),
        ("laek:\n  root: x\n", r"my\.yaml:2: laek\.root: unknown key"),
        ("- a\n", r"my\.yaml:1: expected a mapping"),
        ("a: [\n", r"my\.yaml: not valid YAML"),
        (
            "code:\n  decide:\n    rules:\n      types:\n        code:\n          r: {signal: lines, equals: 1, below: 2}\n",
            r"either `equals` or `below` and `above`",
        ),
        ("code:\n  ingest:\n    sources:\n    - {name: a, kind: cloud, location: x}\n", r"kind.*'folder', 'git'"),
    ],
)
def test_faults_name_the_place_the_value_and_what_is_allowed(tmp_path: Path, text: str, said: str) -> None:
    file = written(tmp_path / "my.yaml", text)
    with pytest.raises(ConfigError, match=said):
        load(graph(), files=[file])


def test_overrides_and_profiles_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"--set nonsense: expected key\.sub=value"):
        load(graph(), overrides=["nonsense"])
    with pytest.raises(ConfigError, match=r"--set code\.near_dedup\.jaccard=2.*less than or equal to 1"):
        load(graph(), overrides=["code.near_dedup.jaccard=2"])
    with pytest.raises(ConfigError, match=r"--profile papr: no such profile.*Did you mean 'paper'"):
        load(graph(), profile="papr")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: No such file"):
        load(graph(), files=[tmp_path / "none.yaml"])


def test_the_lock_file_has_a_digest() -> None:
    assert len(lock_digest()) == 64
