"""URL patterns: `%` is any run of characters, the longest pattern that fits decides.

Patterns([Pattern("%juejin.cn/post%", True)]).match("https://juejin.cn/post/7")    -> Pattern("%juejin.cn/post%", True)
"""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.kernels.url_patterns import Pattern, Patterns, domain_of, forms_of


def label_of(url: str, *patterns: tuple[str, bool]) -> bool | None:
    found = Patterns(Pattern(text, label) for text, label in patterns).match(url)
    return None if found is None else found.label


@pytest.mark.parametrize(
    ("pattern", "url", "fits"),
    [
        ("stackoverflow.com/questions%", "https://stackoverflow.com/questions/11", True),
        ("stackoverflow.com/questions%", "https://www.stackoverflow.com/questions/11", True),
        ("stackoverflow.com/questions%", "https://meta.stackoverflow.com/questions/11", False),
        ("%stackoverflow.com/questions%", "https://meta.stackoverflow.com/questions/11", True),
        ("https://a.test/%", "http://a.test/x", False),
        ("HTTPS://A.test/%", "https://a.TEST/x", True),
        ("%my.oschina.net%blog%", "https://my.oschina.net/u/12/blog/34", True),
        ("%my.oschina.net%blog%", "https://my.oschina.net/u/12", False),
        ("%.pdf", "https://a.test/x.pdf", True),
        ("%.pdf", "https://a.test/x.pdf?y", False),
        ("a.test/x", "https://a.test/x", True),
        ("aba%ba", "http://aba", False),
    ],
)
def test_a_pattern_fits_by_its_literal_parts(pattern: str, url: str, fits: bool) -> None:
    assert (label_of(url, (pattern, True)) is True) is fits


def test_the_longest_pattern_decides() -> None:
    patterns = (("%a.test%", True), ("%a.test/ads%", False), ("%test%", False))
    assert label_of("https://a.test/x", *patterns) is True
    assert label_of("https://a.test/ads/1", *patterns) is False
    assert label_of("https://other.org", *patterns) is None
    assert Patterns([Pattern("%x%", True)]).match(None) is None


def test_a_pattern_that_fits_everything_is_refused() -> None:
    with pytest.raises(ValueError, match="fits every address"):
        Pattern("%%", True)


@given(st.text("ab/%", min_size=1, max_size=8), st.text("ab/", max_size=12))
def test_a_pattern_means_what_the_regular_expression_means(pattern: str, url: str) -> None:
    if not pattern.strip("%"):
        return
    meaning = re.compile(".*".join(re.escape(part) for part in pattern.split("%")), re.DOTALL)
    assert Pattern(pattern, True).fits(forms_of(url)) == any(meaning.fullmatch(form) for form in forms_of(url))


@pytest.mark.parametrize(
    ("url", "domain"),
    [
        ("https://www.Example.org:8080/x?y", "example.org"),
        ("http://user:pw@example.org", "example.org"),
        ("example.org/x", "example.org"),
        ("https://[2001:db8::1]:80/x", "[2001:db8::1]"),
        ("https://例え.jp/", "例え.jp"),
        (None, ""),
        ("", ""),
    ],
)
def test_the_domain_is_the_host(url: str | None, domain: str) -> None:
    assert domain_of(url) == domain
