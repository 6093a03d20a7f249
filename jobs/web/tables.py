"""The tables of the web, bronze to silver. A page is one response at one place of one file; what is measured hangs on it.

A round of recall is a number in a key, not a table of its own: seeds, models, scores, domains and reports of all
rounds lie side by side, and so do topics.
"""

from __future__ import annotations

from jobs.decisions.tables import VERDICT
from jobs.decontamination.tables import benchmark_tables
from jobs.dedup.tables import duplicate_tables
from lakehouse.table import Column, Table, between, matches, one_of

SHA256 = (matches("[0-9a-f]{64}"),)
PAGE_ID = Column("page_id", "string", "SHA-256 over file and place, hex", checks=SHA256)
TOPIC = Column("topic", "string", "what is looked for, such as code or math", checks=(matches("[a-z][a-z0-9_]*"),))
ROUND = Column("round", "int", "round of recall, from 1", checks=(between(1, None),))
SHARE = (between(0, 1),)

web_files = Table(
    "bronze.web_files",
    row="one file of a web source as it was last read",
    key=("file",),
    columns=(
        Column("file", "string", "source and path below its location"),
        Column("source", "string", "name of the configured source"),
        Column("kind", "string", "how it is read", checks=(one_of("warc", "parquet"),)),
        Column("fingerprint", "string", "changes whenever what would be read changes", volatile=True),
        Column("pages", "bigint", "pages taken in", unit="pages"),
        Column("bytes", "bigint", "bytes of their bodies", unit="bytes"),
        Column("refused", "bigint", "records in quarantine", unit="records"),
        Column(
            "passed_over",
            "array<struct<reason:string,records:bigint>>",
            "records that are no page, by reason: not_a_response, status_4xx, content_type",
        ),
    ),
)

web_pages = Table(
    "bronze.web_pages",
    row="one page as a crawler got it",
    key=("page_id",),
    cluster_by=("page_id",),
    columns=(
        PAGE_ID,
        Column("file", "string", "source and path of the file that holds it"),
        Column("source", "string", "name of the configured source"),
        Column("place", "bigint", "byte offset of the record or of the member around it; row number in Parquet"),
        Column("inside", "bigint", "plain bytes before the record inside that member", unit="bytes"),
        Column("url", "string", "address, where known", nullable=True),
        Column("dump", "string", "the crawl it belongs to, where known", nullable=True),
        Column("fetched_at", "timestamp", "time of the response, UTC, where known", nullable=True),
        Column("status", "int", "HTTP status, where known", nullable=True),
        Column("content_type", "string", "media type, where stated", nullable=True),
        Column("charset", "string", "charset that the HTTP header states", nullable=True),
        Column("truncated", "string", "why the crawler cut the body, where it did", nullable=True),
        Column("kind", "string", "HTML to be extracted, or text that somebody extracted", checks=(one_of("html", "text"),)),
        Column("body_id", "string", "SHA-256 of the body, hex", checks=SHA256),
        Column("size", "bigint", "size of the body", unit="bytes", checks=(between(0, None),)),
        Column("body", "binary", "the body, transfer and content codings undone"),
    ),
)  # fmt: skip

web_text = Table(
    "silver.web_text",
    row="the text of one page",
    key=("page_id",),
    cluster_by=("page_id",),
    columns=(
        PAGE_ID,
        Column("url", "string", "address, where known", nullable=True),
        Column("domain", "string", "host without www; empty without an address"),
        Column("text_id", "string", "SHA-256 of the text in UTF-8, hex", checks=SHA256),
        Column("bytes", "bigint", "size of the text in UTF-8", unit="bytes", checks=(between(0, None),)),
        Column("title", "string", "title of the page, redacted as the text is; empty where it has none"),
        Column("how", "string", "what was extracted", checks=(one_of("main", "whole", "flat", "given"),)),
        Column("extractor", "string", "package, version and rules that made the text"),
        Column("charset", "string", "codec that decoded the body"),
        Column("charset_by", "string", "what decided it: mark, utf8, ascii, header, meta, detected, fallback"),
        Column("code_blocks", "int", "code blocks of the page", checks=(between(0, None),)),
        Column("code_blocks_kept", "int", "those of them that are in the text", checks=(between(0, None),)),
        Column("code_share", "double", "share of the text that is code in fences", checks=SHARE),
        Column("note", "string", "why the text is empty or flat; empty where all is well"),
        Column("text", "string", "the text, code in fences, personal data and secrets as placeholders"),
        Column(
            "redactions",
            "array<struct<kind:string,rule:string,start:bigint,end:bigint,placeholder:string>>",
            "what was replaced: character offsets into the text before",
        ),
    ),
)

HOW_SAID = one_of("person", "model", "rule")

