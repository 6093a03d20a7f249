"""Teachers as configured: which one answers for a model, what it may cost, under which terms.

Without any teacher nothing is asked and nothing is an error: a build that does not name the teachers of an earlier one keeps
what they answered. What it lacks is waiting, with the problem `no_teacher`.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from jobs.synthesis.teacher import (
    Answer,
    BatchFiles,
    Budget,
    Embedded,
    Endpoint,
    Price,
    Prices,
    Recorded,
    Request,
    Teacher,
    TeacherError,
)
from lakehouse.job import Params

NEEDS = {"endpoint": "url", "recorded": "path", "batch": "path", "embedded": None}


class TeacherParams(Params):
    """Who answers for one model. `money` and `tokens` are what one run may spend at most."""

    how: Literal["endpoint", "recorded", "batch", "embedded"]
    money: float = Field(ge=0, description="dollars of one run")
    tokens: int = Field(ge=0, description="tokens of one run")
    url: str | None = Field(None, description="endpoint: the address up to and with /v1")
    key_variable: str = Field("", description="endpoint: environment variable that holds the key; none is sent without")
    most_at_once: int = Field(64, ge=1, description="endpoint: requests under way at most")
    timeout_seconds: float = Field(300, gt=0, description="endpoint, embedded: for one answer")
    path: str | None = Field(
        None, description="recorded: file of answers; batch: folder; embedded: model file, the packaged one without"
    )

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> TeacherParams:
        needed = NEEDS[self.how]
        if needed and not getattr(self, needed):
            raise ValueError(f"a teacher by {self.how} needs `{needed}`")
        return self


class Teachers:
    """The teachers of one run by model, each made when it is first asked for. Close them to end what they started."""

    def __init__(self, params: Mapping[str, TeacherParams], prices: Sequence[Price], spent: Mapping[str, list[Answer]]):
        """`spent`: by model, answers that an interrupted run of this work has already paid for."""
        self._params, self._prices, self._spent = params, Prices(prices), spent
        self._made: dict[str, Teacher] = {}

    def terms(self, model: str) -> str:
        """Under which terms the model's answers may be used now; empty where nobody answers."""
        return self._price(model).terms if self._params else ""

    def ask(self, model: str, requests: Sequence[Request]) -> Iterator[Answer]:
        """See `Teacher`. The model's teacher is made when there is something to ask it."""
        if not self._params:
            yield from (Answer(request.id, "waiting", problem="no_teacher") for request in requests)
        else:
            yield from self._of(model).complete(requests)

    def _price(self, model: str) -> Price:
        # The clock decides what is paid, never what a sample is.
        return self._prices.of(model, datetime.datetime.now(datetime.UTC).date())

    def _of(self, model: str) -> Teacher:
        """Raises TeacherError where none is configured or the model has no price."""
        if model not in self._params:
            known = ", ".join(self._params) or "none"
            raise TeacherError(
                f"no teacher for the model {model!r}; configured: {known}. Name one in synthesis.answers.teachers."
            )
        if model not in self._made:
            self._made[model] = self._make(model, self._params[model])
        return self._made[model]

    def _make(self, model: str, said: TeacherParams) -> Teacher:
        budget = Budget(self._price(model), money=said.money, tokens=said.tokens)
        budget.count(self._spent.get(model, []))
        path = Path(said.path) if said.path else None
        if said.how == "embedded":
            return Embedded(budget, model=path, timeout_seconds=said.timeout_seconds)
        if said.how == "endpoint":
            assert said.url
            return Endpoint(
                said.url,
                budget,
                key_variable=said.key_variable,
                most_at_once=said.most_at_once,
                timeout_seconds=said.timeout_seconds,
            )
        assert path
        return Recorded(path) if said.how == "recorded" else BatchFiles(path, budget)

    def close(self) -> None:
        for teacher in self._made.values():
            if isinstance(teacher, Embedded):
                teacher.close()
