"""Rule sets tried on signals that are stored: what each rule would drop, and where two sets differ. Nothing is measured.

Only rules are asked: file types, licences and near-duplicates, which also drop files, are not. A file without signals
(because it is not text) does not count. No JVM; the rules' SQL is that by which `code.decide` decides.

Cost: one pass over the table of signals, and a short one per rule for the files near its limits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lakehouse.errors import ConfigError
from lakehouse.report.views import Views
from lakehouse.rules import Rule, RuleSet

Row = dict[str, Any]

TABLES = {"measured": "silver.code_signals", "released": "silver.code_released_signals"}
_NEEDED = ("silver.code_files", "silver.code_languages", "silver.code_signals")


@dataclass(frozen=True)
class RuleReport:
    """What one rule does. Bytes are those of the files.

    `alone`: hit by no other rule. `shift`: how far the rule moves the distribution of bytes over languages, as the share
    that lies elsewhere when its files are gone; `shift_language` loses most. `near`: files closest to a limit on either side.
    """

    rule: str
    files: int
    bytes: int
    alone: int
    alone_bytes: int
    shift: float
    shift_language: str | None
    near: tuple[Row, ...]


@dataclass(frozen=True)
class SetReport:
    """A rule set over a lake: how much it looked at, how much it keeps, and what every rule does, most bytes first."""

    rules: str
    files: int
    bytes: int
    kept: int
    kept_bytes: int
    by_rule: tuple[RuleReport, ...]


@dataclass(frozen=True)
class Difference:
    """Two sets over a lake. `outcomes`: files and bytes by who keeps them. `why`: of the files that only the other set
    keeps, by rule of this one. `languages`: the same by language. `samples`: files that one set keeps and the other does not.
    """

    first: str
    second: str
    outcomes: tuple[Row, ...]
    why: tuple[Row, ...]
    languages: tuple[Row, ...]
    samples: tuple[Row, ...]


def report(views: Views, rules: RuleSet, samples: int) -> SetReport:
    """What each rule would drop. Raises ConfigError where its signals were not measured."""
    judged = _judged(views, {"one": rules})
    by_language = views.rows(
        f"SELECT language, count(*) AS files, sum(bytes)::BIGINT AS bytes, count(*) FILTER (len(one) = 0) AS kept, "
        f"coalesce(sum(bytes) FILTER (len(one) = 0), 0)::BIGINT AS kept_bytes FROM {judged} GROUP BY language"
    )
    hits = views.rows(
        "SELECT rule, language, count(*) AS files, sum(bytes)::BIGINT AS bytes, count(*) FILTER (rules = 1) AS alone, "
        "coalesce(sum(bytes) FILTER (rules = 1), 0)::BIGINT AS alone_bytes FROM (SELECT unnest(one) AS rule, language, "
        f"bytes, len(one) AS rules FROM {judged}) GROUP BY rule, language"
    )
    held = {row["language"]: row["bytes"] for row in by_language}
    of_rule: dict[str, list[Row]] = defaultdict(list)
    for row in hits:
        of_rule[row["rule"]].append(row)
    forms: dict[str, list[tuple[Rule, list[str]]]] = defaultdict(list)
    for name, rule, places in rules.forms():
        forms[name].append((rule, places))
    found = [_of_rule(views, rules, name, of_rule[name], held, forms[name], samples) for name in forms]
    files, size, kept, kept_bytes = (_sum(by_language, key) for key in ("files", "bytes", "kept", "kept_bytes"))
    ordered = sorted(found, key=lambda one: (-one.bytes, one.rule))
    return SetReport(rules.name, files, size, kept, kept_bytes, tuple(ordered))


def difference(views: Views, first: RuleSet, second: RuleSet, samples: int) -> Difference:
    """Where two sets decide differently, on the same files. Raises ConfigError where signals were not measured."""
    judged = _judged(views, {"one": first, "two": second})
    outcome = (
        "CASE WHEN len(one) = 0 AND len(two) = 0 THEN 'both keep' WHEN len(one) = 0 THEN 'only the first keeps' "
        "WHEN len(two) = 0 THEN 'only the second keeps' ELSE 'both drop' END"
    )
    total = "count(*) AS files, sum(bytes)::BIGINT AS bytes"
    outcomes = views.rows(f"SELECT {outcome} AS outcome, {total} FROM {judged} GROUP BY 1 ORDER BY files DESC, 1")
    differ = f"(SELECT *, {outcome} AS outcome FROM {judged} WHERE (len(one) = 0) <> (len(two) = 0))"
    why = views.rows(
        f"SELECT outcome, rule, {total}, count(*) FILTER (rules = 1) AS alone FROM (SELECT outcome, bytes, "
        f"unnest(one || two) AS rule, len(one || two) AS rules FROM {differ}) GROUP BY 1, 2 ORDER BY files DESC, 1, 2"
    )
    languages = views.rows(f"SELECT outcome, language, {total} FROM {differ} GROUP BY 1, 2 ORDER BY files DESC, 1, 2")
    shown = views.rows(
        f"SELECT outcome, repo, path, one || two AS rules FROM {differ} "
        "QUALIFY row_number() OVER (PARTITION BY outcome ORDER BY content_id) <= ? ORDER BY outcome, content_id",
        [samples],
    )
    return Difference(first.name, second.name, tuple(outcomes), tuple(why), tuple(languages), tuple(shown))


def _of_rule(
    views: Views,
    rules: RuleSet,
    name: str,
    hits: Iterable[Row],
    held: Mapping[str, int],
    forms: Iterable[tuple[Rule, list[str]]],
    samples: int,
) -> RuleReport:
    rows = list(hits)
    shift, language = _shift(held, {row["language"]: row["bytes"] for row in rows})
    near = [row for rule, places in forms for row in _near(views, rules, name, rule, places, samples)]
    files, size, alone, alone_bytes = (_sum(rows, key) for key in ("files", "bytes", "alone", "alone_bytes"))
    return RuleReport(name, files, size, alone, alone_bytes, shift, language, tuple(near))


def _sum(rows: Iterable[Row], key: str) -> int:
    return sum(row[key] for row in rows)


def _shift(held: Mapping[str, int], lost: Mapping[str, int]) -> tuple[float, str | None]:
    """(half the sum of the changes of the languages' shares, the language whose share falls most)."""
    before, after = sum(held.values()), sum(held.values()) - sum(lost.values())
    if not before or not after or not lost:
        return 0.0, None
    change = {one: (size - lost.get(one, 0)) / after - size / before for one, size in held.items()}
    least = min(change, key=lambda one: (change[one], one))
    return sum(map(abs, change.values())) / 2, least if change[least] < 0 else None


def _near(views: Views, rules: RuleSet, name: str, rule: Rule, places: list[str], samples: int) -> list[Row]:
    """Files on both sides of each limit, closest first."""
    value = f"CAST(measured.{rule.signal or name} AS DOUBLE)"
    known = ", ".join("'" + place.replace("'", "''") + "'" for place in places)
    found: list[Row] = []
    for side, limit in (("below", rule.below), ("above", rule.above)):
        if limit is None:
            continue
        crosses = f"{value} {'<' if side == 'below' else '>'} {limit!r}"
        for hit, condition in ((True, crosses), (False, f"NOT ({crosses})")):
            found += views.rows(
                f"SELECT f.repo, f.path, {value} AS value, CAST({limit!r} AS DOUBLE) AS limit, {hit} AS hit "
                f"FROM {_files(rules)} WHERE {_table(rules)} IN ({known}) AND {condition} "
                f"ORDER BY abs({value} - {limit!r}), content_id LIMIT ?",
                [samples],
            )
    return found


def _table(rules: RuleSet) -> str:
    return rules.table_sql("l.type", "l.language", "c.natural_language")


def _files(rules: RuleSet) -> str:
    return (
        "silver.code_files f JOIN silver.code_languages l USING (content_id) JOIN silver.code_signals c USING (content_id) "
        f"JOIN {TABLES[rules.signals]} measured USING (content_id)"
    )


def _judged(views: Views, sets: Mapping[str, RuleSet]) -> str:
    """Every measured file with the names of the rules it hits, one column for each set, as a query in parentheses."""
    parts = []
    for column, rules in sets.items():
        _check(views, rules)
        tests = [
            f"CASE WHEN {condition} THEN '{name}' END"
            for name, condition, _, _ in rules.hits_sql(_table(rules), "measured", "content_id")
        ]
        hits = f"list_filter([{', '.join(tests)}], lambda one: one IS NOT NULL)"
        parts.append(f"(SELECT content_id, {hits} AS {column} FROM {_files(rules)}) AS {column}_hits")
    joined = " JOIN ".join([parts[0], *(f"{part} USING (content_id)" for part in parts[1:])])
    return (
        f"(SELECT content_id, f.repo, f.path, f.size AS bytes, l.language, {', '.join(sets)} FROM {joined} "
        "JOIN silver.code_files f USING (content_id) JOIN silver.code_languages l USING (content_id) "
        "WHERE l.type IN ('code', 'data', 'text'))"
    )


def _check(views: Views, rules: RuleSet) -> None:
    needed = (*_NEEDED, TABLES[rules.signals])
    lacking = [name for name in needed if not views.has(name)]
    if not lacking and not views.rows(f"SELECT 1 FROM {TABLES[rules.signals]} LIMIT 1"):
        lacking = [TABLES[rules.signals]]
    if lacking:
        how = "--profile opencoder" if rules.signals == "released" else "code.signals"
        raise ConfigError(
            f"{rules.name} compares signals that were not measured: {', '.join(lacking)} has no rows. "
            f"`codelake build {how}` measures them. Nothing was compared."
        )
    there = {field.name for field in views.tables[TABLES[rules.signals]].schema().fields}
    if unknown := sorted(rules.signal_names - there):
        raise ConfigError(
            f"{rules.name}: {TABLES[rules.signals]} has no column {', '.join(unknown)}. `codelake show "
            f"{TABLES[rules.signals]}` lists them; `codelake build code.signals` adds new ones. Nothing was compared."
        )
