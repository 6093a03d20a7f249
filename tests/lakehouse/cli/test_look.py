"""The commands that ask: what people see, what programs read, and the exit code.

codelake ls --lake lake
codelake show gold.pretrain
codelake runs --status failed
codelake why acme/shop:src/queue.py
codelake sql "SELECT count(*) FROM gold.pretrain"
"""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from rich.cells import cell_len

from jobs.corpus.tables import pretrain
from lakehouse import ops
from lakehouse.ask.listing import commits, holdings
from lakehouse.cli.common import table
from lakehouse.lake import Lake
from lakehouse.registry import graph, tables
from tests.lakehouse import lakes
from tests.lakehouse.lakes import Run


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return lakes.make_lake(tmp_path_factory.mktemp("lake"))


def asked(run: Run, lake: Lake, *arguments: str) -> str:
    code, out, err = run(*arguments, "--lake", lake.root)
    assert (code, err) == (0, "")
    return out


def answer(run: Run, lake: Lake, *arguments: str) -> Any:
    return json.loads(asked(run, lake, *arguments, "--json"))


MADE = [one for one in tables() if one.name in lakes.rows()]  # the others need something that nobody configured


# --- ls


def test_ls_lists_every_table_with_the_rows_and_bytes_it_has(run: Run, lake: Lake) -> None:
    listed = {row["table"]: row for row in answer(run, lake, "ls")}
    assert set(listed) == set(lakes.rows())
    for one in MADE:
        row, opened = listed[one.name], DeltaTable(lake.location(one))
        assert row["rows"] == opened.to_pyarrow_table().num_rows == len(lakes.rows()[one.name])
        assert row["size"] == sum(path.stat().st_size for path in Path(lake.location(one)).glob("*.parquet"))
        assert row["on_disk"] == sum(p.stat().st_size for p in Path(lake.location(one)).rglob("*") if p.is_file())
        assert (row["version"], row["files"], row["meaning"]) == (0, len(opened.file_uris()), one.row)
    assert (listed["gold.pretrain"]["job"], listed["gold.pretrain"]["run_id"]) == (
        "corpus.pretrain",
        lakes.run_id("corpus.pretrain"),
    )
    assert listed["ops.runs"]["job"] is None


def test_ls_is_a_table_for_people(run: Run, lake: Lake) -> None:
    head, *lines = asked(run, lake, "ls").splitlines()
    assert head.split()[:3] == ["table", "version", "rows"]
    assert any(
        line.startswith("gold.pretrain") and line.rstrip().endswith("one document to pretrain on") for line in lines
    )


def test_old_versions_count_on_disk_but_not_in_the_size(tmp_path: Path) -> None:
    where = str(tmp_path / "gold" / "t")
    for mode in ("append", "overwrite"):
        write_deltalake(where, pa.table({"a": list(range(1000))}), mode=mode)
    (one,) = holdings(Lake(str(tmp_path)))
    assert (one.version, one.rows, one.files) == (1, 1000, 1)
    assert one.on_disk is not None
    assert one.on_disk > 2 * one.size


def test_rows_are_counted_where_the_writer_left_out_the_statistics(tmp_path: Path) -> None:
    where = tmp_path / "gold" / "t"
    write_deltalake(str(where), pa.table({"a": [1, 2, 3]}))
    log = where / "_delta_log" / "00000000000000000000.json"
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    for entry in entries:
        entry.get("add", {}).pop("stats", None)
    log.write_text("\n".join(map(json.dumps, entries)))
    assert holdings(Lake(str(tmp_path)))[0].rows == 3


def test_commits_are_newest_first(tmp_path: Path) -> None:
    where = str(tmp_path / "t")
    for _ in range(3):
        write_deltalake(where, pa.table({"a": [1]}), mode="append")
    assert [one["version"] for one in commits(DeltaTable(where), 2)] == [2, 1]


def test_an_empty_lake_says_how_to_fill_it(run: Run, tmp_path: Path) -> None:
    assert "codelake build" in asked(run, Lake(str(tmp_path)), "ls")
    assert answer(run, Lake(str(tmp_path)), "ls") == []


@pytest.mark.parametrize(
    "command", [["ls"], ["show", "gold.pretrain"], ["runs"], ["why", "x"], ["sql", "SELECT 1"], ["report"]]
)
def test_a_lake_that_is_not_there_is_wrong_usage(run: Run, tmp_path: Path, command: list[str]) -> None:
    code, out, err = run(*command, "--lake", str(tmp_path / "none"))
    assert (code, out) == (2, "")
    assert "no lake there" in err


# --- show


