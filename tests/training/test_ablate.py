"""Arms on equal terms: same model, same tokens, same seeds; one table and one picture with intervals.

codelake ablate curated_against_raw --benchmarks benchmarks
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from deltalake import write_deltalake

torch = pytest.importorskip("torch", reason="needs the training extra: make test installs it")
pytest.importorskip("deepspeed", reason="needs the training extra: make test installs it")

from lakehouse.errors import ConfigError, InputError, JobFailed  # noqa: E402
from lakehouse.registry import tables  # noqa: E402
from tests.training import nano  # noqa: E402
from training.ablate import AblationConfig, ablate, configs, interval, names, read  # noqa: E402
from training.run import train  # noqa: E402

SOLUTION = "def add(a, b):\n    return a + b\n"


def plan(folder: Path, **arms: str) -> AblationConfig:
    """Each arm reads one text many times."""
    said: dict[str, Any] = {}
    for arm, text in arms.items():
        write_deltalake(str(folder / arm), pa.table({"doc_id": [f"d{n}" for n in range(20)], "text": [text] * 20}))
        said[arm] = {f"stages.{stage}.parts.code.table": str(folder / arm) for stage in ("pretrain", "anneal")}
    return AblationConfig(about="a question", profile="tiny", seeds=[1, 2], measure=["humaneval"], arms=said)


def overrides(folder: Path) -> list[str]:
    part = {"weight": 1, "release": None, "table": "", "version": 0, "source": None, "encoding": "bytes", "query": None}
    stage = {"tokens": 20 * 128, "row_tokens": 16, "batch_sequences": 8, "parts": {"code": part}}
    return [
        f"folder={json.dumps(str(folder / 'runs'))}",
        f"model={json.dumps({**nano.SHAPE, 'vocabulary': 264})}",
        f"stages={json.dumps({'pretrain': stage, 'anneal': {**stage, 'tokens': 128, 'same_order': False}})}",
        "stages.pretrain.schedule.warmup_tokens=128",
        "tracking.system_metrics=false",
    ]


@pytest.mark.usefixtures("ranks")
def test_the_arm_that_has_read_such_code_wins(tmp_path: Path) -> None:
    row = {
        "task_id": "t/0",
        "prompt": SOLUTION[:15],
        "canonical_solution": SOLUTION[15:],
        "entry_point": "add",
        "test": "",
    }
    (tmp_path / "humaneval.jsonl").write_text(json.dumps(row) + "\n")
    said = plan(tmp_path, code=SOLUTION, prose="Nobody knows what this is about, least of all we. ")
    lines: list[str] = []
    for _ in range(2):  # the second time, nothing is trained
        lines.clear()
        report = ablate("which", overrides=overrides(tmp_path), benchmarks=tmp_path, say=lines.append, plan=said)
    assert not any("rate" in line for line in lines)
    code, prose = report.arms
    assert code.mean < prose.mean - 0.5
    assert prose.difference[0] == pytest.approx(prose.mean - code.mean)
    assert code.low <= min(code.mean, *code.bits.values())
    assert report.tokens == 21 * 128
    page = (tmp_path / "runs" / "ablation-which" / "report.html").read_text()
    assert page.count("<circle") == 4
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}")
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    means = [r.data.metrics.get("bits_per_byte.code.mean") for r in runs if "ablation" in r.data.tags]
    assert means == [pytest.approx(code.mean)] * 2
    with pytest.raises(InputError, match=r"no humaneval\.jsonl or humaneval\.jsonl\.gz"):
        ablate("which", overrides=overrides(tmp_path), benchmarks=tmp_path / "x", say=lines.append, plan=said)


@pytest.mark.usefixtures("ranks")
def test_a_stopped_arm_is_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM ends a run after a step, with a checkpoint: half an arm must not be compared with whole ones."""
    (tmp_path / "humaneval.jsonl").write_text(
        '{"task_id": "t/0", "prompt": "x", "canonical_solution": "y", "entry_point": "f", "test": ""}\n'
    )
    said = plan(tmp_path, one="a", two="b")
    monkeypatch.setattr("training.ablate.train", partial(train, max_steps=2))
    with pytest.raises(JobFailed, match=r"one, seed 1: stopped at step 2\. The same command goes on"):
        ablate("which", overrides=overrides(tmp_path), benchmarks=tmp_path, say=lambda _: None, plan=said)


def test_arms_that_differ_in_tokens_or_model_are_refused(tmp_path: Path) -> None:
    said = plan(tmp_path, one="a", two="b")
    assert len(configs("x", said, overrides(tmp_path))) == 4
    said.arms["two"]["stages.pretrain.tokens"] = 99
    with pytest.raises(ConfigError, match="arms differ in model or tokens"):
        configs("x", said, overrides(tmp_path))


def test_the_ablations_that_come_with_it_can_be_read() -> None:
    assert "curated_against_raw" in names()
    for name in names():
        assert configs(name, read(name), [])
    with pytest.raises(ConfigError, match=r"Did you mean 'curated_against_raw'"):
        read("curated_vs_raw")


def ask(query: str, **rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """What a query gives over the declared tables, which hold these rows or none."""
    database = duckdb.connect()
    database.execute("CREATE SCHEMA r")
    for declared in tables():
        made = pa.Table.from_pylist(rows.get(declared.name.replace(".", "_"), []), schema=declared.arrow_schema)
        database.register(f"given {declared.name}", made)
        database.execute(f'CREATE VIEW r."{declared.name}" AS SELECT * FROM "given {declared.name}"')
    answer = database.execute(query)
    assert [column[0] for column in answer.description or ()] == ["doc_id", "text"]
    return answer.fetchall()


def queries(name: str) -> dict[str, list[str]]:
    """By arm, what its stages ask."""
    return {
        arm: [part.query for stage in config.stages.values() for part in stage.parts.values() if part.query]
        for (arm, _), config in configs(name, read(name), []).items()
    }


@pytest.mark.parametrize("name", names())
def test_the_queries_of_every_ablation_fit_the_tables(name: str) -> None:
    for asked in queries(name).values():
        assert all(ask(query) == [] for query in asked)


def test_a_query_asks_for_what_its_arm_says() -> None:
    given = {"gold_pretrain": [{"doc_id": f"{stars}", "text": "x", "stars": stars} for stars in (None, 4, 5, 6)]}
    (asked,) = set(queries("stars")["five_stars"])
    assert sorted(ask(asked, **given)) == [("5", "x"), ("6", "x")]


def test_intervals_are_students() -> None:
    # Worked by hand: mean 2, standard deviation 1, t(0.975, 2) = 4.3027.
    assert interval([1.0, 2.0, 3.0]) == pytest.approx((2.0, 2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5), rel=1e-4)
    assert interval([1.0]) == (1.0, float("-inf"), float("inf"))
