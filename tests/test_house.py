"""House rules that a reader would otherwise have to check by eye."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("jobs", "lakehouse", "training", "expectations")


def modules(folder: str) -> Iterator[Path]:
    yield from sorted((ROOT / folder).rglob("*.py"))


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def importing(folder: str, *names: str) -> list[str]:
    pattern = re.compile(rf"^({'|'.join(names)})(\.|$)")
    return [f"{p.relative_to(ROOT)}: {n}" for p in modules(folder) for n in imports(p) if pattern.match(n)]


def test_imports_point_one_way() -> None:
    assert importing("lakehouse", "jobs", "training") == []
    assert importing("training", "jobs") == []
    assert importing("expectations", "jobs", "training") == []


def test_kernels_and_readers_know_neither_spark_nor_the_lakehouse() -> None:
    assert importing("jobs/kernels", "pyspark", "lakehouse", "delta") == []
    assert importing("jobs/code/sources", "pyspark", "lakehouse", "delta") == []
    assert importing("jobs/web/sources", "pyspark", "lakehouse", "delta") == []


@pytest.mark.parametrize("word", [r"\.rdd\b", r"_jvm\b", r"\bsparkContext\b"])
def test_jobs_use_neither_rdd_nor_jvm(word: str) -> None:
    found = [str(path) for path in modules("jobs") if re.search(word, path.read_text("utf-8"))]
    assert found == []


def test_results_do_not_depend_on_chance_or_the_clock() -> None:
    forbidden = re.compile(r"\b(F\.rand|F\.randn|F\.uuid|monotonically_increasing_id|current_timestamp|uuid4)\b")
    found = [str(path.relative_to(ROOT)) for path in modules("jobs") if forbidden.search(path.read_text("utf-8"))]
    assert found == []


def test_modules_stay_readable() -> None:
    long = {
        str(p.relative_to(ROOT)): n
        for f in PACKAGES
        for p in modules(f)
        if (n := len(p.read_text().splitlines())) > 500
    }
    assert long == {}
