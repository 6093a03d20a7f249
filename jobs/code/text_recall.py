"""Which text files belong to code: by their name, or because the classifier of the web's recall says so.

The recipe keeps of a crawl's text files only these (3 % of their volume by name, 7 % more by the classifier), before any
rule. The classifier is the last round's of `web.recall`; where there is none, names alone decide. Dropping is
`code.decide`'s.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pyarrow as pa
from pydantic import Field
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.code.arrow import Rows, map_rows
from jobs.code.tables import code_languages, code_text_recall, code_texts, distinct_files
from jobs.kernels.released.natural import has_code_name
from jobs.web.models import classifier
from jobs.web.tables import web_models
from lakehouse.job import Inputs, Job, Params


class TextRecallParams(Params):
    enabled: bool = Field(description="false keeps every text file that no rule drops")
    topic: str = Field(description="of the classifier: one of web.recall.topics")
    threshold: float = Field(ge=0, lt=1, description="a text with a higher score is recalled")


def text_recall(inputs: Inputs, params: TextRecallParams) -> DataFrame:
    if not params.enabled:
        return inputs.spark.createDataFrame([], code_text_recall.spark_schema)
    models = inputs[web_models].where(F.col("topic") == params.topic)
    last = models.orderBy(F.col("round").desc()).select("model_id").first()
    named = inputs[distinct_files].select("content_id", F.regexp_replace("path", "^.*/", "").alias("name"))
    texts = inputs[code_languages].where("type = 'text'").select("content_id").join(named, "content_id")
    rows = inputs[code_texts].select("content_id", "text", "bytes").join(texts, "content_id")
    files = () if last is None else tuple(sorted(models.inputFiles()))
    score = partial(_judged, files=files, name=None if last is None else last["model_id"], threshold=params.threshold)
    return map_rows(rows, {column.name: column.type for column in code_text_recall.columns}, score)


def _judged(batches: Iterator[pa.RecordBatch], files: tuple[str, ...], name: str | None, threshold: float) -> Rows:
    for batch in batches:
        texts = batch["text"].to_pylist()
        scores = [None] * len(texts) if name is None else classifier(files, name).scores(texts)
        for content_id, size, file, score in zip(
            *(batch[key].to_pylist() for key in ("content_id", "bytes", "name")), scores, strict=True
        ):
            recalled = score is not None and score > threshold
            yield {
                "content_id": content_id, "named": has_code_name(file), "recalled": recalled, "score": score, "bytes": size,
            }  # fmt: skip


def _not_asked(params: TextRecallParams) -> str | None:
    return None if params.enabled else "not asked for: --set code.text_recall.enabled=true"


job = Job(
    "code.text_recall",
    about="which text files belong to code, by name or by the classifier",
    reads=(code_texts, code_languages, distinct_files, web_models),
    writes=(code_text_recall,),
    params=TextRecallParams,
    transform=text_recall,
    measures=code_texts,
    idle=_not_asked,
    cleans=True,
)
