"""How a decision says that a rule was hit: the same four fields for every corpus, so that one query reads them all."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from jobs.decisions.tables import HIT


def hit(
    rule: str, trips: Column, *, value: Column | None = None, limit: Column | None = None, detail: Column | None = None
) -> Column:
    """The hit as a struct of rule, value, limit and detail where `trips` is true, else null."""
    nothing = F.lit(None)
    said = F.struct(
        F.lit(rule).alias("rule"),
        (nothing if value is None else value).cast("double").alias("value"),
        (nothing if limit is None else limit).cast("double").alias("limit"),
        (nothing if detail is None else detail).cast("string").alias("detail"),
    )
    return F.when(trips, said).cast(HIT)
