"""`codelake ls`, `show`, `runs`, `why`, `sql`, `report`: asking the lake. No Spark, nothing is written to it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from lakehouse.cli.common import Settings, as_json, configured, existing, reads_lake, size, table

if TYPE_CHECKING:
    from lakehouse.ask.sql import Answer

TABLE_ROWS = 100  # rows of an answer that are shown as a table unless --limit says otherwise
TEXT_CHARS = 200  # longest text in a cell of an answer

json_option = click.option("--json", "json_", is_flag=True, help="JSON on stdout.")


@click.command()
@reads_lake
@json_option
def ls(lake_root: str, json_: bool) -> None:
    """List the tables: version, rows, size, last change and what one row is."""
    from dataclasses import asdict

    from lakehouse.ask.listing import holdings
    from lakehouse.ask.sql import plain

    found = holdings(existing(lake_root))
    if json_:
        as_json([plain(asdict(one)) for one in found])
        return
    if not found:
        click.echo(f"{lake_root}: no table yet. `codelake plan` says what would be made, `codelake build` makes it.")
        return
    rows = [
        {
            "table": one.table,
            "version": one.version,
            "rows": one.rows,
            "size": size(one.size),
            "on disk": None if one.on_disk is None else size(one.on_disk),
            "files": one.files,
            "changed": f"{one.changed:%m-%d %H:%M}",
            "last run": one.job,
            "one row is": one.meaning,
        }
        for one in found
    ]
    table(rows)


@click.command()
@click.argument("name")
@reads_lake
@json_option
def show(name: str, lake_root: str, json_: bool) -> None:
    """Show a table (columns, checks, history, sample) or a job (reads, writes, parameters, last run)."""
    from lakehouse.ask.sql import plain
    from lakehouse.cli import describe

    lake = existing(lake_root)
    said = describe.about(lake, name)
    as_json(plain(said)) if json_ else describe.show(said)


@click.command()
@click.argument("run_id", required=False)
@reads_lake
@click.option("--job", metavar="NAME", help="Only runs of this job.")
@click.option(
    "--status", metavar="STATUS", help="Only runs that ended so: published, unchanged, gate_failed, failed, killed."
)
@click.option("--last", type=click.IntRange(1), default=20, show_default=True, metavar="N", help="At most N runs.")
@json_option
def runs(run_id: str | None, lake_root: str, job: str | None, status: str | None, last: int, json_: bool) -> None:
    """List runs, newest first; with RUN_ID (or its beginning) show one in full."""
    from lakehouse.ask.sql import plain
    from lakehouse.cli import history

    lake = existing(lake_root)
    if run_id is not None:
        one = history.run(lake, run_id)
        as_json(plain(one)) if json_ else history.show(one)
        return
    found = history.runs(lake, job, status)[:last]
    as_json([plain(row) for row in found]) if json_ else history.show_all(found)


@click.command()
@click.argument("what")
@reads_lake
@json_option
def why(what: str, lake_root: str, json_: bool) -> None:
    """Tell the whole story of one file or conversation: where it came from, what was done to it, why it was kept or dropped.

    WHAT: a content id or its first 8 characters, repo:path, source/repo:path, or a path that is unique. Of a conversation: its
    id or the first 8 characters, or source/file:row.
    """
    from lakehouse.ask.sample import sample
    from lakehouse.ask.sql import plain
    from lakehouse.ask.why import why as tell
    from lakehouse.cli.story import show as show_story

    lake = existing(lake_root)
    if (told := sample(lake, what)) is not None:
        as_json(plain(told)) if json_ else _show_sample(told)
        return
    story = tell(lake, what)
    as_json(plain(story.as_dict())) if json_ else show_story(story)


def _show_sample(told: dict[str, Any]) -> None:
    click.echo(told.pop("verdict"))
    for name, rows in told.items():
        table(rows, title=f"\n{name}") if isinstance(rows, list) else click.echo(rows)


@click.command()
@click.argument("statement")
@configured
@click.option(
    "--engine", type=click.Choice(["duckdb", "spark"]), default="duckdb", show_default=True, help="What answers."
)
@click.option("--version", "versions", multiple=True, metavar="TABLE=N", help="Ask a table at version N. Repeatable.")
@click.option("--release", metavar="NAME", help="Ask the versions that this release pins.")
@click.option(
    "--limit",
    type=click.IntRange(0),
    metavar="N",
    help=f"At most N rows, 0 for all. Default: {TABLE_ROWS} as a table, else all.",
)
@click.option("--csv", "form", flag_value="csv", help="CSV on stdout, values whole.")
@click.option("--json", "form", flag_value="json", help="One JSON array on stdout, values whole.")
def sql(
    statement: str,
    settings: Settings,
    engine: str,
    versions: tuple[str, ...],
    release: str | None,
    limit: int | None,
    form: str | None,
) -> None:
    """Answer one query over the tables bronze.x, silver.x, gold.x and ops.x. Read only. STATEMENT - is read from stdin.

    \b
    codelake sql "SELECT language, count(*) FROM gold.pretrain GROUP BY ALL ORDER BY 2 DESC"
    codelake sql "SELECT hit.rule, count(*) FROM silver.code_decisions, UNNEST(hits) t(hit) GROUP BY 1"
    """
    from lakehouse.ask import sql as engines
    from lakehouse.errors import ConfigError

    text = sys.stdin.read() if statement == "-" else statement
    rows = (TABLE_ROWS if form is None else None) if limit is None else limit or None
    lake = existing(settings.root)
    if engine == "spark":
        if versions or release:
            raise ConfigError(
                "--version and --release are for DuckDB. In Spark's SQL write FROM gold.pretrain VERSION AS OF 3."
            )
        from lakehouse import session

        spark = session.build(settings.config().spark, say=lambda text: click.echo(text, err=True))
        _print(engines.ask_spark(spark, lake, text, limit=None if rows is None else rows + 1), rows, form)
        return
    with engines.ask(
        lake, text, pins=engines.pinned(lake, versions, release), only_pinned=release is not None
    ) as answer:
        _print(answer, rows, form)


def _print(answer: Answer, rows: int | None, form: str | None) -> None:
    """Write an answer; one row more than `rows` is enough to know that there are more."""
    from itertools import islice

    from lakehouse.ask.sql import limited, said, write_csv, write_json
    from lakehouse.shown import visible

    if form is not None:
        write: Callable[[Answer, TextIO], None] = write_csv if form == "csv" else write_json
        write(limited(answer, rows), sys.stdout)
        return
    found = list(islice(answer.rows, None if rows is None else rows + 1))
    shown = [dict(zip(answer.columns, row, strict=True)) for row in found[:rows]]
    table(shown, answer.columns, show=lambda value: "-" if value is None else visible(said(value), TEXT_CHARS))
    if rows is not None and len(found) > rows:
        click.echo(f"the first {rows} rows; --limit 0 shows all, --csv and --json write values whole", err=True)


@click.command()
@reads_lake
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default="report.html",
    show_default=True,
    metavar="FILE",
    help="The page to write.",
)
def report(lake_root: str, out: Path) -> None:
    """Draw the lake as one page: what came in, what was dropped and why, what is in gold."""
    from lakehouse.report.page import write

    click.echo(write(existing(lake_root), out))
