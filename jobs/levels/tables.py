"""The tables of the deduplication levels. An arm is one way to deduplicate the same files; an input is what chunks are cut from."""

from __future__ import annotations

from jobs.code.tables import CONTENT_ID
from jobs.dedup.tables import duplicate_tables
from lakehouse.table import Column, Table, between, matches, one_of

INPUTS = ("raw", "file", "repository")
# The arms of the recipe's section 8: name -> (input, whether its chunks are deduplicated).
ARMS = {
    "raw": ("raw", False),
    "file": ("file", False),
    "repository": ("repository", False),
    "chunk": ("raw", True),
    "file_chunk": ("file", True),
    "repository_chunk": ("repository", True),
}

_REPOSITORY = (
    Column("source", "string", "name of the configured source"),
    Column("repo", "string", "repository or package"),
    Column("stars", "bigint", "stars of the repository, where known", nullable=True),
    Column("committed_at", "timestamp", "latest commit of its files, UTC, where known", nullable=True),
)

level_files = Table(
    "silver.level_files",
    row="one occurrence of a file whose deduplication is compared",
    key=("source", "repo", "path"),
    columns=(
        *_REPOSITORY[:2],
        Column("path", "string", "path inside the repository, with slashes"),
        CONTENT_ID,
        Column("stars", "bigint", "stars of the repository, where known", nullable=True),
        Column("committed_at", "timestamp", "time of the commit, UTC, where known", nullable=True),
        Column("bytes", "bigint", "size of the text in UTF-8", unit="bytes", checks=(between(1, None),)),
    ),
)

REPOSITORY_ID = Column(
    "repository_id", "string", "SHA-256 of source and repository, hex", checks=(matches("[0-9a-f]{64}"),)
)
repositories = Table(
    "silver.repositories",
    row="one repository whose files are joined to one text",
    key=("repository_id",),
    columns=(
        REPOSITORY_ID,
        *_REPOSITORY,
        Column("files", "bigint", "files that were joined", unit="files", checks=(between(1, None),)),
        Column("bytes", "bigint", "size of all its files", unit="bytes", checks=(between(1, None),)),
        Column("text", "string", "its files in the order of their paths, up to a limit"),
    ),
)
repository_near = duplicate_tables("repository", REPOSITORY_ID, document="repository")

CHUNK_ID = Column(
    "chunk_id", "string", "SHA-256 of input, source, repository and number, hex", checks=(matches("[0-9a-f]{64}"),)
)
chunks = Table(
    "silver.chunks",
    row="one chunk of a repository's joined files",
    key=("chunk_id",),
    columns=(
        CHUNK_ID,
        Column("input", "string", "which files were joined: all, or what a level left over", checks=(one_of(*INPUTS),)),
        *_REPOSITORY,
        Column("number", "bigint", "place in the repository, from 0", checks=(between(0, None),)),
        Column("tokens", "bigint", "its length", unit="tokens", checks=(between(1, None),)),
        Column("bytes", "bigint", "size of the text in UTF-8", unit="bytes", checks=(between(1, None),)),
        Column("paths", "array<string>", "files of which it holds a part"),
        Column("text", "string", "the text"),
    ),
)
chunk_near = duplicate_tables("chunk", CHUNK_ID, document="chunk")

dedup_arms = Table(
    "gold.dedup_arms",
    row="one chunk in one arm of the comparison",
    key=("source", "doc_id"),
    columns=(
        Column("doc_id", "string", "the chunk", checks=CHUNK_ID.checks),
        Column("source", "string", "the arm, as training asks for it", checks=(one_of(*ARMS),)),
        Column("repo", "string", "repository or package"),
        Column("tokens", "bigint", "length", unit="tokens", checks=(between(1, None),)),
        Column("bytes", "bigint", "size of the text in UTF-8", unit="bytes", checks=(between(1, None),)),
        Column("paths", "array<string>", "files of which it holds a part, with source and repository before"),
        Column("text", "string", "the text"),
    ),
)
