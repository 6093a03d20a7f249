"""Rules: what a set says of a file, the same in Python and in SQL."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.errors import ConfigError
from lakehouse.rules import Rule, RuleSet, counts, names, rule_set

TOY = RuleSet.model_validate(
    {
        "name": "toy",
        "signals": "measured",
        "types": {
            "code": {"short": {"signal": "lines", "below": 10}, "digits": {"above": 0.2}},
            "text": {"words": {"below": 2, "above": 9}},
        },
        "languages": {
            "sql": {"digits": {"above": 0.3}},
            "go": {"short": None, "test": {"equals": True, "chance": 0.5}},
        },
        "natural_languages": {"zh": {"words": None}},
    }
)


def test_a_file_is_hit_by_the_rules_of_its_type_with_those_of_its_language_laid_over() -> None:
    signals = {"lines": 4.0, "digits": 0.25, "test": None}
    assert list(TOY.hits("code", signals)) == [("digits", 0.25, 0.2), ("short", 4.0, 10.0)]
    assert list(TOY.hits("code/sql", signals)) == [("short", 4.0, 10.0)]
    assert list(TOY.hits("code/go", signals)) == [("digits", 0.25, 0.2)]
    assert [TOY.table_name("code", "rust"), TOY.table_name("code", "sql")] == ["code", "code/sql"]
    assert [TOY.table_name("text", "markdown", n) for n in ("zh", "ja", None)] == ["text/zh", "text", "text"]
    assert TOY.table("excluded", "csv") == {}


def test_a_rule_with_two_limits_names_the_one_that_was_crossed() -> None:
    assert [list(TOY.hits("text", {"words": n})) for n in (1.0, 2.0, 9.0, 10.0)] == [
        [("words", 1.0, 2.0)],
        [],
        [],
        [("words", 10.0, 9.0)],
    ]


@pytest.mark.parametrize(("value", "near"), [(9.5, None), (10.5, ("below", 10.0)), (11.5, None), (None, None)])
def test_a_value_is_near_a_limit_on_the_side_that_is_not_hit(value: float | None, near: Any) -> None:
    assert Rule(below=10).near(value, 0.1) == near


def test_a_draw_is_made_by_the_content_and_the_rule_and_comes_as_often_as_it_says() -> None:
    import hashlib

    ids = [hashlib.sha256(str(i).encode()).hexdigest() for i in range(4000)]
    rule = Rule(equals=1, chance=0.8)
    first, second = ([counts(name, rule, one) for one in ids] for name in ("no_logic", "test_file"))
    assert first == [counts("no_logic", rule, one) for one in ids]
    assert 0.78 < sum(first) / len(ids) < 0.82
    assert 0.6 < sum(a and b for a, b in zip(first, second, strict=True)) / len(ids) < 0.68  # independent: 0.64
    assert all(counts("any", Rule(equals=1), one) for one in ids)


COLUMNS = ("content_id", "type", "language", "natural", "lines", "digits", "test", "words")
ROW = st.fixed_dictionaries(
    {
        "content_id": st.text("0123456789abcdef", min_size=64, max_size=64),
        "type": st.sampled_from(("code", "data", "text", "excluded")),
        "language": st.sampled_from(("sql", "go", "rust", "markdown")),
        "natural": st.sampled_from(("zh", "ja", "other", None)),
        "lines": st.none() | st.sampled_from((9, 10, 11)),
        "digits": st.none() | st.sampled_from((0.2, 0.25, 0.3, 0.31)),
        "test": st.none() | st.booleans(),
        "words": st.none() | st.sampled_from((1.0, 2.0, 9.0, 9.5)),
    }
)


@given(st.lists(ROW, min_size=1, max_size=20))
def test_sql_decides_as_python_does(rows: list[dict[str, Any]]) -> None:
    connection = duckdb.connect()
    connection.execute(
        "CREATE TABLE m (content_id VARCHAR, type VARCHAR, language VARCHAR, written_in VARCHAR, lines BIGINT, "
        'digits DOUBLE, test BOOLEAN, words DOUBLE, "table" VARCHAR)'
    )
    for row in rows:
        connection.execute(f"INSERT INTO m VALUES ({', '.join('?' * 8)}, NULL)", [row[name] for name in COLUMNS])
    connection.execute(f'UPDATE m SET "table" = {TOY.table_sql("type", "language", "written_in")}')
    parts = [
        f"CASE WHEN {condition} THEN {{'rule': '{rule}', 'value': {value}, 'limit': {limit}}} END"
        for rule, condition, value, limit in TOY.hits_sql('"table"', "m", "content_id")
    ]
    found = connection.execute(f"SELECT [{', '.join(parts)}] FROM m").fetchall()
    for row, (hits,) in zip(rows, found, strict=True):
        table = TOY.table_name(row["type"], row["language"], row["natural"])
        signals = {name: row[name] for name in ("lines", "digits", "test", "words")}
        expected = list(TOY.hits(table, signals, row["content_id"]))
        assert sorted((h["rule"], h["value"], h["limit"]) for h in hits if h) == expected


def test_named_sets_are_valid_and_a_wrong_name_lists_them(tmp_path: Any) -> None:
    assert {"codelake-1", "opencoder-1"} <= set(names())
    for name in names():
        assert rule_set(name).name == name
    with pytest.raises(ConfigError, match=r"codelake: no such rule set\. Allowed: .*codelake-1.*Did you mean"):
        rule_set("codelake")
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(
        "name: x\nsignals: measured\ntypes: {code: {r: {signal: lines}}}\nlanguages: {}\nnatural_languages: {}"
    )
    with pytest.raises(ConfigError, match=r"types\.code\.r: .*needs `below`, `above` or both"):
        rule_set(str(wrong))
