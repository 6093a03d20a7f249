"""`codelake release`: pin gold tables, list the pins, prove that they still hold the same rows."""

from __future__ import annotations

import click

from lakehouse.cli.common import as_json, existing, reads_lake, size, table
from lakehouse.errors import StorageError
from lakehouse.registry import graph


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
    table(
        [
            {"table": f"{c.table}@{c.version}", "equal": c.equal, "expected": c.expected[:16], "found": c.found[:60]}
            for c in checks
        ]
    )
    if not all(check.equal for check in checks):
        raise StorageError(f"release {name!r} no longer holds what it pinned. Restore the lake's files from a copy.")


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
