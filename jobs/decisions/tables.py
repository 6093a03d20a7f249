"""The columns of a verdict."""

from __future__ import annotations

from lakehouse.table import Column

HIT = "struct<rule:string,value:double,limit:double,detail:string>"

VERDICT = (
    Column("keep", "boolean", "true when no rule was hit"),
    Column("hits", f"array<{HIT}>", "every rule that was hit, with the value and the limit it crossed"),
)
