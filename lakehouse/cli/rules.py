"""`codelake rules`: what each rule drops, and where two rule sets differ, over signals that are stored."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from lakehouse.cli.common import as_json, existing, reads_lake, size, table

if TYPE_CHECKING:
    from lakehouse.ask.judged import Difference, RuleReport, SetReport

SAMPLES = 3

json_option = click.option("--json", "json_", is_flag=True, help="JSON on stdout, with all samples.")
samples_option = click.option(
    "--samples",
    type=click.IntRange(0, 1000),
    default=SAMPLES,
    show_default=True,
    metavar="N",
    help="Files shown per rule and side of its limit.",
)


@click.group(invoke_without_command=True)
@click.option(
    "--rules",
    "name",
    default="codelake-1",
    show_default=True,
    metavar="SET",
    help="A rule set by name (conf/filters), or a YAML file.",
)
@samples_option
@reads_lake
@json_option
@click.pass_context
def rules(context: click.Context, name: str, samples: int, lake_root: str, json_: bool) -> None:
    """Say of each rule what it drops: files, bytes, what no other rule drops, which language it takes most from.

    Nothing is measured again and nothing is written, so limits can be tried in a file of your own:

    \b
      codelake rules                                 the default set over this lake
      codelake rules --rules mine.yaml --samples 10  ten files on either side of each limit
      codelake rules diff codelake-1 mine.yaml       what would change, by rule and language
      codelake build --set code.decide.rules=mine.yaml
    """
    if context.invoked_subcommand is not None:
        return
    from lakehouse.ask.judged import report
    from lakehouse.report.views import Views
    from lakehouse.rules import rule_set

    chosen = rule_set(name)
    with Views(existing(lake_root)) as views:
        found = report(views, chosen, samples)
    as_json(asdict(found)) if json_ else _show(found)


@rules.command()
@click.argument("first")
@click.argument("second")
@samples_option
@reads_lake
@json_option
def diff(first: str, second: str, samples: int, lake_root: str, json_: bool) -> None:
    """Compare two rule sets on the same files: what only FIRST or only SECOND keeps, by rule and language.

    A set that compares the released signals needs them measured: `codelake build --profile opencoder`.

    \b
      codelake rules diff opencoder-1 codelake-1
    """
    from lakehouse.ask.judged import difference
    from lakehouse.report.views import Views
    from lakehouse.rules import rule_set

    sets = rule_set(first), rule_set(second)
    with Views(existing(lake_root)) as views:
        found = difference(views, *sets, samples)
    as_json(asdict(found)) if json_ else _show_difference(found)


def _show(found: SetReport) -> None:
    click.echo(
        f"{found.rules}: keeps {found.kept:,} of {found.files:,} files, {size(found.kept_bytes)} of {size(found.bytes)}"
    )
    table([_line(one) for one in found.by_rule if one.files])
    idle = [one.rule for one in found.by_rule if not one.files]
    if idle:
        click.echo(f"hit nothing: {', '.join(idle)}")
    near = [
        {
            "rule": one.rule,
            "hit": row["hit"],
            "value": f"{row['value']:.4g}",
            "limit": f"{row['limit']:.4g}",
            "file": f"{row['repo']}:{row['path']}",
        }
        for one in found.by_rule
        for row in one.near
        if one.files
    ]
    if near:
        table(near, title="\nfiles near the limits")


def _line(one: RuleReport) -> dict[str, Any]:
    return {
        "rule": one.rule,
        "files": one.files,
        "size": size(one.bytes),
        "alone": one.alone,
        "alone size": size(one.alone_bytes),
        "languages moved": f"{one.shift:.1%}",
        "most from": one.shift_language,
    }


def _show_difference(found: Difference) -> None:
    click.echo(f"first: {found.first}, second: {found.second}")
    table([{**row, "bytes": size(row["bytes"])} for row in found.outcomes])
    for title, rows in (("by rule that drops", found.why), ("by language", found.languages)):
        if rows:
            table([{**row, "bytes": size(row["bytes"])} for row in rows], title=f"\n{title}")
    if found.samples:
        shown = [
            {"outcome": row["outcome"], "file": f"{row['repo']}:{row['path']}", "rules": ", ".join(row["rules"])}
            for row in found.samples
        ]
        table(shown, title="\nfor instance")
