"""How many requests are under way at once: one more for a round of successes, half when the server says it is too much.

The rule of congestion control (additive increase, multiplicative decrease). Requests that were already under way when
the pace was halved do not halve it again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class Pace:
    """A gate that lets a changing number of requests through. `now` and `wait` are the clock; tests give their own."""

    def __init__(
        self, most: int, *, now: Callable[[], float], start: int = 4, wait: Callable[[float], None] | None = None
    ) -> None:
        self._limit, self._most = float(min(start, most)), most
        self._now, self._wait = now, wait
        self._under_way = 0
        self._quiet_until = self._slowed_at = float("-inf")
        self._change = threading.Condition()

    @property
    def limit(self) -> int:
        return int(self._limit)

    def enter(self) -> float:
        """Wait for a place and for the end of a pause; the time of entering, to be given back to `leave`."""
        with self._change:
            while True:
                now = self._now()
                if now < self._quiet_until:
                    self._pause(self._quiet_until - now)
                elif self._under_way >= int(self._limit):
                    self._change.wait()
                else:
                    self._under_way += 1
                    return now

    def leave(self, entered: float, *, too_much: bool = False, pause: float = 0.0) -> None:
        """The request that entered then has ended. `too_much`: the server refused for load; `pause`: seconds it asked for."""
        with self._change:
            self._under_way -= 1
            if not too_much:
                self._limit = min(self._most, self._limit + 1 / max(1.0, self._limit))
            elif entered >= self._slowed_at:
                self._limit = max(1.0, self._limit / 2)
                self._slowed_at = self._now()
            self._quiet_until = max(self._quiet_until, self._now() + pause)
            self._change.notify_all()

    def _pause(self, seconds: float) -> None:
        if self._wait is None:
            self._change.wait(seconds)
        else:
            self._wait(seconds)
