"""What commands share: the configuration options, and how results are printed.

Configuration and jobs are imported by the commands that need them: a question in SQL must not wait for pydantic and Spark.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lakehouse.lake import Lake
from lakehouse.shown import visible

if TYPE_CHECKING:
    from lakehouse.config import Config

Command = TypeVar("Command", bound=Callable[..., Any])

ROOT = "lake"
CELL_CHARS = 2000  # longest text of one cell


def configured(command: Command) -> Command:
    """Adds --profile, --conf, --set and --lake; the command gets the resolved `config`."""
    options = [
        click.option(
            "--lake",
            "lake_root",
            metavar="FOLDER",
            envvar="CODELAKE_LAKE",
            help="Folder of the lake; wins over lake.root.",
        ),
        click.option(
            "--set",
            "overrides",
            multiple=True,
            metavar="KEY=VALUE",
            help="One value, such as code.near_dedup.jaccard=0.8. Repeatable.",
        ),
        click.option(
            "--conf",
            "files",
            multiple=True,
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="YAML merged over the defaults. Repeatable.",
        ),
        click.option("--profile", metavar="NAME", help="Settings that come with codelake; a wrong name lists them."),
    ]
    for option in options:
        command = option(command)
    return command


def resolve(lake_root: str | None, overrides: Sequence[str], files: Sequence[Path], profile: str | None) -> Config:
    from lakehouse.config import load
    from lakehouse.registry import graph

    chosen = [*overrides, *([f"lake.root={json.dumps(lake_root)}"] if lake_root else [])]
    return load(graph(), profile=profile, files=files, overrides=chosen)


def reads_lake(command: Command) -> Command:
    """Adds --lake to a command that only reads."""
    option = click.option(
        "--lake",
        "lake_root",
        default=ROOT,
        show_default=True,
        metavar="FOLDER",
        envvar="CODELAKE_LAKE",
        help="Folder of the lake.",
    )
    return option(command)


def existing(root: str) -> Lake:
    """The lake at `root`. Raises ConfigError where there is none."""
    from lakehouse.errors import ConfigError

    if "://" not in root and not Path(root).is_dir():
        raise ConfigError(
            f"{root}: no lake there. Name one with --lake, or make one with `codelake build` or `codelake quickstart`."
        )
    return Lake(root)


def as_json(value: Any) -> None:
    click.echo(json.dumps(value, default=str, ensure_ascii=False, indent=None if not sys.stdout.isatty() else 2))


def table(
    rows: Iterable[Mapping[str, Any]],
    columns: Sequence[str] | None = None,
    *,
    title: str | None = None,
    show: Callable[[Any], str] | None = None,
) -> None:
    """Rows as an aligned table; numbers to the right, long values cut to the terminal on a terminal only.

    `show` writes a value as rich markup; by default `cell`.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table as RichTable

    rows = list(rows)
    names = list(columns or (rows[0] if rows else ()))
    shown = RichTable(box=None, header_style="bold", pad_edge=False)
    for name in names:
        number = bool(rows) and isinstance(rows[0].get(name), int | float) and not isinstance(rows[0].get(name), bool)
        shown.add_column(
            escape(visible(name)),
            justify="right" if number else "left",
            overflow="fold" if not sys.stdout.isatty() else "ellipsis",
        )
    for row in rows:
        shown.add_row(*((show or cell)(row.get(name)) for name in names))
    console = Console(soft_wrap=False, width=None if sys.stdout.isatty() else 200, highlight=False)
    if title is not None:
        console.print(f"[italic]{escape(title)}[/]")
    if names:
        console.print(shown)


def cell(value: Any) -> str:
    from rich.markup import escape

    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.2f}"
    return "\n".join(escape(visible(line, CELL_CHARS)) for line in str(value).split("\n"))


def size(count: float) -> str:
    """Bytes for people, decimal: 12.3 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
