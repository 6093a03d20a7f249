"""Where functions begin in programs of other languages than Python, found by their heads alone.

    (found,) = definitions("go", "package main\nfunc add(a, b int) int { return a + b }")
    found.name, found.result         # add, int

Strings and comments are blanked first, so that what is said in them is no code. There is no grammar behind it: a head that
is written in an unusual way is not found, and who asked must say so. Cost: one pass of a few regular expressions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_SLASHES = r"//[^\n]*|/\*.*?\*/"
_QUOTED = r'"(?:\\.|[^"\\\n])*"'
_CHAR = r"'(?:\\.|[^'\\\n])*'"
# What is blanked. In Rust a lone ' begins a lifetime; in shell # within a word is no comment.
_BLANKED = {
    "javascript": rf"{_SLASHES}|{_QUOTED}|{_CHAR}|`(?:\\.|[^`\\])*`",
    "go": rf"{_SLASHES}|{_QUOTED}|{_CHAR}|`[^`]*`",
    "java": rf'{_SLASHES}|""".*?"""|{_QUOTED}|{_CHAR}',
    "cpp": rf'{_SLASHES}|R"\((?:.*?)\)"|{_QUOTED}|{_CHAR}|\btemplate\s*<[^<>]*>',  # or it would look like a type
    "rust": rf"{_SLASHES}|{_QUOTED}|'(?:\\[^\n']+|[^'\\\n])'",
    "shell": rf"(?<![^\s;])#[^\n]*|{_QUOTED}|'[^']*'",
}
_TYPE = r"(?P<result>[A-Za-z_][\w:.]*(?:\s*<[^;{}()]*>)?(?:\s*[*&\[\]]+)*)"
_HEADS = {
    "javascript": r"\bfunction\s*\*?\s*(?P<name>\w+)\s*\(",
    "go": r"\bfunc\s+(?P<name>\w+)\s*(?:\[[^\]]*\])?\s*\(",
    "java": rf"{_TYPE}\s+(?P<name>\w+)\s*\(",
    "cpp": rf"{_TYPE}\s*(?<![\w:])(?P<name>\w+)\s*\(",
    "rust": r"\bfn\s+(?P<name>\w+)\s*(?:<[^()]*?>)?\s*\(",
    "shell": r"^[ \t]*(?:function\s+)?(?P<name>[\w-]+)\s*\(",
}
_GO_TYPES = re.compile(r"\b(?:interface|struct)\s*\{[^{}]*\}")
HEAD_CHARACTERS = 1000  # between the arguments and the body
# Words that stand where a type would, in statements that look like heads.
_NO_TYPES = {"return", "new", "else", "throw", "case", "delete", "co_return", "co_await", "goto", "using", "typename"}
_NO_NAMES = {"if", "for", "while", "switch", "catch", "return", "sizeof"}


@dataclass(frozen=True)
class Definition:
    """`body`: where the inside of the function begins in the text; `result`: its type as written, empty where none is."""

    name: str
    body: int
    result: str


def definitions(language: str, code: str) -> list[Definition]:
    """The functions with a name in this code, in order. Raises KeyError for a language that has no heads here."""
    pattern = re.compile(_BLANKED[language], re.DOTALL)
    blanked = pattern.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), code)
    return list(_definitions(language, blanked))


def _definitions(language: str, blanked: str) -> Iterator[Definition]:
    for head in re.finditer(_HEADS[language], blanked, re.MULTILINE):
        kind = (head.groupdict().get("result") or "").strip()
        if kind.split("<")[0].strip() in _NO_TYPES or head["name"] in _NO_NAMES:
            continue
        closed = _closed(blanked, head.end() - 1)
        if closed is None:
            continue
        opened = _opened(language, blanked, closed)
        if opened is not None:
            between = blanked[closed:opened].strip()
            yield Definition(head["name"], opened + 1, _result(language, kind, between))


def _closed(text: str, start: int) -> int | None:
    """Behind the bracket that closes the one at `start`."""
    depth = 0
    for place in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if depth == 0:
            return place + 1
    return None


def _opened(language: str, text: str, start: int) -> int | None:
    """The brace that opens the body, where nothing but the rest of a head lies before it."""
    if language == "go":  # types may hold braces of their own
        text = text[:start] + _GO_TYPES.sub(lambda found: " " * len(found[0]), text[start : start + HEAD_CHARACTERS])
    rest = {"rust": r"[^{};=]*", "shell": r"\s*", "javascript": r"\s*", "go": r"[^{};]*"}.get(language, r"[^{};=()]*")
    found = re.compile(rf"{rest}(?=\{{)").match(text, start)
    return found.end() if found else None


def _result(language: str, kind: str, between: str) -> str:
    if language == "go":
        return between
    if language == "rust":
        return between.partition("where")[0].removeprefix("->").strip()
    return kind
