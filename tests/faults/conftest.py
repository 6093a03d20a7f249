"""What fault tests share: lakes that were built once and are copied for each test that disturbs one."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.faults import builds as undisturbed_builds
from tests.faults import toys as toy_lakes
from tests.faults.builds import Builds
from tests.faults.toys import Toys


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Toys:
    return toy_lakes.first_version(tmp_path_factory.mktemp("toys"), spark)


@pytest.fixture
def toys(first: Toys, tmp_path: Path) -> Toys:
    """A toy lake at its first version, its texts at the second."""
    return toy_lakes.copy(first, tmp_path / "toys")


@pytest.fixture(scope="session")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Builds:
    return undisturbed_builds.undisturbed(tmp_path_factory.mktemp("builds"))
