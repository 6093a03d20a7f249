"""What each content says about licences: its own header, and, where it is a licence file or a manifest, for its folder.

Contents that say nothing have no row. Only licence files and manifests are read whole; of all other contents the notice
that was taken out and the first lines are looked at. What a claim is worth for a file is for `code.licences` to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pyarrow as pa
from pydantic import Field
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.code.arrow import Rows, map_rows
from jobs.code.licence_files import kind_of
from jobs.code.tables import code_contents, code_files, code_licence_claims, code_texts
from jobs.kernels.decode import decode
from jobs.kernels.licences import Claim, Licences
from lakehouse.job import Inputs, Job, Params

HEAD_CHARACTERS = 4000  # of the text behind the notice; a tag stands at the top or nowhere


class ClaimsParams(Params):
    licences: dict[str, Any] = Field(description="names of licence files, thresholds, phrases, names of licences")


def claims(inputs: Inputs, params: ClaimsParams) -> DataFrame:
    columns = {column.name: column.type for column in code_licence_claims.columns}
    named = inputs[code_files].select("content_id", kind_of(F.col("path"), params.licences).alias("kind"))
    kinds = named.where(F.col("kind").isNotNull()).groupBy("content_id").agg(F.collect_set("kind").alias("kinds"))
    files = inputs[code_contents].join(kinds, "content_id").select("content_id", "kinds", "content")
    head = F.substring("text", 1, HEAD_CHARACTERS)
    heads = inputs[code_texts].select("content_id", F.coalesce("notice", F.lit("")).alias("notice"), head.alias("head"))
    speaking = heads.where((F.col("notice") != "") | F.contains("head", F.lit("SPDX-License-Identifier")))
    from_files = map_rows(files, columns, partial(_of_files, rules=params.licences))
    return from_files.unionByName(map_rows(speaking, columns, partial(_of_heads, rules=params.licences)))


def _of_files(batches: Iterator[pa.RecordBatch], rules: dict[str, Any]) -> Rows:
    licences = Licences.load(rules)
    for batch in batches:
        for content_id, kinds, content in zip(*(batch[i].to_pylist() for i in range(3)), strict=True):
            text = decode(content).text or ""
            for kind in sorted(kinds):
                claim = licences.of_text(text) if kind == "text" else licences.of_manifest(kind, text)
                if claim is not None:
                    yield _row(content_id, kind, claim)


def _of_heads(batches: Iterator[pa.RecordBatch], rules: dict[str, Any]) -> Rows:
    licences = Licences.load(rules)
    for batch in batches:
        for content_id, notice, head in zip(*(batch[i].to_pylist() for i in range(3)), strict=True):
            claim = licences.of_header(notice, head)
            if claim is not None:
                yield _row(content_id, "header", claim)


def _row(content_id: str, kind: str, claim: Claim) -> dict[str, Any]:
    return {
        "content_id": content_id,
        "kind": kind,
        "expression": claim.expression,
        "how": claim.how,
        "share": claim.share,
        "detail": claim.detail,
        "mentions": list(claim.mentions),
    }


job = Job(
    "code.licence_claims",
    about="what each content says about licences",
    reads=(code_contents, code_files, code_texts),
    writes=(code_licence_claims,),
    params=ClaimsParams,
    transform=claims,
    scope=("content_id",),
)
