"""A teacher whose answers are known: what it writes follows from the seed's text, so that every outcome can be planted.

A seed says in its first line what shall come of it: `# outcome: good`, `wrong`, `empty tests`, `flaky`, `chatter`, ...
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from jobs.synthesis.teacher import Answer, Request

OUTCOMES = (
    "good",
    "wrong",
    "proves nothing",
    "flaky",
    "chatter",
    "few tests",
    "low score",
    "schema",
    "endless",
    "exit",
)


def outcome(text: str) -> str:
    found = re.search(r"# outcome: ([a-z ]+)", text)
    return found[1] if found else "good"


def number(text: str) -> int:
    found = re.search(r"# number: (\d+)", text)
    return int(found[1]) if found else 1


def reply(body: dict[str, Any]) -> str:
    """The answer to a chat request, by what its prompt asks for."""
    text = body["messages"][1]["content"]
    said, n = outcome(text), number(text)
    if "Rate this code" in text:
        repaired = len(body["messages"]) > 2
        if said == "schema" and not repaired:
            return json.dumps({"score": "high", "reason": "it is clear"})
        return json.dumps({"score": 1 if said == "low score" else 4, "reason": "it is clear"})
    if "pick up to three sentences" in text:
        line = next(line for line in text.splitlines() if "# outcome" in line)
        return json.dumps({"sentences": ["Nobody ever wrote this." if said == "chatter" else line]})
    if text.startswith("Write one question of type"):
        return f"Write `plus(x)` that adds {n}. # outcome: {said}"
    if "Write the final answer" in text:
        return f"Adding is enough.\n\n```python\n{_code('wrong' if said == 'wrong' else 'good', n)}```\n"
    if "numbered answers. Say about it" in text:
        return _about_dialogue(said)
    if "Does the request below ask for code" in text:
        return json.dumps({"about_code": said != "low score", "score": 2 if said == "unsure" else 4})
    if "Put code into fenced blocks that name their language" in text:
        closed = "" if said == "broken" else "```"
        return f"Like this:\n\n```python\n{_code('good', n)}{closed}\n"
    if "Set one task in" in text:
        return _task(re.search(r"Set one task in (\S+)", text)[1], said)  # type: ignore[index]
    if "Problem" in text and "Documentation of version" in text:
        return _about_attr(said)
    if "take one function" in text:
        return f"## Task\nAdd {n} to a number.\n## Function\n```python\n{_code(said, n)}```\n"
    if "short chapter" in text:
        return "Adding " + "word " * 300
    count = int(re.search(r"exactly (\d+) lines", text)[1]) if "exactly" in text and "lines" in text else 4  # type: ignore[index]
    if said == "chatter":
        return "Sure! Here is what you asked for."
    code, tests = _code(said, n), _tests(said, n, 2 if said == "few tests" else count)
    if "## Analysis" in text:
        return (
            f"## Task\nWrite `plus(x)` that adds {n}. Example: plus(1) is {1 + n}.\n## Analysis\nOne addition.\n"
            f"## Solution\n```python\n{code}```\n## Tests\n```python\n{tests}```\n"
        )
    return f"```python\n{code}```\n\n```python\n{tests}```\n"


def _about_dialogue(said: str) -> str:
    best = {"poor": 1, "first": 1, "elsewhere": 9}.get(said, 2)
    # What is wanted of the next request has to be in it.
    request = {"empty": " ", "broken": "# outcome: broken\nAdd two numbers."}.get(said, "Add two numbers.")
    score = 1 if said in ("poor", "broken") else 5
    return json.dumps({"about_code": said != "low score", "request": request, "answer": best, "score": score})


PLUS = {
    "JavaScript": "function plus(x) {{ return {}; }}",
    "Go": "package main\nfunc plus(x int) int {{ return {}; }}",
    "Java": "class Solution {{ static int plus(int x) {{ return {}; }} }}",
    "C++": "int plus(int x) {{ return {}; }}",
    "Rust": "fn plus(x: i64) -> i64 {{ {} }}",
    "Bash": "plus() {{ echo $(( {} )); }}",
    "Python": "def plus(x):\n    return {}",
}


def _task(language: str, said: str) -> str:
    if said == "chatter":
        return "Sure!"
    value = {"wrong": "x - 1", "exit": "process.exit(0)"}.get(said, "x + 1")
    code = PLUS[language].format(value.replace("x", "$1") if language == "Bash" else value)
    call, end = (
        ("Solution.plus" if language == "Java" else "plus"),
        ";" if language in ("JavaScript", "Java", "C++") else "",
    )
    right = [f"{call}({i}) == {i + 1}{end}" for i in range(3)]
    if language == "Bash":
        right = [f'[ "$(plus {i})" = {i + 1} ]' for i in range(3)]
    if language == "Python":
        right = [f"assert {line}" for line in right]
    if said == "proves nothing":
        right = [f"{call}({i}) === {call}({i})" for i in range(3)]
    tests = "\n".join(right[: 2 if said == "few tests" else 3])
    return f"## Task\nWrite plus.\n## Solution\nAdd.\n```\n{code}\n```\n## Tests\n```\n{tests}\n```\n"


def _about_attr(said: str) -> str:
    call = {"wrong": "attr.no_such_thing(x)", "chatter": "dict(x=x)"}.get(said, "attr.asdict(Point(x))")
    code = f"import attr\n\n@attr.define\nclass Point:\n    x: int\n\ndef as_dict(x):\n    return {call}\n"
    tests = "".join(f"assert as_dict({i})['x'] == {i}\n" for i in range(4))
    return (
        "## Problem\nWith attr, write `as_dict(x)`.\n## Solution\nattr knows how.\n\n"
        f"```python\n{code}```\n## Tests\n```python\n{tests}```\n"
    )


def _code(said: str, n: int) -> str:
    body = {
        "wrong": f"    return x - {n}",
        "flaky": f"    return x + {n} if LUCK else 0",
        "endless": "    while True: pass",
        "exit": "    import os\n    os._exit(0)",
    }.get(said, f"    return x + {n}")
    head = "import random\nLUCK = random.random() > 0.5\n" if said == "flaky" else ""
    return f'{head}def plus(x):\n    """Add {n}."""\n{body}\n'


def _tests(said: str, n: int, count: int) -> str:
    if said == "proves nothing":
        return "".join(f"assert plus({i}) == plus({i})\n" for i in range(count))
    return "".join(f"assert plus({i}) == {i + n}\n" for i in range(count))


class Writer:
    """The same without a server. `asked`: how often each request was put to it."""

    def __init__(self, *, fail: Sequence[str] = ()) -> None:
        self.asked: Counter[str] = Counter()
        self._fail = set(fail)

    def complete(self, requests: Sequence[Request]) -> Iterator[Answer]:
        for request in reversed(requests):  # answers may come in any order
            self.asked[request.id] += 1
            if request.id in self._fail:
                yield Answer(request.id, "failed", problem="overloaded", detail="HTTP 500")
            else:
                yield Answer(request.id, "ok", text=reply(request.body()), finish="stop", tokens_in=10, tokens_out=20)
