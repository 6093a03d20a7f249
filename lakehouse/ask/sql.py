"""SQL over the lake, read only: DuckDB in this process without a JVM, or the same text in Spark.

A statement sees the tables that it names, as `layer.table`, each at one version fixed before it starts. What DuckDB may
touch is shut twice. Only a query is let through, judged by DuckDB's own syntax tree (since version 2 a `WITH` may hold
COPY or DELETE); and the connection opens no file but those of the named tables, loads no extension and takes no setting.
Neither time nor memory is bounded: DuckDB takes up to 80 % of the machine's memory, then spills to the temporary folder.
Spark is as free as its session.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import chain, islice
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TextIO

import duckdb

from lakehouse.ask import duck, names
from lakehouse.errors import CodelakeError, ConfigError
from lakehouse.lake import Lake

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FETCH_ROWS = 1000  # a row may hold a document of megabytes

# Every other kind of node in the syntax tree changes or writes something.
_QUERY_NODES = {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"}
_NODE = re.compile(r'"type":\s*"(\w+_NODE)"')  # a quote inside a literal is escaped, so text cannot look like a node
_EXPLAIN = re.compile(r"\s*EXPLAIN(\s+ANALYZE)?\b", re.IGNORECASE)
_SPARK_LOOKS = re.compile(r"\s*(SHOW|DESC|DESCRIBE|EXPLAIN)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """Column names, each once, and rows as they come: values as Python gives them, times in UTC."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]


@contextmanager
def ask(lake: Lake, text: str, *, pins: Mapping[str, int] | None = None, only_pinned: bool = False) -> Iterator[Answer]:
    """Answer one query with DuckDB; rows are read while the context is open.

    `pins`: version by table; other tables are read at their newest, or refused with `only_pinned` (the lake's own books
    excepted). Raises ConfigError for a statement that is no query or is wrong, StorageError for files that are missing.
    """
    with TemporaryDirectory(prefix="codelake-sql-") as spill, duck.connect(spill) as db:
        try:
            _require_query(db, text)
            files = _views(db, lake, text, dict(pins or {}), only_pinned)
            _shut(db, files)
            result = db.execute(text)
            columns = tuple(column[0] for column in result.description or ())
            yield Answer(_unique(columns), chain.from_iterable(iter(lambda: result.fetchmany(FETCH_ROWS), [])))
        except duckdb.Error as error:
            raise _explained(error, lake, pins if only_pinned else None) from error


def ask_spark(spark: SparkSession, lake: Lake, text: str, *, limit: int | None = None) -> Answer:
    """Answer one query with Spark. A result without a limit comes whole; `spark.driver.maxResultSize` bounds it."""
    from pyspark.errors import PySparkException

    names.register(spark, lake)
    text = text.strip().removesuffix(";")
    try:
        if not _SPARK_LOOKS.match(text):
            # Only a query can stand in parentheses; an INSERT, DELETE or DROP is a syntax error there.
            spark.sql(f"EXPLAIN SELECT * FROM (\n{text}\n)")
        frame = spark.sql(text)
        found = (frame if limit is None else frame.limit(limit)).toArrow()
    except PySparkException as error:
        raise ConfigError(f"Spark: {str(error).partition('JVM stacktrace')[0].strip()}\n{_HINTS['spark']}") from error
    rows = (
        row
        for batch in found.to_batches(FETCH_ROWS)
        for row in zip(*(column.to_pylist(maps_as_pydicts="lossy") for column in batch.columns), strict=True)
    )
    return Answer(_unique(tuple(found.column_names)), rows)


def pinned(lake: Lake, versions: Sequence[str], release: str | None) -> dict[str, int]:
    """Version by table from `table=N` texts and a release; where both name a table, the text wins.

    Raises ConfigError for a text of another form, an unknown release, and a release whose table was made anew since.
    """
    pins: dict[str, int] = {}
    if release is not None:
        from lakehouse import release as releases

        for row in releases.show(lake, release):
            pins[row["table"]] = row["version"]
            identity = str(names.opened(lake, row["table"], row["version"]).metadata().id)
            if identity != row["table_id"]:
                raise ConfigError(
                    f"release {release!r} pins {row['table']} with id {row['table_id']}; the table there now has id {identity}:"
                    " it was made anew, and its versions are others. Restore the table, or ask without --release."
                )
    for text in versions:
        name, _, number = text.partition("=")
        if not re.fullmatch(r"[0-9]{1,18}", number):
            raise ConfigError(f"--version {text}: expected TABLE=N, such as gold.pretrain=3.")
        if name not in names.found(lake):
            raise names.unknown(lake, name)
        pins[name] = int(number)
    return pins


