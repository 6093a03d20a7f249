"""One table, declared once. DDL, Arrow schema, base expectations, merge condition and docs page are read from here.

A declaration is inert: building one touches neither Spark nor disk.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from expectations.rules import Rule

# Delta 4.1 and later refuse time travel past `deletedFileRetentionDuration` even when nothing was vacuumed, and raising
# only one of the two is an error: both are long, so that a pinned version stays readable and a plain VACUUM is harmless.
RETENTION_DAYS = 3650

_SCALARS: dict[str, pa.DataType] = {
    "string": pa.string(),
    "binary": pa.binary(),
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}


@dataclass(frozen=True)
class Column:
    """One column: its SQL type, what it means, its unit, and what must hold for every value."""

    name: str
    type: str
    comment: str
    unit: str = ""
    nullable: bool = False
    checks: tuple[Rule, ...] = ()
    volatile: bool = False  # says when or by which run, so it does not enter the content digest


@dataclass(frozen=True, eq=False)  # a table is itself: compared and hashed by identity
class Table:
    """A table of the lake. `name` is `layer.table`; its location under the lake's root is `layer/table`."""

    name: str
    row: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    cluster_by: tuple[str, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)
    change_feed: bool = True
    immutable: bool = False  # a key's row never changes, as under a content address: compared by key alone
    checks: tuple[Rule, ...] = ()
    row_group_bytes: int | None = None  # for readers that take row groups as they are; None leaves it to Parquet

    @property
    def path(self) -> str:
        return self.name.replace(".", "/")

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def content_columns(self) -> tuple[str, ...]:
        """The columns that say what the table holds: all but the volatile ones."""
        return tuple(column.name for column in self.columns if not column.volatile)

    @property
    def arrow_schema(self) -> pa.Schema:
        return pa.schema(
            pa.field(column.name, arrow_type(column.type), column.nullable, {"comment": column.comment})
            for column in self.columns
        )

    @property
    def spark_schema(self) -> str:
        """The columns as a schema string that Spark reads, without nullability."""
        return ", ".join(f"`{column.name}` {column.type}" for column in self.columns)

    @property
    def table_properties(self) -> dict[str, str]:
        return {
            "delta.logRetentionDuration": f"interval {RETENTION_DAYS} days",
            "delta.deletedFileRetentionDuration": f"interval {RETENTION_DAYS} days",
            # Plain Parquet readers must see the same rows as Spark.
            "delta.enableDeletionVectors": "false",
            "delta.enableChangeDataFeed": str(self.change_feed).lower(),
            # Statistics on long text cost write time and say nothing: only leading columns carry them.
            "delta.dataSkippingNumIndexedCols": "8",
            "codelake.schema": self.digest,
            **self.properties,
        }

    def ddl(self, location: str) -> str:
        """`CREATE TABLE IF NOT EXISTS` by location; columns and table carry their comments."""
        columns = ",\n  ".join(
            f"`{c.name}` {c.type}{'' if c.nullable else ' NOT NULL'} COMMENT {quoted(c.comment)}" for c in self.columns
        )
        cluster = f"\nCLUSTER BY ({', '.join(self.cluster_by)})" if self.cluster_by else ""
        properties = ", ".join(f"{quoted(k)} = {quoted(v)}" for k, v in sorted(self.table_properties.items()))
        return (
            f"CREATE TABLE IF NOT EXISTS delta.`{location}` (\n  {columns}\n)\nUSING delta"
            f"\nCOMMENT {quoted('One row is ' + self.row + '.')}{cluster}\nTBLPROPERTIES ({properties})"
        )

    def base_rules(self) -> tuple[Rule, ...]:
        """What must hold for any batch of this table: its columns, not null, the key unique, each column's checks."""
        rules = [
            Rule("expect_table_columns_to_match_set", {"column_set": list(self.column_names), "exact_match": True})
        ]
        rules += [
            Rule("expect_column_values_to_not_be_null", {"column": c.name}) for c in self.columns if not c.nullable
        ]
        unique = (
            Rule("expect_column_values_to_be_unique", {"column": self.key[0]})
            if len(self.key) == 1
            else Rule("expect_compound_columns_to_be_unique", {"column_list": list(self.key)})
        )
        rules.append(unique)
        rules += [rule.on(c.name) for c in self.columns for rule in c.checks]
        return (*rules, *self.checks)

    def merge_condition(self, target: str, source: str) -> str:
        return " AND ".join(f"{target}.`{k}` = {source}.`{k}`" for k in self.key)

    @property
    def digest(self) -> str:
        """Identity of the declaration: names, types, key, what must hold. Comments and properties are left out."""
        said = [self.name, self.key, [[c.name, c.type, c.nullable] for c in self.columns]]
        said.append([[r.type, dict(r.kwargs), r.severity] for r in self.base_rules()])
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def matches(regex: str) -> Rule:
    """Every value matches the whole regular expression."""
    return Rule("expect_column_values_to_match_regex", {"regex": f"^(?:{regex})$"})


def between(low: float | None, high: float | None) -> Rule:
    """Every value lies between both limits, limits included; None is open."""
    return Rule("expect_column_values_to_be_between", {"min_value": low, "max_value": high})


def one_of(*values: str) -> Rule:
    """Every value is one of these."""
    return Rule("expect_column_values_to_be_in_set", {"value_set": list(values)})


def arrow_type(ddl: str) -> pa.DataType:
    """The Arrow type of a SQL type such as `array<struct<rule:string,value:double>>`.

    Raises ValueError on a type that no table here uses.
    """
    ddl = ddl.strip().lower()
    if ddl in _SCALARS:
        return _SCALARS[ddl]
    if match := re.fullmatch(r"array<(.*)>", ddl):
        return pa.list_(arrow_type(match[1]))
    if match := re.fullmatch(r"map<string,(.*)>", ddl):
        return pa.map_(pa.string(), arrow_type(match[1]))
    if match := re.fullmatch(r"struct<(.*)>", ddl):
        return pa.struct([(name, arrow_type(kind)) for name, kind in map(_field, _split(match[1]))])
    raise ValueError(
        f"{ddl!r} is not a type that tables use. Allowed: {', '.join(_SCALARS)}, array<>, struct<>, map<string,>."
    )


def _field(text: str) -> tuple[str, str]:
    name, _, kind = text.partition(":")
    return name.strip(), kind


def _split(text: str) -> list[str]:
    """Cut at the commas that stand outside every `<...>`."""
    parts, depth, start = [], 0, 0
    for i, char in enumerate(text):
        depth += (char == "<") - (char == ">")
        if char == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return [*parts, text[start:]]


def quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
