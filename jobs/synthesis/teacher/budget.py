"""What a run may spend, in money and tokens, and what each model costs when.

The worst that a request can cost is set aside before it is sent, and settled when its answer is there, so that requests
under way together cannot overspend. A request whose answer was lost on the way keeps its worst case: it may be billed.
"""

from __future__ import annotations

import datetime
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, model_validator

from jobs.synthesis.teacher.request import Answer, Request, TeacherError


class Price(BaseModel):
    """What a model costs while the price is valid, and under which terms its answers may be used."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    since: datetime.date
    until: datetime.date | None = Field(description="last day; null while it holds")
    per_million_in: float = Field(ge=0, description="dollars for a million tokens of a request")
    per_million_out: float = Field(ge=0, description="dollars for a million tokens of an answer")
    terms: str = Field(description="licence or terms of the teacher's answers")

    @model_validator(mode="after")
    def _in_order(self) -> Price:
        if self.until is not None and self.until < self.since:
            raise ValueError(f"the price of {self.model} ends on {self.until}, before it begins on {self.since}")
        return self

    def money(self, tokens_in: int, tokens_out: int) -> float:
        return (tokens_in * self.per_million_in + tokens_out * self.per_million_out) / 1e6


@dataclass(frozen=True)
class Prices:
    """The price table."""

    prices: Sequence[Price]

    def of(self, model: str, day: datetime.date) -> Price:
        """The price of a model on a day. Raises TeacherError where there is none: an unknown price has no budget."""
        found = [p for p in self.prices if p.model == model and p.since <= day and (p.until is None or day <= p.until)]
        if len(found) != 1:
            known = ", ".join(sorted({p.model for p in self.prices})) or "none"
            count = "no price" if not found else f"{len(found)} prices"
            raise TeacherError(
                f"{count} of {model!r} on {day}: expected one. Models with prices: {known}. Add it to the prices in the"
                " configuration, with 0 for a model of your own. Nothing was asked."
            )
        return found[0]


class Budget:
    """Money in dollars and tokens that a run may still spend. Safe to use from many threads."""

    def __init__(self, price: Price, *, money: float, tokens: int) -> None:
        self.price = price
        self._money, self._tokens = money, tokens
        self._held: dict[str, tuple[float, int]] = {}
        self._change = threading.Condition()
        self.spent_money, self.spent_tokens = 0.0, 0

    def hold(self, request: Request, key: str) -> bool:
        """Set the worst case of a request aside under this key; waits while others may still give back enough.

        False when even then there is not enough.
        """
        tokens_in, tokens_out = request.most_tokens
        money, tokens = self.price.money(tokens_in, tokens_out), tokens_in + tokens_out
        with self._change:
            while not self._fits(money, tokens):
                if not self._held:
                    return False
                self._change.wait()
            self._held[key] = (money, tokens)
            return True

    def settle(self, key: str, tokens_in: int, tokens_out: int) -> float:
        """Give back what was set aside and spend what was used; the money that was."""
        return self._spend(key, self.price.money(tokens_in, tokens_out), tokens_in + tokens_out)

    def lose(self, key: str) -> float:
        """The answer got lost after the request was sent: its worst case counts as spent."""
        with self._change:
            money, tokens = self._held[key]
        return self._spend(key, money, tokens)

    def count(self, answers: Sequence[Answer]) -> None:
        """Add what an interrupted run has already spent."""
        with self._change:
            self.spent_money += sum(answer.money for answer in answers)
            self.spent_tokens += sum(answer.tokens_in + answer.tokens_out for answer in answers)

    def _spend(self, key: str, money: float, tokens: int) -> float:
        with self._change:
            del self._held[key]
            self.spent_money += money
            self.spent_tokens += tokens
            self._change.notify_all()
            return money

    def _fits(self, money: float, tokens: int) -> bool:
        held_money = sum(m for m, _ in self._held.values())
        held_tokens = sum(t for _, t in self._held.values())
        return (
            self.spent_money + held_money + money <= self._money + 1e-12
            and self.spent_tokens + held_tokens + tokens <= self._tokens
        )
