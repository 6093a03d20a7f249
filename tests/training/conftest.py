"""What tests of training share: one process group per process. DeepSpeed keeps the first it meets, so there is no second."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from training.engine import Ranks


@pytest.fixture(scope="session")
def ranks() -> Iterator[Ranks]:
    """This process, alone in its group."""
    from training.engine import processes

    with processes() as joined:
        yield joined
