"""A lake with documents in gold.pretrain whose samples turn out as their text says (see `writer`).

lake = SynthesisLake(tmp_path / "lake", spark)
lake.build(settings(server.url))
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession

from jobs.corpus.tables import pretrain
from lakehouse.config import conf_dir
from lakehouse.lake import Lake
from tests.jobs.web.lakes import WebLake
from tests.lakehouse import lakes

OUTCOMES = ("good", "wrong", "proves nothing", "flaky", "chatter", "few tests", "exit", "low score", "schema")
JAVA = ("low score", "schema")  # what language their files are; samples are Python all the same
PRICE = {
    "model": "m",
    "since": "2026-01-01",
    "until": None,
    "per_million_in": 1,
    "per_million_out": 2,
    "terms": "Some-Terms",
}
FORMS = yaml.safe_load((conf_dir() / "test-forms.yaml").read_text("utf-8"))
PYTHON = {"python": FORMS["python"]}
LIMITS = {"wall_seconds": 120.0, "cpu_seconds": 1}  # a machine that is busy must not change verdicts


def documents() -> list[dict[str, Any]]:
    """One per outcome, of a repository and a licence of its own, and one whose samples are those of the good one."""
    found = [
        _document(said, f"# outcome: {said}\n# number: {n}\nprint('solution')\n") for n, said in enumerate(OUTCOMES)
    ]
    return [*found, _document("twin", "# outcome: good\n# number: 0\nprint('another text')\n")]


def _document(name: str, text: str) -> dict[str, Any]:
    template = lakes.rows()["gold.pretrain"][0]
    about = {
        "repo": f"acme/{name}",
        "path": "a.py",
        "licence": "MIT" if name != "wrong" else None,
        "language": "java" if name in JAVA else "python",
    }
    said = {"doc_id": hashlib.sha256(text.encode()).hexdigest(), "text": text, "bytes": len(text.encode())}
    return {**template, **about, **said}


def write(lake: Lake) -> None:
    table = pa.Table.from_pylist(documents(), schema=pretrain.arrow_schema)
    write_deltalake(lake.location(pretrain), table, configuration={"delta.enableChangeDataFeed": "true"})


def erase(lake: Lake, repo: str) -> None:
    DeltaTable(lake.location(pretrain)).delete(f"repo = '{repo}'")


def settings(url: str, **teacher: Any) -> dict[str, Any]:
    def kind(options: Mapping[str, Any], *prompts: str, **more: Any) -> dict[str, Any]:
        filled = {name: f"${{conf:prompts/{name}.yaml}}" for name in prompts}
        common = {"seeds": 20, "samples": 1, "model": "m", "parameters": {"max_tokens": 500}}
        return {**common, "prompts": filled, "options": options, **more}

    return {
        "synthesis.seeds.kinds": {
            "snippets": kind({"tests": 3, "forms": PYTHON}, "snippets"),
            "educational": kind({"score": 3, "tests": 10}, "score", "educational", re_asks=1, samples=2, seeds=3),
            "textbooks": kind({"words": 200}, "exercise", "textbook", seeds=2),
        },
        "synthesis.answers.teachers": {"m": {"how": "endpoint", "url": url, "money": 1, "tokens": 10**6, **teacher}},
        "synthesis.answers.prices": [PRICE],
        "synthesis.answers.wave": 4,
        "synthesis.samples.tasks": 2,
        **{f"synthesis.samples.limits.{key}": value for key, value in LIMITS.items()},
    }


def configuration(file: Path, settings: Mapping[str, Any]) -> Path:
    """The settings as a file for `--conf`."""
    nested: dict[str, Any] = {}
    for key, value in settings.items():
        inner = nested
        *folders, name = key.split(".")
        for folder in folders:
            inner = inner.setdefault(folder, {})
        inner[name] = value
    file.write_text(json.dumps(nested))  # JSON is YAML
    return file


class SynthesisLake(WebLake):
    def __init__(self, root: Path, spark: SparkSession) -> None:
        super().__init__(root, spark)
        if not self.lake.exists(pretrain):
            write(self.lake)
