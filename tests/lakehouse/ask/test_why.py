"""The story of one file, for every way in which a file can end.

story = why(lake, "acme/shop:src/queue.py")     # or a content id, the beginning of one, a path
story.verdict                                   # "kept: in gold.pretrain@0"
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake

from jobs.code.tables import code_decisions, code_files, code_texts
from jobs.corpus.tables import pretrain
from jobs.registry import GRAPH
from lakehouse import ops
from lakehouse.ask import sql
from lakehouse.ask.why import STAGES, Story, why
from lakehouse.cli.story import lines
from lakehouse.errors import ConfigError, InputError
from lakehouse.lake import Lake
from tests.lakehouse import lakes


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """The whole pipeline has run. Only read in this module; tests that change one make their own."""
    return lakes.make_lake(tmp_path_factory.mktemp("lake"))


def copied(lake: Lake, to: Path, without: Collection[str] = ()) -> Lake:
    """A lake of one's own, left out what is named: faster than writing it."""
    shutil.copytree(lake.root, to, dirs_exist_ok=True)
    for name in without:
        shutil.rmtree(to / name.replace(".", "/"))
    return Lake(str(to))


def place(file: lakes.File) -> str:
    return f"{file.source}/{file.repo}:{file.path}"


def row_of(table: str, content_id: str) -> Mapping[str, Any] | None:
    return next((row for row in lakes.rows()[table] if row["content_id"] == content_id), None)


def told(story: Story) -> str:
    """Everything that a person or a program is shown."""
    return "\n".join(lines(story)) + json.dumps(sql.plain(story.as_dict()), ensure_ascii=False)


def append(lake: Lake, table: Any, rows: list[dict[str, Any]], **facts: str) -> None:
    said = CommitProperties(custom_metadata={"userMetadata": json.dumps(facts)}) if facts else None
    data = pa.Table.from_pylist(rows, schema=table.arrow_schema)
    write_deltalake(lake.location(table), data, mode="append", commit_properties=said)


# --- finding what is meant


@pytest.mark.parametrize("file", lakes.FILES, ids=lambda file: file.language + str(len(file.content)))
def test_every_file_is_found_at_its_place_by_its_id_and_by_the_beginning_of_it(lake: Lake, file: lakes.File) -> None:
    for what in (place(file), f"{file.repo}:{file.path}", file.content_id, file.content_id[:8]):
        assert why(lake, what).content_id == file.content_id


def test_a_bare_path_is_enough_when_it_means_one_content(lake: Lake) -> None:
    assert why(lake, "src/client.py").content_id == why(lake, "shop/acme/shop:src/client.py").content_id


def test_a_path_that_means_several_contents_lists_them(tmp_path: Path) -> None:
    files = [lakes.File("s", repo, "setup.py", repo.encode(), "python") for repo in ("one", "two")]
    with pytest.raises(ConfigError, match="2 different contents") as error:
        why(lakes.make_lake(tmp_path, files=files, refused=()), "setup.py")
    assert all(f"'s/{file.repo}:setup.py'  {file.content_id[:16]}" in str(error.value) for file in files)


def test_a_path_in_many_repositories_with_one_content_is_one_story(tmp_path: Path) -> None:
    files = [lakes.File("s", f"repo{i:02}", "LICENSE", b"free\n", "text", "text") for i in range(30)]
    story = why(lakes.make_lake(tmp_path, files=files, refused=()), "LICENSE")
    assert (len(story.occurrences), story.more_occurrences, story.stands["copies"]) == (20, 10, 30)  # type: ignore[index]


def test_a_beginning_that_two_contents_share_lists_both(tmp_path: Path) -> None:
    lake, ids = Lake(str(tmp_path)), ["abcdef01" + "0" * 56, "abcdef01" + "1" * 56]
    template = lakes.rows()["bronze.code_files"][0]
    append(lake, code_files, [{**template, "path": f"{i}.py", "content_id": key} for i, key in enumerate(ids)])
    with pytest.raises(ConfigError, match=f"2 contents begin so: {', '.join(ids)}"):
        why(lake, "abcdef01")
    assert why(lake, "abcdef011").content_id == ids[1]


def test_a_path_that_looks_like_an_id_or_holds_colons_is_still_a_path(tmp_path: Path) -> None:
    paths = ("deadbeef", "a:b:c.py", "src:main/x.py")
    files = [lakes.File("s", "r", path, path.encode(), "python") for path in paths]
    lake = lakes.make_lake(tmp_path, files=files, refused=())
    for file in files:
        assert why(lake, file.path).content_id == why(lake, f"r:{file.path}").content_id == file.content_id


