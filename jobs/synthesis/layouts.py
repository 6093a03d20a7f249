"""Gold in the layouts in which OpenCoder's data were released: one folder per data set and configuration, Parquet.

Columns and types are those of the released files, so that what reads those reads ours. What they have no column for (seed,
licence, terms) stays in gold.synthetic; `seq_id` counts in the order of `doc_id`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lakehouse.ask.duck import literal
from lakehouse.report.views import Views

FILE = "train-00000-of-00001.parquet"
SYNTHETIC = "gold.synthetic WHERE kind = {kind}"
SEQ_ID = "row_number() OVER (ORDER BY doc_id) - 1"


@dataclass(frozen=True)
class Layout:
    """One configuration of a released data set: where its rows come from, and what each column is."""

    folder: str
    rows: str
    columns: Mapping[str, str]
    needs: tuple[str, ...] = ("gold.synthetic",)


def _layout(folder: str, kind: str, **columns: str) -> Layout:
    return Layout(folder, SYNTHETIC.format(kind=literal(kind)), columns)


LAYOUTS = (
    _layout(
        "opc-sft-stage2/educational_instruct", "educational", seq_id=SEQ_ID, instruction="instruction", output="output",
        code="code", entry_point="entry_point", testcase="tests",
    ),
    _layout("opc-sft-stage2/package_instruct", "package", seq_id=SEQ_ID, instruction="instruction", output="output"),
    _layout(
        "opc-sft-stage1/largescale_diverse_instruct", "diverse", seq_id=SEQ_ID, instruction="instruction", output="output",
        tag="'largescale_diverse_instruct'",
    ),
    _layout("opc-annealing-corpus/synthetic_code_snippet", "snippets", text="text", lang="language"),
    _layout("opc-annealing-corpus/synthetic_qa", "textbooks", text="text", program_lang="language"),
    Layout(
        "opc-annealing-corpus/algorithmic_corpus",
        "gold.pretrain JOIN (SELECT doc_id FROM silver.algorithmic WHERE taken) USING (doc_id)",
        {"text": "text", "lang": "language"},
        ("gold.pretrain", "silver.algorithmic"),
    ),
)  # fmt: skip


def export(views: Views, out: Path) -> dict[str, int]:
    """Write every layout that has rows; the number of rows by folder. Files that are there are replaced."""
    written: dict[str, int] = {}
    for layout in LAYOUTS:
        if not views.has(*layout.needs):
            continue
        (count,) = views.rows(f"SELECT count(*) AS n FROM {layout.rows}")
        if not count["n"]:
            continue
        file = out / layout.folder / FILE
        file.parent.mkdir(parents=True, exist_ok=True)
        columns = ", ".join(f"{source} AS {name}" for name, source in layout.columns.items())
        query = f"SELECT {columns} FROM {layout.rows} ORDER BY doc_id"
        views.rows(f"COPY ({query}) TO {literal(str(file))} (FORMAT parquet, COMPRESSION zstd)")
        written[layout.folder] = int(count["n"])
    return written
