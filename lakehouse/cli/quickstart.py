"""`codelake quickstart`: from nothing to a released gold table, with something to look at."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from lakehouse import planted
from lakehouse.cli.build import build_all
from lakehouse.cli.common import ROOT, table
from lakehouse.config import conf_dir, load
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

    Nothing is downloaded. A second time it finds nothing to do. Settings: conf/profiles/quickstart.yaml.
    """
    from lakehouse.ask import sql
    from lakehouse.report import funnel, page

    started = time.monotonic()
    lake = Lake(lake_root)
    made = _folder(Path(lake_root) / "_quickstart")
    repository, benchmarks = planted.make(made / "planted"), planted.make_benchmarks(made / "benchmarks")
    overrides = [
        f"lake.root={json.dumps(lake_root)}",
        f"code.ingest.sources={json.dumps(_sources(str(repository)))}",
        f"code.decontaminate.benchmarks={json.dumps([str(benchmarks)])}",
    ]
    config = load(graph(), profile="quickstart", overrides=overrides)
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


def _sources(repository: str) -> list[dict[str, object]]:
    """The profile's sources, with the planted repository where this lake has it."""
    import yaml

    profile = yaml.safe_load((conf_dir() / "profiles" / "quickstart.yaml").read_text("utf-8"))
    sources: list[dict[str, object]] = profile["code"]["ingest"]["sources"]
    return [{**s, "location": repository} if s["name"] == "planted" else s for s in sources]


def _folder(path: Path) -> Path:
    from lakehouse.errors import StorageError

    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}. Name a writable folder with --lake.") from error
    return path
