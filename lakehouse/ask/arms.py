"""What each level of deduplication leaves over, counted from the tables that `levels.*` made. No JVM."""

from __future__ import annotations

from dataclasses import dataclass

from lakehouse.errors import ConfigError
from lakehouse.report.views import Views

TABLE = "gold.dedup_arms"
ORDER = ("raw", "file", "repository", "chunk", "file_chunk", "repository_chunk")


@dataclass(frozen=True)
class Arm:
    """One arm. `files`: of which anything is left. `bytes`, `tokens`: of its texts; `share`: of the tokens of `raw`."""

    arm: str
    repositories: int
    files: int
    chunks: int
    bytes: int
    tokens: int
    share: float


def arms(views: Views) -> tuple[Arm, ...]:
    """The arms that the lake holds, as the recipe lists them. Raises ConfigError where none were made."""
    if not views.has(TABLE):
        raise ConfigError(f"{views.lake.root}: no {TABLE}. `codelake dedup arms --language python` makes it.")
    sums = views.rows(
        "SELECT source AS arm, count(*) AS chunks, sum(bytes)::BIGINT AS bytes, sum(tokens)::BIGINT AS tokens "
        f"FROM {TABLE} GROUP BY source"
    )
    # A path is written source/repository:path.
    files = views.rows(
        "SELECT source AS arm, count(DISTINCT path) AS files, count(DISTINCT split_part(path, ':', 1)) AS repositories "
        f"FROM (SELECT source, unnest(paths) AS path FROM {TABLE}) GROUP BY source"
    )
    named = {row["arm"]: row for row in files}
    whole = next((row["tokens"] for row in sums if row["arm"] == "raw"), 0)
    found = [Arm(**{**row, **named[row["arm"]], "share": row["tokens"] / max(whole, 1)}) for row in sums]
    return tuple(sorted(found, key=lambda one: ORDER.index(one.arm)))
