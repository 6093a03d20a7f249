"""A lake over web sources given as plain dictionaries.

lake = WebLake(tmp_path / "lake", spark)
lake.build({"web.ingest.sources": [...]}, only="web.*")
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from lakehouse import digest, ledger
from lakehouse.config import Config, load
from lakehouse.lake import Lake
from lakehouse.registry import graph, table
from lakehouse.runner import Report, Runner


class WebLake:
    def __init__(self, root: Path, spark: SparkSession) -> None:
        self.lake, self._spark = Lake(str(root)), spark

    def config(self, settings: Mapping[str, Any]) -> Config:
        said = [f"lake.root={self.lake.root}", "lake.docs=false"]
        return load(graph(), overrides=[*said, *(f"{key}={json.dumps(value)}" for key, value in settings.items())])

    def build(self, settings: Mapping[str, Any], only: str = "web.*") -> dict[str, Report]:
        runner = Runner(self.lake, graph(), self.config(settings), lambda: self._spark)
        return {report.job: report for report in runner.build(graph().select([only] if only else []))}

    def rows(self, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = ledger.read(self.lake, table(name)).to_pylist()
        return found

    def digests(self, *names: str) -> dict[str, str]:
        return {name: digest.of_version(self.lake, table(name))[0] for name in names}
