"""One sandbox for all tests of a module; they skip, with the reason, where this machine has no isolation."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lakehouse.errors import MachineError
from lakehouse.sandbox import Limits, Sandbox

# Small enough that abuse ends soon; the wall is far away, because tests run on busy machines.
SMALL = {
    "wall_seconds": 120.0,
    "cpu_seconds": 1,
    "memory": 256 << 20,
    "processes": 16,
    "scratch": 8 << 20,
    "scratch_files": 256,
}


@pytest.fixture(scope="session")
def limits() -> Limits:
    return Limits.default().model_copy(update=SMALL)


@pytest.fixture(scope="module")
def sandbox(limits: Limits) -> Iterator[Sandbox]:
    try:
        started = Sandbox(limits)
    except MachineError as error:
        pytest.skip(f"no sandbox on this machine: {error}")
    with started:
        yield started
