"""Problems of code benchmarks, each with its prompt, a solution and tests as text that the sandbox runs.

    problems = load("mbpp_plus", Path("benchmarks/mbppplus/MbppPlus.jsonl.gz"))

Names say which set is meant, because "MBPP" alone is two: `mbpp_3shot` are the 500 test items of the original (ids 11-510)
after three worked examples, `mbpp_plus` the 378 of EvalPlus. Files are read as their authors publish them; none comes with
codelake.
"""

from __future__ import annotations

import ast
import builtins
import gzip
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakehouse.errors import ConfigError, InputError, nearest

MBPP_TEST, MBPP_SHOTS = range(11, 511), (2, 3, 4)  # ids; the shots are those of the authors' paper

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Problem:
    """`task`: what is asked, in words; `prompt`: the start of the code that a base model continues.

    `solution`: the authors' own, whole. `tests`: run against a solution that defines `entry_point`; None where `cases`
    (stdin, expected stdout) or `answer` (a literal) are compared instead. `stops`: texts at which a base model's continuation ends.
    """

    name: str
    language: str
    task: str
    prompt: str
    entry_point: str
    solution: str
    tests: str | None
    stops: tuple[str, ...]
    cases: tuple[tuple[str, str], ...] = ()
    answer: str | None = None


PYTHON_STOPS = ("\nclass ", "\ndef ", "\n#", "\n@", "\nprint", "\nif ", "\nassert ", "\n```")


def load(kind: str, path: Path) -> list[Problem]:
    """The problems of a file. Raises ConfigError for an unknown kind, InputError for a file of another layout."""
    if kind not in LAYOUTS:
        raise ConfigError(f"benchmark {kind!r}: no such layout. Allowed: {', '.join(LAYOUTS)}.{nearest(kind, LAYOUTS)}")
    rows = _rows(path)
    try:
        return LAYOUTS[kind](rows)
    except KeyError as error:
        raise InputError(
            f"{path}: no field {error} in a row of {kind}. Is it the file of another benchmark?"
        ) from error


def _rows(path: Path) -> list[Row]:
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: not a JSON Lines file: {error}. Name the benchmark's file, .jsonl or .jsonl.gz."
        ) from error


def humaneval(rows: Iterable[Row]) -> list[Problem]:
    """HumanEval, and HumanEval+ whose `test` holds the further inputs."""
    return [
        Problem(
            row["task_id"],
            "python",
            row["prompt"],
            row["prompt"],
            row["entry_point"],
            row["prompt"] + row["canonical_solution"],
            f"{row['test']}\ncheck({row['entry_point']})\n",
            PYTHON_STOPS,
        )
        for row in rows
    ]


def mbpp_3shot(rows: Iterable[Row]) -> list[Problem]:
    """The 500 test items, each after the same three worked examples."""
    by_id = {int(row["task_id"]): row for row in rows}
    shots = "".join(f"{_asked(by_id[n])}[BEGIN]\n{_plain(by_id[n]['code'])}\n[DONE]\n\n" for n in MBPP_SHOTS)
    made = []
    for number in MBPP_TEST:
        row = by_id[number]
        tests = "\n".join([row["test_setup_code"], *row["test_list"]])
        made.append(
            Problem(
                f"MBPP/{number}",
                "python",
                _asked(row),
                f"{shots}{_asked(row)}[BEGIN]\n",
                _called(row["test_list"][0]),
                _plain(row["code"]),
                _plain(tests),
                ("[DONE]", "\n[BEGIN]", "\nYou are"),
            )
        )
    return made


def _asked(row: Row) -> str:
    tests = "\n".join(row["test_list"])
    return f"You are to write a Python function. {row['text']} It has to pass these tests:\n\n{tests}\n"


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n")


