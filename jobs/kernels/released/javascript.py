"""The signals of JavaScript, from the tree of esprima 4.0.1 (ECMAScript 2017): what is newer does not parse."""

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jobs.kernels.released.depth import from_the_bottom
from jobs.kernels.released.text import share

if TYPE_CHECKING:
    from jobs.kernels.released.general import Source

Value = float | None

# esprima takes 5 s for a megabyte. The release gave up after 10 s.
MAX_CHARACTERS = 2_000_000

_VARIABLE = re.compile("[a-z$][A-Za-z0-9]*")
_FUNCTION = re.compile("[A-Za-z$][A-Za-z0-9]*")
_CLASS = re.compile("[A-Z][A-Za-z0-9]*")
_SIMPLE = ("Literal", "Identifier", "UnaryExpression")


@dataclass
class Tree:
    """What a syntax tree holds; names in the order they are met."""

    statements: int
    variables: list[str] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    simple_variables: int = 0
    simple_returns: int = 0
    imports: int = 0


@functools.lru_cache(maxsize=1)
def tree(text: str) -> Tree | None:
    """What the tree of the text holds; None where it does not parse.

    Raises ValueError for a text that is too long, RecursionError for one that is nested too deeply.
    """
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"{len(text)} characters: at most {MAX_CHARACTERS} are parsed")
    root = _parsed(text)
    if root is None:
        return None
    found = Tree(len(root.body))
    stack: list[Any] = [root]
    while stack:
        node = stack.pop()
        visit = _VISITS.get(node.type)
        if visit is not None:
            visit(node, found)
        for value in vars(node).values():
            if isinstance(value, list):
                stack += [child for child in value if hasattr(child, "type")]
            elif hasattr(value, "type") and hasattr(value, "__dict__"):
                stack.append(value)
    return found


def _parsed(text: str) -> Any:
    import esprima

    as_module = "import" in text or "export" in text
    for parse in (esprima.parseModule, esprima.parseScript) if as_module else (esprima.parseScript,):
        try:
            return from_the_bottom(functools.partial(parse, text))
        except esprima.Error:
            continue
    return None


def _declarator(node: Any, found: Tree) -> None:
    value = node.init
    plain = value is not None and value.type == "FunctionExpression" and not value.isAsync
    if node.id.type == "Identifier":
        (found.functions if plain else found.variables).append(node.id.name)
    found.simple_variables += value is None or value.type in _SIMPLE


def _assignment(node: Any, found: Tree) -> None:
    left, right = node.left, node.right
    if left.type != "MemberExpression" or left.object.type != "MemberExpression":
        return
    owner, member = left.object.object, left.object.property
    if left.computed or left.object.computed or (owner.type, owner.name) != ("Identifier", "module"):
        return
    if member.name != "exports" or left.property.type != "Identifier":
        return
    is_function = right.type in ("FunctionExpression", "ArrowFunctionExpression")
    (found.functions if is_function else found.variables).append(left.property.name)
    found.simple_variables += right.type in _SIMPLE


def _return(node: Any, found: Tree) -> None:
    found.simple_returns += node.argument is None or node.argument.type in _SIMPLE


def _named(node: Any, names: list[str]) -> None:
    if node.id is not None:
        names.append(node.id.name)


def _import(node: Any, found: Tree) -> None:  # noqa: ARG001  every visit has both
    found.imports += 1


_VISITS: dict[str, Callable[[Any, Tree], None]] = {
    "VariableDeclarator": _declarator,
    "AssignmentExpression": _assignment,
    "ReturnStatement": _return,
    "FunctionDeclaration": lambda node, found: _named(node, found.functions),
    "ClassDeclaration": lambda node, found: _named(node, found.classes),
    "ImportDeclaration": _import,
}


def _per_line(measured: Callable[[Tree], int]) -> Callable[["Source"], Value]:
    def signal(source: "Source") -> Value:
        found = tree(source.raw)
        return None if found is None else source.per_line(measured(found))

    return signal


def _legal(names_of: Callable[[Tree], list[str]], form: re.Pattern[str]) -> Callable[["Source"], Value]:
    def signal(source: "Source") -> Value:
        found = tree(source.raw)
        if found is None:
            return None
        names = names_of(found)
        return share(sum(bool(form.fullmatch(name)) for name in names), len(names))

    return signal


def _no_variable(source: "Source") -> Value:
    found = tree(source.raw)
    return None if found is None else float(not found.variables)


def _no_logic(found: Tree) -> int:
    return len(found.functions) + found.imports + found.simple_variables + found.simple_returns + len(found.classes)


SIGNALS: dict[str, Callable[["Source"], Value]] = {
    "qsc_codejavascript_cate_ast": lambda s: float(tree(s.raw) is not None),
    "qsc_codejavascript_cate_var_zero": _no_variable,
    "qsc_codejavascript_frac_lines_func_ratio": _per_line(lambda t: len(t.functions)),
    "qsc_codejavascript_num_statement_line": _per_line(lambda t: t.statements),
    "qsc_codejavascript_score_lines_no_logic": _per_line(_no_logic),
    "qsc_codejavascript_frac_words_legal_var_name": _legal(lambda t: t.variables, _VARIABLE),
    "qsc_codejavascript_frac_words_legal_func_name": _legal(lambda t: t.functions, _FUNCTION),
    "qsc_codejavascript_frac_words_legal_class_name": _legal(lambda t: t.classes, _CLASS),
    "qsc_codejavascript_frac_lines_print": lambda s: s.per_line(s.lines_with("console.log")),
}
