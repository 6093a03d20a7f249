"""A release as files that others read: Parquet or JSON Lines in the layouts of the OpenCoder releases, or plain.

One file per layout, rows in the order of their ids, so the same release gives the same rows in the same order. What a
layout cannot say (a conversation of several turns has no `instruction`) is left out and counted. A file appears whole or
not at all.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from lakehouse.ask.duck import literal
from lakehouse.errors import ConfigError, StorageError, nearest
from lakehouse.lake import Lake
from lakehouse.pinned import Pinned

FORMATS = {"parquet": "FORMAT parquet, COMPRESSION zstd", "jsonl": "FORMAT json"}


@dataclass(frozen=True)
class Layout:
    """`needs`: tables of the release. `rows`: the query; `all`: how many rows there would be if all could be said.

    `split`: as the released data set calls it.
    """

    about: str
    needs: tuple[str, ...]
    rows: str
    all: str
    split: str = "train"


_LINES = (
    "length({0}) - length(replace({0}, chr(10), '')) + CASE WHEN {0} = '' OR ends_with({0}, chr(10)) THEN 0 ELSE 1 END"
)
_ONE_TURN = "len(messages) = 2 AND messages[1].role = 'user' AND messages[2].role = 'assistant'"
_ASKED = "messages[1].content AS instruction, messages[2].content AS output"

_ALGORITHMIC = 'r."gold.pretrain" JOIN (SELECT doc_id FROM r."silver.algorithmic" WHERE taken) USING (doc_id)'


def _samples(kind: str, language: str, configuration: str) -> Layout:
    rows = f"r.\"gold.synthetic\" WHERE kind = '{kind}' OR list_contains(labels, 'data_set={configuration}')"
    return Layout(
        f"synthetic samples as opc-annealing-corpus has them in {configuration}",
        ("gold.synthetic",),
        f"SELECT text, language AS {language} FROM {rows} ORDER BY doc_id",
        f"SELECT count(*) AS n FROM {rows}",
    )


LAYOUTS = {
    "documents": Layout(
        "gold.pretrain as it is",
        ("gold.pretrain",),
        'SELECT * FROM r."gold.pretrain" ORDER BY doc_id',
        'SELECT count(*) AS n FROM r."gold.pretrain"',
    ),
    "opc-fineweb": Layout(
        "recalled texts as opc-fineweb-code-corpus has them",
        ("gold.pretrain",),
        f"""SELECT path AS url, language AS tag, text, repo AS file_path, version AS dump, bytes AS file_size_in_byte,
        ({_LINES.format("text")})::BIGINT AS line_count FROM r."gold.pretrain" WHERE corpus = 'web' ORDER BY doc_id""",
        "SELECT count(*) AS n FROM r.\"gold.pretrain\" WHERE corpus = 'web'",
    ),
    "refinecode-meta": Layout(
        "source code without its text as RefineCode-code-corpus-meta has it; sub_path is the folder",
        ("gold.pretrain", "silver.code_languages", "silver.code_signals"),
        f"""SELECT repo AS repo_name, regexp_extract(path, '^(.*)/[^/]*$', 1) AS sub_path,
        regexp_extract(path, '([^/]*)$', 1) AS file_name, regexp_extract(path, '[^/.][^/]*\\.([^./]+)$', 1) AS file_ext,
        bytes AS file_size_in_byte, ({_LINES.format("text")})::BIGINT AS line_count, s.natural_language AS lang,
        d.language AS program_lang, l.type AS doc_type FROM r."gold.pretrain" d
        JOIN r."silver.code_languages" l ON l.content_id = doc_id
        LEFT JOIN r."silver.code_signals" s ON s.content_id = doc_id WHERE corpus = 'code' ORDER BY doc_id""",
        "SELECT count(*) AS n FROM r.\"gold.pretrain\" WHERE corpus = 'code'",
        split="The_Stack_V2",
    ),
    "opc-annealing-algorithmic": Layout(
        "the algorithmic corpus as opc-annealing-corpus has it",
        ("gold.pretrain", "silver.algorithmic"),
        f"SELECT text, language AS lang FROM {_ALGORITHMIC} ORDER BY doc_id",
        f"SELECT count(*) AS n FROM {_ALGORITHMIC}",
    ),
    "opc-annealing-snippets": _samples("snippets", "lang", "synthetic_code_snippet"),
    "opc-annealing-qa": _samples("textbooks", "program_lang", "synthetic_qa"),
    "opc-sft-stage1": Layout(
        "conversations of stage 1 as opc-sft-stage1 has them; of one question and its answer",
        ("gold.sft",),
        f"""SELECT {_ASKED}, tag FROM r."gold.sft" WHERE stage = 1 AND {_ONE_TURN} ORDER BY doc_id""",
        'SELECT count(*) AS n FROM r."gold.sft" WHERE stage = 1',
    ),
    "opc-sft-stage2": Layout(
        "conversations of stage 2 as opc-sft-stage2 has them; of one question and its answer",
        ("gold.sft",),
        f"""SELECT TRY_CAST(seq_id AS BIGINT) AS seq_id, {_ASKED}, code, entry_point, testcase FROM r."gold.sft"
        WHERE stage = 2 AND {_ONE_TURN} ORDER BY doc_id""",
        'SELECT count(*) AS n FROM r."gold.sft" WHERE stage = 2',
    ),
    "messages": Layout(
        "all conversations as lists of role and content",
        ("gold.sft",),
        'SELECT doc_id AS id, stage, source, licence, messages FROM r."gold.sft" ORDER BY doc_id',
        'SELECT count(*) AS n FROM r."gold.sft"',
    ),
}


@dataclass(frozen=True)
class Exported:
    """A file that was written; `left_out`: rows of the release that the layout cannot say."""

    path: Path
    rows: int
    left_out: int


def export(lake: Lake, name: str, layout: str, path: Path, form: str) -> Exported:
    """Write one layout of a release to `path`, which must not be there yet; into it, where it is a folder.

    Raises ConfigError for an unknown layout or release, a table that it lacks, or a path that is taken.
    """
    if layout not in LAYOUTS:
        raise ConfigError(f"layout {layout!r}: allowed are {', '.join(LAYOUTS)}.{nearest(layout, LAYOUTS)}")
    if path.is_dir():
        path = path / f"{LAYOUTS[layout].split}-00000-of-00001.{form}"
    if path.exists():
        raise ConfigError(f"{path}: is there already, and nothing is written over. Name another file.")
    wanted = LAYOUTS[layout]
    new = path.with_name(f".{path.name}.{os.getpid()}")
    with Pinned(lake) as pinned:
        there = pinned.add(name, "r")
        lacking = [table for table in wanted.needs if table not in there]
        if lacking:
            raise ConfigError(
                f"release {name!r} has no {', '.join(lacking)}, or it was made anew since; layout {layout} needs it."
            )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            (written,) = pinned.rows(f"COPY ({wanted.rows}) TO {literal(str(new))} ({FORMATS[form]})")
            (whole,) = pinned.rows(wanted.all)
            new.replace(path)
        except OSError as error:
            raise StorageError(f"{path}: {error.strerror}. Name a file in a folder that can be written.") from error
        finally:
            new.unlink(missing_ok=True)
    rows = int(written["Count"])
    return Exported(path, rows, int(whole["n"]) - rows)
