"""`codelake release`: pin gold tables, prove that they hold the same rows, describe, compare, export and make them again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lakehouse.cli.common import Settings, as_json, configured, existing, reads_lake, size, table
from lakehouse.errors import StorageError
from lakehouse.registry import graph

if TYPE_CHECKING:
    from lakehouse.release import Check


@click.group()
def release() -> None:
    """Pin gold tables under a name, with a content digest and everything they were made from."""


@release.command()
@click.argument("name")
@reads_lake
@click.option("--json", "json_", is_flag=True, help="One JSON array on stdout.")
def create(name: str, lake_root: str, json_: bool) -> None:
    """Pin the newest version of every gold table. The same name again is a no-op, unless tables moved."""
    from lakehouse import release as releases

    rows = releases.create(existing(lake_root), graph(), name)
    as_json(rows) if json_ else table(_short(rows))


@release.command()
@reads_lake
@click.option("--json", "json_", is_flag=True, help="One JSON array on stdout.")
def ls(lake_root: str, json_: bool) -> None:
    """List the releases."""
    from lakehouse import release as releases

    lake = existing(lake_root)
    rows = [row for name in releases.names(lake) for row in releases.show(lake, name)]
    as_json(rows) if json_ else table(_short(rows))


@release.command()
@click.argument("name")
@reads_lake
@click.option("--json", "json_", is_flag=True, help="One JSON array on stdout.")
def show(name: str, lake_root: str, json_: bool) -> None:
    """Show a release and the runs behind it."""
    import json

    from lakehouse import release as releases

    rows = releases.show(existing(lake_root), name)
    if json_:
        as_json([{**row, "made_from": json.loads(row["made_from"])} for row in rows])
        return
    table(_short(rows))
    for row in rows:
        runs = json.loads(row["made_from"])
        behind = [
            {
                "job": run["job"],
                "run": run["run_id"],
                "run key": run["run_key"][:12],
                "code": run["code"][:12],
                "read": ", ".join(f"{i['name']}@{i['version']}" for i in run["inputs"] if i["version"] >= 0)
                or "sources",
            }
            for run in runs
        ]
        table(behind, title=f"\nbehind {row['table']}@{row['version']}")


@release.command()
@click.argument("name")
@reads_lake
def verify(name: str, lake_root: str) -> None:
    """Read every pinned version again and compare its digest. Exit code 1 when one differs."""
    from lakehouse import release as releases

    checks = releases.verify(existing(lake_root), graph(), name)
    table(_checks(checks))
    if not all(check.equal for check in checks):
        raise StorageError(f"release {name!r} no longer holds what it pinned. Restore the lake's files from a copy.")


@release.command()
@click.argument("name")
@reads_lake
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Where the card goes; default stdout.")
@click.option(
    "--croissant", is_flag=True, help="Croissant 1.0 metadata (JSON-LD) instead; put it into the lake's root."
)
def card(name: str, lake_root: str, out: Path | None, croissant: bool) -> None:
    """Write the data card: sources, licences, what was left out and why, mixture, how it was made. Markdown."""
    from lakehouse.report import card as cards
    from lakehouse.report import croissant as metadata

    text = (metadata.croissant if croissant else cards.card)(existing(lake_root), name)
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        out.write_text(text, "utf-8")
    except OSError as error:
        raise StorageError(f"{out}: {error.strerror}. Name a file in a folder that can be written.") from error


@release.command()
@click.argument("name")
@reads_lake
@click.option(
    "--tracking-uri", envvar="MLFLOW_TRACKING_URI", required=True, metavar="URI", help="Such as sqlite:///mlflow.db."
)
@click.option("--experiment", default="codelake-releases", show_default=True)
def log(name: str, lake_root: str, tracking_uri: str, experiment: str) -> None:
    """Put a release into MLflow: its tables as data sets, rows and tokens as metrics, card and Croissant metadata."""
    from lakehouse.report.tracked import log as put

    run, known = put(existing(lake_root), name, tracking_uri, experiment)
    click.echo(f"{name}: {'is there already as' if known else 'logged as'} run {run}")


@release.command()
@click.argument("first")
@click.argument("second")
@reads_lake
@click.option("--json", "json_", is_flag=True, help="One JSON array on stdout.")
def diff(first: str, second: str, lake_root: str, json_: bool) -> None:
    """Which documents SECOND lost, gained or changed against FIRST, by the rule or other cause."""
    from lakehouse.report.release_diff import difference

    rows = difference(existing(lake_root), first, second)
    as_json(rows) if json_ else table(rows)


@release.command()
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path))
@reads_lake
@click.option("--layout", required=True, metavar="LAYOUT", help="How rows are laid out; a wrong name lists all.")
@click.option(
    "--format", "form", type=click.Choice(["parquet", "jsonl", "mds", "megatron"]), default="parquet", show_default=True
)
def export(name: str, file: Path, lake_root: str, layout: str, form: str) -> None:
    """Write a release to FILE in a layout that others read, such as opc-sft-stage2 or opc-fineweb.

    mds and megatron write packed sequences into a folder: LAYOUT is then the table, such as gold.packed_pretrain. Where FILE
    is a folder that is there, the file in it is called as the released data set calls its split.
    """
    from lakehouse import release_export, release_sequences

    made = release_sequences.export if form in release_sequences.FORMATS else release_export.export
    done = made(existing(lake_root), name, layout, file, form)
    left_out = f"; {done.left_out:,} that the layout cannot say are not in it" if done.left_out else ""
    click.echo(f"{done.path}: {done.rows:,} rows{left_out}")


@release.command()
@click.argument("name")
@click.argument("folder")
@configured
@click.option("--quiet", is_flag=True, help="No progress.")
def rebuild(name: str, folder: str, settings: Settings, quiet: bool) -> None:
    """Make a release again in FOLDER, from its sources, and compare the digests. Exit code 1 when one differs.

    Parameters are those of the release; where sources, benchmarks and tokenizers lie is said by --conf, --set and --profile.
    """
    from lakehouse.cli.build import Session
    from lakehouse.cli.progress import Terminal
    from lakehouse.lake import Lake
    from lakehouse.rebuild import rebuild as make
    from lakehouse.rebuild import recipe

    config, jobs = settings.config(), graph()
    lake = existing(config.lake.root)
    found = recipe(lake, jobs, name, config, Lake(folder))
    for note in found.notes:
        click.echo(f"NOTE {note}", err=True)
    with Terminal(len(found.jobs), quiet=quiet) as progress, Session(found.config, progress) as session:
        checks = make(lake, jobs, name, found, session.get, progress)
    table(_checks(checks))
    if not all(check.equal for check in checks):
        raise StorageError(
            f"release {name!r} came out otherwise in {folder}. `codelake release show` says which code and lock file made it;"
            " sources may have changed since."
        )


def _checks(checks: Sequence[Check]) -> list[dict[str, object]]:
    return [
        {"table": f"{c.table}@{c.version}", "equal": c.equal, "expected": c.expected[:16], "found": c.found[:60]}
        for c in checks
    ]


def _short(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    return [
        {
            "release": row["release"],
            "table": f"{row['table']}@{row['version']}",
            "rows": row["rows"],
            "text": size(float(str(row["bytes"]))),
            "digest": str(row["digest"])[:16],
            "created": str(row["created_at"])[:19],
        }
        for row in rows
    ]
