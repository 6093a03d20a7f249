"""The Spark side of the gate: each metric that Great Expectations asks for, as a Column expression.

Great Expectations computes metrics one by one, 2 to 9 Spark jobs per expectation. Here all metrics of a suite come from
at most two queries: one aggregation over the batch, and one that groups by every key at once (grouping sets) for
uniqueness and distinct counts. A third fetches example rows of what failed. Only columns that a suite names are read.

Nothing here imports Great Expectations: declaring a suite and splitting a batch need none of it. The meaning of every
expression follows the library's Spark implementation, which is the oracle in the tests: nulls are skipped, a comparison
with null is not a failure, and all rows of a repeated key are unexpected.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from expectations.rules import Rule
from lakehouse.errors import ConfigError

MAX_EXAMPLES = 5
MAX_VALUE_CHARS = 200  # of one value in an example: the row is to be recognised, not republished

# One grouping set per key, and Spark numbers the sets in the bits of a bigint.
MAX_KEYS = 63

Kwargs = Mapping[str, Any]


@dataclass(frozen=True)
class Key:
    """Columns whose values are counted together. Rows are left out where `any` or `all` are null, or `never`."""

    columns: tuple[str, ...]
    skip: Literal["any", "all", "never"]
    where: str | None = None

    @property
    def column(self) -> Column:
        """The key of a row, null where the row does not count."""
        parts = [F.col(name) for name in self.columns]
        key = parts[0] if len(parts) == 1 and self.skip != "never" else F.struct(*parts)
        return F.when(_all(_where(self.where), *_kept(parts, self.skip)), key)


@dataclass(frozen=True)
class Groups:
    """What one key's groups say: how many there are, and how many rows lie in groups of two or more."""

    distinct: int = 0
    repeated: int = 0


@dataclass(frozen=True)
class Need:
    """How one metric is computed: aggregates over the batch, groups of one key, and its value from both."""

    aggregates: tuple[Column, ...] = ()
    key: Key | None = None
    value: Callable[[Sequence[Any], Groups], Any] = lambda aggregates, _: aggregates[0]


@dataclass(frozen=True)
class Measured:
    """Metric values by id, the message for each that could not be computed, and the number of queries it took."""

    values: Mapping[Any, Any]
    errors: Mapping[Any, str]
    queries: int


# --- row-level rules: which rows fail -------------------------------------------------------------------------------


def _between(value: Column, kwargs: Kwargs) -> Column:
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    within = []
    if low is not None:
        within.append(value > F.lit(low) if kwargs.get("strict_min") else value >= F.lit(low))
    if high is not None:
        within.append(value < F.lit(high) if kwargs.get("strict_max") else value <= F.lit(high))
    return _all(*within)


def _greater(a: Column, b: Column, kwargs: Kwargs) -> Column:
    return (a >= b) | a.eqNullSafe(b) if kwargs.get("or_equal") else a > b


# What a non-null value must be.
_VALUE: Mapping[str, Callable[[Column, Kwargs], Column]] = {
    "expect_column_values_to_be_between": _between,
    "expect_column_values_to_be_in_set": lambda value, kwargs: value.isin(list(kwargs["value_set"])),
    "expect_column_values_to_not_be_in_set": lambda value, kwargs: ~value.isin(list(kwargs["value_set"])),
    "expect_column_values_to_match_regex": lambda value, kwargs: value.rlike(kwargs["regex"]),
    "expect_column_values_to_not_match_regex": lambda value, kwargs: ~value.rlike(kwargs["regex"]),
    "expect_column_value_lengths_to_be_between": lambda value, kwargs: _between(F.length(value), kwargs),
    "expect_column_value_lengths_to_equal": lambda value, kwargs: F.length(value) == kwargs["value"],
}
# What a value is when it is not as expected, null included.
_NULLNESS: Mapping[str, Callable[[Column], Column]] = {
    "expect_column_values_to_not_be_null": lambda value: value.isNull(),
    "expect_column_values_to_be_null": lambda value: value.isNotNull(),
}
# What a pair of values must be.
_PAIR: Mapping[str, Callable[[Column, Column, Kwargs], Column]] = {
    "expect_column_pair_values_a_to_be_greater_than_b": _greater,
    "expect_column_pair_values_to_be_equal": lambda a, b, _: a.eqNullSafe(b),
}
_UNIQUE = ("expect_column_values_to_be_unique", "expect_compound_columns_to_be_unique")
_WHOLE_BATCH = (
    "expect_table_row_count_to_be_between",
    "expect_table_row_count_to_equal",
    "expect_table_column_count_to_be_between",
    "expect_table_column_count_to_equal",
    "expect_table_columns_to_match_set",
    "expect_table_columns_to_match_ordered_list",
    "expect_column_to_exist",
    "expect_column_values_to_be_of_type",
    "expect_column_min_to_be_between",
    "expect_column_max_to_be_between",
    "expect_column_mean_to_be_between",
    "expect_column_sum_to_be_between",
    "expect_column_unique_value_count_to_be_between",
    "expect_column_proportion_of_unique_values_to_be_between",
)

