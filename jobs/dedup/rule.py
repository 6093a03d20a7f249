"""What a decision says of near-duplicates."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from jobs.decisions.hits import hit


def near_copy() -> Column:
    """Of rows that a table of duplicates was joined to from the left: the hit of those that another one stands for."""
    gone = ~F.coalesce("kept", F.lit(True))
    said = F.concat(F.lit("of "), F.col("duplicate_of"))
    return hit("near_duplicate", gone, value=F.col("jaccard"), detail=said)