@pytest.mark.parametrize("declared", MADE, ids=lambda declared: declared.name)
def test_show_tells_every_column_with_type_unit_and_meaning(run: Run, lake: Lake, declared: Any) -> None:
    said = answer(run, lake, "show", declared.name)
    assert [(c["column"], c["type"], c["unit"], c["nulls"], c["meaning"]) for c in said["columns"]] == [
        (c.name, c.type, c.unit, c.nullable, c.comment) for c in declared.columns
    ]
    assert said["key"] == list(declared.key)
    assert said["written_by"] == [job.name for job in graph().jobs if declared in job.writes]
    assert said["read_by"] == [job.name for job in graph().jobs if declared in job.reads]
    assert len(said["sample"]) == min(3, len(lakes.rows()[declared.name]))
    assert all(set(row) == set(declared.column_names) for row in said["sample"])


def test_show_of_a_table_is_readable(run: Run, lake: Lake) -> None:
    out = asked(run, lake, "show", "silver.code_duplicates")
    assert "one row is one member of a cluster of near-duplicates" in out
    for said in (
        "written by   code.near_dedup",
        "read by      code.decide",
        "newest versions",
        "be between (max_value 1, min_value 0)",
    ):
        assert said in out


def test_a_table_that_is_not_made_yet_is_shown_as_declared(run: Run, tmp_path: Path) -> None:
    assert "not made yet: `codelake build gold.pretrain`" in asked(run, Lake(str(tmp_path)), "show", "gold.pretrain")
    assert answer(run, Lake(str(tmp_path)), "show", "gold.pretrain")["there"] is None


def test_a_table_that_no_job_knows_is_shown_as_it_is(run: Run, tmp_path: Path) -> None:
    write_deltalake(str(tmp_path / "gold" / "guest"), pa.table({"a": [1]}), description="One row is a guest.")
    said = answer(run, Lake(str(tmp_path)), "show", "gold.guest")
    assert (said["one_row_is"], said["columns"][0]["column"], said["sample"]) == ("a guest", "a", [{"a": 1}])
    assert "no job of this installation knows it" in asked(run, Lake(str(tmp_path)), "show", "gold.guest")


@pytest.mark.parametrize("job", graph().jobs, ids=lambda job: job.name)
def test_show_tells_every_parameter_of_a_job(run: Run, lake: Lake, job: Any) -> None:
    said = answer(run, lake, "show", job.name)
    assert (said["reads"], said["writes"]) == ([t.name for t in job.reads], [t.name for t in job.writes])
    assert {p["parameter"].partition(".")[0] for p in said["parameters"]} == set(job.params.model_fields)
    ran = job.name in dict(lakes.JOBS)
    assert (said["last_run"] or {}).get("run_id") == (lakes.run_id(job.name) if ran else None)
    assert asked(run, lake, "show", job.name).startswith(f"{job.name}: {job.about}")


def test_rules_are_shown_one_by_one_and_large_parameters_are_counted(run: Run, lake: Lake) -> None:
    assert '{"signal": "words", "below": 30.0' in asked(run, lake, "show", "code.decide")
    assert " entries" in asked(run, lake, "show", "code.language")


def test_show_of_an_unknown_name_hints_at_the_nearest(run: Run, lake: Lake) -> None:
    code, _, err = run("show", "code.decid", "--lake", lake.root)
    assert code == 2
    assert "Did you mean 'code.decide'?" in err


# --- runs


def test_runs_are_listed_newest_first_and_filtered(run: Run, lake: Lake) -> None:
    every = answer(run, lake, "runs")
    assert [row["run_id"] for row in every] == sorted((row["run_id"] for row in lakes.rows()["ops.runs"]), reverse=True)
    assert [row["job"] for row in answer(run, lake, "runs", "--last", "2")] == ["corpus.pretrain", "code.sample"]
    assert [row["status"] for row in answer(run, lake, "runs", "--status", "gate_failed")] == ["gate_failed"]
    assert {row["job"] for row in answer(run, lake, "runs", "--job", "code.decide")} == {"code.decide"}
    assert "no run fits" in asked(run, lake, "runs", "--status", "killed")


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["--job", "code.decid"], "Did you mean 'code.decide'?"),
        (["--status", "fail"], "Did you mean 'failed'?"),
        (["2099"], f"is no run. Newest: {lakes.run_id('corpus.pretrain')[:15]}"),
        (["2026"], f"begins {1 + len(lakes.JOBS)} runs"),
    ],
)
def test_a_filter_or_run_that_does_not_exist_is_wrong_usage(
    run: Run, lake: Lake, arguments: list[str], hint: str
) -> None:
    code, _, err = run("runs", *arguments, "--lake", lake.root)
    assert code == 2
    assert hint in err


