"""Which paths speak of licences: licence files and package manifests, told by their names in Spark."""

from __future__ import annotations

from typing import Any

from pyspark.sql import Column
from pyspark.sql import functions as F

from jobs.kernels.licences import MANIFESTS


def file_name(path: Column) -> Column:
    return F.substring_index(path, "/", -1)


def kind_of(path: Column, rules: dict[str, Any]) -> Column:
    """ "text" for a licence file, the manifest's name for a manifest, else null. `rules`: conf/licences.yaml."""
    name = F.lower(file_name(path))
    is_text = name.rlike(rules["text_names"]) & ~name.rlike(rules["not_text_names"])
    return F.when(name.isin(*sorted(MANIFESTS)), name).when(is_text, F.lit("text"))
