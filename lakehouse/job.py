"""A job is inert data plus a pure transform. The graph is derived from what jobs read and write.

The transform never learns whether it sees everything or only what changed: the runner hands it inputs that are already
cut down to the changed keys, and replaces exactly those keys in the target. For that to be exact, the rows that a
job writes for a key must depend only on input rows with the same key; a job that cannot promise it leaves `scope` empty.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

from lakehouse.errors import ConfigError, nearest
from lakehouse.table import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from lakehouse.lake import Lake


class Params(BaseModel):
    """Base of every job's parameters. Values live in `conf/`; an unknown key is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Fields that say where the work is and how it is cut up. They never change a result, so they stay out of the digest.
    # In pydantic's form for `exclude`: {"sources": True, "limits": {"shard_bytes"}}.
    placement: ClassVar[Mapping[str, Any]] = {}

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.canonical.encode()).hexdigest()

    @property
    def canonical(self) -> str:
        """JSON with sorted keys: the stable form that enters the run key."""
        return json.dumps(
            self.model_dump(mode="json", exclude=dict(self.placement)), sort_keys=True, separators=(",", ":")
        )


class Inputs(Protocol):
    """What a transform may look at. All versions are fixed before it starts."""

    @property
    def spark(self) -> SparkSession: ...

    @property
    def changed(self) -> DataFrame | None:
        """The changed keys (columns of the job's scope), or None when everything is computed anew."""

    def __getitem__(self, table: Table) -> DataFrame:
        """The rows of an input that belong to the changed keys."""

    def whole(self, table: Table) -> DataFrame:
        """All rows of an input, whatever changed."""

    def current(self, table: Table) -> DataFrame:
        """What the job itself wrote before with this very code and these parameters; else no rows."""

    def before(self, table: Table) -> DataFrame:
        """What one of the job's own tables holds, whatever wrote it: only for rows that no recipe can change, as under
        the hash of everything that made them."""

    @property
    def folder(self) -> Path:
        """A folder of the job's own on the driver's machine, which stays from run to run. Nothing there may change a result."""

    def hold(self, name: str, rows: DataFrame | Callable[[], DataFrame]) -> DataFrame:
        """Compute once and keep until the run is published, for a result that several outputs share.

        What was held when a run died is there when the same run is tried again; given a function, it is not called then.
        """


@dataclass(frozen=True)
class Output:
    """Rows for one table. `scope`: keys whose rows are replaced, when they are not those of the job."""

    rows: DataFrame
    scope: DataFrame | None = None


Transform = Callable[[Any, Any], "DataFrame | Output | Mapping[Table, DataFrame | Output]"]
Fingerprints = Callable[[Any], Mapping[str, str]]


@dataclass(frozen=True, eq=False)  # a job is itself: compared and hashed by identity
class Job:
    """One step. The last table in `writes` is published last and marks the run as complete.

    `scope`: columns that both inputs and outputs carry and by which the job is incremental; empty means that it looks
    at everything each time. `fingerprints` says, by value of the scope, what is read from outside the lake; the last
    table then has a column `fingerprint`. `measures`: the input, or what is held
    under this name, whose column `size` or `bytes` says how much was looked at. `modules`: modules that the transform
    was given something from and does not import itself; what is in them decides the result too. `caveat` looks at the
    parameters (in their canonical form) for what weakens the result; each plan, build and release says it. `idle` says
    why there is nothing to do with these parameters, and `needs` names inputs without which there is nothing to do; the
    job is passed over then. `cleans`: an idle job runs all the same once its tables are there, because what is taken away
    before it must leave them. `preview` says without Spark what a run
    would do.
    """

    name: str
    about: str
    reads: tuple[Table, ...]
    writes: tuple[Table, ...]
    params: type[Params]
    transform: Transform
    scope: tuple[str, ...] = ()
    fingerprints: Fingerprints | None = None
    measures: Table | str | None = None
    modules: tuple[str, ...] = ()
    caveat: Callable[[Mapping[str, Any]], str | None] | None = None
    needs: tuple[Table, ...] = ()
    idle: Callable[[Any], str | None] | None = None
    cleans: bool = False
    preview: Callable[[Lake, Any], Sequence[Mapping[str, Any]]] | None = None

    def warning(self, params_json: str) -> str | None:
        """What a person must know before trusting a result of these parameters, or nothing."""
        return self.caveat(json.loads(params_json)) if self.caveat and params_json else None

    @property
    def code(self) -> str:
        """Digest of every source file of `jobs` that the transform can reach, and of the tables it writes.

        The runner and the command line are left out on purpose: they decide when a job runs, not what it answers.
        Modules called `tables` only declare; what the job writes enters by each table's own digest.
        """
        digest = hashlib.sha256()
        starts = (self.transform.__module__, *self.modules)
        for module in sorted({module for start in starts for module in reachable(start)}):
            if module.endswith(".tables"):
                continue
            digest.update(f"{module}\0{_module_digest(module)}\n".encode())
        for table in self.writes:
            digest.update(table.digest.encode())
        return digest.hexdigest()