label_files = Table(
    "bronze.label_files",
    row="one file of labels as it was last read",
    key=("file",),
    columns=(
        Column("file", "string", "path as configured"),
        Column("fingerprint", "string", "SHA-256 of its bytes", volatile=True),
        Column("patterns", "bigint", "labels of URL patterns", unit="rows"),
        Column("pages", "bigint", "labels of pages", unit="rows"),
        Column("open", "bigint", "rows that wait for a label", unit="rows"),
    ),
)

_SAID = (
    Column("label", "boolean", "true for pages that are wanted"),
    Column("author", "string", "who said it: a person's name, model:NAME or rule:NAME"),
    Column("how", "string", "what kind of author that is", checks=(HOW_SAID,)),
    Column("said_at", "timestamp", "when it was said, UTC, where known", nullable=True),
    Column("note", "string", "what the author adds; for a model the digest of its prompt", nullable=True),
)

url_statements = Table(
    "bronze.url_statements",
    row="what one author says of one URL pattern",
    key=("file", "nth"),
    columns=(
        Column("file", "string", "file that says it"),
        Column("nth", "int", "row in the file, from 1"),
        TOPIC,
        Column("pattern", "string", "URL pattern, % for any run of characters"),
        *_SAID,
    ),
)

page_statements = Table(
    "bronze.page_statements",
    row="what one author says of one page",
    key=("file", "nth"),
    columns=(
        Column("file", "string", "file that says it"),
        Column("nth", "int", "row in the file, from 1"),
        TOPIC,
        Column("page_id", "string", "the page, where the file names it so", nullable=True),
        Column("url", "string", "its address, where the file names it so", nullable=True),
        Column("score", "double", "how sure the author is, 0 to 1", nullable=True, checks=SHARE),
        Column("held_out", "boolean", "true to keep it apart; null leaves it to the seed", nullable=True),
        *_SAID,
    ),
)

url_labels = Table(
    "silver.url_labels",
    row="the label in force of one URL pattern",
    key=("topic", "pattern"),
    columns=(
        TOPIC,
        Column("pattern", "string", "URL pattern, % for any run of characters"),
        *_SAID,
        Column("statements", "bigint", "statements about the pattern", checks=(between(1, None),)),
        Column("conflict", "boolean", "true when authors disagree: a person wins over a model, then the later one"),
    ),
)

web_labels = Table(
    "silver.web_labels",
    row="what one author says of one page, with the one label in force marked",
    key=("topic", "page_id", "author"),
    columns=(
        TOPIC,
        PAGE_ID,
        *_SAID,
        Column("score", "double", "how sure the author is, 0 to 1", checks=SHARE),
        Column("in_force", "boolean", "true for the statement that decides the page's label"),
        Column("held_out", "boolean", "true for pages that no classifier is trained on"),
    ),
)

_ROUND = (TOPIC, ROUND)

web_seeds = Table(
    "silver.web_seeds",
    row="one page that the classifier of one round was trained on",
    key=("topic", "round", "page_id"),
    columns=(
        *_ROUND,
        PAGE_ID,
        Column("text_id", "string", "the text that it was trained on", checks=SHA256),
        Column("label", "boolean", "true for pages that are wanted"),
        Column("why", "string", "how it came in", checks=(one_of("label", "url", "assumed"),)),
    ),
)

web_models = Table(
    "silver.web_models",
    row="the classifier of one round",
    key=("topic", "round"),
    columns=(
        *_ROUND,
        Column("model_id", "string", "SHA-256 of the model, hex", checks=SHA256),
        Column("training_id", "string", "digest of pages, labels and settings that it was trained with", checks=SHA256),
        Column("settings", "string", "the settings, as JSON"),
        Column("model", "binary", "BPE pieces and fastText model in one"),
    ),
)

web_scores = Table(
    "silver.web_scores",
    row="the score of one page in one round",
    key=("topic", "round", "page_id"),
    change_feed=False,
    columns=(
        *_ROUND,
        PAGE_ID,
        Column("text_id", "string", "the text that was scored", checks=SHA256),
        Column("model_id", "string", "the classifier that scored it", checks=SHA256),
        Column("score", "double", "probability that the page is wanted", checks=SHARE),
    ),
)

web_domains = Table(
    "silver.web_domains",
    row="one domain in one round",
    key=("topic", "round", "domain"),
    columns=(
        *_ROUND,
        Column("domain", "string", "host without www"),
        Column("pages", "bigint", "pages with text", unit="pages", checks=(between(1, None),)),
        Column("bytes", "bigint", "their text", unit="bytes", checks=(between(0, None),)),
        Column("recalled", "bigint", "pages that the classifier recalled", unit="pages", checks=(between(0, None),)),
        Column("share", "double", "recalled of all", checks=SHARE),
        Column("related", "boolean", "true when the share is above the limit"),
        Column("missed", "bigint", "pages under a wanted URL pattern that were not recalled", unit="pages"),
    ),
)

