"""What the quickstart says of samples: how to get the teacher, or each sample with its outcome.

make teacher && make quickstart
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from jobs.synthesis.tables import synthetic_samples
from lakehouse.cli import quickstart
from lakehouse.config import OWN_SETTINGS, load
from lakehouse.errors import MachineError
from lakehouse.lake import Lake
from lakehouse.registry import graph


def test_samples_are_asked_for_once_and_what_a_person_wrote_stays(tmp_path: Path) -> None:
    path = tmp_path / OWN_SETTINGS
    mine = "# mine, do not touch\ncode:\n  sample: {caps: {python: 5000}}\n"
    path.write_text(mine)
    quickstart._ask_for_samples(path)
    assert path.read_text().startswith(mine)
    jobs = load(graph(), overrides=[f"lake.root={tmp_path}"]).jobs
    (kind,) = jobs["synthesis.seeds"].kinds.values()  # type: ignore[attr-defined]
    assert (kind.seeds, kind.most_bytes) == (quickstart.SAMPLES, quickstart.SEED_BYTES)
    assert [teacher.how for teacher in jobs["synthesis.answers"].teachers.values()] == ["embedded"]  # type: ignore[attr-defined]
    assert jobs["synthesis.algorithmic"].keywords == ()  # type: ignore[attr-defined]
    before = path.read_text()
    quickstart._ask_for_samples(path)
    assert path.read_text() == before
    path.write_text("synthesis: {answers: {wave: 7}}\n")
    quickstart._ask_for_samples(path)
    assert path.read_text() == "synthesis: {answers: {wave: 7}}\n"


def test_without_the_teacher_or_isolation_it_says_why_there_are_no_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(quickstart, "TEACHER", ("nobody_has_this",))
    lacking = quickstart._no_samples()
    quickstart._show_samples(Lake(str(tmp_path)), lacking)
    assert "no synthetic samples: `make teacher` (130 MB, once)" in capsys.readouterr().out

    def refuse(_: object) -> None:
        raise MachineError("no bwrap found")

    monkeypatch.setattr(quickstart, "TEACHER", ())
    monkeypatch.setattr("lakehouse.sandbox.Sandbox", refuse)
    assert quickstart._no_samples() == "no bwrap found"


def test_accepted_and_rejected_samples_are_shown_with_the_file_and_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = Lake(str(tmp_path))
    rows = [
        _sample("a", accepted=True, reason="", ended="passed", entry_point="double"),
        _sample("b", reason="not_passed", ended="failed", message="expected 5", entry_point="add"),
        _sample("c", reason="code_blocks", detail="0: expected two"),
    ]
    write_deltalake(lake.location(synthetic_samples), pa.Table.from_pylist(rows))
    quickstart._show_samples(lake, None)
    said = capsys.readouterr().out
    lines = [line for line in said.splitlines() if ".py" in line]
    assert "accepted" in lines[0] and "double" in lines[0]
    assert "rejected: not_passed" in lines[1] and "expected 5" in lines[1]
    assert "rejected: code_blocks" in lines[2] and "0: expected two" in lines[2] and "not run" in lines[2]
    assert "1 of 3 accepted" in said


def _sample(name: str, **said: Any) -> dict[str, Any]:
    common = {
        "accepted": False,
        "detail": "",
        "message": None,
        "ended": None,
        "entry_point": "",
        "path": f"{name}.py",
        "sample_id": name * 64,
    }
    return {**common, **said}
