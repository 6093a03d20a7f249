"""Recalled pages as documents: each distinct text once, with the page that stands for its copies.

Of several pages with one text the one with the best score stands, then the least address and page. A document is named
by its text, so it keeps its name when another page takes over.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from jobs.dedup.corpus import Corpus
from jobs.web.tables import web_documents, web_near, web_pages, web_recalled, web_text
from lakehouse.job import Inputs, Job, Params


class DocumentsParams(Params):
    """Nothing to set: what is a copy is a matter of bytes."""


def documents(inputs: Inputs, params: DocumentsParams) -> DataFrame:  # noqa: ARG001  every transform has both
    found = (
        inputs[web_recalled]
        .groupBy("page_id")
        .agg(F.sort_array(F.collect_set("topic")).alias("topics"), F.max("score").alias("score"))
    )
    places = inputs[web_pages].select("page_id", "source", "file", "dump", "fetched_at")
    texts = inputs[web_text].select("page_id", "url", "domain", "text_id", "bytes", "code_share")
    pages = found.join(texts, "page_id").join(places, "page_id")
    copies = Window.partitionBy("text_id")
    order = [F.desc("score"), F.col("url").asc_nulls_last(), F.col("page_id").asc()]
    ranked = pages.withColumns(
        {
            "nth": F.row_number().over(copies.orderBy(*order)),
            "copies": F.count("*").over(copies),
            "topics": F.sort_array(F.array_distinct(F.flatten(F.collect_list("topics").over(copies)))),
        }
    )
    # Not the text's own digest: a page may be a file of some repository, and gold holds both under their names.
    name = F.sha2(F.concat(F.lit("web:"), F.col("text_id")), 256)
    kept = ranked.where("nth = 1").withColumn("content_id", name)
    return kept.join(inputs[web_text].select("page_id", "text"), "page_id").select(*web_documents.column_names)


def best_first() -> list[Column]:
    """Which of several near-copies survives: the better score, then the longer text, then the least name."""
    return [F.desc("score"), F.desc("bytes"), F.col("content_id").asc()]


WEB = Corpus(
    name="web",
    document="web text",
    tables=web_near,
    documents=web_documents,
    text="text",
    occurrences=web_documents,
    best_first=best_first,
    module=__name__,
)

job = Job(
    "web.documents",
    about="recalled pages, each text once",
    reads=(web_recalled, web_text, web_pages),
    writes=(web_documents,),
    params=DocumentsParams,
    transform=documents,
    measures=web_text,
)
