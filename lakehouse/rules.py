"""A rule set: which measured values are a reason to drop a file. Data in conf/filters, one meaning in Python and in SQL.

Rules stand under the type of file that they hold for (code, data, text). A language's rules are those of the type with
what `languages` says of it laid over, name by name; `natural_languages` does the same for texts. `null` turns a rule off.
A rule compares one signal with a limit on one side or on both; a null signal never hits.

A rule with a `chance` counts only for that share of the files. The draw is made by the content's SHA-256 and the rule's
name, so it is the same wherever and whenever it is made.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lakehouse.config import Loader, conf_dir
from lakehouse.errors import ConfigError, nearest

TYPES = ("code", "data", "text")
_DRAW_DIGITS = 8  # hexadecimal digits of the content id


class Rule(BaseModel):
    """One comparison; without `signal` the rule's name is the signal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    signal: str | None = Field(None, description="what is compared; by default what the rule is called")
    below: float | None = Field(None, description="hit when the signal is less")
    above: float | None = Field(None, description="hit when the signal is greater")
    equals: float | None = Field(None, description="hit when the signal is this; true and false are 1 and 0")
    chance: float | None = Field(None, gt=0, lt=1, description="share of the files for which a hit counts")

    @model_validator(mode="after")
    def _compares(self) -> Rule:
        if self.equals is None and self.below is None and self.above is None:
            raise ValueError("a rule needs `below`, `above` or both, or `equals`")
        if self.equals is not None and (self.below is not None or self.above is not None):
            raise ValueError("a rule has either `equals` or `below` and `above`")
        return self

    def limit(self, value: float | None) -> float | None:
        """The limit that the value crosses; None where it crosses none."""
        if value is None:
            return None
        if self.equals is not None:
            return self.equals if value == self.equals else None
        if self.below is not None and value < self.below:
            return self.below
        return self.above if self.above is not None and value > self.above else None

    def near(self, value: float | None, share: float) -> tuple[str, float] | None:
        """(side, limit) where the value crosses no limit but comes within `share` of one."""
        if value is None or self.limit(value) is not None:
            return None
        sides = (("below", self.below), ("above", self.above))
        close = [(side, limit) for side, limit in sides if limit and abs(value - limit) <= share * abs(limit)]
        return close[0] if close else None


class RuleSet(BaseModel):
    """The rules by type, then what languages and natural languages change. Resolved with `table`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="what the set is called")
    signals: Literal["measured", "released"] = Field(
        description="whose signals are compared: silver.code_signals or silver.code_released_signals"
    )
    types: Mapping[Literal["code", "data", "text"], Mapping[str, Rule | None]] = Field(
        description="rules by type of file; null turns one off"
    )
    languages: Mapping[str, Mapping[str, Rule | None]] = Field(description="over the rules for code and data")
    natural_languages: Mapping[str, Mapping[str, Rule | None]] = Field(description="over the rules for text")

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()[:16]

    def table_name(self, kind: str, language: str, natural_language: str | None = None) -> str:
        """Which table decides: `code`, `data/html`, `text/zh`; of other types none, under the type's name."""
        if kind in ("code", "data") and language in self.languages:
            return f"{kind}/{language}"
        return f"{kind}/{natural_language}" if kind == "text" and natural_language in self.natural_languages else kind

    def table(self, kind: str, language: str, natural_language: str | None = None) -> dict[str, Rule]:
        """The rules that hold for a file, by name."""
        return self.tables.get(self.table_name(kind, language, natural_language), {})

    @property
    def tables(self) -> dict[str, dict[str, Rule]]:
        """Every table there can be, with the rules that are on."""
        over = {"code": self.languages, "data": self.languages, "text": self.natural_languages}
        found = {}
        for kind, rules in self.types.items():
            found[str(kind)] = _on(rules)
            for language, changes in over[kind].items():
                found[f"{kind}/{language}"] = _on({**rules, **changes})
        return found

    @property
    def signal_names(self) -> set[str]:
        """Every signal that a rule compares, rules that are off included."""
        groups = [*self.types.values(), *self.languages.values(), *self.natural_languages.values()]
        return {rule.signal or name for rules in groups for name, rule in rules.items() if rule is not None}

    def forms(self) -> list[tuple[str, Rule, list[str]]]:
        """(name, rule, tables that hold it), by name: once for each form of a rule whose limits differ between tables."""
        found: dict[tuple[str, Rule], list[str]] = {}
        for where, rules in self.tables.items():
            for name, rule in rules.items():
                found.setdefault((name, rule), []).append(where)
        return [(name, rule, places) for (name, rule), places in sorted(found.items(), key=lambda f: (f[0][0], f[1]))]

    def hits(
        self, table: str, signals: Mapping[str, float | None], content_id: str | None = None
    ) -> Iterator[tuple[str, float, float]]:
        """(rule, value, limit) of every hit, by name. Without a content id every draw counts."""
        for name, rule in sorted(self.tables.get(table, {}).items()):
            value = signals.get(rule.signal or name)
            limit = rule.limit(None if value is None else float(value))
            if limit is not None and value is not None and (content_id is None or counts(name, rule, content_id)):
                yield name, float(value), limit

    def table_sql(self, kind: str, language: str, natural_language: str) -> str:
        """`table_name` as an SQL expression over three columns, the same in Spark and DuckDB."""
        cases = []
        if self.languages:
            known = ", ".join(map(_text, sorted(self.languages)))
            cases.append(
                f"WHEN {kind} IN ('code', 'data') AND {language} IN ({known}) THEN {kind} || '/' || {language}"
            )
        if self.natural_languages:
            known = ", ".join(map(_text, sorted(self.natural_languages)))
            cases.append(
                f"WHEN {kind} = 'text' AND {natural_language} IN ({known}) THEN {kind} || '/' || {natural_language}"
            )
        return f"CASE {' '.join(cases)} ELSE {kind} END" if cases else kind

    def hits_sql(self, table: str, signals: str, content_id: str) -> Iterator[tuple[str, str, str, str]]:
        """(rule, condition, value, limit) as SQL, the same in Spark and DuckDB, by name.

        `table`: the column that holds `table_name`; `signals`: alias of the table of signals. A rule whose limits differ
        between tables comes once for each form.
        """
        for name, rule, places in self.forms():
            value = f"CAST({signals}.{rule.signal or name} AS DOUBLE)"
            condition = f"{table} IN ({', '.join(map(_text, places))}) AND {_crosses(rule, value)}"
            if rule.chance is not None:
                condition += f" AND {_draw_sql(name, rule.chance, content_id)}"
            yield name, condition, value, _limit_sql(rule, value)


