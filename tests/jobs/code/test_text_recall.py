"""Text files of code: by their name, or by the classifier of the web's recall; others are dropped and say so.

codelake build --set code.text_recall.enabled=true
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.code.decide import decide
from jobs.code.tables import code_languages, code_text_recall, code_texts, distinct_files
from jobs.code.text_recall import text_recall
from jobs.kernels.page_classifier import Classifier, model_id, train
from jobs.web.tables import web_models
from lakehouse.config import load
from lakehouse.registry import graph
from lakehouse.table import Table
from tests.jobs.code.given import GivenInputs, Rows, computed
from tests.jobs.kernels.test_page_classifier import CODE_WORDS, LABELLED, SETTINGS, STORY_WORDS

pytestmark = pytest.mark.spark

FILES = {
    "README.md": " ".join(STORY_WORDS * 3),
    "docs/notes.txt": " ".join(STORY_WORDS * 4),
    "dev-requirements.in": "attrs\n",
    "CMakeLists.txt": "project(a)\n",
    "docs/guide.md": " ".join(CODE_WORDS * 5),
    "tales/first.md": " ".join(STORY_WORDS * 5),
    "main.py": "x = 1\n",
}


class Inputs(GivenInputs):
    """With the models in a file, as a lake has them."""

    def __init__(self, spark: SparkSession, rows: dict[Table, Rows], folder: Path) -> None:
        super().__init__(spark, rows)
        self._folder = folder

    def __getitem__(self, table: Table) -> DataFrame:
        found = super().__getitem__(table)
        if table is not web_models or not self._rows.get(table):
            return found
        found.write.mode("overwrite").parquet(str(self._folder / "models"))
        return self.spark.read.parquet(str(self._folder / "models"))


def identity(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def given(model: bytes | None) -> dict[Table, Rows]:
    models = [
        {"topic": topic, "round": n, "model_id": model_id(made), "training_id": "", "settings": "", "model": made}
        for topic, n, made in (("code", 1, b"old"), ("code", 2, model or b""), ("math", 3, b"other"))
    ]
    kind = {path: "code" if path.endswith(".py") else "text" for path in FILES}
    return {
        code_texts: [{"content_id": identity(t), "text": t, "bytes": len(t.encode())} for t in FILES.values()],
        distinct_files: [{"content_id": identity(text), "path": path} for path, text in FILES.items()],
        code_languages: [
            {"content_id": identity(text), "language": kind[path], "type": kind[path]} for path, text in FILES.items()
        ],
        web_models: models if model else [],
    }


def recalled(spark: SparkSession, folder: Path, model: bytes | None, *said: str) -> dict[str, dict[str, Any]]:
    params = load(graph(), overrides=["code.text_recall.enabled=true", *said]).jobs["code.text_recall"]
    paths = {identity(text): path for path, text in FILES.items()}
    rows = computed(text_recall(Inputs(spark, given(model), folder), params))
    return {paths[row["content_id"]]: row for row in rows}


def test_names_and_the_last_classifier_decide_and_what_neither_wants_is_dropped(
    spark: SparkSession, tmp_path: Path
) -> None:
    model = train([text for _, text in LABELLED], LABELLED, SETTINGS)
    found = recalled(spark, tmp_path, model)
    assert set(found) == set(FILES) - {"main.py"}
    assert {path for path, row in found.items() if row["named"]} == {
        "README.md", "docs/notes.txt", "dev-requirements.in", "CMakeLists.txt",
    }  # fmt: skip
    assert found["docs/guide.md"]["recalled"]
    assert not found["tales/first.md"]["recalled"]
    assert found["docs/guide.md"]["score"] == Classifier(model).scores([FILES["docs/guide.md"]])[0]
    inputs = GivenInputs(spark, {**given(None), code_text_recall: list(found.values())})
    decided = computed(decide(inputs, load(graph()).jobs["code.decide"]))
    hits = {row["content_id"]: {hit["rule"] for hit in row["hits"]} for row in decided}
    dropped = {path for path, text in FILES.items() if "text_not_of_code" in hits[identity(text)]}
    assert dropped == {"tales/first.md"}


def test_without_a_classifier_names_alone_decide_and_off_it_decides_nothing(
    spark: SparkSession, tmp_path: Path
) -> None:
    found = recalled(spark, tmp_path, None)
    assert all(row["score"] is None and not row["recalled"] for row in found.values())
    assert sum(row["named"] for row in found.values()) == 4
    assert recalled(spark, tmp_path, None, "code.text_recall.enabled=false") == {}