def test_a_place_is_taken_before_a_path_that_reads_the_same(tmp_path: Path) -> None:
    files = [lakes.File("s", repo, path, repo.encode(), "python") for repo, path in (("q", "r:x.py"), ("r", "x.py"))]
    story = why(lakes.make_lake(tmp_path, files=files, refused=()), "r:x.py")
    assert story.content_id == files[1].content_id


def test_what_is_nowhere_says_where_was_looked_and_what_is_near(lake: Lake) -> None:
    with pytest.raises(
        InputError, match=r"(?s)bronze.code_files, ops.quarantine, gold.pretrain. Near it:.*src/client\.py"
    ):
        why(lake, "acme/shop:src/clients.py")


def test_a_file_name_in_another_folder_is_near(lake: Lake) -> None:
    with pytest.raises(InputError, match=r"Near it:\n  'packages/steps:Steps\.java'$"):
        why(lake, "src/main/Steps.java")


def test_a_short_beginning_of_an_id_is_told_to_be_too_short(lake: Lake) -> None:
    with pytest.raises(InputError, match="needs 8 characters"):
        why(lake, lakes.FILES[0].content_id[:7])


def test_an_empty_lake_says_how_to_fill_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="codelake build"):
        why(Lake(str(tmp_path)), "a.py")


# --- how a file can end


@pytest.mark.parametrize("file", lakes.FILES, ids=lambda file: file.language + str(len(file.content)))
def test_the_story_agrees_with_every_table(lake: Lake, file: lakes.File) -> None:
    key, story = file.content_id, why(lake, place(file))
    occurrences = {
        (r["source"], r["repo"], r["path"]) for r in lakes.rows()["bronze.code_files"] if r["content_id"] == key
    }
    assert {(r["source"], r["repo"], r["path"]) for r in story.occurrences} == occurrences
    for part, table in (
        (story.content, "bronze.code_contents"),
        (story.stands, "silver.code_files"),
        (story.language, "silver.code_languages"),
        (story.duplicate, "silver.code_duplicates"),
        (story.signals, "silver.code_signals"),
        (story.decision, "silver.code_decisions"),
        (story.sample, "silver.code_sample"),
    ):
        row = row_of(table, key)
        assert (part is None) == (row is None), table
        assert part is None or (row is not None and part.items() <= row.items()), table
    assert story.gaps == {}


@pytest.mark.parametrize("file", lakes.FILES, ids=lambda file: file.language + str(len(file.content)))
def test_the_verdict_says_where_it_ended_and_by_what(lake: Lake, file: lakes.File) -> None:
    key, verdict = file.content_id, why(lake, place(file)).verdict
    decision, sample = row_of("silver.code_decisions", key), row_of("silver.code_sample", key)
    assert decision is not None
    if key in {row["doc_id"] for row in lakes.rows()["gold.pretrain"]}:
        assert verdict == "kept: in gold.pretrain@0"
    elif decision["keep"]:
        assert sample is not None and not sample["taken"]
        assert verdict == "kept by the rules, then cut: the cap of java (700 bytes) had no room for it"
    else:
        assert verdict == "dropped: " + ", ".join(hit["rule"] for hit in decision["hits"])


def test_a_near_duplicate_knows_its_cluster_its_survivor_and_how_alike_they_are(lake: Lake) -> None:
    story = why(lake, "src/queue_near.py")
    assert story.duplicate is not None
    survivor = story.members[0]
    assert (survivor["path"], survivor["kept"], survivor["content_id"]) == (
        "src/copy/queue.py",
        True,
        story.duplicate["duplicate_of"],
    )
    pair = next(r for r in lakes.rows()["silver.code_pairs"] if story.content_id == r["content_id"])
    assert survivor["jaccard"] == pair["jaccard"]
    cluster = {
        r["content_id"] for r in lakes.rows()["silver.code_duplicates"] if r["cluster"] == story.duplicate["cluster"]
    }
    assert {member["content_id"] for member in story.members} == cluster


def test_what_was_redacted_is_told_by_kind_and_place_and_never_shown(lake: Lake) -> None:
    story = why(lake, "src/client.py")
    assert story.text is not None
    for span, what in zip(story.text["redactions"], (lakes.MAIL, lakes.SECRET), strict=True):
        assert lakes.CLIENT[span["start"] : span["end"]] == what
        assert f"characters {span['start']:,} to {span['end']:,}" in told(story)
    assert [span["kind"] for span in story.text["redactions"]] == ["email", "password"]
    assert lakes.SECRET not in told(story)
    assert lakes.MAIL not in told(story)


