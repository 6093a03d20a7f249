"""Each test that RECIPE.md names is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent


def test_what_the_recipe_is_shown_by_exists() -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", (TESTS / "RECIPE.md").read_text("utf-8"))
    assert len(named) > 40
    there = {
        file: {node.name for node in ast.walk(ast.parse((TESTS / file).read_text("utf-8"))) if isinstance(node, ast.FunctionDef)}
        for file in {file for file, _ in named}
    }  # fmt: skip
    assert [f"{file}::{name}" for file, name in named if name not in there[file]] == []
