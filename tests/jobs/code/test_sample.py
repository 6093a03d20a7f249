"""Caps per language: in bytes, by content and seed alone, and a smaller sample is a part of a larger one."""

from __future__ import annotations

import hashlib

import pytest

from jobs.code.sample import SampleParams, sample
from jobs.code.tables import code_decisions, code_languages, code_texts
from tests.jobs.code.given import GivenInputs, computed

pytestmark = pytest.mark.spark

FILES = {
    hashlib.sha256(str(i).encode()).hexdigest(): (("java", "html", "c")[i % 3], 50 + i * 7 % 90) for i in range(300)
}


def taken(spark, caps: dict[str, int], seed: int = 1) -> set[str]:
    inputs = GivenInputs(
        spark,
        {
            code_decisions: [{"content_id": key, "keep": True, "hits": [], "rules": ""} for key in FILES],
            code_languages: [{"content_id": key, "language": name, "type": "code"} for key, (name, _) in FILES.items()],
            code_texts: [{"content_id": key, "text": "", "bytes": size} for key, (_, size) in FILES.items()],
        },
    )
    rows = computed(sample(inputs, SampleParams(seed=seed, caps=caps)))
    assert len(rows) == len(FILES)
    return {row["content_id"] for row in rows if row["taken"]}


def test_a_smaller_sample_is_a_part_of_a_larger_one_and_fills_its_cap(spark):
    sizes = {name: sum(size for language, size in FILES.values() if language == name) for name in ("java", "html", "c")}
    samples = [taken(spark, {"java": cap, "html": 2000}) for cap in (1000, 3000, 6000)]
    assert samples[0] < samples[1] < samples[2]
    for cap, found in zip((1000, 3000, 6000), samples, strict=True):
        java = sum(FILES[key][1] for key in found if FILES[key][0] == "java")
        assert cap - 140 < java <= cap < sizes["java"]
        assert sum(FILES[key][1] for key in found if FILES[key][0] == "c") == sizes["c"]  # no cap, all of it


def test_the_seed_decides_and_nothing_else_does(spark):
    first = taken(spark, {"java": 3000})
    assert taken(spark, {"java": 3000}) == first
    assert taken(spark, {"java": 3000}, seed=2) != first
    assert {key for key in first if FILES[key][0] != "java"} == {key for key in FILES if FILES[key][0] != "java"}
