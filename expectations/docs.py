"""Data Docs: every recorded gate result as a page that Great Expectations renders, readable offline.

`record` keeps results as JSON, `build_docs` renders the site from them: an index of runs with what failed, and a page
per run. The library's own page loads styles and scripts from 9 outside hosts and prints values as they are; values come
from crawled files, so here they are escaped, the page around the library's sections is ours, and its content policy
lets the browser load and run nothing.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from expectations.rules import Outcome

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; color: #1f2328; }
table { border-collapse: collapse; margin: .5rem 0; } td, th { border: 1px solid #d0d7de; padding: .3rem .6rem; }
td, th { text-align: left; vertical-align: top; overflow-wrap: anywhere; } [hidden] { display: none; }
.alert { background: #f0f3f6; padding: .5rem .8rem; margin-top: 1.5rem; }
.badge { background: #e7ebef; padding: 0 .3rem; }
.text-success { color: #1a7f37; } .text-danger, .badge-danger { color: #b42318; } .text-warning { color: #9a6700; }
.fa-check-circle::before { content: "\\2714"; } .fa-times::before { content: "\\2718"; }
.fa-exclamation-triangle::before { content: "\\26A0"; } h5, h6 { font-size: 1rem; margin: .3rem 0; }
pre { white-space: pre-wrap; } code { overflow-wrap: anywhere; }
"""
_HEAD = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{{ title }}</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>{{ style|safe }}</style></head><body>
"""
_RUN = (
    _HEAD
    + """<p><a href="../index.html">All runs</a></p>
<h1>{{ table }}: {{ "passed" if success else "failed" }}</h1><p>Run {{ run_name }}, judged at {{ at }}</p>
{% for section in sections %}{% set section_loop = loop %}{% include "section.j2" %}{% endfor %}
</body></html>
"""
)
_INDEX = (
    _HEAD
    + """<h1>Data quality</h1>
<table><tr><th>Judged at</th><th>Table</th><th>Run</th><th>Rows</th><th>Met</th><th>Not met</th></tr>
{% for run in runs %}<tr><td>{{ run.at }}</td><td>{{ run.table }}</td>
<td><a href="{{ run.href }}">{{ run.run_name }}</a></td>
<td>{{ run.rows }}</td><td>{{ run.met }} of {{ run.of }}</td><td>{% for outcome in run.failures %}
<p><b>{{ outcome.severity }}</b> <code>{{ outcome.expectation }}</code>{% if outcome.unexpected is not none %}:
{{ outcome.unexpected }} rows{% endif %}</p>{% for example in outcome.examples %}<pre>{{ example }}</pre>{% endfor %}
{% endfor %}</td></tr>
{% endfor %}</table></body></html>
"""
)


def record(docs: Path, table: str, run_name: str, results: Sequence[Any], outcomes: Sequence[Outcome]) -> Path:
    """Keep the results of one gate under `docs`, for `build_docs`; a second one of that table and run replaces it."""
    from great_expectations.core import ExpectationSuiteValidationResult

    met = sum(bool(result.success) for result in results)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    suite = ExpectationSuiteValidationResult(
        success=all(outcome.success or outcome.severity != "error" for outcome in outcomes),
        results=list(results),
        suite_name=table,
        statistics={
            "evaluated_expectations": len(results),
            "successful_expectations": met,
            "unsuccessful_expectations": len(results) - met,
            "success_percent": 100 * met / len(results) if results else None,
        },
        meta={"run_id": {"run_name": run_name, "run_time": at}, "validation_time": at},
    )
    failures = [vars(outcome) for outcome in outcomes if not outcome.success]
    kept = {
        "table": table,
        "run_name": run_name,
        "at": at,
        "rows": outcomes[0].rows if outcomes else None,
        "met": met,
        "of": len(results),
        "failures": failures,
        "result": suite.to_json_dict(),
    }
    path = docs / "results" / _file(table) / f"{_file(run_name)}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(kept, ensure_ascii=False), encoding="utf-8")
    part.replace(path)
    return path


def build_docs(docs: Path) -> Path:
    """Render the site from everything that was recorded under `docs`, and return its index page.

    Cost: 0.05 s per run that has no page yet or a newer result, and reading every recorded result for the index.
    """
    from great_expectations.render.view import DefaultJinjaPageView

    view = DefaultJinjaPageView().env
    page, index = view.from_string(_RUN), view.from_string(_INDEX)
    runs = []
    for path in sorted(docs.glob("results/*/*.json")):
        kept = json.loads(path.read_text(encoding="utf-8"))
        target = docs / path.parent.name / f"{path.stem}.html"
        if not target.exists() or target.stat().st_mtime_ns < path.stat().st_mtime_ns:
            target.parent.mkdir(exist_ok=True)
            target.write_text(page.render(**_page(kept)), encoding="utf-8")
        runs.append({**kept, "href": f"{quote(path.parent.name)}/{quote(target.name)}"})
    runs.sort(key=lambda run: (run["at"], run["table"]), reverse=True)
    start = docs / "index.html"
    start.write_text(index.render(title="Data quality", style=_STYLE, runs=runs), encoding="utf-8")
    return start


def _page(kept: Mapping[str, Any]) -> dict[str, Any]:
    """What a run's page shows: the library's sections, without its header: that links to pages we do not make."""
    from great_expectations.core.expectation_validation_result import expectationSuiteValidationResultSchema
    from great_expectations.render.renderer import ValidationResultsPageRenderer

    said = kept["result"]
    # The library tries to read the name as a time; a run id that ends in "-5353" passes for an offset, and it then fails.
    said["meta"]["run_id"]["run_name"] = "run " + html.escape(kept["run_name"])
    for result in said["results"]:
        result["result"] = _escaped(result["result"])
    document = ValidationResultsPageRenderer().render(expectationSuiteValidationResultSchema.load(said)).to_json_dict()
    document["sections"][0]["content_blocks"].pop(0)
    title = f"{kept['table']}, run {kept['run_name']}"
    return {**kept, "title": title, "style": _STYLE, "success": said["success"], "sections": document["sections"]}


def _escaped(value: Any) -> Any:
    """The same value with every text in it escaped: the library prints observed and unexpected values as they are."""
    if isinstance(value, str):
        return html.escape(value)
    if isinstance(value, Mapping):
        return {_escaped(name): _escaped(item) for name, item in value.items()}
    if isinstance(value, Iterable):
        return [_escaped(item) for item in value]
    return value


def _file(name: str) -> str:
    """A file name that no run or table name can lead out of its folder."""
    return quote(name, safe="").replace(".", "%2E") if set(name) <= {"."} else quote(name, safe="")
