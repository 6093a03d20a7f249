"""A table's lock: one holder, waiters in turn, and a message that names who holds it.

with hold(folder, "silver.words", holder, wait_seconds=5): ...
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from lakehouse.errors import Locked
from lakehouse.lock import POLL_SECONDS, Holder, hold, holder_of

NAME = "silver.words"
HELD_SECONDS = 0.05  # far less than a waiter sleeps between two looks


def me(doing: str) -> Holder:
    return Holder.me("run", doing, "2026-01-01T00:00:00+00:00")


def test_a_held_lock_names_its_holder_and_is_free_afterwards(tmp_path: Path) -> None:
    with hold(tmp_path, NAME, me("writing"), wait_seconds=0):
        found = holder_of(tmp_path, NAME)
        assert found is not None
        assert found.doing == "writing"
        with (
            pytest.raises(Locked, match=r"silver\.words is being written by process \d+ .*writing.*waited 0 s"),
            hold(tmp_path, NAME, me("too late"), wait_seconds=0),
        ):
            pass
    assert holder_of(tmp_path, NAME) is None
    with hold(tmp_path, NAME, me("next"), wait_seconds=0):
        pass


def test_who_writes_again_and_again_lets_a_waiter_in(tmp_path: Path) -> None:
    """Without turns the waiter, who looks now and then, meets the lock in its short gaps by luck alone."""
    stop, waits = threading.Event(), threading.Event()
    writes: list[int] = []

    def write_on() -> None:
        while not stop.is_set():
            with hold(tmp_path, NAME, me("writing on"), wait_seconds=60):
                writes.append(int(waits.is_set()))
                time.sleep(HELD_SECONDS)

    def tell(text: str) -> None:
        waits.set()
        told.append(text)

    told: list[str] = []
    greedy = threading.Thread(target=write_on)
    greedy.start()
    try:
        while not writes:
            time.sleep(HELD_SECONDS)
        with hold(tmp_path, NAME, me("in turn"), wait_seconds=60, waiting=tell):
            passed = sum(writes)
    finally:
        stop.set()
        greedy.join()
    assert told == [] or "writing on" in told[0] or "not said its name yet" in told[0]
    # Those that end while the waiter takes its place in the queue, and the one that holds the lock then.
    assert passed <= 2 + POLL_SECONDS / HELD_SECONDS
