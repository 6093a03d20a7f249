"""Benchmark items in recalled texts, and what a search depends on.

codelake build --set "web.decontaminate.benchmarks=[benchmarks]" web.decontaminate+
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.synthesis import decide as synthesis_decide
from jobs.synthesis import decontaminate as synthesis_decontaminate
from jobs.synthesis import functional
from jobs.synthesis.tables import synthetic_benchmarks, synthetic_decisions, synthetic_functional, synthetic_samples
from jobs.web import decide, decontaminate
from jobs.web.tables import web_benchmarks, web_documents
from lakehouse import planted
from lakehouse.config import load
from lakehouse.errors import ConfigError, MachineError
from lakehouse.job import Output
from lakehouse.registry import graph
from lakehouse.sandbox import Limits, Sandbox
from tests.jobs.code.given import GivenInputs, computed

PROBLEM = planted.benchmark()
QUOTED = (
    "Somebody asks on a forum:\n\n```python\n" + PROBLEM["prompt"].replace("    ", "\t") + "```\n\nWho can do it?\n"
)
PLAIN = "An essay about thermometers, and why nobody reads them any more in the morning.\n" * 4


def params(job: str, *overrides: str) -> Any:
    return load(graph(), overrides=overrides).jobs[job]


def named(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.spark
@pytest.mark.parametrize("partitions", [1, 3])
def test_a_page_that_quotes_a_problem_is_found_and_dropped(
    spark: SparkSession, tmp_path: Path, partitions: int
) -> None:
    folder = planted.make_benchmarks(tmp_path)
    asked = params("web.decontaminate", f"web.decontaminate.benchmarks=[{folder}]")
    given = {web_documents: [{"content_id": named(text), "text": text} for text in (QUOTED, PLAIN)]}
    inputs = GivenInputs(spark, given)
    before = spark.conf.get("spark.sql.shuffle.partitions")
    spark.conf.set("spark.sql.shuffle.partitions", str(partitions))
    try:
        outputs = decontaminate.job.transform(inputs, asked)
        hits = computed(outputs[web_benchmarks.hits])
        assert isinstance(outputs[web_benchmarks.items], Output)
        (hit,) = hits
        assert (hit["content_id"], hit["item"], hit["part"], hit["rule"]) == (
            named(QUOTED),
            "planted/0",
            "prompt",
            "ngram",
        )
        decided = computed(
            decide.decide(GivenInputs(spark, {**given, web_benchmarks.hits: hits}), params("web.decide"))
        )
    finally:
        spark.conf.set("spark.sql.shuffle.partitions", str(before))
    by_id = {row["content_id"]: row for row in decided}
    said = {"rule": "benchmark", "value": hit["share"], "limit": None, "detail": "planted planted/0: prompt by ngram"}
    assert said in by_id[named(QUOTED)]["hits"]
    assert not by_id[named(QUOTED)]["keep"]
    assert "benchmark" not in {h["rule"] for h in by_id[named(PLAIN)]["hits"]}


SOLVED = (PROBLEM["prompt"] + PROBLEM["canonical_solution"]).replace("readings", "values")
SAME_NAME = "Take this:\n\ndef warmest_stretch(readings, days):\n    return max(readings[:days])\n"


def _sample(text: str, **more: Any) -> dict[str, Any]:
    return {"sample_id": named(text), "text": text, "accepted": True, "reason": "", "detail": "", **more}


@pytest.mark.spark
def test_a_sample_that_repeats_a_problem_or_only_its_signature_stays_out_of_gold(
    spark: SparkSession, tmp_path: Path
) -> None:
    folder = planted.make_benchmarks(tmp_path)
    asked = params("synthesis.decontaminate", f"synthesis.decontaminate.benchmarks=[{folder}]")
    given = {synthetic_samples: [_sample(text) for text in (SOLVED, SAME_NAME, PLAIN)]}
    hits = computed(synthesis_decontaminate.job.transform(GivenInputs(spark, given), asked)[synthetic_benchmarks.hits])
    assert {(hit["sample_id"], hit["rule"]) for hit in hits} == {
        (named(SOLVED), "ngram"),
        (named(SOLVED), "form"),
        (named(SAME_NAME), "entry_point"),
    }
    passed = [
        {"sample_id": named(PLAIN), "benchmark": "planted", "item": "planted/0", "entry_point": "f", "arguments": 2}
    ]
    for more, kept in (({}, {named(PLAIN)}), ({synthetic_functional: passed}, set())):
        inputs = GivenInputs(spark, {**given, synthetic_benchmarks.hits: hits, **more})
        outputs = synthesis_decide.decide(inputs, params("synthesis.decide"))
        decided = computed(outputs[synthetic_decisions])
        assert {row["sample_id"] for row in decided if row["keep"]} == kept
    said = {row["sample_id"]: row["hits"] for row in decided}
    assert said[named(PLAIN)][0]["detail"] == "planted planted/0: tests by functional"


REWRITTEN = """def hottest(x, n):
    sums = [sum(x[i : i + n]) for i in range(len(x) - n + 1)]
    return sums.index(max(sums)) if n > 0 and sums else None
