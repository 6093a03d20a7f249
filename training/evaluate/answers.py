"""From a problem to what a model is given, and from what it says to a program. Pure; version it: it moves scores.

    prompted(problem, chat=False)            # a base model continues this
    program(problem, said, chat=False)       # the solution that is run

Base and chat models are never mixed: a base model gets the start of the code and stops at stop texts, a chat model gets the
task as one user's turn and answers with a block of code.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from training.evaluate.problems import Problem

VERSION = 2  # of everything here; recorded with every score

BLOCK = re.compile(r"```[A-Za-z0-9+#]*[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL)


def prompted(problem: Problem, *, chat: bool) -> str:
    """What the model is given: the code so far, or the text of a user's turn."""
    if not chat:
        return problem.prompt
    if problem.answer is not None:
        return problem.task
    return f"Solve this in {problem.language.capitalize()}. Answer with one block of code.\n\n{problem.task.strip()}\n"


def program(problem: Problem, said: str, *, chat: bool) -> str:
    """The solution in what the model said: for base models prompt and continuation up to a stop, for chat the last block."""
    if chat and problem.language != "python":
        return open_ended(_block(said, problem.entry_point), problem.tests or "", problem.stops)
    if chat:
        return _reachable(_block(said, problem.entry_point), problem.entry_point)
    body = until(said, problem.stops)
    if problem.answer is not None:
        return body.strip()
    if problem.name.endswith("/input"):
        code = problem.prompt.split("\n\n# f returns ")[0]
        return f"{code}\n_found = lambda: f({body}\n"
    if problem.prompt.endswith("[BEGIN]\n"):
        return body
    return problem.prompt + body


def open_ended(block: str, tests: str, stops: Iterable[str]) -> str:
    """A whole function without its end, where the tests begin by closing it (MultiPL-E)."""
    ends = [at for stop in stops if stop.strip() == "}" and (at := block.rfind(stop)) >= 0]
    return block[: max(ends)] if ends and tests.lstrip().startswith("}") else block


def until(said: str, stops: Iterable[str]) -> str:
    """The text before the first stop."""
    ends = [at for stop in stops if (at := said.find(stop)) >= 0]
    return said[: min(ends)] if ends else said


def _block(said: str, entry_point: str) -> str:
    """The last block of code that names the function, else the last, else all of it."""
    blocks = [found.group(1) for found in BLOCK.finditer(said)]
    naming = [block for block in blocks if entry_point and re.search(rf"\b{re.escape(entry_point)}\b", block)]
    return (naming or blocks or [said])[-1]


def _reachable(code: str, entry_point: str) -> str:
    """Python without what the function does not need: calls, prints and tests at the top level. Unparsable code stays as it is."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return code
    defined = {
        node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    }
    if entry_point not in defined:
        return code
    kept = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)
    return "\n".join(ast.unparse(node) for node in tree.body if isinstance(node, kept)) + "\n"
