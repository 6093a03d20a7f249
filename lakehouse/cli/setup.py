"""`codelake doctor` and `codelake setup`: is the machine ready, and making it so."""

from __future__ import annotations

from dataclasses import asdict

import click

from lakehouse.cli.common import as_json, reads_lake, table
from lakehouse.errors import MachineError


@click.command()
@reads_lake
@click.option("--json", "json_", is_flag=True, help="One JSON array on stdout.")
def doctor(lake_root: str, json_: bool) -> None:
    """Check Python, packages, Java, JARs, disk, memory and the lake; say how to mend each fault. Exit code 1 on a fault."""
    from lakehouse.doctor import examine

    findings = examine(lake_root)
    if json_:
        as_json([asdict(finding) for finding in findings])
    else:
        table([{"check": f.what, "state": f.state, "found": f.found} for f in findings])
        for finding in findings:
            if finding.mend:
                click.echo(f"\n{finding.what}: {finding.mend}")
    faults = [finding.what for finding in findings if finding.state == "fault"]
    if faults:
        raise MachineError(f"{len(faults)} fault(s): {', '.join(faults)}.")


@click.command()
def setup() -> None:
    """Fetch the Delta JARs and make the class-data archive, once. `build` does it by itself when it is missing."""
    from lakehouse import jars, java, session

    cache = session.cache_dir()
    found = java.find(cache)
    click.echo(f"Java: {found.version}")
    files = jars.ensure(cache, found)
    click.echo(f"JARs: {', '.join(file.name for file in files)}")
    archive = session.class_archive(cache, found, files, click.echo)
    click.echo(f"class-data archive: {archive or 'none, starting takes a few seconds longer'}")
