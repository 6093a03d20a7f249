"""The volume table of the recipe: files and gigabytes per language after deduplication and after the filter.

Deduplication is exact and near; the filter is everything else that decides, caps excluded. Bytes are those of the files.
"""

from __future__ import annotations

from typing import Any

from lakehouse.errors import ConfigError
from lakehouse.report.views import Views

# As in the recipe's data: `per_language.columns` of the mixtures file.
COLUMNS = ("language", "files_dedup", "gb_dedup", "pct_dedup", "files_filtered", "gb_filtered", "pct_filtered")
NEEDED = ("silver.code_files", "silver.code_languages", "silver.code_decisions")


def volumes(views: Views) -> list[dict[str, Any]]:
    """A row per language, most filtered bytes first; shares in per cent of all languages. Raises ConfigError before decisions."""
    lacking = [name for name in NEEDED if not views.has(name)]
    if lacking:
        raise ConfigError(f"{views.lake.root}: no {', '.join(lacking)} yet. `codelake build code.*` makes them.")
    near = "LEFT JOIN silver.code_duplicates n USING (content_id)" if views.has("silver.code_duplicates") else ""
    standing = "WHERE coalesce(n.kept, true)" if near else ""
    counted = views.rows(
        "SELECT language, count(*) AS files_dedup, sum(size)::BIGINT AS dedup, count(*) FILTER (keep) AS files_filtered, "
        "coalesce(sum(size) FILTER (keep), 0)::BIGINT AS filtered FROM silver.code_files f "
        "JOIN silver.code_languages l USING (content_id) LEFT JOIN silver.code_decisions d USING (content_id) "
        f"{near} {standing} GROUP BY language ORDER BY filtered DESC, dedup DESC, language"
    )
    whole = {key: max(sum(row[key] for row in counted), 1) for key in ("dedup", "filtered")}
    return [
        dict(
            zip(
                COLUMNS,
                (
                    row["language"],
                    row["files_dedup"],
                    row["dedup"] / 1e9,
                    100 * row["dedup"] / whole["dedup"],
                    row["files_filtered"],
                    row["filtered"] / 1e9,
                    100 * row["filtered"] / whole["filtered"],
                ),
                strict=True,
            )
        )
        for row in counted
    ]