web_recalled = Table(
    "silver.web_recalled",
    row="one page that recall ended with",
    key=("topic", "page_id"),
    columns=(
        TOPIC,
        PAGE_ID,
        Column("score", "double", "score in the last round", checks=SHARE),
        Column("how", "string", "what recalled it", checks=(one_of("classifier", "url"),)),
        Column("pattern", "string", "the longest URL pattern that fits, where one does", nullable=True),
        Column("round", "int", "last round", checks=(between(1, None),)),
    ),
)

web_rounds = Table(
    "silver.web_rounds",
    row="one round of recall",
    key=("topic", "round"),
    columns=(
        *_ROUND,
        Column("model_id", "string", "its classifier; null where none could be trained", nullable=True),
        Column("seed_yes", "bigint", "wanted pages in the seed", unit="pages"),
        Column("seed_no", "bigint", "unwanted pages in the seed", unit="pages"),
        Column("pages", "bigint", "pages scored", unit="pages"),
        Column("recalled", "bigint", "pages that the classifier recalled", unit="pages"),
        Column("bytes", "bigint", "their text", unit="bytes"),
        Column("gained", "bigint", "recalled pages that the round before had not", unit="pages"),
        Column("gained_bytes", "bigint", "their text", unit="bytes"),
        Column("domains", "bigint", "domains above the limit", unit="domains"),
        Column("gained_domains", "bigint", "those of them that the round before had not", unit="domains"),
        Column("missed", "bigint", "pages under wanted URL patterns that the classifier missed", unit="pages"),
        Column(
            "held_out", "bigint", "labelled pages kept apart that precision and recall are counted on", unit="pages"
        ),
        Column("tuned_on", "bigint", "other labelled pages kept apart, that chose the threshold", unit="pages"),
        Column("threshold", "double", "score above which a page is recalled"),
        Column(
            "threshold_by",
            "string",
            "given: as configured; tuned: of best F1 among those precise enough; unmet: none is, so as configured",
            checks=(one_of("given", "tuned", "unmet"),),
        ),
        Column("precision", "double", "wanted of recalled, held-out pages; null without any", nullable=True),
        Column("precision_low", "double", "lower end of its 95 % interval (Wilson)", nullable=True),
        Column("precision_high", "double", "upper end", nullable=True),
        Column("recall", "double", "recalled of wanted, held-out pages; null without any", nullable=True),
        Column("recall_low", "double", "lower end of its 95 % interval (Wilson)", nullable=True),
        Column("recall_high", "double", "upper end", nullable=True),
        Column(
            "curve",
            "array<struct<threshold:double,precision:double,recall:double>>",
            "precision and recall at other thresholds",
        ),
        Column("ended", "string", "why no round follows; null where one does", nullable=True),
    ),
)

DOCUMENT_ID = Column("content_id", "string", "SHA-256 over `web:` and the text's digest, hex", checks=SHA256)

web_documents = Table(
    "silver.web_documents",
    row="one distinct text that was recalled, with the page that stands for its copies",
    key=("content_id",),
    cluster_by=("content_id",),
    columns=(
        DOCUMENT_ID,
        PAGE_ID,
        Column("text_id", "string", "SHA-256 of the text in UTF-8, hex", checks=SHA256),
        Column("url", "string", "address, where known", nullable=True),
        Column("domain", "string", "host without www; empty without an address"),
        Column("source", "string", "name of the configured source"),
        Column("file", "string", "source and path of the file that holds the page"),
        Column("dump", "string", "the crawl it belongs to, where known", nullable=True),
        Column("fetched_at", "timestamp", "time of the response, UTC, where known", nullable=True),
        Column("topics", "array<string>", "topics that recalled a page with this text"),
        Column("score", "double", "best score over the topics", checks=SHARE),
        Column("code_share", "double", "share of the text that is code in fences", checks=SHARE),
        Column("copies", "bigint", "recalled pages with this text", unit="pages", checks=(between(1, None),)),
        Column("bytes", "bigint", "size of the text in UTF-8", unit="bytes", checks=(between(1, None),)),
        Column("text", "string", "the text, code in fences"),
    ),
)

web_near = duplicate_tables("web", DOCUMENT_ID, "web text")
web_benchmarks = benchmark_tables("web", DOCUMENT_ID, "web text")

web_decisions = Table(
    "silver.web_decisions",
    row="the verdict on one recalled text",
    key=("content_id",),
    columns=(
        DOCUMENT_ID,
        *VERDICT,
        Column("rules", "string", "digest of the rule set that decided"),
    ),
)
