"""Which content somebody means: an id, the beginning of one, or a place. Where nothing fits, what comes near.

Cost: the `path` column of the occurrences and of the quarantine; for an unknown name also at most `SCAN_ROWS` comparisons.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence

from lakehouse import ops
from lakehouse.ask.shelf import Row, Shelf
from lakehouse.errors import ConfigError, InputError

PREFIX = 8  # characters of a content id: 32 bits, so any two of 10,000 files begin alike with a chance of 1 %
SHOWN = 20  # most matches that an error lists
SCAN_ROWS = 20_000  # paths compared with an unknown name: about a second

FILES, CONTENTS, DISTINCT = "bronze.code_files", "bronze.code_contents", "silver.code_files"
SAMPLES = "silver.synthetic_samples"
PLACE = ("source", "repo", "path")
# How a place may be written, the more exact first.
_FORMS = ("{source}/{repo}:{path}", "{repo}:{path}", "{path}")
_REFUSED = ("job", "item", *PLACE, "reason", "detail", "size", "first_bytes")


def find(shelf: Shelf, what: str) -> tuple[str | None, list[Row]]:
    """The content that is meant (None: only refused items are), and the items in quarantine that fit.

    Raises ConfigError when several contents fit, InputError when nothing does; both list candidates.
    """
    if not shelf.locations:
        raise InputError(f"{shelf.lake.root}: the lake holds no table yet. `codelake build` makes them.")
    if re.fullmatch(rf"[0-9a-f]{{{PREFIX},64}}", what):
        if _is_sample(shelf, what):
            raise InputError(f"{what} is a synthetic sample: `codelake synthesis why {what}` tells its story.")
        ids = _by_prefix(shelf, what)
        if len(ids) > 1:
            raise ConfigError(f"{what}: {len(ids)} contents begin so: {', '.join(ids[:SHOWN])}. Give more characters.")
        if ids:
            return ids[0], _refused(shelf, ids[0])
    places = _by_place(shelf, what)
    contents = {row["content_id"] for row in places}
    if len(contents) > 1:
        raise ConfigError(_several(what, places, len(contents)))
    content_id = next(iter(contents), None)
    refused = {row["item"]: row for name in (what, content_id) if name for row in _refused(shelf, name)}
    if content_id or refused:
        return content_id, list(refused.values())
    raise InputError(_nothing(shelf, what))


def place(row: Mapping[str, object]) -> str:
    """`source/repo:path`, as `find` takes it."""
    return _FORMS[0].format(**{name: row[name] or "" for name in PLACE})


def _is_sample(shelf: Shelf, prefix: str) -> bool:
    where, values = "sample_id >= ? AND sample_id < ?", [prefix, prefix + "g"]
    return bool(shelf.rows(SAMPLES, where, values, ["sample_id"], limit=1))


def _by_prefix(shelf: Shelf, prefix: str) -> list[str]:
    """Content ids that begin so, from the first table that knows one: bronze, then gold, then what releases hold."""
    begins = "{0} >= ? AND {0} < ?"  # as a range, which statistics can rule out; `g` follows every hexadecimal digit
    values = (prefix, prefix + "g")
    columns = {FILES: "content_id", CONTENTS: "content_id", DISTINCT: "content_id"}
    columns |= dict.fromkeys(shelf.documents(), "doc_id")
    for name, column in columns.items():
        if found := {row[column] for row in shelf.rows(name, begins.format(column), values, [column])}:
            return sorted(found)
    for pin in shelf.releases():
        rows = shelf.rows(pin["table"], begins.format("doc_id"), values, ["doc_id"], version=pin["version"])
        if found := {row["doc_id"] for row in rows}:
            return sorted(found)
    return []


def _by_place(shelf: Shelf, what: str) -> list[Row]:
    rows = shelf.rows(FILES, "path IN (SELECT unnest(?))", [_paths(what)], [*PLACE, "content_id"])
    for form in _FORMS:
        if found := [row for row in rows if form.format(**row) == what]:
            return found
    return []


def _paths(what: str) -> list[str]:
    """Every text that may be the path, as any part may hold a colon: all of it, and what follows each colon."""
    return [what, *(what[match.end() :] for match in re.finditer(":", what))]


def _refused(shelf: Shelf, what: str) -> list[Row]:
    """Items in quarantine: at the place, named so, or rows that carry the content id in their key."""
    is_id = re.fullmatch(r"[0-9a-f]{64}", what) is not None
    where = f"path IN (SELECT unnest(?)) OR {'contains(item, ?)' if is_id else 'item = ?'}"
    return [
        row
        for row in shelf.rows(ops.quarantine.name, where, [_paths(what), what], _REFUSED)
        if row["item"] == what
        or (is_id and what in row["item"])
        or any(form.format(**{name: row[name] or "" for name in PLACE}) == what for form in _FORMS)
    ]


def _several(what: str, places: Sequence[Row], contents: int) -> str:
    shown = sorted({f"  {place(row)!r}  {row['content_id'][:16]}" for row in places})
    more = [f"  and {len(shown) - SHOWN} more"] if len(shown) > SHOWN else []
    return "\n".join([f"{what!r} is {contents} different contents. Ask for one:", *shown[:SHOWN], *more])


def _nothing(shelf: Shelf, what: str) -> str:
    looked = [name for name in (FILES, ops.quarantine.name, *shelf.documents()) if name in shelf.locations]
    said = f"{what!r} was not found in {', '.join(looked) or 'the lake: no source has been ingested yet'}."
    if re.fullmatch(rf"[0-9a-f]{{1,{PREFIX - 1}}}", what):
        said += f" The beginning of a content id needs {PREFIX} characters."
    if close := _close(shelf, what):
        return "\n".join([f"{said} Near it:", *(f"  {name!r}" for name in close)])
    return (
        f"{said} Ask for a content id, repo:path, source/repo:path or a path. Some are listed by"
        f' codelake sql "SELECT source, repo, path FROM {FILES} LIMIT 20".'
    )


def _close(shelf: Shelf, what: str) -> list[str]:
    """Places whose path holds the file name, else those with a similar file name."""
    base = re.split(r"[/:]", what)[-1]
    found: list[Row] = []
    if base:
        holds = "contains(lower(path), lower(?))"
        found = [
            row for name in (FILES, ops.quarantine.name) for row in shelf.rows(name, holds, [base], PLACE, limit=5)
        ]
    if not found:
        rows = shelf.rows(FILES, "true", [], PLACE, limit=SCAN_ROWS)
        by_base = {row["path"].rpartition("/")[2]: row for row in rows}
        found = [by_base[name] for name in difflib.get_close_matches(base, list(by_base), n=5)]
    return [place(row) for row in found[:5]]