def test_a_removed_notice_shows_how_it_began_without_addresses(tmp_path: Path) -> None:
    lake, row = Lake(str(tmp_path)), lakes.rows()["silver.code_texts"][0]
    notice = "\n# Copyright 2026 Ada\n# Write to ada" + "@" + "planted.example today\n# three\n# four\n"
    append(lake, code_texts, [{**row, "notice": notice}])
    append(lake, code_files, [r for r in lakes.rows()["bronze.code_files"] if r["content_id"] == row["content_id"]][:1])
    story = why(lake, row["content_id"])
    assert story.text is not None
    begins = ["# Copyright 2026 Ada", "# Write to <email> today", "# three"]
    assert story.text["notice"] == {"lines": 5, "characters": len(notice), "begins": begins}


def test_what_is_not_text_has_no_text_and_that_is_no_gap(lake: Lake) -> None:
    story = why(lake, "bin/tool")
    assert (story.text, story.signals, story.gaps) == (None, None, {})
    assert "nothing: it has no text" in told(story)


@pytest.mark.parametrize("item", lakes.REFUSED, ids=lambda item: item[3])
def test_a_refused_item_tells_reason_detail_and_first_bytes(
    lake: Lake, item: tuple[str, str, str, str, int | None]
) -> None:
    source, repo, path, reason, size = item
    for what in (f"{source}/{repo}:{path}", f"{repo}:{path}", path, f"{source}/{repo}:{path} ({reason})"):
        story = why(lake, what)
        assert (story.content_id, story.verdict) == (None, f"refused, in quarantine: {reason}")
        assert [row["size"] for row in story.quarantine] == [size]
        assert "begins with 00 00 00 00 00 00 00 00" in told(story)


def test_a_row_that_a_gate_took_out_is_found_by_its_content(lake: Lake, tmp_path: Path) -> None:
    file, later = lakes.FILES[0], {"silver.code_decisions", "silver.code_sample", "gold.pretrain"}
    lake = copied(lake, tmp_path, without=later)
    item = f'silver.code_decisions {{"content_id":"{file.content_id}"}}'
    said = {"job": "code.decide", "item": item, "reason": "failed_expectation", "detail": "x"}
    append(lake, ops.quarantine, [said])
    story = why(lake, place(file))
    assert [row["item"] for row in why(lake, file.content_id).quarantine] == [item]
    assert [row["item"] for row in story.quarantine] == [item]
    assert story.verdict == "undecided: refused by code.decide, in quarantine"


def test_hidden_characters_of_names_are_written_out(lake: Lake) -> None:
    text = "\n".join(lines(why(lake, place(next(f for f in lakes.FILES if f.path == lakes.HOSTILE_PATH)))))
    assert lakes.BIDI not in text
    assert "\x1b" not in text
    assert "[U+202E]gpj." in text


# --- what has not run


@pytest.mark.parametrize("table", STAGES)
def test_a_stage_that_has_not_run_says_so(lake: Lake, tmp_path: Path, table: str) -> None:
    after = list(STAGES)[list(STAGES).index(table) :]
    lake = copied(lake, tmp_path, without={*after, "ops.runs"})
    kept = next(f for f in lakes.FILES if f.path == "notes.md")
    story = why(lake, kept.content_id)
    assert story.gaps == {name: f"{STAGES[name]} has not run yet" for name in after}
    assert told(story).count(f"{STAGES[table]} has not run yet") >= 2


def test_a_table_that_was_made_but_never_filled_has_not_run_either(lake: Lake, tmp_path: Path) -> None:
    lake = copied(lake, tmp_path, without={"gold.pretrain", "ops.runs"})
    DeltaTable.create(lake.location(pretrain), pretrain.arrow_schema)
    assert why(lake, "notes.md").gaps == {"gold.pretrain": "corpus.pretrain has not run yet"}


def test_a_stage_that_ran_before_the_file_came_in_names_the_versions(lake: Lake, tmp_path: Path) -> None:
    lake = copied(lake, tmp_path)
    new = {**lakes.rows()["bronze.code_files"][0], "path": "new.py", "content_id": "f" * 64}
    append(lake, code_files, [new])
    story = why(lake, "new.py")
    assert story.gaps["silver.code_files"] == "code.exact_dedup has not seen what is new: bronze.code_files 0 → 1"
    assert story.verdict.startswith("undecided")


def test_the_stages_are_those_of_the_pipeline() -> None:
    writers = {table.name: job.name for job in GRAPH.jobs for table in job.writes}
    assert {name: writers[name] for name in STAGES} == STAGES


# --- limits, releases, what is gone


def rule_set(**text: Mapping[str, Any] | None) -> dict[str, Any]:
    """A rule set with these rules for texts, and one for code that everything would come near to."""
    types = {"code": {"other_type": {"signal": "lines", "above": 13}}, "text": text}
    return {"name": "toy", "signals": "measured", "types": types, "languages": {}, "natural_languages": {}}