def names() -> list[str]:
    """The rule sets over code that come with codelake."""
    files = (conf_dir() / "filters").glob("*.yaml")
    return sorted(path.stem for path in files if "types" in yaml.load(path.read_text("utf-8"), Loader=Loader))


def values_of(name: str) -> Any:
    """The content of a rule set given as a name or as a YAML file. Raises ValueError where there is none."""
    path = Path(name) if name.endswith((".yaml", ".yml")) else conf_dir() / "filters" / f"{name}.yaml"
    if not path.is_file():
        raise ValueError(
            f"{name}: no such rule set. Allowed: a YAML file, {', '.join(names())}.{nearest(name, names())}"
        )
    return yaml.load(path.read_text("utf-8"), Loader=Loader)


def rule_set(name: str) -> RuleSet:
    """The rule set of a name or a YAML file. Raises ConfigError."""
    try:
        return RuleSet.model_validate(values_of(name))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigError(f"{name}: {where}: {first['msg']}, found {first['input']!r}. Nothing was read.") from error
    except (ValueError, yaml.YAMLError, OSError) as error:
        raise ConfigError(str(error)) from error


def counts(name: str, rule: Rule, content_id: str) -> bool:
    """Whether the draw makes a hit of this rule count for this content; always without a chance."""
    if rule.chance is None:
        return True
    start = _draw_place(name)
    return content_id[start : start + _DRAW_DIGITS] < _draw_limit(rule.chance)


def _draw_place(name: str) -> int:
    """Which digits of the content id decide: others for each rule."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % (64 - _DRAW_DIGITS)


def _draw_limit(chance: float) -> str:
    return f"{round(chance * 16**_DRAW_DIGITS):0{_DRAW_DIGITS}x}"


def _draw_sql(name: str, chance: float, content_id: str) -> str:
    return f"substr({content_id}, {_draw_place(name) + 1}, {_DRAW_DIGITS}) < '{_draw_limit(chance)}'"


def _crosses(rule: Rule, value: str) -> str:
    if rule.equals is not None:
        return f"{value} = {rule.equals!r}"
    sides = [f"{value} < {rule.below!r}"] if rule.below is not None else []
    sides += [f"{value} > {rule.above!r}"] if rule.above is not None else []
    return f"({' OR '.join(sides)})"


def _limit_sql(rule: Rule, value: str) -> str:
    if rule.equals is not None:
        return f"CAST({rule.equals!r} AS DOUBLE)"
    if rule.below is not None and rule.above is not None:
        return f"CAST(CASE WHEN {value} < {rule.below!r} THEN {rule.below!r} ELSE {rule.above!r} END AS DOUBLE)"
    return f"CAST({rule.above if rule.below is None else rule.below!r} AS DOUBLE)"


def _on(rules: Mapping[str, Rule | None]) -> dict[str, Rule]:
    return {name: rule for name, rule in rules.items() if rule is not None}


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
