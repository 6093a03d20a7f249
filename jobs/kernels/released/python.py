"""The signals of Python, from the syntax tree of Python 3.11 and the code lines."""

import ast
import functools
import io
import re
import tokenize
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs.kernels.released.depth import from_the_bottom
from jobs.kernels.released.patterns import count
from jobs.kernels.released.text import share

if TYPE_CHECKING:
    from jobs.kernels.released.general import Source

Value = float | None

_BLOCKS = frozenset(("body", "handlers", "orelse", "finalbody", "cases"))

# The release walks the tree with two calls a level, and a few calls hold part of depth.LIMIT before.
MAX_DEPTH = 1490  # levels

# Strings and comments of a text that parses: a prefix changes nothing about where a string ends.
_LEXEME = re.compile(
    r"""#[^\n]*|\"\"\"[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*\"\"\"|'''[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*'''"""
    r"""|"[^"\\\n]*(?:\\.[^"\\\n]*)*"|'[^'\\\n]*(?:\\.[^'\\\n]*)*'""",
    re.DOTALL,
)


@dataclass
class Tree:
    """What a syntax tree holds. `depth`: levels of nodes."""

    functions: int = 0
    simple_functions: int = 0  # the body is one return statement
    classes: int = 0
    class_names: int = 0
    binds: bool = False
    depth: int = 0


@functools.lru_cache(maxsize=1)
def _parsed(text: str) -> ast.Module | None:
    """The tree; None where the text does not parse, whatever the reason."""

    def parse() -> ast.Module:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)

    try:
        return from_the_bottom(parse)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


@functools.lru_cache(maxsize=1)
def tree(text: str) -> Tree | None:
    """What the tree of the text holds; None without one."""
    root = _parsed(text)
    if root is None:
        return None
    found = Tree()
    stack: list[tuple[Any, int, bool]] = [(root, 1, False)]
    while stack:
        node, depth, inside = stack.pop()
        kind = type(node)
        found.depth = max(found.depth, depth)
        if kind in _VISITED:
            _visit(node, kind, inside, found)
            inside = inside or kind is ast.ClassDef
        for name in kind._fields:
            value = getattr(node, name)
            if isinstance(value, list):
                stack += [(child, depth + 1, inside) for child in value if isinstance(child, ast.AST)]
            elif isinstance(value, ast.AST) and value._fields:
                stack.append((value, depth + 1, inside))
    return found


_VISITED = frozenset((ast.FunctionDef, ast.ClassDef, ast.Assign, ast.For))


def _visit(node: Any, kind: type, inside: bool, found: Tree) -> None:
    if kind is ast.FunctionDef:
        found.functions += 1
        found.simple_functions += len(node.body) == 1 and isinstance(node.body[0], ast.Return)
        found.binds = found.binds or bool(node.args.args)
    elif kind is ast.ClassDef:
        found.classes += 1
        if not inside:
            found.class_names += sum(map(_names, node.body))
    elif kind is ast.Assign:
        found.binds = found.binds or any(isinstance(target, ast.Name) for target in node.targets)
    else:
        found.binds = found.binds or isinstance(node.target, ast.Name)


def _names(statement: ast.stmt) -> int:
    if isinstance(statement, ast.Assign):
        return sum(isinstance(target, ast.Name) for target in statement.targets)
    return int(isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name))


def prose_length(text: str) -> int:
    """Characters of docstrings and comments, without `#`."""
    root = _parsed(text)
    strings = [] if root is None else [ast.get_docstring(node) for node in _documented(root)]
    said = "\n".join(string for string in strings if string)
    return len(f"{said}\n{_comments(text, root is not None)}".strip())


def _documented(root: ast.Module) -> Iterator[ast.Module | ast.ClassDef | ast.FunctionDef]:
    """The nodes of `ast.walk` that may have a docstring, in its order. Only statements hold them, and only lists statements."""
    waiting: deque[Any] = deque([root])
    while waiting:
        node = waiting.popleft()
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            yield node
        for name in node._fields:
            if name in _BLOCKS:
                waiting.extend(getattr(node, name))


def _comments(text: str, parses: bool) -> str:
    if "#" not in text:
        return ""
    if parses and "\r" not in text and "\f" not in text:
        return "".join(lexeme for lexeme in _LEXEME.findall(text) if lexeme[0] == "#").replace("#", "")
    try:
        found = tokenize.generate_tokens(io.StringIO(text).readline)
        return "".join(token.string for token in found if token.type == tokenize.COMMENT).replace("#", "")
    except (tokenize.TokenError, SyntaxError):
        return ""


def _functions(source: "Source") -> Value:
    found = tree(source.raw)
    if found is not None and found.depth > MAX_DEPTH:
        raise ValueError(f"the syntax tree has {found.depth} levels: at most {MAX_DEPTH} are walked")
    return None if found is None else source.per_line(found.functions)


def _simple_functions(source: "Source") -> Value:
    found = tree(source.raw)
    if found is None or not source.code_lines:
        return None
    return found.simple_functions / len(source.code_lines)


def _no_variable(source: "Source") -> Value:
    found = tree(source.raw)
    return None if found is None else float(not found.binds)


def _no_logic(source: "Source") -> Value:
    found = tree(source.raw)
    if found is None:
        return None
    named = found.functions + found.classes + found.class_names
    return source.per_line(named + _lines_with(source, "import") + count("py_return_lines", source.code))


def _lines_with(source: "Source", mark: str) -> int:
    return sum(mark in line.lower() for line in source.code_lines)


def _share_with(source: "Source", mark: str) -> float:
    return share(_lines_with(source, mark), len(source.code_lines)) or 0.0


SIGNALS: dict[str, Callable[["Source"], Value]] = {
    "qsc_codepython_cate_ast": lambda s: float(_parsed(s.raw) is not None),
    "qsc_codepython_frac_lines_func_ratio": _functions,
    "qsc_codepython_cate_var_zero": _no_variable,
    "qsc_codepython_frac_lines_pass": lambda s: _share_with(s, "pass"),
    "qsc_codepython_frac_lines_import": lambda s: _share_with(s, "import"),
    "qsc_codepython_frac_lines_simplefunc": _simple_functions,
    "qsc_codepython_score_lines_no_logic": _no_logic,
    "qsc_codepython_frac_lines_print": lambda s: s.per_line(s.lines_with("print")),
}
