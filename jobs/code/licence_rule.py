"""Whether a list of licences permits a content: the rule behind `code.decide.licences`."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F


def is_permitted(alternatives: Column, licences: Sequence[str]) -> Column:
    """True where every licence of one alternative is on the list; false where nothing is known.

    `alternatives`: that column of silver.code_licences, null where there is no row. An exception only permits more, so
    `Apache-2.0 WITH LLVM-exception` is on a list that holds `Apache-2.0`, or itself.
    """
    listed = list(licences)

    def on_list(one: Column) -> Column:
        return one.isin(listed) | F.substring_index(one, " WITH ", 1).isin(listed)

    some = F.exists(alternatives, lambda every: F.forall(every, on_list))
    return F.coalesce(some, F.lit(False))
