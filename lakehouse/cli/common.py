"""What commands share: the configuration options, and how results are printed.

Configuration and jobs are imported by the commands that need them: a question in SQL must not wait for pydantic and Spark.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from lakehouse.lake import Lake
from lakehouse.shown import visible

if TYPE_CHECKING:
    from lakehouse.config import Config

Command = TypeVar("Command", bound=Callable[..., Any])

ROOT = "lake"
CELL_CHARS = 2000  # longest text of one cell
LEAST_CHARS = 8  # a text column is not cut further
PIPED_CHARS = 200  # width of a table that is not on a terminal


@dataclass(frozen=True)
class Settings:
    """The configuration options as they were given. Nothing is read before `config` is asked for."""

    lake_root: str | None
    overrides: tuple[str, ...]
    files: tuple[Path, ...]
    profile: str | None

    @property
    def root(self) -> str:
        """The lake's folder, found without the configuration where no option asks for it."""
        return self.config().lake.root if self.overrides or self.files or self.profile else self.lake_root or ROOT

    def config(self) -> Config:
        """Merged and validated. Raises ConfigError."""
        from lakehouse.config import load
        from lakehouse.registry import graph

        chosen = [*self.overrides, *([f"lake.root={json.dumps(self.lake_root)}"] if self.lake_root else [])]
        return load(graph(), profile=self.profile, files=self.files, overrides=chosen)


def configured(command: Command) -> Command:
    """Adds --profile, --conf, --set and --lake; the command gets them as one argument, `settings`."""
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

    @wraps(command)
    def with_settings(
        lake_root: str | None, overrides: tuple[str, ...], files: tuple[Path, ...], profile: str | None, **rest: Any
    ) -> Any:
        return command(settings=Settings(lake_root, overrides, files, profile), **rest)

    wrapped: Any = with_settings
    for option in options:
        wrapped = option(wrapped)
    return cast(Command, wrapped)


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
    """Rows as an aligned table, numbers to the right. `show` says how a value is written; by default `cell`.

    On a terminal one line per row: the widest texts are cut until a row fits, the first column last. Piped, values are
    whole, and fold beyond 200 characters a row.
    """
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    rows, terminal = list(rows), sys.stdout.isatty()
    names = list(columns or (rows[0] if rows else ()))
    cells = [[(show or cell)(row.get(name)) for name in names] for row in rows]
    console = Console(width=None if terminal else PIPED_CHARS, highlight=False)
    shown = RichTable(box=None, header_style="bold", pad_edge=False)
    numbers = [bool(rows) and isinstance(rows[0].get(name), int | float) for name in names]
    widths = _fit(
        [[visible(name), *column] for name, column in zip(names, _columns(cells, names), strict=True)],
        numbers,
        console.width,
    )
    for name, number, width in zip(names, numbers, widths, strict=True):
        shown.add_column(
            Text(visible(name)),
            justify="right" if number else "left",
            overflow="ellipsis" if terminal else "fold",
            no_wrap=terminal,
            max_width=width if terminal else None,
        )
    for row_cells in cells:
        shown.add_row(*map(Text, row_cells))
    if title is not None:
        console.print(Text(title, style="italic"))
    if names:
        console.print(shown)


def _columns(cells: Sequence[Sequence[str]], names: Sequence[str]) -> list[list[str]]:
    return [[row[i] for row in cells] for i in range(len(names))]


def _fit(columns: Sequence[Sequence[str]], numbers: Sequence[bool], room: int) -> list[int]:
    """Widths under which a row fits into `room` characters, if need be down to LEAST_CHARS; numbers are never cut."""
    from rich.cells import cell_len

    widths = [max(cell_len(line) for text in column for line in text.split("\n")) for column in columns]
    room -= 2 * (len(widths) - 1)
    for choice in (range(1, len(widths)), range(min(1, len(widths)))):  # the first column names the row
        texts = [i for i in choice if not numbers[i] and widths[i] > LEAST_CHARS]
        while texts and sum(widths) > room:
            widest = max(texts, key=widths.__getitem__)
            widths[widest] -= 1
            texts = [i for i in texts if widths[i] > LEAST_CHARS]
    return widths


def cell(value: Any) -> str:
    """A value as people read it: 1,234 or 0.50, yes or no, a dash for none; hidden characters written out."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.2f}"
    return "\n".join(visible(line, CELL_CHARS) for line in str(value).split("\n"))


def size(count: float) -> str:
    """Bytes for people, decimal: 12.3 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
