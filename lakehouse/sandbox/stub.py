"""The negative control: a solution that does nothing. Tests that pass on it prove nothing about the real one."""

from __future__ import annotations

import ast


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
