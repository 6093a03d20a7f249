"""The tables of source code, bronze to silver. Content is stored once, addressed by its SHA-256.

Three quarters of crawled files are exact copies, so occurrences are cheap rows and everything measured hangs on
`content_id`: a narrow table per measurement, one writer each, joined when a decision is made.
"""

from __future__ import annotations

from jobs.decisions.tables import VERDICT
from jobs.decontamination.tables import benchmark_tables
from jobs.dedup.tables import duplicate_tables
from lakehouse.table import Column, Table, between, matches, one_of

CONTENT_ID = Column("content_id", "string", "SHA-256 of the bytes, hex", checks=(matches("[0-9a-f]{64}"),))
SIZE = Column("size", "bigint", "size of the file", unit="bytes", checks=(between(0, None),))

_OCCURRENCE = (
    Column("source", "string", "name of the configured source"),
    Column("repo", "string", "repository or package"),
    Column("path", "string", "path inside the repository, with slashes"),
    Column("commit", "string", "commit that was read, where known", nullable=True),
    Column("version", "string", "version of the package, where known", nullable=True),
    Column("stars", "bigint", "stars of the repository, where known", nullable=True, checks=(between(0, None),)),
    Column("committed_at", "timestamp", "time of the commit, UTC, where known", nullable=True),
    Column("licence", "string", "licence that the source's metadata states, where known", nullable=True),
)

code_sources = Table(
    "bronze.code_sources",
    row="one configured source as it was last read",
    key=("source",),
    columns=(
        Column("source", "string", "name of the configured source"),
        Column(
            "kind", "string", "how it is read", checks=(one_of("folder", "git", "archive", "parquet", "distribution"),)
        ),
        Column("location", "string", "where it was read from", volatile=True),
        Column("fingerprint", "string", "changes whenever what would be read changes", volatile=True),
        Column("files", "bigint", "files taken in", unit="files"),
        Column("bytes", "bigint", "bytes taken in", unit="bytes"),
        Column("refused", "bigint", "items in quarantine", unit="files"),
    ),
)

code_files = Table(
    "bronze.code_files",
    row="one occurrence of a file",
    key=("source", "repo", "path"),
    columns=(*_OCCURRENCE, CONTENT_ID, SIZE),
)

code_contents = Table(
    "bronze.code_contents",
    row="one distinct content",
    key=("content_id",),
    immutable=True,
    cluster_by=("content_id",),
    columns=(
        CONTENT_ID,
        Column("swhid", "string", "Software Heritage identifier", checks=(matches("swh:1:cnt:[0-9a-f]{40}"),)),
        SIZE,
        Column("content", "binary", "the bytes as they were read"),
    ),
)

distinct_files = Table(
    "silver.code_files",
    row="one distinct content with the occurrence that stands for its copies",
    key=("content_id",),
    cluster_by=("content_id",),
    columns=(
        CONTENT_ID,
        *_OCCURRENCE,
        SIZE,
        Column("copies", "bigint", "occurrences of this content", checks=(between(1, None),)),
    ),
)

code_languages = Table(
    "silver.code_languages",
    row="one distinct content with its language, type and encoding",
    key=("content_id",),
    columns=(
        CONTENT_ID,
        Column(
            "language", "string", "language by name, extension, shebang, modeline or content; unknown when none fits"
        ),
        Column(
            "type",
            "string",
            "class of the language",
            checks=(one_of("code", "data", "text", "notebook", "excluded", "unknown"),),
        ),
        Column("how", "string", "what decided the language"),
        Column("encoding", "string", "encoding of the bytes, where they are text", nullable=True),
        Column("unreadable", "string", "why the bytes are not text, where they are not", nullable=True),
    ),
)

code_near = duplicate_tables("code", CONTENT_ID, document="content")
code_bands, code_pairs, code_duplicates = code_near.bands, code_near.pairs, code_near.duplicates

code_benchmarks = benchmark_tables("code", CONTENT_ID, document="content")

code_marks = Table(
    "silver.code_marks",
    row="one distinct content that is taken to be generated, vendored or minified",
    key=("content_id",),
    columns=(
        CONTENT_ID,
        Column("generated", "string", "why a program is taken to have written it", nullable=True),
        Column("vendored", "string", "why it is taken to belong to another project", nullable=True),
        Column("minified", "string", "why it is taken to be packed for transport", nullable=True),
    ),
)

