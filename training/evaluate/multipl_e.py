"""MultiPL-E: one set of problems in many languages, and what each needs beside its toolchain.

    kept, skipped = runnable(problems.load("multipl_e", file))       # skipped: {"php": "...why"}

A program is prompt, continuation and tests in one file, which says by its exit status that the tests held. So a program
that ends early on purpose passes: the layout has no guard against it, and neither have the scores of others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache

from lakehouse.errors import MachineError
from lakehouse.sandbox.languages import LANGUAGES, Language, find
from training.evaluate.problems import Problem

TUPLES = "import org.javatuples.*;"
TUPLE_CLASSES = ("Unit<", "Pair<", "Triplet<", "Quartet<", "Quintet<", "Sextet<", "Septet<", "Octet<")


def runnable(problems: Iterable[Problem]) -> tuple[list[Problem], dict[str, str]]:
    """Problems whose programs can be run here, and by language why the others cannot."""
    kept: list[Problem] = []
    skipped: dict[str, str] = {}
    for problem in problems:
        why = missing(problem)
        if why is None:
            kept.append(problem)
        else:
            skipped[problem.language] = why
    return kept, skipped


def missing(problem: Problem) -> str | None:
    """What this machine lacks for a problem, or nothing."""
    if problem.language == "python":
        return None
    if problem.language not in LANGUAGES:
        return f"the sandbox has no {problem.language}"
    try:
        toolchain(problem.language)
    except MachineError as error:
        return str(error)
    said = f"{problem.prompt}{problem.tests}"
    if problem.language == "java" and any(name in said for name in TUPLE_CLASSES):
        return "problems with tuples need org.javatuples, which is not here"
    return None


@cache
def toolchain(language: str) -> Language:
    """How programs of this layout run. Raises MachineError where the toolchain is missing."""
    found = find(language)
    if language == "go":  # tests are functions of package testing
        return replace(
            found, file="main_test.go", compile=(found.compile[0], "test", "-c", "-o", "main", "main_test.go")
        )
    if language == "java":  # assertions are off by default, and the class is called Problem
        return replace(found, run=(*found.run[:-1], "-ea", "Problem"))
    return found


def source(problem: Problem, code: str) -> str:
    """The whole program: what the model wrote after the prompt, and the tests."""
    whole = f"{code}\n{problem.tests}"
    # A class that no runnable problem uses, in a package that would have to be there to compile.
    return whole.replace(TUPLES, "") if problem.language == "java" else whole
