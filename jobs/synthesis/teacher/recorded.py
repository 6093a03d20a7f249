"""Answers that were recorded once: replay by request id. A request that was never recorded is an error, not a call."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from jobs.synthesis.teacher.request import Answer, Request, Teacher, TeacherError


class Recorded:
    """Replays a JSON Lines file with one answer per line."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._answers: dict[str, Answer] = {}
        try:
            lines = file.read_text("utf-8").splitlines()
        except OSError as error:
            raise TeacherError(f"{file}: {error.strerror}: expected a file of recorded answers.") from error
        for number, line in enumerate(lines, 1):
            try:
                answer = Answer(**json.loads(line))
            except (ValueError, TypeError) as error:
                raise TeacherError(f"{file}:{number}: no recorded answer: {error}") from error
            self._answers[answer.request_id] = answer

    def complete(self, requests: Sequence[Request]) -> Iterator[Answer]:
        missing = [request for request in requests if request.id not in self._answers]
        if missing:
            first = missing[0]
            raise TeacherError(
                f"{self._file}: {len(missing)} of {len(requests)} requests are not recorded, such as {first.id}"
                f" (template {first.template}, sample {first.sample}). Record them with a real teacher first."
            )
        for request in requests:
            yield self._answers[request.id]


class Recorder:
    """Asks another teacher and appends every answer to a file that `Recorded` replays."""

    def __init__(self, teacher: Teacher, file: Path) -> None:
        self._teacher, self._file = teacher, file

    def complete(self, requests: Sequence[Request]) -> Iterator[Answer]:
        with self._file.open("a", encoding="utf-8") as out:
            for answer in self._teacher.complete(requests):
                out.write(json.dumps(asdict(answer)) + "\n")
                out.flush()
                yield answer
