"""What tests share: one Spark session per process, started by the first test that asks for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from lakehouse import config

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# PySpark ends a process whose main module has no file: it takes a worker of pytest-xdist for a doctest.
vars(sys.modules["__main__"]).setdefault("__file__", str(Path(pytest.__file__).with_name("__main__.py")))

SHARED = Path(__file__).parent.parent.parent / "shared"

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
# No deadline: the first call may compile a kernel. A failing example is printed with the code that repeats it.
settings.register_profile("codelake", deadline=None, print_blob=True)
settings.load_profile("codelake")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that need Spark go first, then those that train: one of minutes begun last leaves the other process idle."""
    spark = {item.path for item in items if item.get_closest_marker("spark")}
    items.sort(key=lambda item: (item.path not in spark, item.path.parent.name != "training"))


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """The project's own session, local on two cores: what a test sees is what a build sees."""
    from lakehouse import session
    from lakehouse.config import SparkConfig

    started = session.build(SparkConfig(master="local[2]", driver_memory="2g", fast_start=True, conf={}))
    yield started
    started.stop()


@pytest.fixture(autouse=True)
def _no_lake_of_this_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is configured in a test is what the test says: a quickstart leaves `lake/codelake.yaml` in this folder."""
    read = config._own_settings
    monkeypatch.setattr(
        config, "_own_settings", lambda values: None if values["lake"]["root"] == "lake" else read(values)
    )


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs `codelake ARGUMENTS` in this process: exit code, stdout, stderr."""
    from lakehouse.cli import main

    def run(*arguments: str) -> tuple[int, str, str]:
        code = 0
        try:
            main(arguments)
        except SystemExit as done:
            code = int(done.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def shared() -> Path:
    """The folder with recorded facts and benchmarks; it is not part of the project, so tests that use it may skip."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is not there: recorded facts are not part of the project")
    return SHARED
