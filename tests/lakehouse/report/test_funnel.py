"""The funnel: what every step left over and dropped, and that the numbers add up.

print(render_text(funnel(Lake("lake"))))
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable, write_deltalake

from lakehouse.errors import CodelakeError
from lakehouse.lake import Lake
from lakehouse.report.funnel import Amount, Funnel, OutOfStep, RuleHits, funnel, render_text
from tests.lakehouse.lakes import BIDI, FILES, REFUSED, File, Rows, make_lake, rows

FIRST = ("unreadable", "file_type", "licence", "near_duplicate")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return make_lake(tmp_path_factory.mktemp("lake"))


@pytest.fixture(scope="module")
def planted(lake: Lake) -> Funnel:
    return funnel(lake)


def amount(found: Rows, column: str) -> Amount:
    return Amount(len(found), sum(row[column] or 0 for row in found))


def rules_of(row: Mapping[str, Any]) -> set[str]:
    return {hit["rule"] for hit in row["hits"]}


def expected_steps(made: Mapping[str, Rows]) -> list[tuple[str, Amount, Amount]]:
    """(what is left, dropped, out) of every step, counted by hand from the rows."""
    files, refused = made["bronze.code_files"], amount(made["ops.quarantine"], "size")
    size = {row["content_id"]: row["size"] for row in files}
    taken = amount(files, "size")
    steps = [("found in sources", Amount(), taken + refused), ("taken in", refused, taken)]
    left = Amount(len(size), sum(size.values()))
    steps.append(("distinct contents", taken - left, left))
    remaining = list(made["silver.code_decisions"])
    names = (
        "readable as text",
        "of a wanted type",
        "of a wanted licence",
        "without near-duplicates",
        "kept by the rules",
    )
    for name, rule in zip(names, (*FIRST, None), strict=True):
        gone = [row for row in remaining if (rule in rules_of(row) if rule else row["hits"])]
        remaining = [row for row in remaining if row not in gone]
        dropped = Amount(len(gone), sum(size[row["content_id"]] for row in gone))
        left -= dropped
        if name != "of a wanted licence" or gone:
            steps.append((name, dropped, left))
    text = {row["content_id"]: row["bytes"] for row in made["silver.code_texts"]}
    out = Amount(len(remaining), sum(text[row["content_id"]] for row in remaining))
    steps.append(("texts of what is kept", left - out, out))
    cut = amount([row for row in made["silver.code_sample"] if not row["taken"]], "bytes")
    steps.append(("within the caps", cut, out - cut))
    steps.append(("in gold.pretrain", Amount(), amount(made["gold.pretrain"], "bytes")))
    return steps


def many(seed: int) -> tuple[File, ...]:
    """Random files: copies, clusters, several reasons at once, languages with and without a cap."""
    rng = random.Random(seed)
    found: dict[tuple[str, str, str], File] = {}
    for i in range(60):
        content = f"line {rng.randrange(40)}\n".encode() * rng.randrange(1, 30)
        kind = dice(content)
        hits = tuple((rule, 1.0, 2.0) for rule in ("short", "long", "licence") if kind.random() < 0.15)
        file = File(
            source=rng.choice("abc"), repo=f"r{rng.randrange(4)}", path=f"p{i}", content=content,
            language=kind.choice(["java", "python", "go"]), type=kind.choice(["code", "code", "excluded"]),
            stars=rng.choice([None, 1, 5]), unreadable="binary" if kind.random() < 0.1 else None, hits=hits,
            cluster=kind.choice([None, "x", "y"]),
        )  # fmt: skip
        found[file.source, file.repo, file.path] = file
    return tuple(found.values())


def dice(content: bytes) -> random.Random:  # copies of one content agree on what is measured of it
    return random.Random(content)


def test_every_step_counts_what_the_rows_say(planted: Funnel) -> None:
    found = [(step.left, step.dropped, step.out) for step in planted.steps]
    assert found == expected_steps(rows())
    planted.check()


@pytest.mark.parametrize("seed", range(4))
def test_random_lakes_add_up_and_equal_a_count_by_hand(tmp_path: Path, seed: int) -> None:
    files = many(seed)
    counted = funnel(make_lake(tmp_path, files=files, refused=()))
    assert [(step.left, step.dropped, step.out) for step in counted.steps] == expected_steps(rows(files, ()))
    counted.check()


def test_what_came_in_is_what_went_on_plus_what_was_dropped(planted: Funnel) -> None:
    for before, step in pairwise(planted.steps):
        assert before.out is not None
        assert step.out is not None
        assert step.dropped is not None
        assert before.out == step.out + step.dropped, step.left


def test_rules_count_every_hit_and_what_only_they_hit(planted: Funnel) -> None:
    size = {row["content_id"]: row["size"] for row in rows()["silver.code_files"]}
    hits: Counter[str] = Counter()
    alone: Counter[str] = Counter()
    hit_bytes: Counter[str] = Counter()
    for row in rows()["silver.code_decisions"]:
        for rule in rules_of(row):
            hits[rule] += 1
            hit_bytes[rule] += size[row["content_id"]]
            alone[rule] += len(rules_of(row)) == 1
    assert {rule.name: rule.hits for rule in planted.rules} == {r: Amount(hits[r], hit_bytes[r]) for r in hits}
    assert {rule.name: rule.alone.files for rule in planted.rules} == {r: alone[r] for r in hits}
    assert RuleHits("unreadable", Amount(1, 280), Amount(0, 0)) in planted.rules  # it has the wrong type as well


def test_refused_items_are_counted_by_reason_and_an_unknown_size_is_said(planted: Funnel) -> None:
    found = {reason.name: (reason.amount, reason.unsized) for reason in planted.refused}
    assert found == {
        "over_cap": (Amount(1, 9_000_000), 0),
        "corrupt_archive": (Amount(1, 0), 1),
        "unsafe_path": (Amount(1, 512), 0),
    }


def test_sources_and_languages_equal_a_count_by_hand(planted: Funnel) -> None:
    made = rows()
    best = {row["content_id"]: row for row in made["silver.code_files"]}
    kept = [best[row["content_id"]] for row in made["silver.code_decisions"] if row["keep"]]
    language = {row["content_id"]: row["language"] for row in made["silver.code_languages"]}
    for item in planted.by_source:
        own = {
            name: [row for row in made[name] if row["source"] == item.name]
            for name in ("ops.quarantine", "gold.pretrain")
        }
        assert item.refused == amount(own["ops.quarantine"], "size")
        assert item.occurrences == amount([r for r in made["bronze.code_files"] if r["source"] == item.name], "size")
        assert item.distinct == amount([r for r in best.values() if r["source"] == item.name], "size")
        assert item.kept == amount([r for r in kept if r["source"] == item.name], "size")
        assert item.gold == amount(own["gold.pretrain"], "bytes")
    for item in planted.by_language:
        assert (item.refused, item.occurrences) == (None, None)
        assert item.distinct == amount([r for r in best.values() if language[r["content_id"]] == item.name], "size")
        assert item.kept == amount([r for r in kept if language[r["content_id"]] == item.name], "size")
        assert item.gold == amount([r for r in made["gold.pretrain"] if r["language"] == item.name], "bytes")
    assert {item.name for item in planted.by_source} == {"shop", "packages", "crawl"}
    assert {item.name for item in planted.by_language} == set(language.values())


def test_a_licence_step_is_there_only_when_licences_decide(tmp_path: Path, planted: Funnel) -> None:
    assert "of a wanted licence" not in [step.left for step in planted.steps]
    strict = File("shop", "r", "own.py", b"x = 1\n" * 20, "python", licence="Own", hits=(("licence", 0, 0),))
    counted = funnel(make_lake(tmp_path, files=(*FILES, strict)))
    assert counted.step("of a wanted licence").dropped == Amount(1, 120)
    counted.check()


@pytest.mark.parametrize(
    ("gone", "job", "pending"),
    [
        ("bronze.code_files", "code.ingest", 2),
        ("silver.code_files", "code.exact_dedup", 1),
        ("silver.code_decisions", "code.decide", 4),
        ("silver.code_texts", "code.redact", 1),
        ("silver.code_sample", "code.sample", 1),
        ("gold.pretrain", "corpus.pretrain", 1),
    ],
)
def test_a_missing_table_is_a_step_that_has_not_run(tmp_path: Path, gone: str, job: str, pending: int) -> None:
    counted = funnel(make_lake(tmp_path, without={gone}))
    own = [step for step in counted.steps if step.job == job]
    assert [step.out for step in own] == [None] * pending
    assert gone in counted.missing
    assert f"not run yet: codelake build {job}" in render_text(counted)
    counted.check()


def test_a_table_that_was_made_but_never_filled_has_not_run(tmp_path: Path) -> None:
    """A first run that its gate stops leaves the table behind, empty."""
    lake = make_lake(tmp_path)
    DeltaTable(f"{lake.root}/silver/code_decisions").delete()
    counted = funnel(make_lake_without_rest(lake))
    assert counted.step("kept by the rules").out is None
    assert counted.step("distinct contents").out is not None
    counted.check()


def make_lake_without_rest(lake: Lake) -> Lake:
    for name in ("silver/code_sample", "gold/pretrain"):
        DeltaTable(f"{lake.root}/{name}").delete()
    return lake


def test_a_folder_without_tables_has_only_steps_that_have_not_run(tmp_path: Path) -> None:
    counted = funnel(Lake(str(tmp_path)))
    assert all(step.out is None for step in counted.steps)
    assert (counted.by_source, counted.by_language, counted.rules, counted.refused) == ((), (), (), ())
    counted.check()


def delete(table: str, where: str) -> Callable[[Lake], None]:
    return lambda lake: DeltaTable(f"{lake.root}/{table}").delete(where) and None


def update(table: str, **values: str) -> Callable[[Lake], None]:
    return lambda lake: DeltaTable(f"{lake.root}/{table}").update(updates=values) and None


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (delete("bronze/code_files", "path = 'static/logo.svg'"), "taken in: "),
        (update("bronze/code_sources", bytes="bytes + 1"), "taken in: "),
        (delete("silver/code_files", "path = 'static/logo.svg'"), "distinct contents: "),
        (update("silver/code_files", copies="copies + 1"), "distinct contents: "),
        (delete("bronze/code_contents", "size = 280"), "bronze.code_contents holds 14 files"),
        (delete("silver/code_decisions", "keep"), "readable as text: "),
        (update("silver/code_decisions", keep="true"), "are kept with a hit or dropped without one"),
        (delete("silver/code_languages", "language = 'java'"), "the languages add up to"),
        (delete("silver/code_sample", "NOT taken"), "within the caps: "),
        (update("silver/code_sample", bytes="bytes + 1"), "within the caps: "),
        (delete("gold/pretrain", "language = 'java'"), "in gold.pretrain: "),
        (update("gold/pretrain", source="'shop2'", bytes="bytes * 2"), "in gold.pretrain: "),
    ],
)
def test_tables_that_do_not_agree_are_an_error_that_names_the_step(
    tmp_path: Path, damage: Callable[[Lake], None], said: str
) -> None:
    lake = make_lake(tmp_path)
    damage(lake)
    counted = funnel(lake)
    with pytest.raises(OutOfStep, match="codelake build --full-refresh") as error:
        counted.check()
    assert said in str(error.value)
    assert f"! {counted.problems[0]}" in render_text(counted)


def test_a_table_without_a_column_that_is_counted_is_an_error_that_names_it(tmp_path: Path) -> None:
    import pyarrow as pa

    lake = make_lake(tmp_path, without={"silver.code_sample"})
    write_deltalake(f"{lake.root}/silver/code_sample", pa.table({"content_id": ["a"]}))
    with pytest.raises(CodelakeError, match="taken"):
        funnel(lake)


def test_the_text_shows_every_step_every_reason_and_every_rule(planted: Funnel) -> None:
    text = render_text(planted)
    for step in planted.steps:
        assert step.left in text
    for name in (*(reason.name for reason in planted.refused), *(rule.name for rule in planted.rules)):
        assert f"  {name} " in text
    (line,) = [line for line in text.splitlines() if line.startswith("  exact copies")]
    assert line.split() == ["exact", "copies", "-2", "-956", "B"]
    (line,) = [line for line in text.splitlines() if line.startswith("in gold.pretrain")]
    assert line.split()[2:5] == ["5", "2.7", "kB"]


@pytest.mark.parametrize("width", [80, 100, 140])
def test_the_text_fits_the_terminal(planted: Funnel, width: int) -> None:
    lines = render_text(planted, width).splitlines()
    assert max(map(len, lines)) <= width
    assert sum("█" in line for line in lines) == len(planted.steps)


def test_the_text_holds_no_control_character_from_the_data(tmp_path: Path) -> None:
    refused = (*REFUSED, ("shop", "r", "p", f"\x1b[2J{BIDI}\nreason", 1))
    text = render_text(funnel(make_lake(tmp_path, refused=refused)))
    assert "[U+001B][2J[U+202E][U+000A]reason" in text
    assert not any(ord(char) < 32 and char != "\n" for char in text)
    assert BIDI not in text
