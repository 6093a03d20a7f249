"""A page's row of text: code intact, personal data and secrets as placeholders, hostile bodies bounded and explained.

text_row(redactor, page_id="...", url="https://a.test/", content_type="text/html", charset=None, kind="html", body=b"<p>...")
"""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from jobs.kernels.charset import decode_page
from jobs.kernels.html_text import extract
from jobs.kernels.pii import Redactor
from jobs.web.extract import COLUMNS, text_row
from lakehouse.config import conf_dir
from tests.jobs.kernels.pii_corpus import GITHUB, IP, MAIL, PASSWORD

REDACTOR = Redactor.load(yaml.safe_load((conf_dir() / "pii.yaml").read_text("utf-8")))
MEGABYTE = 1 << 20


def row(
    body: bytes, kind: str = "html", charset: str | None = None, content_type: str | None = "text/html"
) -> dict[str, Any]:
    found = text_row(
        REDACTOR, page_id="a" * 64, url="https://www.a.test/x", content_type=content_type, charset=charset, kind=kind, body=body
    )  # fmt: skip
    assert list(found) == list(COLUMNS)
    return found


PAGE = (
    f"<title>Ask {MAIL}</title><main><p>Write to {MAIL}, or to the server at {IP}.</p>"
    f'<pre class=python>connect(password="{PASSWORD}")\n    key = "{GITHUB}"</pre></main>'
)


def test_personal_data_and_secrets_are_taken_out_of_text_and_title_and_their_places_are_recorded() -> None:
    found = row(PAGE.encode())
    assert found["text"] == (
        "Write to <email>, or to the server at <ip_address>.\n\n"
        '```python\nconnect(password="<password>")\n    key = "<key>"\n```'
    )
    assert found["title"] == "Ask <email>"
    before = extract(PAGE).text
    assert [before[span["start"] : span["end"]] for span in found["redactions"]] == [MAIL, IP, PASSWORD, GITHUB]
    assert [span["kind"] for span in found["redactions"]] == ["email", "ip_address", "password", "key"]
    data = found["text"].encode()
    assert (found["bytes"], found["text_id"]) == (len(data), hashlib.sha256(data).hexdigest())


def test_text_that_somebody_extracted_is_redacted_too_and_a_second_pass_changes_nothing() -> None:
    once = row(f"Mail {MAIL}\n".encode(), kind="text")
    again = row(once["text"].encode(), kind="text")
    assert (once["text"], len(once["redactions"])) == ("Mail <email>\n", 1)
    assert (again["text"], again["redactions"], again["text_id"]) == (once["text"], [], once["text_id"])


@given(
    st.lists(
        st.sampled_from([MAIL, IP, f'password = "{PASSWORD}"', GITHUB, "<b>", " and ", "\n", "漢字", "&amp;", "\ud800"])
    )
)
def test_the_spans_put_back_give_the_text_that_was_extracted(parts: list[str]) -> None:
    body = ("<main><p>" + " ".join(parts)).encode("utf-8", "surrogatepass")
    found = row(body)
    before = extract(decode_page(body, None).text).text
    at, pieces = 0, []
    for span in found["redactions"]:
        pieces += [before[at : span["start"]], span["placeholder"]]
        at = span["end"]
    assert "".join([*pieces, before[at:]]).encode("utf-8", "replace").decode() == found["text"]


# Each is bounded: whatever it is, it ends with a row, and the row says what was done.
HOSTILE: dict[str, tuple[bytes, str, str]] = {
    "50 MB of paragraphs": (b"<p>deep water " * (50 * MEGABYTE // 14), "main", ""),
    "50 MB of one word": (b"<p>" + b"deep" * (50 * MEGABYTE // 4), "", ""),
    "50 MB of tags that are never closed": (b"<div>" * (50 * MEGABYTE // 5) + b"deep", "flat", "nested"),
    "50 MB of NUL bytes": (b"<p>deep" + bytes(50 * MEGABYTE), "", ""),
    "100,000 nested tags": (b"<div>" * 100_000 + b"deep" + b"</div>" * 100_000, "flat", "elements nested 100,000 deep"),
    "no closing tags": (b"<html><body><table><tr><td><ul>" + b"<li><b>deep<a href=x>" * 50_000, "flat", "elements"),
    "NUL bytes inside tags and text": (b"<ma\0in><p>de\0ep</\0p>", "", ""),
    "a charset that is none of its own": ("<meta charset=utf-16><p>deep größer".encode("cp1252"), "", ""),
}


SLOW = "50 MB of paragraphs"  # 3.7 million elements are parsed: 10 s


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n == SLOW)) for n in HOSTILE])
def test_a_hostile_page_ends_as_a_row_that_says_what_was_done(name: str) -> None:
    body, how, said = HOSTILE[name]
    found = row(body)
    assert "deep" in found["text"]
    assert "\0" not in found["text"]
    assert found["bytes"] <= len(body)
    assert how in ("", found["how"])
    assert said in found["note"]


@pytest.mark.parametrize("stated", ["utf-16", "shift_jis", "latin-1", "no-such-charset", None])
def test_a_wrong_charset_costs_no_text(stated: str | None) -> None:
    found = row("<main><p>排序算法的时间复杂度与空间复杂度，以及它们的实现。".encode(), charset=stated)
    assert (found["text"], found["charset"]) == ("排序算法的时间复杂度与空间复杂度，以及它们的实现。", "utf-8")
