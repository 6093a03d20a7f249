"""A small web in which recall has something to find: two languages, one of which no label speaks.

docs.test    code pages with code blocks                 labelled yes by a rule
story.test   stories in both languages                   labelled no by a rule
qa.test      /questions: code in both languages, /jobs: stories       a URL pattern says that questions are wanted
zh.test      Chinese pages, half of them about code      held out; what the URL pattern brings in finds them
edge.test    ten pages, one of them about code           just at the limit, so not related
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.jobs.web.warcs import response, warc

_CODE_EN = [
    "function",
    "variable",
    "compile",
    "pointer",
    "thread",
    "recursion",
    "array",
    "lambda",
    "iterator",
    "exception",
    "module",
    "import",
    "return",
    "class",
]
_STORY_EN = [
    "river",
    "mountain",
    "evening",
    "garden",
    "winter",
    "quiet",
    "letter",
    "morning",
    "window",
    "bread",
    "street",
    "music",
    "summer",
    "road",
]
_CODE_ZH = [
    "函数",
    "变量",
    "循环",
    "数组",
    "指针",
    "编译",
    "接口",
    "线程",
    "递归",
    "算法",
    "模块",
    "异常",
    "迭代",
    "缓存",
]
_STORY_ZH = [
    "春天",
    "河流",
    "母亲",
    "故乡",
    "月亮",
    "晚餐",
    "花园",
    "旅行",
    "音乐",
    "朋友",
    "清晨",
    "窗户",
    "面包",
    "街道",
]


@dataclass(frozen=True)
class WebPage:
    url: str
    is_code: bool
    html: str


def pages() -> list[WebPage]:
    """226 pages, always the same."""
    return list(_pages(random.Random(11)))


def _pages(chance: random.Random) -> Iterator[WebPage]:
    def page(url: str, *, is_code: bool, chinese: bool = False, block: bool = False) -> WebPage:
        words = (_CODE_ZH if is_code else _STORY_ZH) if chinese else (_CODE_EN if is_code else _STORY_EN)
        text = ("" if chinese else " ").join(chance.choices(words, k=50))
        code = "\n".join(f"    {chance.choice(_CODE_EN)}({chance.choice(_CODE_EN)}, {n})" for n in range(12))
        shown = f"<pre class=python>def f():\n{code}</pre>" if block else ""
        return WebPage(
            url, is_code, f"<html><head><title>t</title></head><body><main><p>{text}</p>{shown}</main></body></html>"
        )

    yield from (page(f"https://docs.test/{n}", is_code=True, block=True) for n in range(40))
    yield from (page(f"https://story.test/{n}", is_code=False, chinese=n % 2 == 1) for n in range(60))
    yield from (page(f"https://qa.test/questions/{n}", is_code=True, chinese=n % 2 == 1) for n in range(40))
    yield from (page(f"https://www.qa.test/jobs/{n}", is_code=False) for n in range(10))
    yield from (page(f"https://zh.test/{n}", is_code=n % 2 == 0, chinese=True) for n in range(50))
    yield from (page(f"https://edge.test/{n}", is_code=n == 0) for n in range(10))
    yield from (page(f"https://other.test/{n}", is_code=n % 2 == 0) for n in range(16))


def write(folder: Path) -> dict[str, Any]:
    """The web as a WARC file and its labels beside it; returns the settings of a lake over them."""
    folder.mkdir(parents=True, exist_ok=True)
    made = pages()
    (folder / "web.warc.gz").write_bytes(warc([response(page.url, page.html.encode()) for page in made]))
    lines = [
        "topic,pattern,label,author,at",
        "code,qa.test/questions%,yes,Ada,2026-01-02",
        "code,qa.test/questions%,no,model:m,2026-01-03",
    ]
    (folder / "patterns.csv").write_text("\n".join([*lines, ""]))
    apart = [page for page in made if page.url.startswith(("https://zh.test", "https://other.test"))]
    said = [
        {
            "topic": "code",
            "url": page.url,
            "label": "yes" if page.is_code else "no",
            "author": "Grace",
            "held_out": "yes",
        }
        for page in apart
    ]
    (folder / "held-out.jsonl").write_text("\n".join(map(json.dumps, said)) + "\n")
    return SETTINGS | {
        "web.ingest.sources": [{"name": "web", "kind": "warc", "location": str(folder / "web.warc.gz"), "dump": "toy"}],
        "web.annotations.files": [str(folder / "patterns.csv"), str(folder / "held-out.jsonl")],
    }


SETTINGS: dict[str, Any] = {
    "web.label.rules": {
        "much_code": {"topic": "code", "label": True, "code_share_above": 0.3},
        "stories": {"topic": "code", "label": False, "url": "story.test/%"},
    },
    "web.label.held_out": 0.0,
    "web.recall.least_precision": None,
    "web.recall.classifier": {
        "pieces": 600, "sample": 500, "characters": 2000, "dimensions": 16, "epochs": 10, "least_updates": 0, "learning_rate": 0.5,
        "ngrams": 1, "least_count": 1, "buckets": 1000, "seed": 3,
    },
}  # fmt: skip
