"""`codelake synthesis`: what teachers were asked and what became of it; the story of one sample. Reads the lake only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lakehouse.cli.common import as_json, existing, reads_lake, table
from lakehouse.errors import ConfigError

if TYPE_CHECKING:
    from lakehouse.report.views import Views

json_option = click.option("--json", "json_", is_flag=True, help="JSON on stdout.")
SAMPLES, RESPONSES = "silver.synthetic_samples", "bronze.teacher_responses"


@click.group()
def synthesis() -> None:
    """Samples that a teacher wrote after documents of the lake, verified in the sandbox.

    \b
      codelake build --profile synthesis        a small teacher that needs no network: `make teacher` once
      codelake synthesis report                 accepted and rejected, by kind and reason, with what it cost
      codelake synthesis why ID                 one sample, back to the file that it grew from
    """


@synthesis.command()
@reads_lake
@json_option
def report(lake_root: str, json_: bool) -> None:
    """Per kind: samples, how many were accepted, why the others were not, what the teacher cost."""
    with _views(lake_root, SAMPLES, RESPONSES) as views:
        reasons = views.rows(
            "SELECT kind, outcome, ended, count(*) AS samples FROM (SELECT kind, CASE WHEN accepted THEN 'accepted' ELSE reason"
            f" END AS outcome, coalesce(ended, '') AS ended FROM {SAMPLES}) GROUP BY kind, outcome, ended"
            " ORDER BY kind, outcome <> 'accepted', samples DESC, outcome, ended"
        )
        # Seeds that share a request have a row each; it was paid once.
        paid = views.rows(
            "SELECT model, status, problem, count(*) AS requests, sum(tokens_in)::BIGINT AS tokens_in, sum(tokens_out)::BIGINT"
            f" AS tokens_out, sum(money) AS money FROM (SELECT DISTINCT ON (request_id) * FROM {RESPONSES} ORDER BY request_id,"
            " seed_id) GROUP BY ALL ORDER BY model, status DESC, problem"
        )
    if json_:
        as_json({"samples": reasons, "requests": paid})
        return
    table(reasons, title="samples")
    table(paid, title="requests")


@synthesis.command()
@click.argument("what")
@reads_lake
@json_option
def why(what: str, lake_root: str, json_: bool) -> None:
    """The whole story of one sample. WHAT: its id, or 8 and more characters of it."""
    from jobs.synthesis.story import story

    with _views(lake_root, SAMPLES) as views:
        told = story(views, what)
    if json_:
        as_json(told)
        return
    click.echo(told.pop("verdict"))
    for name, rows in told.items():
        table([rows] if isinstance(rows, dict) else rows, title=name)


@synthesis.command()
@click.argument("out", type=click.Path(path_type=Path))
@reads_lake
def record(out: Path, lake_root: str) -> None:
    """Write the lake's answers to OUT (JSON Lines), from which the teacher `recorded` replays them."""
    from jobs.synthesis.answers import STORED

    with _views(lake_root, RESPONSES) as views:
        rows = views.rows(
            f"SELECT DISTINCT ON (request_id) {', '.join(STORED)} FROM {RESPONSES} WHERE status = 'ok' ORDER BY request_id, seed_id"
        )
    out.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    click.echo(f"{out}: {len(rows):,} answers")


@synthesis.command()
@click.argument("out", type=click.Path(path_type=Path))
@reads_lake
@json_option
def export(out: Path, lake_root: str, json_: bool) -> None:
    """Write gold below OUT in the layouts of the released data sets opc-sft-stage1, opc-sft-stage2, opc-annealing-corpus."""
    from jobs.synthesis.layouts import export as write

    with _views(lake_root) as views:
        written = write(views, out)
    rows = [{"layout": name, "rows": count} for name, count in written.items()]
    if json_:
        as_json(rows)
        return
    table(rows) if rows else click.echo("nothing to export: gold.synthetic and silver.algorithmic hold no rows")


def _views(lake_root: str, *needed: str) -> Views:
    from lakehouse.report.views import Views

    views = Views(existing(lake_root))
    if missing := [name for name in needed if not views.has(name)]:
        raise ConfigError(
            f"{', '.join(missing)} not there yet. `codelake build --profile synthesis` makes it; keys: synthesis.seeds.kinds,"
            " synthesis.answers.teachers."
        )
    return views