# A row fails such a rule or not by its own values alone, so failing rows can be taken out of a batch.
ROW_LEVEL = (*_VALUE, *_NULLNESS, *_PAIR)
SUPPORTED = tuple(sorted((*ROW_LEVEL, *_UNIQUE, *_WHOLE_BATCH)))


def columns_of(rule: Rule) -> tuple[str, ...]:
    """The columns whose values the rule reads, in the order of its arguments."""
    if rule.type == "expect_column_to_exist" or rule.type.startswith("expect_table_"):
        return ()
    if rule.type in _PAIR:
        return (rule.kwargs["column_A"], rule.kwargs["column_B"])
    if rule.type == "expect_compound_columns_to_be_unique":
        return tuple(rule.kwargs["column_list"])
    return (rule.kwargs["column"],)


def failing(rule: Rule) -> Column:
    """True in each row that fails the rule, else false or null. A uniqueness rule gives a window over its key.

    Cost: none for row-level rules, which are evaluated where the caller puts them; one shuffle for uniqueness.
    """
    where = _where(rule.kwargs.get("row_condition"))
    if rule.type in _UNIQUE:
        key = _key(rule).column
        return key.isNotNull() & (F.count(F.lit(1)).over(Window.partitionBy(key)) > 1)
    values = [F.col(name) for name in columns_of(rule)]
    if rule.type in _NULLNESS:
        return _all(where, _NULLNESS[rule.type](values[0]))
    if rule.type in _PAIR:
        expected = _PAIR[rule.type](values[0], values[1], rule.kwargs)
        return _all(where, *_kept(values, _skip(rule)), ~expected)
    return _all(where, values[0].isNotNull(), ~_VALUE[rule.type](values[0], rule.kwargs))


def misfit(rule: Rule, schema: T.StructType) -> str | None:
    """Why the rule cannot be evaluated on a batch of this schema, or None. Costs no Spark job."""
    fields = {field["name"]: field["type"] for field in _fields(schema)}
    for column in columns_of(rule):
        if column not in fields:
            return f"column {column!r} is not in the batch. Its columns: {', '.join(schema.names)}."
    if rule.type == "expect_column_values_to_be_between":
        column, bounds = columns_of(rule)[0], [rule.kwargs.get("min_value"), rule.kwargs.get("max_value")]
        if isinstance(fields[column], T.StringType | T.BooleanType) and any(isinstance(b, int | float) for b in bounds):
            return f"column {column!r} is {fields[column].simpleString()} and cannot be compared with {bounds}."
    return None


# --- metrics: from a name that Great Expectations asks for to what is computed --------------------------------------


def need(metric: str, rule: Rule, schema: T.StructType) -> Need:
    """How to compute this metric of the rule. Raises ConfigError for a metric that no query here provides."""
    where = _where(rule.kwargs.get("row_condition"))
    if metric in _OF_SCHEMA:
        found = _OF_SCHEMA[metric](schema)
        return Need(value=lambda *_: found)
    if metric == "table.row_count":
        return Need((_count(where),))
    if metric == "column_values.nonnull.unexpected_count":  # asked for beside every rule about values
        return Need((_count(where, F.col(rule.kwargs["column"]).isNull()),))
    if metric.endswith(".unexpected_count") and rule.type in _UNIQUE:
        return Need(key=_key(rule), value=lambda _, groups: groups.repeated)
    if metric.endswith(".unexpected_count") and rule.type in ROW_LEVEL:
        return Need((_count(failing(rule)),))
    if metric.endswith(".filtered_row_count"):
        return Need((_count(where, *_kept([F.col(name) for name in columns_of(rule)], _skip(rule))),))
    if metric in _OF_COLUMN:
        value = F.col(rule.kwargs["column"])
        return Need((_OF_COLUMN[metric](value if where is None else F.when(where, value)),))
    if metric == "column.distinct_values.count":
        return Need(key=_key(rule), value=lambda _, groups: groups.distinct)
    if metric == "column.unique_proportion":
        present = _count(where, F.col(rule.kwargs["column"]).isNotNull())
        return Need((present,), _key(rule), lambda counts, groups: groups.distinct / counts[0] if counts[0] else 0)
    raise ConfigError(
        f"{rule.id}: Great Expectations asks for the metric {metric!r}, which the gate does not compute. "
        f"Supported expectations: {', '.join(SUPPORTED)}."
    )