"""


@pytest.mark.spark
def test_a_function_that_passes_a_problems_tests_is_found_however_it_is_written(
    spark: SparkSession, tmp_path: Path
) -> None:
    try:
        Sandbox(Limits.default()).close()
    except MachineError as error:
        pytest.skip(f"no sandbox on this machine: {error}")
    folder = planted.make_benchmarks(tmp_path)
    asked = params(
        "synthesis.functional", f"synthesis.functional.benchmarks=[{folder}]", "synthesis.functional.tasks=1"
    )
    functions = {
        "hottest": REWRITTEN,
        "wrong": "def wrong(x, n):\n    return 0\n",
        "one": "def one(x):\n    return 4\n",
        "warmest_stretch": PROBLEM["prompt"] + PROBLEM["canonical_solution"],
        "broken": "def broken(x, n:\n",
    }
    rows = [_sample(name, code=code, entry_point=name, language="python") for name, code in functions.items()]
    rows.append(_sample("rejected", code=REWRITTEN, entry_point="hottest", language="python") | {"accepted": False})
    found = computed(functional.functional(GivenInputs(spark, {synthetic_samples: rows}), asked))
    assert {(row["sample_id"], row["entry_point"], row["arguments"]) for row in found} == {
        (named("hottest"), "hottest", 2),
        (named("warmest_stretch"), "warmest_stretch", 2),
    }
    assert {(row["benchmark"], row["item"]) for row in found} == {("planted", "planted/0")}


@pytest.mark.parametrize(
    ("code", "takes"),
    [
        ("def f(a, b=1, *, c=2): ...", (1, 2)),
        ("def f(a, /, *rest): ...", (1, functional.ANY)),
        ("def f(a, *, needed): ...", None),
        ("def g(a): ...", None),
        ("def f(:", None),
        ("def f(): ...\ndef f(a): ...", (1, 1)),
    ],
)
def test_how_many_arguments_a_function_takes(code: str, takes: tuple[int, int] | None) -> None:
    assert functional.arity(code, "f") == takes


def test_running_the_tests_of_benchmarks_is_off_by_default() -> None:
    assert functional.job.idle is not None
    assert "--set synthesis.functional.benchmarks=[FOLDER]" in str(functional.job.idle(params("synthesis.functional")))


@pytest.mark.parametrize(
    ("benchmark", "solved"), [("humaneval/HumanEval", 164), ("mbpp/mbpp", 974), ("mbpp/mbpp_sanitized", 427)]
)
def test_real_items_come_with_the_tests_that_judge_them(shared: Path, benchmark: str, solved: int) -> None:
    folder = shared / "benchmarks"
    asked = params("synthesis.functional", f"synthesis.functional.benchmarks=[{folder}]")
    items = [item for item in asked.items() if item.benchmark == benchmark]
    assert len([item for item in items if item.program and item.entry_point in item.program]) == solved
    assert sum(functional.arity(item.code, item.entry_point) is not None for item in items) >= 0.98 * solved


def test_what_problem_files_say_enters_the_digest_and_where_they_lie_does_not(tmp_path: Path) -> None:
    folders = [planted.make_benchmarks(tmp_path / name) for name in ("here", "there")]
    here, there = (params("code.decontaminate", f"code.decontaminate.benchmarks=[{folder}]") for folder in folders)
    assert here.digest == there.digest
    assert here.digest != params("code.decontaminate").digest
    (folders[1] / "planted.jsonl").write_text(json.dumps({**PROBLEM, "prompt": "another"}))
    assert params("code.decontaminate", f"code.decontaminate.benchmarks=[{folders[1]}]").digest != here.digest


def test_no_benchmark_is_no_work_and_says_how_to_name_one() -> None:
    assert decontaminate.job.idle is not None
    assert "--set web.decontaminate.benchmarks=[FOLDER]" in str(decontaminate.job.idle(params("web.decontaminate")))


def test_a_folder_that_is_missing_and_a_name_that_comes_twice_are_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        params("code.decontaminate", f"code.decontaminate.benchmarks=[{tmp_path / 'absent'}]")
    both = [str(planted.make_benchmarks(tmp_path / name)) for name in ("a", "b")]
    with pytest.raises(ConfigError, match=r"another folder holds planted\.jsonl too"):
        params("code.decontaminate", f"code.decontaminate.benchmarks={json.dumps(both)}")


@pytest.mark.filterwarnings("ignore:invalid escape sequence")
def test_of_a_real_benchmark_every_item_is_looked_for(shared: Path) -> None:
    asked = params("code.decontaminate", f"code.decontaminate.benchmarks=[{shared / 'benchmarks' / 'humaneval'}]")
    index = asked.index()
    sought = dict(zip((item.item for item in index.items), index.sought(), strict=True))
    assert len(sought) == 164
    assert all("prompt" in parts for parts in sought.values())
    assert sum("code" in parts for parts in sought.values()) > 140
