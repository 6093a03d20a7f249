"""Samples that solve a benchmark's problem however they are written: its tests are run on each function of the same arity.

Off unless folders are named, since every pair of a function and an item costs a program (5 ms on one core): 10,000 samples
against HumanEval are one to two core hours. What is found is a function that passes all tests of an item, which a short
function may do without being a copy; the samples are dropped all the same, and `silver.synthetic_functional_hits` names
the items.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import Field
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.code.arrow import Rows, map_rows
from jobs.decontamination.search import BenchmarkParams, no_benchmark
from jobs.kernels.contamination import Item
from jobs.synthesis.tables import synthetic_functional, synthetic_samples
from lakehouse.job import Inputs, Job
from lakehouse.sandbox import Limits, Program, Sandbox

ANY = 1 << 30  # of a function that takes as many arguments as it is given


class FunctionalParams(BenchmarkParams):
    placement: ClassVar[Mapping[str, Any]] = {"benchmarks": True, "tasks": True}

    limits: Limits = Field(description="what one program may use")
    tasks: int = Field(ge=1, description="pieces that the work is cut into, with a sandbox each")


def functional(inputs: Inputs, params: FunctionalParams) -> DataFrame:
    by_arity: dict[int, list[Item]] = {}
    for item in params.items():
        if item.program and (takes := arity(item.code, item.entry_point)) is not None:
            by_arity.setdefault(takes[1], []).append(item)
    functions = inputs[synthetic_samples].where("accepted AND language = 'python' AND code <> '' AND entry_point <> ''")
    columns = {column.name: column.type for column in synthetic_functional.columns}
    given = functions.select("sample_id", "entry_point", "code").repartition(params.tasks, F.col("sample_id"))
    return map_rows(given, columns, partial(_passed, by_arity=by_arity, limits=params.limits))


def arity(code: str, name: str) -> tuple[int, int] | None:
    """The least and the largest number of arguments by place that the function `name` takes; None without such a function."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old escapes in strings
            tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    if not found or any(default is None for default in found[-1].args.kw_defaults):
        return None
    arguments = found[-1].args
    most = len(arguments.posonlyargs) + len(arguments.args)
    return most - len(arguments.defaults), ANY if arguments.vararg else most


def _passed(batches: Iterator[pa.RecordBatch], by_arity: Mapping[int, Sequence[Item]], limits: Limits) -> Rows:
    sandbox: Sandbox | None = None
    try:
        for batch in batches:
            for row in batch.to_pylist():
                takes = arity(row["code"], row["entry_point"])
                fitting = [n for n in sorted(by_arity) if takes is not None and takes[0] <= n <= takes[1]]
                for count in fitting:
                    for item in by_arity[count]:
                        sandbox = sandbox or Sandbox(limits)
                        if sandbox.run(Program(row["code"], program(item, row["entry_point"]))).passed:
                            found = {"benchmark": item.benchmark, "item": item.item, "arguments": count}
                            yield {"sample_id": row["sample_id"], "entry_point": row["entry_point"], **found}
    finally:
        if sandbox is not None:
            sandbox.close()


def program(item: Item, name: str) -> str:
    """The item's tests, run on the function `name` of a solution."""
    return item.program if name == item.entry_point else f"{item.entry_point} = {name}\n{item.program}"


job = Job(
    "synthesis.functional",
    about="samples whose functions pass a benchmark's tests",
    reads=(synthetic_samples,),
    writes=(synthetic_functional,),
    params=FunctionalParams,
    transform=functional,
    scope=("sample_id",),
    measures=synthetic_samples,
    idle=partial(no_benchmark, job="synthesis.functional"),
)
