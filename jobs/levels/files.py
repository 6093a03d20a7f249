"""The files whose deduplication is compared: every readable occurrence of the chosen languages, copies included."""

from __future__ import annotations

from pydantic import Field
from pyspark.sql import DataFrame

from jobs.code.tables import code_files, code_languages, code_texts
from jobs.levels.tables import level_files
from lakehouse.job import Inputs, Job, Params


class LevelFilesParams(Params):
    languages: tuple[str, ...] = Field(description="whose files are compared; none compares nothing")


def files(inputs: Inputs, params: LevelFilesParams) -> DataFrame:
    languages = inputs[code_languages]
    chosen = languages.where(languages["language"].isin(*params.languages)).select("content_id")
    texts = inputs[code_texts].where("bytes > 0").select("content_id", "bytes").join(chosen, "content_id")
    return inputs[code_files].join(texts, "content_id").select(*level_files.column_names)


def _nothing(params: LevelFilesParams) -> str | None:
    return None if params.languages else 'not asked for: --set "levels.files.languages=[python]"'


job = Job(
    "levels.files",
    about="the files whose levels of deduplication are compared",
    reads=(code_files, code_languages, code_texts),
    writes=(level_files,),
    params=LevelFilesParams,
    transform=files,
    scope=("content_id",),
    idle=_nothing,
)
