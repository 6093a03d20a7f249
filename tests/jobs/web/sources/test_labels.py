"""Files of labels, as people and models write them.

topic,pattern,label,author
code,%juejin.cn/post%,yes,Ada        -> wanted pages by their address
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from jobs.web.sources.labels import LabelError, fingerprint, read_labels
from lakehouse.config import conf_dir

ROWS = [
    {"topic": "code", "pattern": "%juejin.cn/post%", "label": "yes", "author": "Ada", "at": "2026-11"},
    {"topic": "code", "url": "https://a.test/x", "label": "no", "author": "model:phi", "score": "0.1", "held_out": "yes"},
    {"topic": "math", "page_id": "f" * 64, "label": "", "author": "Ada", "pages": "12"},
]  # fmt: skip


def written(folder: Path, name: str) -> Path:
    path = folder / name
    if name.endswith(".csv"):
        names = ["topic", "pattern", "url", "page_id", "label", "author", "at", "score", "held_out", "pages"]
        lines = [names, *([str(row.get(n, "")) for n in names] for row in ROWS)]
        path.write_text("\n".join(map(",".join, lines)))
    else:
        path.write_text(yaml.safe_dump(ROWS) if name.endswith(".yaml") else "\n".join(map(json.dumps, ROWS)))
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.yaml"])
def test_all_formats_say_the_same(tmp_path: Path, name: str) -> None:
    found = read_labels(written(tmp_path, name))
    (pattern,), (page,) = found.patterns, found.pages
    assert pattern == {
        "nth": 1, "topic": "code", "pattern": "%juejin.cn/post%", "label": True, "author": "Ada", "how": "person",
        "said_at": datetime(2026, 11, 1, tzinfo=UTC), "note": None,
    }  # fmt: skip
    assert (page["url"], page["label"], page["how"], page["score"], page["held_out"]) == (
        "https://a.test/x", False, "model", 0.1, True,
    )  # fmt: skip
    assert found.open == 1


def test_a_spreadsheet_with_semicolons_and_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbftopic;pattern;label;author\r\ncode;a.test/%;YES;Ada\r\n")
    assert read_labels(path).patterns[0]["label"] is True


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"label": "maybe"}, "label = 'maybe': expected yes or no"),
        ({"author": ""}, "no author"),
        ({"topic": "Code!"}, "topic = 'Code!'"),
        ({"pattern": "", "url": ""}, "names no pattern, page_id or url"),
        ({"pattern": "%%"}, "fits every address"),
        ({"at": "yesterday"}, "at = 'yesterday'"),
        ({"pattern": "", "url": "https://a.test", "score": "2"}, "score = '2'"),
    ],
)
def test_a_row_that_is_wrong_is_refused_with_its_number(tmp_path: Path, row: dict[str, str], said: str) -> None:
    path = tmp_path / "a.jsonl"
    good = {"topic": "code", "pattern": "a.test/%", "label": "yes", "author": "Ada"}
    path.write_text(f"{json.dumps(good)}\n{json.dumps(good | row)}\n")
    with pytest.raises(LabelError, match="row 2") as error:
        read_labels(path)
    assert said in str(error.value)


@pytest.mark.parametrize(("name", "text"), [("a.txt", "x"), ("a.jsonl", "{"), ("a.yaml", "a: b"), ("a.jsonl", "[1]")])
def test_a_file_that_is_no_list_of_rows_is_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(LabelError, match=name):
        read_labels(tmp_path / name)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="No such file"):
        fingerprint(tmp_path / "absent.csv")


def test_the_paper_s_patterns_load() -> None:
    found = read_labels(conf_dir() / "url-patterns.csv")
    assert len(found.patterns) == 29
    assert {row["topic"]: row["author"] for row in found.patterns} == {"code": "OpenCoder", "math": "OpenCoder"}
    assert sum(row["topic"] == "code" for row in found.patterns) == 18


def test_the_paper_s_sample_addresses_match_their_patterns() -> None:
    from jobs.kernels.url_patterns import Pattern, Patterns

    known = Patterns(
        Pattern(row["pattern"], row["label"]) for row in read_labels(conf_dir() / "url-patterns.csv").patterns
    )
    for url in (
        "https://cloud.tencent.com/developer/article/1", "https://my.oschina.net/u/1/blog/2", "http://www.cnblogs.com/a/p/1.html",
        "https://segmentfault.com/q/10", "https://juejin.cn/post/7", "http://www.haihongyuan.com/gaozhongshuxue/1.html",
    ):  # fmt: skip
        assert known.match(url), url
    assert known.match("https://juejin.cn/user/7") is None