code_notebooks = Table(
    "silver.code_notebooks",
    row="one distinct notebook that could be read",
    key=("content_id",),
    columns=(
        CONTENT_ID,
        Column("format", "string", "version of the notebook format, as 4.5"),
        Column("language", "string", "language of the kernel"),
        Column("cells", "bigint", "cells that were read", checks=(between(1, None),)),
        Column("refused", "bigint", "cells that are none and were left out"),
        Column("triplets", "bigint", "triplets of markdown, code and output"),
        Column("output_characters", "bigint", "characters of plain text that the cells put out", unit="characters"),
        Column("cut", "bigint", "characters of them that were left out", unit="characters"),
    ),
)

code_texts = Table(
    "silver.code_texts",
    row="the text of one distinct content after notices and personal data were taken out",
    key=("content_id",),
    columns=(
        CONTENT_ID,
        Column("text", "string", "the text"),
        Column("bytes", "bigint", "size of the text in UTF-8", unit="bytes", checks=(between(0, None),)),
        Column(
            "notice",
            "string",
            "the licence or copyright notice that was removed, redacted like the text; null where there was none",
            nullable=True,
        ),
        Column(
            "redactions",
            "array<struct<kind:string,rule:string,start:bigint,end:bigint,placeholder:string>>",
            "what was replaced: character offsets into the text after notice removal",
        ),
    ),
)

code_licence_claims = Table(
    "silver.code_licence_claims",
    row="one thing that one content says about licences",
    key=("content_id", "kind"),
    columns=(
        CONTENT_ID,
        Column("kind", "string", "header, text (a licence file), or the name of a manifest"),
        Column("expression", "string", "SPDX expression; null where it is not recognised", nullable=True),
        Column("how", "string", "tag, notice, phrase, text, or the name of a manifest"),
        Column("share", "double", "of the licence's words that are there", nullable=True, checks=(between(0, 1),)),
        Column("detail", "string", "what was read, or why it is not recognised"),
        Column("mentions", "array<string>", "licence files that a short unrecognised text points at"),
    ),
)

code_licences = Table(
    "silver.code_licences",
    row="one distinct content with its licence",
    key=("content_id",),
    columns=(
        CONTENT_ID,
        Column("expression", "string", "SPDX expression; null where unknown or not recognised", nullable=True),
        Column(
            "how",
            "string",
            "what it rests on: the file's own tag, notice or phrase, the nearest folder, the source's metadata",
            checks=(one_of("tag", "notice", "phrase", "folder", "metadata", "nothing"),),
        ),
        Column("evidence", "string", "what was read, or the files that say it"),
        Column("share", "double", "of the licence's words that are there", nullable=True, checks=(between(0, 1),)),
        Column(
            "alternatives",
            "array<array<string>>",
            "what satisfies the expression: all licences of any one of these; empty where there is none",
        ),
    ),
)


code_text_recall = Table(
    "silver.code_text_recall",
    row="one distinct text file, and whether it belongs to code",
    key=("content_id",),
    columns=(
        CONTENT_ID,
        Column("named", "boolean", "its name says so: requirements, readme, notes and the like"),
        Column("recalled", "boolean", "the classifier's score is above the threshold"),
        Column("score", "double", "of the classifier; null without one", nullable=True, checks=(between(0, 1),)),
        Column("bytes", "bigint", "size of the text in UTF-8", unit="bytes"),
    ),
)

code_decisions = Table(
    "silver.code_decisions",
    row="the verdict on one distinct content",
    key=("content_id",),
    columns=(
        CONTENT_ID,
        *VERDICT,
        Column("rules", "string", "digest of the rule set that decided"),
    ),
)

code_sample = Table(
    "silver.code_sample",
    row="one kept content and whether the language's cap had room for it",
    key=("content_id",),
    columns=(
        CONTENT_ID,
        Column("language", "string", "language whose cap applies"),
        Column("bytes", "bigint", "size of the text in UTF-8", unit="bytes"),
        Column("taken", "boolean", "true when it is within the cap"),
        Column("cap", "bigint", "cap of the language; null when it has none", unit="bytes", nullable=True),
    ),
)
