"""`codelake refetch`: texts of source code from metadata that holds none."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from lakehouse.cli.common import as_json, table

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("meta", type=FOLDER)
@click.argument("stack", type=FOLDER)
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option("--contents", required=True, metavar="URL", help="Where blobs lie under their ids; a folder does too.")
@click.option("--workers", default=16, show_default=True, type=click.IntRange(min=1), help="Requests side by side.")
@click.option("--most-bytes", default=8_000_000, show_default=True, type=click.IntRange(min=1), help="Of one text.")
@click.option("--json", "json_", is_flag=True, help="One JSON array on stdout.")
def refetch(meta: Path, stack: Path, out: Path, contents: str, workers: int, most_bytes: int, json_: bool) -> None:
    """Join RefineCode's metadata (META) with that of The Stack v2 (STACK) and fetch the texts into OUT.

    \b
    codelake refetch refinecode-meta stack-v2 texts --contents https://softwareheritage.s3.amazonaws.com/content
    then a source: {name: refinecode, kind: parquet, location: texts/texts}

    Interrupt it whenever you like: the same command goes on. OUT/misses says why a text is not there.
    """
    from jobs.code.refetch import refetch as fetch

    rows = [asdict(row) for row in fetch(meta, stack, out, contents, workers=workers, most_bytes=most_bytes)]
    as_json(rows) if json_ else table(rows)
