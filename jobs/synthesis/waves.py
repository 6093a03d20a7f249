"""Many samples written at once: in waves, so that requests go out together and little is lost when a process dies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from jobs.synthesis.kinds.base import Draft, Kind, Rejected, Seed, Settings, Writing
from jobs.synthesis.teacher.request import Answer, Request, Teacher

Known = Callable[[str, str], Answer | None]  # by seed_id and request_id
Keep = Callable[[str, Answer], None]


@dataclass
class Written:
    """One sample as far as it came: a draft, or why there is none. `exchanges`: what was asked and answered, in order."""

    seed: Seed
    sample: int
    exchanges: list[tuple[Request, Answer]] = field(default_factory=list)
    draft: Draft | None = None
    reason: str = ""
    detail: str = ""


@dataclass
class _Open:
    written: Written
    writing: Writing
    asking: Request | None = None

    def go_on(self, answer: Answer | None) -> None:
        """Give the writing its answer, and note what it asks next or how it ended."""
        try:
            if answer is None:
                self.asking = next(self.writing)
            else:
                assert self.asking is not None
                self.written.exchanges.append((self.asking, answer))
                self.asking = self.writing.send(answer)
        except StopIteration as end:
            self.asking, self.written.draft = None, end.value
        except Rejected as verdict:
            self.asking = None
            self.written.reason, self.written.detail = verdict.reason, verdict.detail


def write_wave(
    tasks: Sequence[tuple[Seed, Settings]], kind: Kind, teacher: Teacher, known: Known, keep: Keep
) -> list[Written]:
    """Write these samples to their end. Answers that are known are not asked for; new ones are kept as they come.

    A request that several samples share is asked once. Raises TeacherError where the teacher cannot be used.
    """
    works = [_Open(Written(seed, s.sample), kind.write(seed, s)) for seed, s in tasks]
    for work in works:
        work.go_on(None)
    while asking := [work for work in works if work.asking is not None]:
        answers: dict[str, Answer] = {}
        wanted: dict[str, tuple[str, Request]] = {}
        for work in asking:
            assert work.asking is not None
            there = known(work.written.seed.seed_id, work.asking.id)
            if there is not None:
                answers[work.asking.id] = there
            else:
                wanted.setdefault(work.asking.id, (work.written.seed.seed_id, work.asking))
        new = [request for key, (_, request) in wanted.items() if key not in answers]
        for answer in teacher.complete(new) if new else ():
            answers[answer.request_id] = answer
            if answer.status == "ok":
                keep(wanted[answer.request_id][0], answer)
        for work in asking:
            assert work.asking is not None
            work.go_on(answers[work.asking.id])
    return [work.written for work in works]


def waves(tasks: Iterable[tuple[Seed, Settings]], size: int) -> Iterator[list[tuple[Seed, Settings]]]:
    """The tasks in their order, this many at a time."""
    stream = iter(tasks)
    while wave := list(islice(stream, size)):
        yield wave
