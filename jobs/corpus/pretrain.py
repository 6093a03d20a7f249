"""The documents to pretrain on: what was kept and sampled, with its text and where it came from."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.code.tables import code_languages, code_licences, code_sample, code_texts, distinct_files
from jobs.corpus.tables import pretrain as table
from jobs.web.tables import web_decisions, web_documents
from lakehouse.job import Inputs, Job, Output, Params
from lakehouse.table import Table


class PretrainParams(Params):
    """Nothing to set yet: mixing by tokens is a step of its own."""


def pretrain(inputs: Inputs, params: PretrainParams) -> Mapping[Table, Output]:  # noqa: ARG001  every transform has both
    changed = inputs.changed
    scope = None if changed is None else changed.select(F.col("content_id").alias("doc_id"))
    return {table: Output(_code(inputs).unionByName(_web(inputs)), scope)}


def _code(inputs: Inputs) -> DataFrame:
    taken = inputs[code_sample].where("taken").select("content_id", "language")
    # Texts first: what they are joined with is small, so it goes to them and they stay where they are.
    texts = inputs[code_texts].select("content_id", "text", "bytes")
    licences = inputs[code_licences].select("content_id", F.col("expression").alias("licence"))
    files = inputs[distinct_files].drop("licence").join(licences, "content_id", "left")
    rows = texts.join(taken, "content_id").join(files, "content_id")
    named = rows.withColumn("doc_id", F.col("content_id")).withColumn("corpus", F.lit("code"))
    return named.select(*table.column_names)


def _web(inputs: Inputs) -> DataFrame:
    """Recalled texts: file and crawl stand for repository and version, the address for the path, topics for the language.

    So the release layouts of web corpora (url, tag, file_path, dump) are a renaming of columns.
    """
    kept = inputs[web_decisions].where("keep").select("content_id")
    nothing = F.lit(None)
    named = (
        inputs[web_documents]
        .join(kept, "content_id")
        .withColumns(
            {
                "doc_id": F.col("content_id"),
                "corpus": F.lit("web"),
                "repo": F.col("file"),
                "path": F.coalesce("url", "page_id"),
                "language": F.concat_ws("+", "topics"),
                "commit": nothing.cast("string"),
                "version": F.col("dump"),
                "licence": nothing.cast("string"),
                "stars": nothing.cast("bigint"),
            }
        )
    )
    return named.select(*table.column_names)


job = Job(
    "corpus.pretrain",
    about="the documents to pretrain on",
    reads=(code_sample, distinct_files, code_languages, code_licences, code_texts, web_decisions, web_documents),
    writes=(table,),
    params=PretrainParams,
    transform=pretrain,
    scope=("content_id",),
)
