"""Finds the pipeline by name, so that `lakehouse` need not import `jobs`."""

from __future__ import annotations

import importlib
from functools import cache

from lakehouse import ops
from lakehouse.errors import ConfigError, nearest
from lakehouse.job import Graph
from lakehouse.table import Table

PIPELINE = "jobs.registry"


@cache
def graph() -> Graph:
    """The graph of every job that is installed."""
    found: Graph = importlib.import_module(PIPELINE).GRAPH
    return found


def tables() -> tuple[Table, ...]:
    """Every table of the lake: those that jobs write, then the lake's own books."""
    return tuple(dict.fromkeys([*graph().tables, *ops.TABLES]))


def table(name: str) -> Table:
    """The table called `name`. Raises ConfigError with the names there are."""
    names = {t.name: t for t in tables()}
    if name not in names:
        raise ConfigError(f"{name!r} is no table. Tables: {', '.join(names)}.{nearest(name, names)}")
    return names[name]