@cache
def _module_digest(module: str) -> str:
    file = _source(module)
    if file is None:
        raise ModuleNotFoundError(f"{module}: no source file, so what it computes cannot be identified.")
    return hashlib.sha256(file.read_bytes()).hexdigest()


@cache
def _source(module: str) -> Path | None:
    """The file of a module, found by path so that nothing is imported; None where the name is no module."""
    package, *rest = module.split(".")
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    base = Path(spec.submodule_search_locations[0]).joinpath(*rest)
    for file in (base / "__init__.py", base.with_suffix(".py")):
        if file.is_file():
            return file
    return None


@cache
def reachable(module: str, package: str = "jobs") -> tuple[str, ...]:
    """The modules of `package` that `module` imports, directly or not, itself included; sorted."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in found or not (name == package or name.startswith(package + ".")):
            continue
        file = _source(name)
        if file is not None:  # else a name inside a module
            found.add(name)
            waiting += () if name.endswith(".tables") else _imports(file)
    return tuple(sorted(found))


@cache
def _imports(file: Path) -> tuple[str, ...]:
    """Every dotted name that the file may import: modules, and names that could be modules."""
    return tuple(_names_imported(file))


def _names_imported(file: Path) -> Iterable[str]:
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@dataclass(frozen=True)
class Graph:
    """Jobs in an order in which every table is written before it is read; ties in the order given."""

    jobs: tuple[Job, ...]

    @staticmethod
    def of(jobs: Sequence[Job]) -> Graph:
        writer = {table: job for job in jobs for table in job.writes if table.name != "ops.quarantine"}
        ordered: list[Job] = []
        visiting: list[str] = []

        def visit(job: Job) -> None:
            if job in ordered:
                return
            if job.name in visiting:
                raise ConfigError(f"Jobs depend on each other in a circle: {' -> '.join([*visiting, job.name])}.")
            visiting.append(job.name)
            for table in job.reads:
                if table in writer:
                    visit(writer[table])
            visiting.pop()
            ordered.append(job)

        for job in jobs:
            visit(job)
        return Graph(tuple(ordered))

    @property
    def tables(self) -> tuple[Table, ...]:
        """Every table that a job writes, in the order of writing."""
        return tuple(dict.fromkeys(table for job in self.jobs for table in job.writes))

    def upstream(self, job: Job) -> tuple[Job, ...]:
        """The jobs that write what `job` reads, directly."""
        return tuple(j for j in self.jobs if j is not job and set(j.writes) & set(job.reads))

    def downstream(self, job: Job) -> tuple[Job, ...]:
        return tuple(j for j in self.jobs if j is not job and set(j.reads) & set(job.writes))

    def select(self, selectors: Sequence[str]) -> tuple[Job, ...]:
        """Jobs that match any selector: a job or table name, `code.*`, `+name` with what it needs, `name+` with what needs it."""
        if not selectors:
            return self.jobs
        chosen: set[str] = set()
        for selector in selectors:
            core = selector.removeprefix("+").removesuffix("+")
            found = [job for job in self.jobs if _named(job, core)]
            if not found:
                names = [job.name for job in self.jobs] + [table.name for table in self.tables]
                raise ConfigError(
                    f"{selector!r} selects nothing. Allowed: a job or table name, with `.*` at the end, `+` before for what it"
                    f" needs, `+` after for what needs it. Names: {', '.join(names)}.{nearest(core, names)}"
                )
            for job in found:
                chosen.add(job.name)
                if selector.startswith("+"):
                    chosen |= self._closure(job, self.upstream)
                if selector.endswith("+"):
                    chosen |= self._closure(job, self.downstream)
        return tuple(job for job in self.jobs if job.name in chosen)

    def _closure(self, job: Job, step: Callable[[Job], tuple[Job, ...]]) -> set[str]:
        found: set[str] = set()
        waiting = [job]
        while waiting:
            for near in step(waiting.pop()):
                if near.name not in found:
                    found.add(near.name)
                    waiting.append(near)
        return found


def _named(job: Job, core: str) -> bool:
    names = [job.name, *(table.name for table in job.writes)]
    if core.endswith(".*"):
        return any(name.startswith(core[:-1]) for name in names)
    return core in names
