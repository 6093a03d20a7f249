"""`codelake quickstart`: from nothing to a released gold table, with something to look at."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import click

from lakehouse import planted
from lakehouse.cli.build import build_all
from lakehouse.cli.common import ROOT, table
from lakehouse.config import OWN_SETTINGS, conf_dir, load
from lakehouse.lake import Lake
from lakehouse.registry import graph

RELEASE = "quickstart"
QUESTION = """SELECT language, count(*) AS documents, round(sum(bytes) / 1e6, 2) AS mb, count(DISTINCT repo) AS repos
FROM gold.pretrain GROUP BY language ORDER BY mb DESC LIMIT 6"""


@click.command()
@click.option(
    "--lake", "lake_root", default=ROOT, show_default=True, metavar="FOLDER", help="Folder of the lake to make."
)
@click.option(
    "--report",
    "report_path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where the HTML report goes; default <lake>/report.html.",
)
def quickstart(lake_root: str, report_path: Path | None) -> None:
    """Build a small lake from real code: installed Python packages and one repository made on the spot.

    Nothing is downloaded. A second time it finds nothing to do. The lake keeps its settings in codelake.yaml.
    """
    from lakehouse.ask import sql
    from lakehouse.report import funnel, page

    started = time.monotonic()
    lake = Lake(lake_root)
    made = _folder(Path(lake_root) / "_quickstart")
    _settle(Path(lake_root), planted.make(made / "planted"), planted.make_benchmarks(made / "benchmarks"))
    config = load(graph(), overrides=[f"lake.root={json.dumps(lake_root)}"])
    build_all(config, graph().jobs, force=False, quiet=False)

    click.echo()
    click.echo(funnel.render_text(funnel.funnel(lake)))
    click.echo(f'\n$ codelake sql --lake {lake_root} "{QUESTION}"')
    with sql.ask(lake, QUESTION) as answer:
        table([dict(zip(answer.columns, row, strict=True)) for row in answer.rows])
    name = _release(lake)
    path = page.write(lake, report_path or Path(lake_root) / "report.html")
    click.echo(f"\nreleased as {name!r}; `codelake release show {name} --lake {lake_root}` says what it was made from")
    click.echo(f"report: {path.absolute()}")
    click.echo(f"next:   codelake why quickstart/planted:planted/client.py --lake {lake_root}")
    click.echo(f"done in {time.monotonic() - started:.0f} s")


def _release(lake: Lake) -> str:
    """Pin what was built: under the plain name first, under the next number when the tables have moved since."""
    from lakehouse import release
    from lakehouse.errors import ConfigError

    for number in range(1, 1000):
        name = RELEASE if number == 1 else f"{RELEASE}-{number}"
        try:
            release.create(lake, graph(), name)
        except ConfigError:
            continue  # taken by other versions
        return name
    raise ConfigError(f"{lake.root}: 999 releases called {RELEASE!r}. Choose a name: codelake release create NAME.")


def _settle(root: Path, repository: Path, benchmarks: Path) -> None:
    """Give the lake its settings, where it has none: the profile's, with what was planted where this lake has it."""
    import yaml

    path = root / OWN_SETTINGS
    if path.exists():
        return
    values = yaml.safe_load((conf_dir() / "profiles" / "quickstart.yaml").read_text("utf-8"))
    del values["lake"]
    sources = values["code"]["ingest"]["sources"]
    planted_here = {"location": str(repository.absolute())}
    values["code"]["ingest"]["sources"] = [{**s, **(planted_here if s["name"] == "planted" else {})} for s in sources]
    values["code"]["decontaminate"] = {"benchmarks": [str(benchmarks.absolute())]}
    said = "# What this lake is made from; `codelake build` reads it. Change it, then build again.\n"
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_text(said + yaml.safe_dump(values, sort_keys=False, default_flow_style=None, width=120), "utf-8")
    new.replace(path)


def _folder(path: Path) -> Path:
    from lakehouse.errors import StorageError

    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}. Name a writable folder with --lake.") from error
    return path
