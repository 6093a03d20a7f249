"""One declaration gives everything: DDL, Arrow schema, base expectations, digest.

table.ddl("/lake/gold/long")     # CREATE TABLE IF NOT EXISTS delta.`/lake/gold/long` (...)
"""

from __future__ import annotations

import dataclasses

import pyarrow as pa
import pytest

from lakehouse.registry import tables
from lakehouse.table import Column, Table, arrow_type
from tests.lakehouse import toy


def test_ddl_carries_types_comments_keys_and_long_retention() -> None:
    ddl = toy.long.ddl("/lake/gold/long")
    assert "CREATE TABLE IF NOT EXISTS delta.`/lake/gold/long`" in ddl
    assert "`bytes` bigint NOT NULL COMMENT 'its length'" in ddl
    assert "COMMENT 'One row is one long word.'" in ddl
    for name in ("logRetentionDuration", "deletedFileRetentionDuration"):
        assert f"'delta.{name}' = 'interval 3650 days'" in ddl


def test_quotes_in_comments_cannot_end_the_statement() -> None:
    table = Table("a.b", "it's \\ a row", ("k",), (Column("k", "string", "the row's key"),))
    assert "COMMENT 'the row\\'s key'" in table.ddl("x")
    assert "One row is it\\'s \\\\ a row." in table.ddl("x")


def test_base_rules_cover_columns_nulls_the_key_and_each_check() -> None:
    rules = {rule.type: dict(rule.kwargs) for rule in toy.long.base_rules()}
    assert rules["expect_table_columns_to_match_set"]["column_set"] == ["word", "bytes"]
    assert rules["expect_column_values_to_be_unique"] == {"column": "word"}
    assert rules["expect_column_values_to_be_between"] == {"column": "bytes", "min_value": 1, "max_value": 40}
    assert {"column_list": ["source", "nth"]} in [dict(rule.kwargs) for rule in toy.lines.base_rules()]


@pytest.mark.parametrize(
    ("ddl", "arrow"),
    [
        ("bigint", pa.int64()),
        ("array<bigint>", pa.list_(pa.int64())),
        ("map<string,double>", pa.map_(pa.string(), pa.float64())),
        (
            "array<struct<rule:string,of:struct<a:int,b:array<string>>>>",
            pa.list_(
                pa.struct([("rule", pa.string()), ("of", pa.struct([("a", pa.int32()), ("b", pa.list_(pa.string()))]))])
            ),
        ),
    ],
)
def test_sql_types_become_arrow_types(ddl: str, arrow: pa.DataType) -> None:
    assert arrow_type(ddl) == arrow


def test_a_type_that_no_table_uses_is_refused() -> None:
    with pytest.raises(ValueError, match="'decimal\\(3,1\\)' is not a type that tables use"):
        arrow_type("decimal(3,1)")


def test_the_digest_follows_types_keys_and_checks_but_not_comments() -> None:
    told = dataclasses.replace(
        toy.long,
        row="told otherwise",
        columns=(toy.long.columns[0], dataclasses.replace(toy.long.columns[1], comment="x")),
    )
    assert told.digest == toy.long.digest
    checked = dataclasses.replace(
        toy.long, columns=(toy.long.columns[0], dataclasses.replace(toy.long.columns[1], checks=()))
    )
    assert checked.digest != toy.long.digest


@pytest.mark.parametrize("table", tables(), ids=lambda table: table.name)
def test_every_table_of_the_lake_is_declared_in_full(table: Table) -> None:
    assert table.row
    assert set(table.key) <= set(table.column_names)
    assert all(column.comment for column in table.columns)
    assert all(not column.nullable for column in table.columns if column.name in table.key)
    assert table.arrow_schema.names == list(table.column_names)
    assert set(table.cluster_by) <= set(table.column_names)
