"""The licence of each content, as an SPDX expression with how it was found.

In this order: its own header; the nearest folder above that has a licence file or a manifest which states one; what the
source's metadata says of the package. The occurrence that stands for the copies decides. Unknown and unrecognised are
null, and null permits nothing: an unrecognised header or nearest folder is not passed over for a better answer above.

The answer for one file hangs on its neighbours, so every run looks at all names and claims, never at a text; only
answers that differ are published.
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
from jobs.code.licence_files import file_name, kind_of
from jobs.code.tables import code_files, code_licence_claims, code_licences, distinct_files
from jobs.kernels import spdx
from jobs.kernels.licences import Claim, Licences, directory
from lakehouse.job import Inputs, Job, Params

STATED = {
    "source": "string",
    "repo": "string",
    "folder": "string",
    "expression": "string",
    "files": "string",
    "share": "double",
    "detail": "string",
}


class LicencesParams(Params):
    licences: dict[str, Any] = Field(description="names of licence files, thresholds, phrases, names of licences")


def licences(inputs: Inputs, params: LicencesParams) -> DataFrame:
    claims = inputs[code_licence_claims]
    files = inputs[distinct_files].select("content_id", "source", "repo", "path", "licence")
    headers = claims.where("kind = 'header'").select(
        "content_id", F.struct("expression", "how", "share", "detail").alias("header")
    )
    nearest = _nearest(files, _folders(inputs[code_files], claims, params))
    rows = files.join(headers, "content_id", "left").join(nearest, "content_id", "left")
    columns = {column.name: column.type for column in code_licences.columns}
    said = rows.select("content_id", "licence", "header", "folder")
    return map_rows(said, columns, partial(_decided, rules=params.licences))


def _folders(files: DataFrame, claims: DataFrame, params: LicencesParams) -> DataFrame:
    """One row per folder that states a licence."""
    folder = F.regexp_replace("path", "/?[^/]*$", "")
    kinds = files.select(
        "source", "repo", folder.alias("folder"), file_name(F.col("path")).alias("name"), "content_id",
        kind_of(F.col("path"), params.licences).alias("kind"),
    )  # fmt: skip
    stated = kinds.join(claims.where("kind <> 'header'"), ["content_id", "kind"])
    claim = F.struct("name", "how", "expression", "share", "detail", "mentions")
    grouped = stated.groupBy("source", "repo", "folder").agg(F.array_sort(F.collect_list(claim)).alias("claims"))
    return map_rows(grouped, STATED, _stated)


def _stated(batches: Iterator[pa.RecordBatch]) -> Rows:
    for batch in batches:
        for row in batch.to_pylist():
            claims = [
                (c["name"], Claim(c["expression"], c["how"], c["share"], c["detail"], tuple(c["mentions"])))
                for c in row["claims"]
            ]
            said = directory(claims)
            place = f"{row['folder']}/" if row["folder"] else ""
            files = ", ".join(place + name for name in said.how.split(", "))
            yield {
                **{key: row[key] for key in ("source", "repo", "folder")},
                "expression": said.expression,
                "files": files,
                "share": said.share,
                "detail": said.detail,
            }


def _nearest(files: DataFrame, folders: DataFrame) -> DataFrame:
    """Per content what the deepest folder above it states."""
    parts = F.slice(F.split("path", "/"), 1, F.size(F.split("path", "/")) - 1)
    above = F.transform(F.sequence(F.lit(0), F.size("parts")), lambda n: F.array_join(F.slice("parts", 1, n), "/"))
    exploded = files.withColumn("parts", parts).select("content_id", "source", "repo", F.explode(above).alias("folder"))
    stated = exploded.join(folders, ["source", "repo", "folder"])
    said = F.struct("expression", "files", "share", "detail")
    return stated.groupBy("content_id").agg(F.max_by(said, F.length("folder")).alias("folder"))


def _decided(batches: Iterator[pa.RecordBatch], rules: dict[str, Any]) -> Rows:
    known = Licences.load(rules)
    for batch in batches:
        for row in batch.to_pylist():
            header, folder, metadata = row["header"], row["folder"], row["licence"]
            if header is not None:
                found, how, evidence, share = header["expression"], header["how"], header["detail"], header["share"]
            elif folder is not None:
                found, how, share = folder["expression"], "folder", folder["share"]
                evidence = folder["files"] + (f" ({folder['detail']})" if found is None and folder["detail"] else "")
            elif metadata is not None:
                found, how, evidence, share = known.expression(metadata), "metadata", metadata, None
            else:
                found, how, evidence, share = None, "nothing", "", None
            yield {
                "content_id": row["content_id"],
                "expression": found,
                "how": how,
                "evidence": evidence,
                "share": share,
                "alternatives": [list(one) for one in spdx.alternatives(found)] if found else [],
            }


job = Job(
    "code.licences",
    about="the licence of each content, by header, nearest folder or metadata",
    reads=(distinct_files, code_files, code_licence_claims),
    writes=(code_licences,),
    params=LicencesParams,
    transform=licences,
)