def _called(assertion: str) -> str:
    """The function that a test is about: the innermost name that is called and is no builtin."""
    names = [
        node.func.id
        for node in ast.walk(ast.parse(assertion.strip()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    return next((name for name in names if name not in BUILTINS), "")


BUILTINS = frozenset(dir(builtins))


def mbpp_plus(rows: Iterable[Row]) -> list[Problem]:
    """The 378 items of EvalPlus: the authors' solution says what is right for every further input."""
    return [
        Problem(
            row["task_id"],
            "python",
            row["prompt"],
            row["prompt"],
            row["entry_point"],
            row["canonical_solution"],
            _differential(row),
            ("\nassert ", '\n"""', "\nif __name__", "\n```", "\nprint("),
        )
        for row in rows
    ]


def _differential(row: Row) -> str:
    """Tests that run the authors' solution beside the candidate. JSON has no tuples: the authors' assertions say where they are."""
    example = _arguments(row["assertion"], row["entry_point"])
    inputs = [_shaped(given, example) for given in [*row["base_input"], *row["plus_input"]]]
    return (
        f"import copy, math\n_own = {{}}\nexec({row['canonical_solution']!r}, _own)\n_right = _own[{row['entry_point']!r}]\n"
        f"{COMPARE}\n{row['assertion']}\n"
        f"for _given in {inputs!r}:\n"
        "    try:\n        _wanted = _right(*copy.deepcopy(_given))\n    except Exception:\n        continue\n"
        f"    assert _same({row['entry_point']}(*copy.deepcopy(_given)), _wanted, {row['atol']!r}), _given\n"
    )


COMPARE = """
def _same(found, wanted, atol):
    if isinstance(wanted, float) or (isinstance(wanted, (list, tuple)) and any(isinstance(w, float) for w in wanted)):
        if isinstance(wanted, (list, tuple)):
            return len(found) == len(wanted) and all(_same(f, w, atol) for f, w in zip(found, wanted))
        return found == wanted or abs(found - wanted) <= max(atol, 1e-6) + 1e-7 * abs(wanted) or found != found and wanted != wanted
    return found == wanted
"""


def _arguments(assertion: str, entry_point: str) -> list[Any]:
    """The literal arguments of the first call of the function in the assertions; empty where they are no literals."""
    for node in ast.walk(ast.parse(assertion.strip())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == entry_point:
            try:
                return [ast.literal_eval(argument) for argument in node.args]
            except ValueError:
                return []
    return []


def _shaped(value: Any, example: Any) -> Any:
    """A JSON value with the tuples and sets of the example: lists become what stands at their place in it."""
    if not isinstance(value, list):
        return value
    kind = type(example) if isinstance(example, (tuple, set, frozenset)) else list
    inner = list(example) if isinstance(example, (list, tuple, set, frozenset)) else []
    same = len(inner) == len(value)
    made = [_shaped(v, inner[n] if same else (inner[0] if inner else None)) for n, v in enumerate(value)]
    try:
        return kind(made)
    except TypeError:  # a set of lists
        return made


def cruxeval_output(rows: Iterable[Row]) -> list[Problem]:
    """CRUXEval: say what a call returns. The answer is a literal."""
    return [
        Problem(
            f"{row['id']}/output",
            "python",
            f"{row['code']}\n\nWhat does f({row['input']}) return? Answer with a Python literal alone.",
            f"{row['code']}\n\nassert f({row['input']}) == ",
            "f",
            row["output"],
            None,
            ("\n",),
            answer=row["output"],
        )
        for row in rows
    ]


def cruxeval_input(rows: Iterable[Row]) -> list[Problem]:
    """CRUXEval: find arguments for which the call returns this. Any that do are right."""
    return [
        Problem(
            f"{row['id']}/input",
            "python",
            f"{row['code']}\n\nGive arguments for which f returns {row['output']}. Answer with the call alone, as f(...).",
            f"{row['code']}\n\n# f returns {row['output']} here:\nassert {row['output']} == f(",
            "f",
            f"{row['code']}\n_found = lambda: f({row['input']})\n",
            f"assert _found() == ({row['output']})\n",
            ("\n",),
        )
        for row in rows
    ]


def apps(rows: Iterable[Row]) -> list[Problem]:
    """APPS: programs that read stdin. `input_output` is JSON in a string, `solutions` too."""
    made = []
    for row in rows:
        said = row["input_output"]
        said = json.loads(said) if isinstance(said, str) else said
        solutions = row["solutions"]
        solutions = json.loads(solutions) if isinstance(solutions, str) else solutions
        cases = tuple((_lines(i), _lines(o)) for i, o in zip(said["inputs"], said["outputs"], strict=True))
        made.append(
            Problem(
                f"APPS/{row.get('problem_id', row.get('id'))}",
                "python",
                row["question"],
                f'"""\n{row["question"]}\n"""\n',
                said.get("fn_name", ""),
                solutions[0],
                None,
                ("\n```",),
                cases,
            )
        )
    return made


def _lines(value: str | Sequence[str]) -> str:
    return value if isinstance(value, str) else "\n".join(map(str, value))


def multipl_e(rows: Iterable[Row]) -> list[Problem]:
    """MultiPL-E: a prompt, and tests that follow the completion in the same file."""
    return [
        Problem(
            row["name"],
            LANGUAGE_NAMES.get(str(row["language"]), str(row["language"])),
            row["prompt"],
            row["prompt"],
            "",
            "",
            row["tests"],
            tuple(row["stop_tokens"]),
        )
        for row in rows
    ]


# Names of MultiPL-E for languages that the sandbox calls otherwise.
LANGUAGE_NAMES = {"py": "python", "js": "javascript", "rs": "rust", "sh": "shell", "go_test.go": "go"}

LAYOUTS: dict[str, Callable[[Iterable[Row]], list[Problem]]] = {
    "humaneval": humaneval,
    "humaneval_plus": humaneval,
    "mbpp_3shot": mbpp_3shot,
    "mbpp_plus": mbpp_plus,
    "cruxeval_output": cruxeval_output,
    "cruxeval_input": cruxeval_input,
    "apps": apps,
    "multipl_e": multipl_e,
}
