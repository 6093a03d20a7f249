"""Parts of an answer: headings and fenced code blocks. Written for answers of many models, so it forgives spelling, not absence."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from jobs.synthesis.kinds.base import Rejected

_HEADING = re.compile(r"^\s{0,3}#{1,4}\s*\**([A-Za-z ]+?)\**\s*:?\s*$", re.MULTILINE)
_FENCE = re.compile(r"^(?P<mark>`{3,}|~{3,})(?P<name>[^\n`]*)\n(?P<code>.*?)^(?P=mark)\s*$", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r"^(`{3,}|~{3,})", re.MULTILINE)


def sections(text: str, names: Sequence[str]) -> dict[str, str]:
    """The text under each heading. Raises Rejected where a heading is missing, empty or there twice.

    Headings inside code blocks do not count: a comment in code looks like one.
    """
    fenced = [match.span() for match in _FENCE.finditer(text)]
    found: dict[str, str] = {}
    marks = [m for m in _HEADING.finditer(text) if not any(a <= m.start() < b for a, b in fenced)]
    wanted = [m for m in marks if m[1].strip().lower() in {name.lower() for name in names}]
    for i, mark in enumerate(wanted):
        name = mark[1].strip().lower()
        end = wanted[i + 1].start() if i + 1 < len(wanted) else len(text)
        if name in found:
            raise Rejected("section_twice", name)
        found[name] = text[mark.end() : end].strip()
    missing = [name for name in names if not found.get(name.lower())]
    if missing:
        raise Rejected("section_missing", ", ".join(missing))
    return {name: found[name.lower()] for name in names}


def blocks(text: str) -> list[str]:
    """The fenced code blocks of a text, without their fences."""
    return [match["code"].rstrip() + "\n" for match in _FENCE.finditer(text)]


def unsound(text: str) -> str:
    """What is wrong with the code blocks of an answer, or nothing: one is not closed, or one of Python does not parse."""
    if _MARK.search(_FENCE.sub("", text)):
        return "a code block is not closed"
    for found in _FENCE.finditer(text):
        if found["name"].strip().lower() in ("python", "py", "python3"):
            try:
                parsed(found["code"], "answer")
            except Rejected as error:
                return error.detail
    return ""


def one_block(text: str, where: str) -> str:
    """The only code block of a part. Raises Rejected where there are more or none."""
    found = blocks(text)
    if len(found) != 1:
        raise Rejected("code_blocks", f"{len(found)} in {where}: expected one")
    return found[0]


def parsed(code: str, where: str) -> ast.Module:
    """The syntax tree of Python code. Raises Rejected where it does not parse."""
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Rejected("syntax", f"{where}: {error}") from error


def assertions(code: str) -> tuple[str, ...]:
    """The assert statements of a block of tests, each as one text. Raises Rejected where other statements stand between."""
    tree = parsed(code, "tests")
    other = [type(node).__name__ for node in tree.body if not isinstance(node, ast.Assert)]
    if other:
        raise Rejected("not_only_asserts", ", ".join(sorted(set(other))))
    return tuple(ast.get_source_segment(code, node) or ast.unparse(node) for node in tree.body)


def entry_point(code: str, tests: Sequence[str]) -> str:
    """The function of the solution that every test calls. Raises Rejected where there is none."""
    tree = parsed(code, "solution")
    defined = [n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
    for name in reversed(defined):  # helpers come first
        if tests and all(_names(test, name) for test in tests):
            return name
    raise Rejected("no_entry_point", f"defined: {', '.join(defined) or 'nothing'}")


def _names(test: str, name: str) -> bool:
    return any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(ast.parse(test)))
