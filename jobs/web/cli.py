"""`codelake web`: label pages, look at rounds, annotate URLs, register a classifier. Reads the lake; writes files only."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lakehouse.cli.common import as_json, existing, reads_lake, table
from lakehouse.errors import ConfigError, InputError

if TYPE_CHECKING:
    from jobs.web.judge import Judge
    from lakehouse.report.views import Views

KEY = "CODELAKE_JUDGE_KEY"
KEPT_YES = 0.5  # a page with a higher score is labelled yes
json_option = click.option("--json", "json_", is_flag=True, help="JSON on stdout.")
topic_option = click.option("--topic", default="code", show_default=True, metavar="NAME", help="What is looked for.")


@click.group()
def web() -> None:
    """The code-related web: rounds of recall, and the labels that drive them.

    \b
    How a topic grows:
      codelake build --conf my.yaml web.*       read, extract, recall as far as labels go
      codelake web rounds                       what each round found, how sure that is
      codelake web annotate urls.csv            domains and URL prefixes worth a look, as a sheet
      (fill in label and author: yes, no, or nothing; name urls.csv under web.annotations.files)
      codelake build --conf my.yaml web.*       the next seed has what the classifier missed
    """


@web.command()
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Also draw an HTML page with a picture.")
@reads_lake
@json_option
def rounds(out: Path | None, lake_root: str, json_: bool) -> None:
    """What each round recalled and gained, with precision and recall on held-out pages."""
    with _views(lake_root, "silver.web_rounds") as views:
        rows = views.rows("SELECT * EXCLUDE (curve) FROM silver.web_rounds ORDER BY topic, round")
        if out is not None:
            from jobs.web import round_page

            round_page.write(views, out)
    if json_:
        as_json(rows)
        return
    shown = ("topic", "round", "seed_yes", "seed_no", "recalled", "gained", "domains", "missed", "precision", "recall")
    table(rows, shown)
    for row in rows:
        if row["ended"]:
            click.echo(f"{row['topic']} ended after round {row['round']}: {row['ended']}")
    if out is not None:
        click.echo(f"page: {out}")


@web.command()
@click.argument("sheet", type=click.Path(path_type=Path))
@topic_option
@click.option("--least-pages", default=5, show_default=True, help="Pages that a domain or prefix must have.")
@click.option("--most", default=200, show_default=True, help="Rows at most.")
@click.option("--endpoint", metavar="URL", help="OpenAI-style endpoint that proposes an answer for each open row.")
@click.option("--model", metavar="NAME", help="The endpoint's model.")
@reads_lake
@json_option
def annotate(
    sheet: Path, topic: str, least_pages: int, most: int, endpoint: str | None, model: str | None, lake_root: str, json_: bool
) -> None:  # fmt: skip
    """Write or refresh SHEET, a CSV of domains and URL prefixes worth a look.

    Fill in `label` (yes or no) and `author`; leave out what you cannot tell. A sheet that is there keeps its answers and
    gets new counts and candidates. A model's proposal stands in a column of its own and counts for nothing until you
    copy it.
    """
    from jobs.web.sheet import candidates, merged, read_sheet, write_sheet

    with _views(lake_root, "silver.web_domains", "silver.web_scores") as views:
        fresh = candidates(views, topic, least_pages, most)
    before = read_sheet(sheet) if sheet.exists() else []
    rows = merged(before, fresh)
    if endpoint:
        _propose(rows, _judge(endpoint, model, topic, None))
    write_sheet(sheet, rows)
    said = {
        "sheet": str(sheet),
        "rows": len(rows),
        "new": len(rows) - len(before),
        "answered": sum(bool(row["label"]) for row in rows),
        "proposed": sum(bool(row["proposal"]) for row in rows),
    }
    if json_:
        as_json(said)
        return
    click.echo(
        f"{sheet}: {said['rows']} rows, {said['new']} new, {said['answered']} answered, {said['proposed']} proposed"
    )
    click.echo(f"Fill in label and author, then: codelake build --set 'web.annotations.files=[{sheet}]' web.*")


def _propose(rows: list[dict[str, Any]], judge: Judge) -> None:
    """A first answer for open rows, from their sample addresses alone."""
    from jobs.web.judge import JudgeError

    for row in rows:
        if row["label"] or row["proposal"]:
            continue
        samples = "\n".join(row[f"sample_{n}"] for n in (1, 2, 3) if row.get(f"sample_{n}"))
        try:
            score = judge.score(f"(addresses under {row['pattern']})\n{samples}")
        except JudgeError as error:
            if error.passing:
                raise InputError(str(error)) from error
            continue  # the model did not take it for a question: a person answers
        row["proposal"] = f"{'yes' if score > KEPT_YES else 'no'} ({score:.2f})"
        row["proposed_by"] = f"model:{judge.model}"


@web.command()
@click.argument("out", type=click.Path(path_type=Path))
@topic_option
@click.option(
    "--endpoint", required=True, metavar="URL", help="OpenAI-style endpoint, such as http://localhost:8000/v1."
)
@click.option("--model", required=True, metavar="NAME", help="The endpoint's model.")
@click.option(
    "--prompt", type=click.Path(path_type=Path), metavar="FILE", help="Questions; web-judge-TOPIC.yaml comes along."
)
@click.option("--pages", default=1000, show_default=True, help="Pages to be labelled in all.")
@click.option("--at-once", default=8, show_default=True, help="Requests at a time.")
@reads_lake
@json_option
def label(
    out: Path, topic: str, endpoint: str, model: str, prompt: Path | None, pages: int, at_once: int, lake_root: str, json_: bool
) -> None:  # fmt: skip
    """Ask a model about pages: the probability of "yes" to two questions, one line of OUT (JSON Lines) per page.

    Pages are drawn by a hash, so a larger number continues a smaller one. Killed, the same command goes on; a page that
    was answered under the same questions by the same model is never asked again. A key is read from
    CODELAKE_JUDGE_KEY. Name OUT under web.annotations.files.
    """
    judge = _judge(endpoint, model, topic, prompt)
    known = {
        row["page_id"]
        for row in _lines(out)
        if row["author"] == f"model:{model}" and row["note"] == judge.prompt.digest
    }
    with _views(lake_root, "silver.web_text") as views:
        drawn = views.rows("SELECT page_id FROM silver.web_text WHERE bytes > 0 ORDER BY page_id LIMIT ?", [pages])
        open_ids = [row["page_id"] for row in drawn if row["page_id"] not in known]
        said = _label_all(views, open_ids, judge, topic, out, at_once)
    said |= {"known": len(known), "out": str(out)}
    if json_:
        as_json(said)
        return
    click.echo(f"{out}: {said['asked']} pages asked, {said['failed']} without an answer, {said['known']} known before")
    click.echo(f"Next: codelake build --set 'web.annotations.files=[{out}]' web.*")


def _label_all(views: Views, page_ids: list[str], judge: Judge, topic: str, out: Path, at_once: int) -> dict[str, Any]:
    from jobs.web.judge import JudgeError

    asked = failed = 0
    size = at_once * 8
    with out.open("a", encoding="utf-8") as file, ThreadPoolExecutor(at_once) as pool:
        for start in range(0, len(page_ids), size):
            wave = page_ids[start : start + size]
            marks = ", ".join("?" for _ in wave)
            found = views.rows(
                f"SELECT page_id, url, left(text, ?) AS text FROM silver.web_text WHERE page_id IN ({marks}) ORDER BY page_id",
                [judge.prompt.characters, *wave],
            )
            futures = [(row, pool.submit(judge.score, row["text"])) for row in found]
            for row, future in futures:
                line = {
                    "topic": topic,
                    "page_id": row["page_id"],
                    "author": f"model:{judge.model}",
                    "note": judge.prompt.digest,
                }
                try:
                    score = future.result()
                except JudgeError as error:
                    if error.passing:  # the endpoint is away: what was answered is kept, the command can be repeated
                        raise InputError(f"{error} {asked} pages were answered; the same command goes on.") from error
                    failed += 1
                    line |= {"label": "", "error": str(error)}
                else:
                    asked += 1
                    line |= {"label": "yes" if score > KEPT_YES else "no", "score": score}
                line["at"] = datetime.now(UTC).isoformat(timespec="seconds")
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
            file.flush()
            click.echo(f"{start + len(wave):,} of {len(page_ids):,} pages", err=True)
    return {"asked": asked, "failed": failed}


def _lines(path: Path) -> Iterable[Mapping[str, Any]]:
    """The rows of an earlier run; a last line that a kill cut is cut off the file, so that the next one is whole."""
    if not path.exists():
        return []
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        path.write_bytes(whole)
    return [json.loads(line) for line in whole.splitlines() if line.strip()]


@web.command()
@click.argument("what")
@reads_lake
@json_option
def why(what: str, lake_root: str, json_: bool) -> None:
    """The whole story of one page. WHAT: its address, its id, or 8 and more characters of the id."""
    from jobs.web.story import story

    with _views(lake_root, "bronze.web_pages") as views:
        told = story(views, what)
    if json_:
        as_json(told)
        return
    click.echo(told.pop("verdict"))
    for name, rows in told.items():
        table([rows] if isinstance(rows, dict) else rows, title=name)


@web.command()
@topic_option
@click.option("--round", "number", type=int, help="Round; the last one by default.")
@click.option("--name", help="Registered name; codelake-web-TOPIC by default.")
@click.option(
    "--tracking-uri", envvar="MLFLOW_TRACKING_URI", required=True, metavar="URI", help="Such as sqlite:///mlflow.db."
)
@reads_lake
@json_option
def register(topic: str, number: int | None, name: str | None, tracking_uri: str, lake_root: str, json_: bool) -> None:
    """Put a round's classifier into MLflow: the model, precision and recall on held-out pages, the threshold curve."""
    from jobs.web.tracking import register_model

    with _views(lake_root, "silver.web_models", "silver.web_rounds") as views:
        said = register_model(views, topic, number, name or f"codelake-web-{topic}", tracking_uri)
    as_json(said) if json_ else click.echo(
        f"{said['name']} version {said['version']}: round {said['round']} of {topic}"
    )


def _judge(endpoint: str, model: str | None, topic: str, prompt: Path | None) -> Judge:
    from jobs.web.judge import Judge, JudgeError, Prompt
    from lakehouse.config import conf_dir

    if not model:
        raise ConfigError("--endpoint needs --model: name the model that the endpoint serves.")
    try:
        questions = Prompt.load(prompt or conf_dir() / f"web-judge-{topic}.yaml")
    except JudgeError as error:
        raise ConfigError(str(error)) from error
    return Judge(endpoint, model, questions, os.environ.get(KEY))


def _views(lake_root: str, *needed: str) -> Views:
    from lakehouse.report.views import Views

    views = Views(existing(lake_root))
    if missing := [name for name in needed if not views.has(name)]:
        raise ConfigError(
            f"{', '.join(missing)} not there yet. `codelake build web.*` makes it from web.ingest.sources."
        )
    return views
