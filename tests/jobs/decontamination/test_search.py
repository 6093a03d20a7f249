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

from jobs.kernels.contamination import Index
from jobs.web import decide, decontaminate
from jobs.web.tables import web_benchmarks, web_documents
from lakehouse import planted
from lakehouse.config import load
from lakehouse.errors import ConfigError
from lakehouse.job import Output
from lakehouse.registry import graph
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
    index = Index.of(asked.items(), asked.setting)
    sought = dict(zip((item.item for item in index.items), index.sought(), strict=True))
    assert len(sought) == 164
    assert all("prompt" in parts for parts in sought.values())
    assert sum("code" in parts for parts in sought.values()) > 140