def test_one_run_is_shown_in_full_by_the_beginning_of_its_id(run: Run, lake: Lake) -> None:
    run_id = lakes.run_id("code.pairs")
    said = answer(run, lake, "runs", run_id[:15])
    row = next(row for row in lakes.rows()["ops.runs"] if row["run_id"] == run_id)
    assert (said["inputs"], said["outputs"], said["seconds"]) == (row["inputs"], row["outputs"], row["seconds"])
    unmet = [r for r in lakes.rows()["ops.expectation_results"] if r["run_id"] == run_id and not r["success"]]
    assert [one["expectation"] for one in said["unmet_expectations"]] == [r["expectation"] for r in unmet] != []
    out = asked(run, lake, "runs", run_id[:15])
    for part in ("expectations that were not met", "silver.code_bands", row["run_key"]):
        assert part in out


def test_the_whole_error_of_a_failed_run_is_shown(run: Run, lake: Lake) -> None:
    failed = next(row for row in lakes.rows()["ops.runs"] if row["error"])
    out = asked(run, lake, "runs", failed["run_id"])
    assert all(line in out for line in failed["error"].splitlines())


def test_a_lake_without_runs_lists_none(run: Run, tmp_path: Path) -> None:
    assert "no run fits" in asked(run, Lake(str(tmp_path)), "runs")


# --- why


def test_why_tells_the_story_and_its_json_holds_all_of_it(run: Run, lake: Lake) -> None:
    out = asked(run, lake, "why", "src/queue_near.py")
    assert out.splitlines()[0] == "shop/acme/shop:src/queue_near.py"
    assert out.splitlines()[2] == "dropped: near_duplicate"
    assert answer(run, lake, "why", "src/queue_near.py")["verdict"] == "dropped: near_duplicate"


def test_nothing_found_is_wrong_usage(run: Run, lake: Lake) -> None:
    code, out, err = run("why", "nowhere.py", "--lake", lake.root)
    assert (code, out) == (2, "")
    assert "was not found in bronze.code_files" in err


# --- sql

HOSTILE = next(file for file in lakes.FILES if file.path == lakes.HOSTILE_PATH)


def test_sql_prints_an_aligned_table_with_whole_numbers(run: Run, lake: Lake) -> None:
    head, row = asked(
        run, lake, "sql", "SELECT 2026 AS year, 0.123456 AS share, NULL AS nothing, [1, 2] AS list"
    ).splitlines()
    assert head.split() == ["year", "share", "nothing", "list"]
    assert row.split(maxsplit=3) == ["2026", "0.123456", "-", "[1, 2]"]


def test_sql_reads_the_statement_from_stdin(run: Run, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("SELECT count(*) AS n\nFROM gold.pretrain;\n"))
    assert answer(run, lake, "sql", "-") == [{"n": len(lakes.rows()["gold.pretrain"])}]


def test_sql_writes_csv_with_whole_values(run: Run, lake: Lake) -> None:
    out = asked(run, lake, "sql", "SELECT doc_id, text FROM gold.pretrain ORDER BY doc_id", "--csv")
    rows = sorted(lakes.rows()["gold.pretrain"], key=lambda row: str(row["doc_id"]))
    expected = [["doc_id", "text"], *([row["doc_id"], row["text"]] for row in rows)]
    assert list(csv.reader(io.StringIO(out, newline=""))) == expected


@pytest.mark.parametrize(("limit", "expected"), [([], 100), (["--limit", "7"], 7), (["--limit", "0"], 250)])
def test_a_table_is_limited_and_says_so(run: Run, lake: Lake, limit: list[str], expected: int) -> None:
    code, out, err = run("sql", "SELECT * FROM range(250) t(n)", *limit, "--lake", lake.root)
    assert (code, len(out.splitlines())) == (0, expected + 1)
    assert (f"the first {expected} rows" in err) == (expected < 250)


@pytest.mark.parametrize("form", ["--csv", "--json"])
def test_what_programs_read_is_not_limited_unless_asked(run: Run, lake: Lake, form: str) -> None:
    assert len(asked(run, lake, "sql", "SELECT * FROM range(250) t(n)", form).splitlines()) == 250 + (form == "--csv")
    assert len(asked(run, lake, "sql", "SELECT * FROM range(250) t(n)", form, "--limit", "7").splitlines()) == 7 + (
        form == "--csv"
    )


def test_no_hidden_character_reaches_the_terminal(run: Run, lake: Lake) -> None:
    for command in (
        ["sql", "SELECT repo, path FROM bronze.code_files"],
        ["show", "bronze.code_files"],
        ["why", HOSTILE.content_id],
    ):
        out = asked(run, lake, *command)
        assert "\x1b" not in out
        assert lakes.BIDI not in out
    (row,) = answer(run, lake, "sql", f"SELECT path FROM bronze.code_files WHERE content_id = '{HOSTILE.content_id}'")
    assert row["path"] == lakes.HOSTILE_PATH