# The sum is taken in double, as Great Expectations does: a sum of bigint that overflows raises in Spark 4.
_OF_COLUMN: Mapping[str, Callable[[Column], Column]] = {
    "column.min": F.min,
    "column.max": F.max,
    "column.mean": F.avg,
    "column.sum": lambda value: F.sum(value.cast("double")),
}
_OF_SCHEMA: Mapping[str, Callable[[T.StructType], Any]] = {
    "table.columns": lambda schema: [field["name"] for field in _fields(schema)],
    "table.column_types": lambda schema: _fields(schema),
    "table.column_count": lambda schema: len(_fields(schema)),
}


def _fields(schema: T.StructType, parent: str = "") -> list[dict[str, Any]]:
    """Columns with their types; the fields of a struct follow it as `struct.field`, as in Great Expectations."""
    fields: list[dict[str, Any]] = []
    for field in schema.fields:
        name = parent + (f"`{field.name}`" if "." in field.name else field.name)
        fields.append({"name": name, "type": field.dataType})
        if isinstance(field.dataType, T.StructType):
            fields += _fields(field.dataType, name + ".")
    return fields


def _key(rule: Rule) -> Key:
    return Key(columns_of(rule), _skip(rule), rule.kwargs.get("row_condition"))


def _skip(rule: Rule) -> Literal["any", "all", "never"]:
    """Rows with nulls that the rule leaves out, from its `ignore_row_if`."""
    if rule.type == "expect_compound_columns_to_be_unique":
        names = {"all_values_are_missing": "all", "any_value_is_missing": "any", "never": "never"}
        return names[rule.kwargs.get("ignore_row_if", "all_values_are_missing")]  # type: ignore[return-value]
    if rule.type in _PAIR:
        names = {"both_values_are_missing": "all", "either_value_is_missing": "any", "neither": "never"}
        return names[rule.kwargs.get("ignore_row_if", "both_values_are_missing")]  # type: ignore[return-value]
    return "any"


def _kept(values: Sequence[Column], skip: str) -> list[Column]:
    """The condition that keeps a row, if there is one."""
    present = [value.isNotNull() for value in values]
    if skip == "never":
        return []
    return [reduce(Column.__and__ if skip == "any" else Column.__or__, present)]


def _where(condition: str | None) -> Column | None:
    return F.expr(condition) if condition else None


def _all(*conditions: Column | None) -> Column:
    return reduce(Column.__and__, [c for c in conditions if c is not None] or [F.lit(True)])


def _count(*conditions: Column | None) -> Column:
    return F.count_if(_all(*conditions))


# --- queries --------------------------------------------------------------------------------------------------------


def measure(batch: DataFrame, needs: Mapping[Any, Need]) -> Measured:
    """Compute all metrics, by id. Cost: one query over the batch, and a second one where a key is to be grouped.

    A metric that does not fit the data (a regular expression over a map, letters compared with numbers) fails the whole
    query: then each is computed by itself, one or two queries per metric, and those that fail carry their message.
    Raises the original error when not one metric can be computed: then it is the batch that cannot be read.
    """
    try:
        values, queries = _measure(batch, needs)
        return Measured(values, {}, queries)
    except (PySparkException, Py4JJavaError):
        values, errors, queries = {}, {}, 1
        for name, one in needs.items():
            try:
                value, cost = _measure(batch, {name: one})
                values, queries = {**values, **value}, queries + cost
            except (PySparkException, Py4JJavaError) as error:
                errors[name], queries = _first_line(error), queries + 1
        if not any(name in values for name, one in needs.items() if one.aggregates or one.key):
            raise
        return Measured(values, errors, queries)


