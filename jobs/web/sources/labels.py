"""Files of labels, as a person, a model or a script writes them: CSV (a spreadsheet), JSON Lines or YAML.

    topic,pattern,label,author,at          topic,url,label,score,author,held_out
    code,%juejin.cn/post%,yes,Ada,2026-11  code,https://a.test/x,no,0.1,model:phi,

A row with a pattern labels what fits it, a row with a page_id or url labels that page. A row without a label waits for
one and is counted. Anything else that is wrong is refused with file and row: a label that is read wrongly would
teach the classifier the opposite.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from jobs.kernels.url_patterns import Pattern
from jobs.web.sources.text import instant, printable

YES, NO = ("yes", "y", "true", "1"), ("no", "n", "false", "0")
FIELDS = ("topic", "pattern", "page_id", "url", "label", "score", "author", "at", "note", "held_out")
"""What is read; further columns are left alone, as `codelake web annotate` writes some to look at."""


class LabelError(ValueError):
    """A file of labels cannot be read, or a row of it says something that is none."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What a file says, in the columns of `bronze.url_statements` and `bronze.page_statements` without `file`."""

    patterns: tuple[dict[str, Any], ...]
    pages: tuple[dict[str, Any], ...]
    open: int


def fingerprint(path: Path) -> str:
    return hashlib.sha256(_bytes(path)).hexdigest()


def read_labels(path: Path) -> Labels:
    """Raises LabelError."""
    patterns, pages, waiting = [], [], 0
    for nth, row in enumerate(_rows(path), start=1):
        where = f"{path}: row {nth}"
        values = {name: _plain(row.get(name)) for name in FIELDS}
        if not values["label"]:
            waiting += 1
            continue
        said = {"nth": nth, **_said(values, where)}
        if values["pattern"]:
            try:
                Pattern(values["pattern"], True)
            except ValueError as error:
                raise LabelError(f"{where}: {error}") from error
            patterns.append({**said, "pattern": values["pattern"]})
        elif values["page_id"] or values["url"]:
            pages.append({**said, **_of_page(values, where)})
        else:
            raise LabelError(f"{where}: names no pattern, page_id or url. Name what the label is for.")
    return Labels(tuple(patterns), tuple(pages), waiting)


def _said(values: dict[str, str], where: str) -> dict[str, Any]:
    topic, author = values["topic"], values["author"]
    if not (topic and topic.isascii() and topic.replace("_", "a").isalnum() and topic.islower()):
        raise LabelError(f"{where}: topic = {topic!r}: expected a lower-case word such as code or math.")
    if not author:
        raise LabelError(f"{where}: no author. Say who labels: a name, or model:NAME.")
    at = instant(values["at"]) if values["at"] else None
    if values["at"] and at is None:
        at = instant(f"{values['at']}-01")  # a month
    if values["at"] and at is None:
        raise LabelError(f"{where}: at = {values['at']!r}: expected a time such as 2026-11-25 or 2026-11.")
    kind = author.partition(":")[0]
    return {
        "topic": topic,
        "label": _yes_or_no(values["label"], "label", where),
        "author": author,
        "how": kind if kind in ("model", "rule") else "person",
        "said_at": at,
        "note": values["note"] or None,
    }


def _of_page(values: dict[str, str], where: str) -> dict[str, Any]:
    try:
        score = float(values["score"]) if values["score"] else None
    except ValueError:
        score = -1.0
    if score is not None and not 0 <= score <= 1:
        raise LabelError(f"{where}: score = {values['score']!r}: expected a number from 0 to 1, or nothing.")
    apart = values["held_out"]
    return {
        "page_id": values["page_id"] or None,
        "url": values["url"] or None,
        "score": score,
        "held_out": _yes_or_no(apart, "held_out", where) if apart else None,
    }


def _yes_or_no(text: str, field: str, where: str) -> bool:
    if text.lower() in YES:
        return True
    if text.lower() in NO:
        return False
    raise LabelError(f"{where}: {field} = {text!r}: expected yes or no (or nothing).")


def _plain(value: Any) -> str:
    return "" if value is None else printable(str(value).strip())


def _rows(path: Path) -> Iterable[dict[str, Any]]:
    text = _bytes(path).decode("utf-8-sig", "replace")
    if path.suffix == ".csv":
        # A spreadsheet in some countries writes semicolons.
        first = text.partition("\n")[0]
        return csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    try:
        if path.suffix == ".jsonl":
            found = [json.loads(line) for line in text.splitlines() if line.strip()]
        elif path.suffix in (".yaml", ".yml"):
            found = yaml.safe_load(text) or []
        else:
            raise LabelError(f"{path}: allowed are .csv, .jsonl and .yaml files.")
    except (json.JSONDecodeError, yaml.YAMLError) as error:
        raise LabelError(f"{path}: cannot be parsed: {error}") from error
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise LabelError(f"{path}: expected a list of rows, each with {', '.join(FIELDS)}.")
    return found


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise LabelError(f"{path}: {error.strerror}. Name a file of labels that is there.") from error