def test_markup_in_data_and_column_names_is_text(run: Run, lake: Lake) -> None:
    assert asked(run, lake, "sql", "SELECT '[bold]x[/]' AS \"[red]a\"").split() == ["[red]a", "[bold]x[/]"]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("SELECT * FROM gold.pretrian", "Did you mean 'gold.pretrain'?"),
        ("SELECT nope FROM gold.pretrain", "`codelake show TABLE` lists columns"),
        ("SELEC 1", "Parser Error"),
        ("DROP TABLE gold.pretrain", "the lake is only read here"),
    ],
)
def test_a_wrong_statement_exits_with_2_and_says_what_to_do(run: Run, lake: Lake, statement: str, said: str) -> None:
    code, out, err = run("sql", statement, "--lake", lake.root)
    assert (code, out) == (2, "")
    assert said in err


def test_sql_asks_a_version_or_a_release(run: Run, tmp_path: Path) -> None:
    lake = lakes.make_lake(tmp_path, without={"gold.releases"})
    identity = str(DeltaTable(lake.location(pretrain)).metadata().id)
    pinned = {**lakes.rows()["gold.releases"][0], "table_id": identity}
    write_deltalake(lake.location(ops.releases), pa.Table.from_pylist([pinned], schema=ops.releases.arrow_schema))
    DeltaTable(lake.location(pretrain)).delete("language = 'python'")
    count, before = "SELECT count(*) AS n FROM gold.pretrain", len(lakes.rows()["gold.pretrain"])
    assert answer(run, lake, "sql", count)[0]["n"] < before
    assert answer(run, lake, "sql", count, "--version", "gold.pretrain=0") == [{"n": before}]
    assert answer(run, lake, "sql", count, "--release", "planted") == [{"n": before}]


def test_the_lake_may_come_from_the_configuration(run: Run, lake: Lake, tmp_path: Path) -> None:
    conf = tmp_path / "mine.yaml"
    conf.write_text(json.dumps({"lake": {"root": lake.root}}))
    code, out, _ = run("sql", "SELECT count(*) AS n FROM bronze.code_files", "--csv", "--conf", str(conf))
    assert (code, out.split()) == (0, ["n", str(len(lakes.FILES))])


@pytest.mark.parametrize("option", [["--version", "gold.pretrain=0"], ["--release", "planted"]])
def test_versions_are_pinned_in_the_text_for_spark(run: Run, lake: Lake, option: list[str]) -> None:
    code, _, err = run("sql", "SELECT 1", "--engine", "spark", *option, "--lake", lake.root)
    assert code == 2
    assert "VERSION AS OF" in err


@pytest.mark.spark
def test_spark_prints_what_duckdb_prints(run: Run, lake: Lake, spark: Any) -> None:
    query = "SELECT language, count(*) AS files FROM gold.pretrain GROUP BY language ORDER BY language"
    try:
        code, out, _ = run("sql", query, "--engine", "spark", "--lake", lake.root)
        assert (code, out) == (0, asked(run, lake, "sql", query))
    finally:
        for row in spark.sql("SHOW SCHEMAS").collect():
            if row[0] != "default":
                for table in spark.sql(f"SHOW TABLES IN {row[0]}").collect():
                    spark.sql(f"DROP TABLE {row[0]}.{table['tableName']}")


# --- report


def test_report_writes_the_page_and_prints_where(
    run: Run, lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, drawn = tmp_path / "out.html", []
    monkeypatch.setattr("lakehouse.report.page.write", lambda lake, path: drawn.append(lake) or path)
    assert asked(run, lake, "report", "--out", str(page)).strip() == str(page)
    assert drawn == [lake]


@pytest.mark.parametrize("command", ["ls", "show", "runs", "why", "sql", "report"])
def test_every_command_explains_itself(run: Run, command: str) -> None:
    code, out, _ = run(command, "--help")
    assert code == 0
    assert out.startswith("Usage: ")


# --- what a terminal shows


@pytest.mark.parametrize("width", [40, 80, 100, 200])
def test_a_table_fits_the_terminal_and_numbers_stay_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    rows = [{"table": "silver.code_duplicates", "rows": 1234567, "meaning": "word " * 40, "wide": "\u5b57" * 60}] * 2
    table(rows)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3  # one line a row
    assert all(cell_len(re.sub("\x1b\\[[0-9;]*m", "", line)) <= width for line in lines)
    assert all("1,234,567" in line for line in lines[1:])
    assert all(("silver.code_duplicates" in line) == (width > 40) for line in lines[1:])


def test_a_piped_table_holds_values_whole(capsys: pytest.CaptureFixture[str]) -> None:
    table([{"a": "x" * 150, "b": 1}])
    assert "x" * 150 in capsys.readouterr().out
