"""Answers as they come, on disk before anything else is done with them: what was paid for is not asked for twice.

The table of responses gets a run's answers in one commit at its end; until then they are here. SQLite, so that memory
stays bounded and a process that is killed between two writes leaves a readable file.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

from jobs.synthesis.teacher.request import Answer

UNCOMMITTED = 16  # answers that a kill may cost at most


class Journal:
    """One file, used by one process at a time: the runner holds the lock of the tables it belongs to."""

    def __init__(self, folder: Path) -> None:
        # The writing thread may not be the one that opened it: generators are closed wherever they are dropped.
        self._file = sqlite3.connect(folder / "answers.sqlite", check_same_thread=False)
        self._file.execute(
            "CREATE TABLE IF NOT EXISTS answers (request_id TEXT PRIMARY KEY, seed_id TEXT, answer TEXT, model TEXT)"
        )
        self._file.commit()
        self._new = 0

    def keep(self, seed_id: str, answer: Answer, model: str = "") -> None:
        """Write an answer down; on disk with the next `flush`, at the latest after 16 of them."""
        row = (answer.request_id, seed_id, json.dumps(asdict(answer)), model)
        self._file.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", row)
        self._new += 1
        if self._new >= UNCOMMITTED:
            self.flush()

    def flush(self) -> None:
        self._file.commit()
        self._new = 0

    def get(self, request_id: str) -> Answer | None:
        row = self._file.execute("SELECT answer FROM answers WHERE request_id = ?", (request_id,)).fetchone()
        return None if row is None else Answer(**json.loads(row[0]))

    def seed_ids(self) -> set[str]:
        return {row[0] for row in self._file.execute("SELECT DISTINCT seed_id FROM answers")}

    def answers(self) -> list[Answer]:
        """All of them: at most what one run asked for."""
        return [Answer(**json.loads(row[0])) for row in self._file.execute("SELECT answer FROM answers")]

    def by_model(self) -> dict[str, list[Answer]]:
        """The same by the model that was asked."""
        found: dict[str, list[Answer]] = {}
        for model, answer in self._file.execute("SELECT model, answer FROM answers"):
            found.setdefault(model, []).append(Answer(**json.loads(answer)))
        return found

    def drop(self, request_ids: Iterable[str]) -> None:
        """Drop answers that are saved elsewhere by now."""
        self._file.executemany("DELETE FROM answers WHERE request_id = ?", [(key,) for key in request_ids])
        self.flush()

    def forget(self, seed_ids: Iterable[str]) -> None:
        """Drop the answers that were asked for these seeds."""
        self._file.executemany("DELETE FROM answers WHERE seed_id = ?", [(seed_id,) for seed_id in seed_ids])
        self.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.flush()
        self._file.close()
