"""The two rule sets that come with codelake: opencoder-1 decides as was recorded, codelake-1 differs as it says."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from jobs.code.decide import MEASURED
from jobs.kernels.measures import measure
from lakehouse.rules import rule_set

RECIPE = Path(__file__).parents[4] / "shared" / "recipe"
OPENCODER, CODELAKE = rule_set("opencoder-1"), rule_set("codelake-1")
LANGUAGES = ("c", "cpp", "csharp", "go", "html", "java", "javascript", "python", "shell", "sql")


@pytest.fixture(scope="module")
def recorded() -> list[dict[str, Any]]:
    path = RECIPE / "verdicts.jsonl"
    if not path.exists():
        pytest.skip(f"{path} is absent: it holds what the released filter recorded, and is not part of the project")
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_opencoder_1_has_the_450_rules_of_the_release_in_14_tables() -> None:
    tables = OPENCODER.tables
    used = ["code", "data", "text", "text/zh", *(f"code/{language}" for language in LANGUAGES)]
    assert set(OPENCODER.languages) == set(LANGUAGES)
    assert sum(len(tables[name]) for name in used) == 450


@pytest.mark.parametrize("rules", [OPENCODER, CODELAKE], ids=lambda rules: str(rules.name))
def test_every_rule_compares_a_signal_that_is_measured(rules: Any) -> None:
    assert rules.signal_names <= set(MEASURED[rules.signals].column_names)


def test_measured_batches_have_the_columns_of_their_table() -> None:
    """Spark takes the batches as they are: a type that differs fails in the JVM, without the column's name."""
    texts, files = pa.array(["a\n", "x = 1\n"]), [("a.md", "markdown", "text"), ("b.py", "python", "code")]
    declared = [(f.name, f.type) for f in MEASURED["measured"].arrow_schema if f.name != "content_id"]
    assert [(f.name, f.type) for f in measure(texts, files, {}).schema] == declared


def test_opencoder_1_gives_every_recorded_verdict_and_hit(recorded: list[dict[str, Any]]) -> None:
    """Decided on the recorded signals, which tests/jobs/kernels/released measures again."""
    hit, decided = Counter[str](), 0
    for row in recorded:
        table = OPENCODER.table_name(row["doc_type"], row["program_lang"], row["lang"])
        hits = [name for name, _, _ in OPENCODER.hits(table, row["signals"])]
        assert hits == sorted(row["hits"]), row["id"]
        has_rules = bool(OPENCODER.tables.get(table))
        assert (has_rules and not hits) == row["keep"], row["id"]
        spared = [name for name in hits if OPENCODER.tables[table][name].chance is None]
        assert (has_rules and not spared) == row["keep_if_spared"], row["id"]
        assert set(hits) - set(spared) == set(row["stochastic"]), row["id"]
        hit.update(f"{table}/{name}" for name in hits)
        decided += 1
    assert decided == 983
    assert len(hit) == 448  # the two that can never hit are missing


def test_codelake_1_has_a_rule_for_every_rule_of_the_release_or_says_why_not(recorded: list[dict[str, Any]]) -> None:
    """By what the measures say they stand for: each released signal that decides has one that decides here."""
    assert recorded
    sources: dict[str, str] = {}
    for column in MEASURED["measured"].columns:
        sources[column.name] = column.comment
    said = " ".join(sources[name] for name in CODELAKE.signal_names)
    families = {
        "_cate_ast",
        "_func_ratio",
        "_simplefunc",
        "_no_logic",
        "_cate_var_zero",
        "_lines_pass",
        "_lines_import",
        "_lines_print",
        "_lines_main",
        "_preprocessor_directives",
        "_cate_testfile",
        "_words_text",
        "_chars_text",
    }
    for name in OPENCODER.signal_names:
        family = next((ending for ending in families if name.endswith(ending)), None)
        twin = name.replace("qsc_doc_", "qsc_code_")
        if name in ("qsc_code_frac_lines_prompt_comments", "qsc_codehtml_cate_ast"):
            continue  # TODO marks are honest; every page can be read
        assert name in said or twin in said or (family is not None and family in said), name