def rules(lake: Lake, **given: Mapping[str, Any] | None) -> None:
    run = next(row for row in lakes.rows()["ops.runs"] if row["job"] == "code.decide" and row["status"] == "published")
    later = {**run, "run_id": "20260116T000000.000000-1", "started_at": run["started_at"] + timedelta(days=1)}
    append(lake, ops.runs, [{**later, "params_json": json.dumps({"rules": rule_set(**given)})}])


def test_signals_near_a_limit_are_told_and_those_far_from_it_are_not(lake: Lake, tmp_path: Path) -> None:
    lake = copied(lake, tmp_path)
    file = next(f for f in lakes.FILES if f.path == "notes.md")
    signals = row_of("silver.code_signals", file.content_id)
    assert signals is not None
    count = signals["lines"]
    rules(
        lake,
        few={"signal": "lines", "above": None, "below": count - 1},
        many={"signal": "lines", "above": count * 2, "below": None},
        off=None,
    )
    expected = {"rule": "few", "signal": "lines", "value": count, "hit_when": "below", "limit": count - 1}
    assert list(why(lake, "notes.md").near) == [expected]
    assert f"nearly few: lines is {count}, hit when below {count - 1}" in told(why(lake, "notes.md"))


def test_a_decision_by_rules_of_an_older_form_has_nothing_near(lake: Lake, tmp_path: Path) -> None:
    lake = copied(lake, tmp_path)
    run = next(row for row in lakes.rows()["ops.runs"] if row["job"] == "code.decide" and row["status"] == "published")
    later = {**run, "run_id": "20260116T000000.000000-1", "started_at": run["started_at"] + timedelta(days=1)}
    older = {"rules": {"few": {"signal": "lines", "above": None, "below": 13, "types": ["text"]}}}
    append(lake, ops.runs, [{**later, "params_json": json.dumps(older)}])
    assert why(lake, "notes.md").near == []


def test_a_rule_that_was_hit_is_not_also_nearly_hit(lake: Lake, tmp_path: Path) -> None:
    lake = copied(lake, tmp_path)
    rules(lake, too_few_lines={"signal": "lines", "above": None, "below": 1})
    story = why(lake, "short.md")
    assert story.near == []
    assert "too_few_lines 1, limit 10" in told(story)


def test_without_a_ledger_the_limits_come_from_the_tables_own_log(lake: Lake, tmp_path: Path) -> None:
    lake = copied(lake, tmp_path, without={"ops.runs", "silver.code_decisions"})
    said = {"rules": rule_set(few={"signal": "lines", "above": None, "below": 13})}
    decisions = lakes.rows()["silver.code_decisions"]
    append(
        lake, code_decisions, decisions, run_id="1", run_key="0" * 64, job="code.decide", params_json=json.dumps(said)
    )
    assert [row["rule"] for row in why(lake, "notes.md").near] == ["few"]


def pin(lake: Lake, name: str, version: int, identity: str | None = None) -> None:
    row = {**lakes.rows()["gold.releases"][0], "release": name, "version": version}
    append(
        lake, ops.releases, [{**row, "table_id": identity or str(DeltaTable(lake.location(pretrain)).metadata().id)}]
    )


def test_releases_that_hold_the_file_are_named_with_their_version(lake: Lake, tmp_path: Path) -> None:
    lake = copied(lake, tmp_path, without={"gold.releases"})
    DeltaTable(lake.location(pretrain)).delete("path = 'notes.md'")
    pin(lake, "first", 0)
    pin(lake, "second", 1)
    pin(lake, "of_another_table", 0, "another")
    held = {row["release"]: row["version"] for row in why(lake, "notes.md").held}
    assert held == {"first": 0}
    held = {row["release"]: row["version"] for row in why(lake, "src/client.py").held}
    assert held == {None: 1, "first": 0, "second": 1}


def test_a_file_whose_source_is_gone_is_still_found_in_the_release_that_holds_it(lake: Lake, tmp_path: Path) -> None:
    lake = copied(lake, tmp_path, without={"gold.releases"})
    file = next(f for f in lakes.FILES if f.path == "notes.md")
    for table in ("bronze/code_files", "bronze/code_contents", "silver/code_files"):
        DeltaTable(str(tmp_path / table)).delete(f"content_id = '{file.content_id}'")
    DeltaTable(lake.location(pretrain)).delete("path = 'notes.md'")
    pin(lake, "first", 0)
    story = why(lake, file.content_id[:12])
    assert story.content_id == file.content_id
    assert story.verdict == "no source brings it any more; releases that hold it: first (gold.pretrain@0)"
