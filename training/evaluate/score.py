"""Answers scored: programs run in the sandbox, timeouts told apart, pass@k by the unbiased estimate.

    with Executor(Limits.default(), workers=2) as executor:
        report = score(problems, answers, execute=executor.run, ks=(1, 10), chat=False)

`execute` is all that is known of the sandbox: runs in, verdicts out in the same order. A program that ran out of wall
time is run once more, alone, before it counts: on a busy machine that is the commonest false verdict. A sandbox that
broke is an error, not a wrong answer.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lakehouse.errors import InputError, JobFailed
from lakehouse.sandbox import Program, Verdict
from training.evaluate.answers import program
from training.evaluate.execute import Run
from training.evaluate.multipl_e import source
from training.evaluate.problems import Problem
from training.evaluate.scores import pass_at_k

TIMED_OUT = ("timeout", "cpu_limit")

Execute = Callable[[Iterable[Run]], Iterator[Verdict]]


@dataclass(frozen=True)
class Ended:
    """How a program ended, why, and its CPU seconds; of several runs the worst end and all of the time."""

    end: str
    detail: str = ""
    cpu: float = 0.0

    def then(self, other: Ended) -> Ended:
        worst = other if self.end == "passed" else self
        return Ended(worst.end, worst.detail, self.cpu + other.cpu)


@dataclass(frozen=True)
class Scored:
    """One answer: the program made of it, how it ended, and why."""

    problem: str
    sample: int
    said: str
    program: str
    end: str
    detail: str
    cpu: float

    @property
    def passed(self) -> bool:
        return self.end == "passed"

    @property
    def timed_out(self) -> bool:
        return self.end in TIMED_OUT


@dataclass(frozen=True)
class Report:
    """`pass_at`: by k, mean over problems. `ends`: how many answers ended how."""

    problems: int
    pass_at: Mapping[int, float]
    ends: Mapping[str, int]
    answers: tuple[Scored, ...]

    @property
    def timed_out(self) -> int:
        return sum(self.ends.get(end, 0) for end in TIMED_OUT)


def score(
    problems: Sequence[Problem],
    answers: Mapping[str, Sequence[str]],
    *,
    execute: Execute,
    ks: Sequence[int],
    chat: bool,
) -> Report:
    """`answers`: what the model said, by the problem's name; every problem needs as many as the largest k.

    Raises InputError where answers are missing, JobFailed where the sandbox broke.
    """
    lacking = [p.name for p in problems if len(answers.get(p.name, ())) < max(ks)]
    if lacking:
        raise InputError(f"{len(lacking)} problems have fewer than {max(ks)} answers, the first is {lacking[0]}.")
    made = [(p, n, said, program(p, said, chat=chat)) for p in problems for n, said in enumerate(answers[p.name])]
    ends = _ended([(p, code) for p, _, _, code in made], execute)
    scored = tuple(
        Scored(p.name, n, said, code, ended.end, ended.detail, ended.cpu)
        for (p, n, said, code), ended in zip(made, ends, strict=True)
    )
    return Report(len(problems), _means(scored, ks), Counter(one.end for one in scored), scored)


def references(problems: Sequence[Problem]) -> list[Run]:
    """The runs that judge the authors' own solutions, of problems that have one."""
    return [run for problem in problems if problem.solution for run, _ in runs(problem, problem.solution)]


def _means(scored: Sequence[Scored], ks: Sequence[int]) -> dict[int, float]:
    samples, passed = Counter(one.problem for one in scored), Counter(one.problem for one in scored if one.passed)
    return {k: sum(pass_at_k(n, passed[name], k) for name, n in samples.items()) / len(samples) for k in ks}


def _ended(made: Sequence[tuple[Problem, str]], execute: Execute) -> list[Ended]:
    """How each program ended: by its literal, or by the worst of its runs."""
    judging = [(n, run) for n, (problem, code) in enumerate(made) for run in runs(problem, code)]
    verdicts = list(execute(one for _, (one, _) in judging))
    for at, verdict in enumerate(verdicts):
        if verdict.end == "timeout":
            (verdicts[at],) = execute([judging[at][1][0]])
        if verdicts[at].end == "broken":
            raise JobFailed(
                f"{made[judging[at][0]][0].name}: the sandbox broke: {verdict.detail}. `codelake doctor` checks it."
            )
    found = [_literal(problem, code) for problem, code in made]
    for (n, (_, wanted)), verdict in zip(judging, verdicts, strict=True):
        ended, before = _judged(verdict, wanted), found[n]
        found[n] = ended if before is None else before.then(ended)
    return [ended or Ended("failed", "no test") for ended in found]


def runs(problem: Problem, code: str) -> list[tuple[Run, str | None]]:
    """Runs that judge a solution, each with the output it must have, None where tests decide."""
    if problem.answer is not None:
        return []
    if problem.language != "python":
        return [(Run(problem, Program(source(problem, code))), None)]
    if problem.cases:
        return [(Run(problem, Program(code, None, given)), wanted) for given, wanted in problem.cases]
    return [(Run(problem, Program(code, problem.tests)), None)]


def _judged(verdict: Verdict, wanted: str | None) -> Ended:
    if wanted is None or not verdict.passed:
        return Ended(verdict.end, verdict.detail, verdict.cpu)
    same = verdict.output.split() == wanted.split()  # white space is never what an exercise is about
    return Ended("passed" if same else "failed", "" if same else f"printed {verdict.output[:200]!r}", verdict.cpu)


def _literal(problem: Problem, said: str) -> Ended | None:
    """A literal compared with the right one: nothing is run, so nothing can run away."""
    if problem.answer is None:
        return None
    try:
        found, right = ast.literal_eval(said), ast.literal_eval(problem.answer)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return Ended("passed") if said.strip() == problem.answer.strip() else Ended("failed", "no literal")
    same = found == right and type(found) is type(right)
    return Ended("passed") if same else Ended("failed", f"said {said[:200]}")
