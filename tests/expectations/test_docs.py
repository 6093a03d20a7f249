"""Data Docs: what a reader finds offline, and what hostile values cannot do there."""

from __future__ import annotations

import os
from html.parser import HTMLParser
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from expectations.docs import build_docs
from expectations.gate import check
from expectations.rules import Rule

pytestmark = pytest.mark.spark

HOSTILE = "<script>alert('x')</script><img src=http://evil.example/a.png>${title}"


class Page(HTMLParser):
    """The tags with their attributes and the text that a browser would show."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def links(self) -> list[str]:
        return [str(attrs["href"]) for tag, attrs in self.tags if tag == "a" and attrs.get("href")]


@pytest.fixture(scope="module")
def site(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of one table, one with hostile values, and a run of a second table."""
    docs = tmp_path_factory.mktemp("docs")
    good = spark.createDataFrame([("a", "fine"), ("b", "fine")], "id string, s string")
    bad = spark.createDataFrame([("a", HOSTILE), (HOSTILE, None)], "id string, s string")
    rules = [
        Rule(
            "expect_column_values_to_match_regex", {"column": "s", "regex": "^fine<$|^fine$"}, note="prose, not markup"
        ),
        Rule("expect_column_values_to_not_be_null", {"column": "s"}, severity="warning"),
        Rule("expect_column_max_to_be_between", {"column": "s", "max_value": 3.0}),
        Rule("expect_table_columns_to_match_set", {"column_set": ["id", "s", "more"]}),
        Rule("expect_compound_columns_to_be_unique", {"column_list": ["id", "s"]}),
        Rule("expect_column_values_to_not_be_null", {"column": "gone"}),
    ]
    check(good, rules[:2], table="silver.x", key=("id",), docs=docs, run_name="run 1")
    check(bad.union(bad), rules, table="silver.x", key=("id",), docs=docs, run_name=f"../../{HOSTILE}")
    check(good, rules[4:5], table="silver.y", key=("id",), docs=docs, run_name="..")
    assert build_docs(docs) == docs / "index.html"
    return docs


def pages(site: Path) -> list[Path]:
    return sorted(site.rglob("*.html"))


def test_the_index_lists_every_run_and_what_failed_with_examples(site: Path) -> None:
    index = Page(site / "index.html")
    assert len(pages(site)) == 4
    assert 'expect_column_values_to_match_regex(column="s", regex="^fine<$|^fine$")' in index.text
    assert "warning expect_column_values_to_not_be_null" in " ".join(index.text.split())
    assert HOSTILE in index.text
    assert "2 of 2" in index.text


def test_every_link_leads_to_a_page_of_the_site(site: Path) -> None:
    from urllib.parse import unquote

    for path in pages(site):
        links = [link for link in Page(path).links if not link.startswith("#")]
        assert links
        for link in links:
            assert (path.parent / unquote(link)).resolve() in {p.resolve() for p in pages(site)}, (path, link)


def test_the_page_of_a_run_says_what_was_expected_and_observed(site: Path) -> None:
    failed = next(Page(path) for path in pages(site) if path.stem.startswith("..%2F"))
    text = " ".join(failed.text.split())
    assert "silver.x: failed" in text
    assert "values must match this regular expression" in text
    assert HOSTILE in text
    assert "'gone' is not in the batch" in text
    assert "values must never be null" in text


def test_pages_load_and_run_nothing(site: Path) -> None:
    for path in pages(site):
        page = Page(path)
        assert not [tag for tag, _ in page.tags if tag in {"script", "img", "link", "iframe", "object", "base", "form"}]
        for _, attrs in page.tags:
            assert not [name for name in attrs if name == "src" or name.startswith("on")]
            assert "//" not in (attrs.get("href") or "")
        raw = path.read_text(encoding="utf-8")
        assert "@import" not in raw
        assert "url(" not in raw
        assert "default-src 'none'" in raw


def test_names_cannot_lead_out_of_the_site(site: Path) -> None:
    inside = {path.relative_to(site).parts[0] for path in site.rglob("*")}
    assert inside == {"index.html", "results", "silver.x", "silver.y"}
    assert not list(site.parent.glob("*.html"))


def test_a_page_is_rendered_again_only_when_its_result_is_newer(site: Path) -> None:
    page, result = next(site.glob("silver.x/run*.html")), next(site.glob("results/silver.x/run*.json"))
    page.write_text("kept", encoding="utf-8")
    build_docs(site)
    assert page.read_text(encoding="utf-8") == "kept"
    newer = page.stat().st_mtime_ns + 10**9
    os.utime(result, ns=(newer, newer))
    build_docs(site)
    assert "silver.x: passed" in Page(page).text


def test_a_run_whose_name_reads_like_a_time_gets_a_page(spark: SparkSession, tmp_path: Path) -> None:
    name = "20261125T142726.123456-5353"  # a run id: its process number passes for an offset of 53 hours
    good = spark.createDataFrame([("a",)], "id string")
    rule = Rule("expect_column_values_to_not_be_null", {"column": "id"})
    check(good, [rule], table="silver.x", key=("id",), docs=tmp_path, run_name=name)
    build_docs(tmp_path)
    assert f"Run {name}" in Page(tmp_path / "silver.x" / f"{name}.html").text
