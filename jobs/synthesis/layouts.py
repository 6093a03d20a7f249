"""Gold in the layouts in which OpenCoder's data were released: one folder per data set and configuration, Parquet.

Columns and types are those of the released files, so that what reads those reads ours. A configuration holds the samples of
its kind and the rows of the released set that were repacked. What there is no column for (seed, licence, terms) stays in
gold.synthetic; `seq_id` counts in the order of `doc_id`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lakehouse.ask.duck import literal
from lakehouse.report.views import Views

FILE = "train-00000-of-00001.parquet"
SEQ_ID = "row_number() OVER (ORDER BY doc_id) - 1"


@dataclass(frozen=True)
class Part:
    """Rows of a configuration: a query, and the tables without which it has none."""

    query: str
    needs: tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """One configuration of a released data set: where its rows come from, and what each column is."""

    folder: str
    parts: tuple[Part, ...]
    columns: Mapping[str, str]


def _layout(folder: str, kind: str, *parts: Part, **columns: str) -> Layout:
    """`kind`: the samples that are written for it here; `parts`: what else it holds."""
    known = literal(f"data_set={folder.rpartition('/')[2]}")
    query = f"SELECT * FROM gold.synthetic WHERE kind = {literal(kind)} OR list_contains(labels, {known})"
    return Layout(folder, (Part(query, ("gold.synthetic",)), *parts), columns)


def _stage1(configuration: str, kind: str) -> Layout:
    folder = f"opc-sft-stage1/{configuration}"
    return _layout(folder, kind, seq_id=SEQ_ID, instruction="instruction", output="output", tag=literal(configuration))


def _stage2(configuration: str, kind: str) -> Layout:
    return _layout(f"opc-sft-stage2/{configuration}", kind, seq_id=SEQ_ID, instruction="instruction", output="output")


ALGORITHMIC = Part(
    "SELECT * FROM gold.pretrain JOIN (SELECT doc_id FROM silver.algorithmic WHERE taken) USING (doc_id)",
    ("gold.pretrain", "silver.algorithmic"),
)
LAYOUTS = (
    _stage1("filtered_infinity_instruct", "infinity"),
    _stage1("realuser_instruct", "realuser"),
    _stage1("largescale_diverse_instruct", "diverse"),
    _layout(
        "opc-sft-stage2/educational_instruct", "educational", seq_id=SEQ_ID, instruction="instruction", output="output",
        code="code", entry_point="entry_point", testcase="tests",
    ),
    _stage2("evol_instruct", ""),  # repacked alone
    _stage2("mceval_instruct", "multilingual"),
    _stage2("package_instruct", "package"),
    _layout("opc-annealing-corpus/synthetic_code_snippet", "snippets", text="text", lang="language"),
    _layout("opc-annealing-corpus/synthetic_qa", "textbooks", text="text", program_lang="language"),
    _layout("opc-annealing-corpus/algorithmic_corpus", "", ALGORITHMIC, text="text", lang="language"),
)  # fmt: skip


def export(views: Views, out: Path) -> dict[str, int]:
    """Write every layout that has rows; the number of rows by folder. Files that are there are replaced."""
    written: dict[str, int] = {}
    for layout in LAYOUTS:
        there = [part.query for part in layout.parts if views.has(*part.needs)]
        if not there:
            continue
        rows = f"({' UNION ALL BY NAME '.join(there)})"
        (count,) = views.rows(f"SELECT count(*) AS n FROM {rows}")
        if not count["n"]:
            continue
        file = out / layout.folder / FILE
        file.parent.mkdir(parents=True, exist_ok=True)
        columns = ", ".join(f"{source} AS {name}" for name, source in layout.columns.items())
        query = f"SELECT {columns} FROM {rows} ORDER BY doc_id"
        views.rows(f"COPY ({query}) TO {literal(str(file))} (FORMAT parquet, COMPRESSION zstd)")
        written[layout.folder] = int(count["n"])
    return written
