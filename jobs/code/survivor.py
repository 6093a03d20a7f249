"""Which of several copies survives: most stars, then latest commit, then the least source, repository and path.

The rule of the recipe for exact and near duplicates alike. Stars break ties; they never filter.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F


def best_first() -> list[Column]:
    """An order over occurrences; unknown stars and times come last, and the last three make it total."""
    return [
        F.col("stars").desc_nulls_last(),
        F.col("committed_at").desc_nulls_last(),
        F.col("source").asc(),
        F.col("repo").asc(),
        F.col("path").asc(),
    ]
