"""Tables by name: found by their location, opened without the pipeline, registered in a Spark session.

The location is the truth: a table is there when `<root>/<layer>/<table>/_delta_log` is. Asking needs no declaration,
so neither jobs nor Spark are imported, and a table that an older pipeline left behind can still be read.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from lakehouse.errors import ConfigError, StorageError, nearest
from lakehouse.lake import Lake
from lakehouse.table import Table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LAYERS = ("bronze", "silver", "gold", "ops")


def found(lake: Lake) -> dict[str, str]:
    """Location by name of every table that is there, layer by layer. Cost: one listing per layer."""
    if not lake.is_local:
        # An object store has no cheap listing here: ask for the declared tables one by one.
        from lakehouse.registry import tables

        return {table.name: lake.location(table) for table in tables() if lake.exists(table)}
    logs = [path for layer in LAYERS for path in sorted((Path(lake.root) / layer).glob("*/_delta_log"))]
    names = [f"{log.parent.parent.name}.{log.parent.name}" for log in logs if not log.parent.name.startswith("_")]
    return {name: lake.location(named(name)) for name in names}


def named(name: str) -> Table:
    """A table of which only the name is known: enough to find, open and time it, not to create it."""
    return Table(name, row="", key=(), columns=())


def opened(lake: Lake, name: str, version: int | None = None) -> DeltaTable:
    """The table at a version, the newest by default.

    Raises ConfigError for a table or version that is not there, StorageError for a log that cannot be read.
    """
    try:
        table = DeltaTable(lake.location(named(name)))
        newest = table.version()
        if version is None or version == newest:
            return table
        if not 0 <= version < newest:
            raise ConfigError(
                f"{name}: no version {version}. Versions: 0 to {newest}; `codelake show {name}` lists them."
            )
        return DeltaTable(lake.location(named(name)), version=version)
    except TableNotFoundError as error:
        raise unknown(lake, name) from error
    except DeltaError as error:
        where = f"{lake.location(named(name))}{'' if version is None else f' at version {version}'}"
        raise StorageError(
            f"{where}: {_first_line(error)}. The table's log is damaged or was cut off: restore it."
        ) from error


def unknown(lake: Lake, name: str) -> ConfigError:
    """The error for a name that is no table here: near miss, and the tables there are."""
    names = list(found(lake))
    close = next((known for known in names if known.partition(".")[2] == name), None)
    hint = f" Did you mean {close!r}?" if close else nearest(name, names)
    there = f"Tables: {', '.join(names)}." if names else "It holds no table yet: `codelake build` makes them."
    return ConfigError(f"{name!r} is no table of the lake at {lake.root}.{hint} {there}")


def register(spark: SparkSession, lake: Lake) -> list[str]:
    """Make every table that is there known to the session as `layer.table`; return the names.

    Raises ConfigError where the session already knows the name for a table elsewhere, as another lake's.
    """
    names = found(lake)
    known: set[str] = set()
    for layer in dict.fromkeys(name.partition(".")[0] for name in names):
        spark.sql(f"CREATE SCHEMA IF NOT EXISTS {layer}")
        known |= {f"{layer}.{row['tableName']}" for row in spark.sql(f"SHOW TABLES IN {layer}").collect()}
    for name, location in names.items():
        quoted = ".".join(f"`{part}`" for part in name.split("."))
        if name in known:
            _require_same(name, location, spark.sql(f"DESCRIBE DETAIL {quoted}").select("location").collect()[0][0])
        else:
            text = location.replace("\\", "\\\\").replace("'", "\\'")
            spark.sql(f"CREATE TABLE IF NOT EXISTS {quoted} USING delta LOCATION '{text}'")
    return list(names)


def _require_same(name: str, location: str, known: str) -> None:
    if known.removeprefix("file:").rstrip("/") != location.rstrip("/"):
        raise ConfigError(
            f"{name}: the session knows it at {known}, this lake has it at {location}. `DROP TABLE {name}` forgets the name"
            " and leaves the files; or use another session."
        )


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")
