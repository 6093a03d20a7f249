"""The gold tables. Plain Parquet readers understand them: no deletion vectors, no column mapping."""

from __future__ import annotations

from lakehouse.table import Column, Table, between, matches, one_of

# 1,024 sequences of 4,096 ids: read in 20 to 60 ms, and fine enough a grain to shuffle (measured for the stream).
PACKED_ROW_GROUP_BYTES = 16 << 20

DOC_ID = Column(
    "doc_id", "string", "identity of the document: the content_id of its corpus", checks=(matches("[0-9a-f]{64}"),)
)

pretrain = Table(
    "gold.pretrain",
    row="one document to pretrain on",
    key=("doc_id",),
    columns=(
        DOC_ID,
        Column("corpus", "string", "where it came from", checks=(one_of("code", "web"),)),
        Column("source", "string", "name of the configured source"),
        Column("repo", "string", "repository or package; for the web the file of the crawl"),
        Column("path", "string", "path inside the repository; for the web the address"),
        Column("commit", "string", "commit, where known", nullable=True),
        Column("version", "string", "version of the package; for the web the crawl; where known", nullable=True),
        Column("language", "string", "programming language; for the web the topics"),
        Column("licence", "string", "licence of the file as an SPDX expression, where known", nullable=True),
        Column("stars", "bigint", "stars of the repository, where known", nullable=True),
        Column("copies", "bigint", "occurrences of this content", checks=(between(1, None),)),
        Column("bytes", "bigint", "size of the text in UTF-8", unit="bytes", checks=(between(1, None),)),
        Column("text", "string", "the text"),
    ),
)


def tokens_of(name: str, documents: str) -> Table:
    """A table of token ids, one row for each row of the table `documents`."""
    return Table(
        name,
        row=f"one document of {documents} as token ids",
        key=("doc_id",),
        columns=(
            DOC_ID,
            Column(
                "tokenizer", "string", "digest of the tokenizer that made the ids", checks=(matches("[0-9a-f]{16}"),)
            ),
            Column("middle", "boolean", "true when the document was rearranged to fill in its middle"),
            Column("tokens", "bigint", "number of ids", unit="tokens", checks=(between(1, None),)),
            Column("input_ids", "array<int>", "the ids, with the mark of the end behind them"),
        ),
    )


def mixture_of(name: str, document: str) -> Table:
    """A table of what a mixture takes."""
    return Table(
        name,
        row=f"one {document} that a mixture takes, and how often",
        key=("doc_id",),
        columns=(
            DOC_ID,
            Column("part", "string", "part of the mixture"),
            Column("times", "bigint", "how often the document is read", checks=(between(1, None),)),
            Column("tokens", "bigint", "its tokens, read once", unit="tokens", checks=(between(1, None),)),
        ),
    )


def packed(name: str) -> Table:
    """A table of training sequences. The stream of `training` reads row groups of it, so they are small."""
    return Table(
        name,
        row="one training sequence",
        key=("sequence_id",),
        row_group_bytes=PACKED_ROW_GROUP_BYTES,
        change_feed=False,
        columns=(
            Column("sequence_id", "string", "part, bucket and number of the sequence in it"),
            Column("source", "string", "part of the mixture that the documents are of"),
            Column("tokens", "bigint", "number of ids", unit="tokens", checks=(between(1, None),)),
            Column("input_ids", "array<int>", "token ids; a sequence that is not full is not padded here"),
            Column("doc_starts", "array<int>", "where each document, or piece of one, begins in the sequence"),
            Column("loss_mask", "array<boolean>", "which ids are targets of the loss; null for all", nullable=True),
            Column("doc_ids", "array<string>", "the document of each piece"),
        ),
    )


pretrain_tokens = tokens_of("silver.pretrain_tokens", "gold.pretrain")
mixture = mixture_of("gold.mixture", "document")
packed_pretrain = packed("gold.packed_pretrain")

synthetic_tokens = tokens_of("silver.synthetic_tokens", "gold.synthetic")
anneal_mixture = mixture_of("gold.anneal_mixture", "document")
packed_anneal = packed("gold.packed_anneal")
