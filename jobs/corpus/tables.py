"""The gold tables. Plain Parquet readers understand them: no deletion vectors, no column mapping."""

from __future__ import annotations

from lakehouse.table import Column, Table, between, matches, one_of

pretrain = Table(
    "gold.pretrain",
    row="one document to pretrain on",
    key=("doc_id",),
    columns=(
        Column(
            "doc_id", "string", "identity of the document: for code the content_id", checks=(matches("[0-9a-f]{64}"),)
        ),
        Column("corpus", "string", "where it came from", checks=(one_of("code"),)),
        Column("source", "string", "name of the configured source"),
        Column("repo", "string", "repository or package"),
        Column("path", "string", "path inside the repository"),
        Column("commit", "string", "commit, where known", nullable=True),
        Column("version", "string", "version of the package, where known", nullable=True),
        Column("language", "string", "programming language"),
        Column("licence", "string", "licence of the file as an SPDX expression, where known", nullable=True),
        Column("stars", "bigint", "stars of the repository, where known", nullable=True),
        Column("copies", "bigint", "occurrences of this content", checks=(between(1, None),)),
        Column("bytes", "bigint", "size of the text in UTF-8", unit="bytes", checks=(between(1, None),)),
        Column("text", "string", "the text"),
    ),
)