def plain(value: Any) -> Any:
    """A value as JSON can hold it: times in ISO 8601 and UTC, bytes as hex, NaN and infinity as text."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(inner) for key, inner in value.items()}
    if isinstance(value, Sequence):
        return [plain(inner) for inner in value]
    return str(value)


def said(value: Any) -> str:
    """A value as one field of a CSV: empty for null, JSON for lists and structs."""
    value = plain(value)
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, bool | list | dict) else str(value)


def write_csv(answer: Answer, out: TextIO) -> None:
    """RFC 4180 with a header line, row by row."""
    writer = csv.writer(out)
    writer.writerow(answer.columns)
    writer.writerows([said(value) for value in row] for row in answer.rows)


def write_json(answer: Answer, out: TextIO) -> None:
    """One JSON array of objects, one object a line, row by row."""
    before = "["
    for row in answer.rows:
        out.write(before + json.dumps(dict(zip(answer.columns, map(plain, row), strict=True)), ensure_ascii=False))
        before = ",\n"
    out.write("[]\n" if before == "[" else "]\n")


def limited(answer: Answer, rows: int | None) -> Answer:
    """The first rows of an answer; None is all."""
    return answer if rows is None else Answer(answer.columns, islice(answer.rows, rows))


def _require_query(db: duckdb.DuckDBPyConnection, text: str) -> None:
    """Raises ConfigError unless the text is one SELECT, DESCRIBE, SUMMARIZE, SHOW or EXPLAIN of such."""
    statements = db.extract_statements(text)
    if len(statements) != 1:
        raise ConfigError(f"{len(statements)} statements: expected one query. Ask one after the other.")
    kind = statements[0].type.name
    explain = _EXPLAIN.match(text) if kind == "EXPLAIN" else None
    if explain is not None:
        text = text[explain.end() :]
        kind = "/".join(sorted({statement.type.name for statement in db.extract_statements(text)}))
    tree = str(db.execute("SELECT json_serialize_sql($1::VARCHAR)", [text]).fetchall()[0][0])
    others = sorted({kind} - {"SELECT"} | set(_NODE.findall(tree)) - _QUERY_NODES)
    if others:
        what = ", ".join(other.removesuffix("_QUERY_NODE").removesuffix("_NODE") for other in others)
        raise ConfigError(f"{what}: the lake is only read here. {_HINTS.get(what, _HINTS['allowed'])}")
    if not _NODE.search(tree):  # nothing was judged: better refused than let through
        raise ConfigError(f"{json.loads(tree).get('error_message', tree)}. {_HINTS['allowed']}")


def _views(db: duckdb.DuckDBPyConnection, lake: Lake, text: str, pins: dict[str, int], only_pinned: bool) -> list[str]:
    """Make a view for every table that the text names (for all when it names none); return the files they read."""
    there = names.found(lake)
    words = set(re.findall(r"\w+", text.lower()))
    asked = [name for name in there if name.partition(".")[2] in words] or list(there)
    files: list[str] = []
    for schema in names.LAYERS:
        db.execute(f"CREATE SCHEMA {schema}")
    for name in asked:
        if only_pinned and name not in pins and not name.startswith("ops.") and name != "gold.releases":
            continue
        target = ".".join(duck.quoted(part) for part in name.split("."))
        files += duck.view(db, name, names.opened(lake, name, pins.get(name)), target)
    return files


def _shut(db: duckdb.DuckDBPyConnection, files: Sequence[str]) -> None:
    """From here on: no file but these, no extension, no setting."""
    db.execute(f"SET allowed_paths = [{', '.join(map(duck.literal, files))}]")
    db.execute("SET enable_external_access = false")
    db.execute("SET lock_configuration = true")


_HINTS = {
    "allowed": "Allowed: SELECT (WITH, FROM, VALUES too), DESCRIBE, SUMMARIZE, SHOW, EXPLAIN. Jobs write tables: `codelake build`.",
    "MULTI": "A PIVOT needs its values in the statement: PIVOT t ON column IN ('a', 'b') USING count(*).",
    "syntax": "One query in DuckDB's SQL; `--engine spark` takes Spark's.",
    "names": "`codelake show TABLE` lists columns, `codelake ls` tables.",
    "files": "A query sees the tables of the lake and no other file, extension or setting. Read other files with your own DuckDB.",
    "memory": "Ask for fewer columns or rows, or use `--engine spark`.",
    "value": "Change the expression, or keep such rows out with WHERE.",
    "spark": "One query in Spark's SQL; DuckDB's is the default engine.",
}


def _explained(error: duckdb.Error, lake: Lake, pins: Mapping[str, int] | None) -> CodelakeError:
    """DuckDB's message, with what to do next. `pins` are those that bound the query, None when it was not bound."""
    message = str(error).partition("\n\nPossible solutions")[0].strip()  # settings, which are locked
    missing = re.search(r"Table with name (\S+) does not exist", message)
    if isinstance(error, duckdb.CatalogException) and missing:
        named = re.search(rf"\b(\w+)\.{re.escape(missing[1])}\b", message.partition("\nLINE ")[2])
        name = f"{named[1]}.{missing[1]}".lower() if named else missing[1]
        if pins is not None and name in names.found(lake):
            return ConfigError(
                f"{name} is not in the release, which pins {', '.join(pins)}. Name a version: --version {name}=N."
            )
        return ConfigError(f"{message}\n{names.unknown(lake, name)}")
    if isinstance(error, duckdb.IOException):
        return duck.gone(error)
    kinds: list[tuple[tuple[type[duckdb.Error], ...], str]] = [
        ((duckdb.ParserException, duckdb.SyntaxException), "syntax"),
        ((duckdb.PermissionException,), "files"),
        ((duckdb.BinderException, duckdb.CatalogException), "names"),
        ((duckdb.OutOfMemoryException,), "memory"),
    ]
    hint = next((hint for kind, hint in kinds if isinstance(error, kind)), "value")
    return ConfigError(f"{message}\n{_HINTS[hint]}")


def _unique(columns: Iterable[str]) -> tuple[str, ...]:
    """Names as given; one that was there already gets a number."""
    taken: dict[str, None] = {}
    for name in columns:
        nth, new = 2, name
        while new in taken:
            nth, new = nth + 1, f"{name}_{nth}"
        taken[new] = None
    return tuple(taken)
