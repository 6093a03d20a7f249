"""The negative control: a solution that does nothing. Tests that pass on it prove nothing about the real one."""

from __future__ import annotations

import ast

from lakehouse.sandbox.definitions import definitions


def stub(solution: str) -> str:
    """The solution with every function and method answering None; imports, classes and constants stay.

    Raises SyntaxError where the solution does not parse. Cost: one parse.
    """
    tree = ast.parse(solution)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [ast.Return(ast.Constant(None))]
            node.decorator_list = [d for d in node.decorator_list if _shapes(d)]
    return ast.unparse(ast.fix_missing_locations(tree))


def _shapes(decorator: ast.expr) -> bool:
    """Decorators that say what kind of attribute a method is; others may call the function or replace it."""
    return isinstance(decorator, ast.Name) and decorator.id in ("staticmethod", "classmethod", "property")


def stub_of(language: str, solution: str, name: str) -> str | None:
    """The solution whose function `name` answers nothing at once: zero, empty, false or no value, as its type has it.

    The rest of it stays, so that it compiles wherever the solution does and its type has such a value. None where the
    function is not found. Raises SyntaxError where Python does not parse, KeyError for a language without heads here.
    """
    if language == "python":
        return stub(solution)
    found = [definition for definition in definitions(language, solution) if definition.name == name]
    if not found:
        return None
    for definition in reversed(found):  # from behind, so that places stay
        nothing = f" {_nothing(language, definition.result)} "
        solution = solution[: definition.body] + nothing + solution[definition.body :]
    return solution


_ZERO = {"boolean": "false"} | dict.fromkeys(("byte", "short", "int", "long", "char", "float", "double"), "0")


def _nothing(language: str, result: str) -> str:
    """A statement that ends the function, and does not make what follows it unreachable where that is an error."""
    if language == "go":
        return "if true { return " + ", ".join(f"*new({kind})" for kind in _go_types(result)) + " }"
    if language == "rust":
        return "if true { return Default::default(); }"
    if language == "shell":
        return "return 0;"
    value = {"java": _ZERO.get(result, "null"), "cpp": "{}"}.get(language, "")
    return f"if (true) return {'' if result == 'void' else value};"


def _go_types(result: str) -> list[str]:
    """The types of the results: `(int, error)`, `(n int, err error)`, `T`, or nothing."""
    inside = result.strip()
    if not inside.startswith("("):
        return [inside] if inside else []
    depth, parts = 0, [""]
    for letter in inside[1:-1]:
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    words = [part.strip() for part in parts]
    named = any(
        " " in word and not word.startswith(("func", "map", "chan", "*", "[", "interface", "struct")) for word in words
    )
    if not named:
        return words
    kinds: list[str] = []  # in `a, b int` the type stands behind the last name
    for word in reversed(words):
        kinds.append(word.partition(" ")[2].strip() or kinds[-1])
    return kinds[::-1]