def _measure(batch: DataFrame, needs: Mapping[Any, Need]) -> tuple[dict[Any, Any], int]:
    aggregates = [aggregate for need in needs.values() for aggregate in need.aggregates]
    keys = list(dict.fromkeys(need.key for need in needs.values() if need.key))
    named = [aggregate.alias(f"m{i}") for i, aggregate in enumerate(aggregates)]
    found = iter(batch.agg(*named).collect()[0] if named else ())
    groups = _group(batch, keys) if keys else {}
    values = {
        name: need.value([next(found) for _ in need.aggregates], groups[need.key] if need.key else Groups())
        for name, need in needs.items()
    }
    return values, bool(aggregates) + bool(keys)


def _group(batch: DataFrame, keys: Sequence[Key]) -> dict[Key, Groups]:
    """Count the groups of all keys in one query. Each row is hashed once per key; partial counts are shuffled."""
    if len(keys) > MAX_KEYS:
        raise ConfigError(f"{len(keys)} keys are to be unique or counted in one suite: expected at most {MAX_KEYS}.")
    names = [f"k{i}" for i in range(len(keys))]
    rows = batch.select(*(key.column.alias(name) for key, name in zip(keys, names, strict=True)))
    sets = rows.groupingSets([[name] for name in names], *names).agg(
        F.count("*").alias("n"), F.grouping_id().alias("set")
    )
    counted = (
        sets.where(" OR ".join(f"{name} IS NOT NULL" for name in names))
        .groupBy("set")
        .agg(F.count("*").alias("distinct"), F.sum(F.when(F.col("n") > 1, F.col("n")).otherwise(0)).alias("repeated"))
    )
    # A set's number has a one for each name that it leaves out, the first name in the highest bit.
    every = (1 << len(keys)) - 1
    found = {row["set"]: Groups(row["distinct"], row["repeated"]) for row in counted.collect()}
    return {key: found.get(every ^ (1 << (len(keys) - 1 - i)), Groups()) for i, key in enumerate(keys)}


def examples(batch: DataFrame, rules: Sequence[Rule], key: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Up to five failing rows per rule, by rule id: `{"key": {...}, "values": {...}}`, the same ones on every run.

    Cost: one query; memory of five rows per rule and task, however many fail. Uniqueness rules add a shuffle each.
    """
    types = {field["name"]: field["type"] for field in _fields(batch.schema)}

    def shown(names: Sequence[str]) -> Column:
        return F.struct(*(_start(F.col(name), types[name]).alias(name) for name in names))

    named = [name for name in key if name in types]
    flags = [f"__failing_{i}" for i in range(len(rules))]
    marked = batch.select("*", *(failing(rule).alias(flag) for rule, flag in zip(rules, flags, strict=True)))
    picked = []
    for rule, flag in zip(rules, flags, strict=True):
        row = F.when(F.col(flag), F.struct(shown(named).alias("key"), shown(columns_of(rule)).alias("values")))
        picked.append(F.min_by(row, row, MAX_EXAMPLES).alias(flag))
    found = marked.where(" OR ".join(flags)).agg(*picked).collect()[0]
    return {
        rule.id: [
            {part: {name: _cut(value) for name, value in row[part].asDict().items()} for part in ("key", "values")}
            for row in found[flag] or ()
        ]
        for rule, flag in zip(rules, flags, strict=True)
    }


def _start(value: Column, kind: T.DataType) -> Column:
    """A value of any type as far as an example shows it, in a form that can be ordered. Evaluated in each failing row."""
    if isinstance(kind, T.BinaryType):
        value = F.base64(F.substring(value, 1, MAX_VALUE_CHARS))
    elif isinstance(kind, T.ArrayType | T.MapType | T.StructType | T.VariantType):
        value = F.to_json(value)
    elif not isinstance(kind, T.StringType):
        return value
    return F.left(value, F.lit(MAX_VALUE_CHARS + 1))


def _cut(value: Any) -> Any:
    """The value for JSON: long text ends in …, and what JSON has no word for is written as text."""
    if isinstance(value, str) and len(value) > MAX_VALUE_CHARS:
        return value[: MAX_VALUE_CHARS - 1] + "…"
    if value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)


def _first_line(error: Exception) -> str:
    """The message without its stack trace; a Java error names itself on the second line."""
    lines = [line.strip(" :") for line in str(error).splitlines() if line.strip(" :")]
    return lines[1 if isinstance(error, Py4JJavaError) and len(lines) > 1 else 0]
