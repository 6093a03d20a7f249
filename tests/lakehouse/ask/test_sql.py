"""SQL over the lake: one query in, rows out, nothing else reachable.

with sql.ask(lake, "SELECT language, count(*) FROM gold.pretrain GROUP BY language") as answer:
    answer.columns, list(answer.rows)
"""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from jobs.code.tables import code_decisions, code_files
from jobs.corpus.tables import pretrain
from lakehouse import ops
from lakehouse.ask import names, sql
from lakehouse.errors import ConfigError, StorageError
from lakehouse.lake import Lake

A, B, C = "a" * 64, "b" * 64, "c" * 64
NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)


def document(doc_id: str, language: str, text: str) -> dict[str, Any]:
    return {
        "doc_id": doc_id,
        "corpus": "code",
        "source": "shop",
        "repo": "acme/shop",
        "path": f"src/{doc_id[0]}.py",
        "language": language,
        "copies": 1,
        "bytes": len(text.encode()),
        "text": text,
    }


def occurrence(path: str, content_id: str, when: datetime | None = None) -> dict[str, Any]:
    row = {"source": "shop", "repo": "acme/shop", "path": path, "content_id": content_id, "size": 3}
    return {**row, "commit": None, "version": None, "stars": 7, "committed_at": when, "licence": "MIT"}


def decision(content_id: str, *hits: tuple[str, float | None, float | None]) -> dict[str, Any]:
    said = [{"rule": rule, "value": value, "limit": limit, "detail": None} for rule, value, limit in hits]
    return {"content_id": content_id, "keep": not hits, "hits": said, "rules": "0" * 16}


def put(lake: Lake, table: Any, rows: list[dict[str, Any]]) -> None:
    write_deltalake(lake.location(table), pa.Table.from_pylist(rows, schema=table.arrow_schema), mode="append")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Two versions of gold.pretrain, occurrences with and without a time, decisions with nested hits."""
    lake = Lake(str(tmp_path / "the lake"))
    put(lake, pretrain, [document(A, "python", "a = 1\n"), document(B, "java", "class B {}\n")])
    put(lake, pretrain, [document(C, "python", "été = '\U0001f40d'\n")])
    put(lake, code_files, [occurrence("src/a.py", A, NOON), occurrence('b,\n"c".py', B)])
    put(lake, code_decisions, [decision(A), decision(B, ("long_line", 2000.0, 1000.0), ("unreadable", None, None))])
    return lake


def rows(lake: Lake, text: str, **options: Any) -> list[tuple[Any, ...]]:
    with sql.ask(lake, text, **options) as answer:
        return list(answer.rows)


def test_a_query_names_tables_by_layer_and_name(lake: Lake) -> None:
    with sql.ask(lake, "SELECT language, count(*) AS files FROM gold.pretrain GROUP BY ALL ORDER BY 2 DESC") as answer:
        assert answer.columns == ("language", "files")
        assert list(answer.rows) == [("python", 2), ("java", 1)]


def test_names_and_keywords_are_read_in_any_case_and_quoting(lake: Lake) -> None:
    assert rows(lake, 'select COUNT(*) from "Gold".PRETRAIN;') == [(3,)]


@pytest.mark.parametrize("table", [pretrain, code_files, code_decisions], ids=lambda table: table.name)
def test_duckdb_reads_the_values_that_deltas_own_reader_reads(lake: Lake, table: Any) -> None:
    expected = DeltaTable(lake.location(table)).to_pyarrow_dataset().to_table().to_pylist()
    with sql.ask(lake, f"SELECT * FROM {table.name}") as answer:
        found = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
    key = table.key[-1]
    assert [sql.plain(r) for r in sorted(found, key=lambda r: r[key])] == [
        sql.plain(r) for r in sorted(expected, key=lambda r: r[key])
    ]


def test_only_the_tables_that_are_named_are_opened(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    real = names.opened
    monkeypatch.setattr(
        names, "opened", lambda lake, name, version=None: opened.append(name) or real(lake, name, version)
    )
    rows(lake, "SELECT count(*) FROM gold.pretrain")
    assert opened == ["gold.pretrain"]


def test_a_statement_that_names_no_table_sees_all(lake: Lake) -> None:
    listed = rows(lake, "SELECT table_schema || '.' || table_name FROM information_schema.tables ORDER BY 1")
    assert [name for (name,) in listed] == ["bronze.code_files", "gold.pretrain", "silver.code_decisions"]


def test_an_unknown_table_names_the_near_miss_and_the_tables(lake: Lake) -> None:
    with pytest.raises(
        ConfigError, match=r"(?s)Did you mean 'gold.pretrain'\? Tables: bronze.code_files, .*gold.pretrain"
    ):
        rows(lake, "SELECT * FROM gold.pretrian")


def test_a_table_without_its_layer_is_not_guessed_but_suggested(lake: Lake) -> None:
    with pytest.raises(ConfigError, match=r"Did you mean 'gold\.pretrain'"):
        rows(lake, "SELECT * FROM pretrain")


def test_an_empty_lake_says_how_to_fill_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no table yet: `codelake build`"):
        rows(Lake(str(tmp_path)), "SELECT * FROM gold.pretrain")


def test_folders_that_are_no_tables_are_passed_over(lake: Lake) -> None:
    for folder in ("gold/notes", "gold/_staging/_delta_log", "_stage/job/_delta_log"):
        (Path(lake.root) / folder).mkdir(parents=True)
    assert list(names.found(lake)) == ["bronze.code_files", "silver.code_decisions", "gold.pretrain"]


def test_a_wrong_column_names_the_columns_there_are(lake: Lake) -> None:
    with pytest.raises(ConfigError, match=r'(?s)"lang" not found.*language.*`codelake show TABLE`'):
        rows(lake, "SELECT lang FROM gold.pretrain")


# --- reading only


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("COPY gold.pretrain TO '{there}'", "COPY"),
        ("WITH x AS (COPY (SELECT 1) TO '{there}') SELECT * FROM x", "COPY"),
        ("SELECT 1 WHERE EXISTS (WITH x AS (COPY (SELECT 1) TO '{data}') SELECT * FROM x)", "COPY"),
        ("EXPLAIN ANALYZE COPY (SELECT 1) TO '{data}'", "COPY"),
        ("EXPLAIN ANALYZE WITH x AS (COPY (SELECT 1) TO '{data}') SELECT * FROM x", "COPY"),
        ("COPY (PIVOT gold.pretrain ON language USING count(*)) TO '{data}'", "MULTI"),
        ("EXPORT DATABASE '{there}'", "EXPORT"),
        ("ATTACH '{there}'", "ATTACH"),
        ("INSTALL httpfs", "LOAD"),
        ("LOAD httpfs", "LOAD"),
        ("CREATE TABLE t AS SELECT 1", "CREATE"),
        ("CREATE SECRET (TYPE s3)", "CREATE"),
        ("DELETE FROM gold.pretrain", "DELETE"),
        ("WITH x AS (DELETE FROM gold.pretrain RETURNING *) SELECT * FROM x", "DELETE"),
        ("UPDATE gold.pretrain SET bytes = 0", "UPDATE"),
        ("INSERT INTO gold.pretrain SELECT * FROM gold.pretrain", "INSERT"),
        ("DROP VIEW gold.pretrain", "DROP"),
        ("SET enable_external_access = true", "SET"),
        ("PRAGMA database_list", "PRAGMA"),
        ("CALL pragma_version()", "CALL"),
        ("SELECT 1; SELECT 2", "2 statements"),
        ("", "0 statements"),
        ("-- nothing", "0 statements"),
    ],
)
def test_what_is_no_query_is_refused_and_changes_nothing(lake: Lake, tmp_path: Path, statement: str, what: str) -> None:
    data = DeltaTable(lake.location(pretrain)).file_uris()[0].replace("%20", " ")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(ConfigError, match=what):
        rows(lake, statement.format(there=tmp_path / "out", data=data))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    "statement",
    [
        "DESCRIBE gold.pretrain",
        "SUMMARIZE gold.pretrain",
        "SHOW ALL TABLES",
        "EXPLAIN SELECT * FROM gold.pretrain",
        "EXPLAIN ANALYZE SELECT * FROM gold.pretrain",
        "FROM gold.pretrain",
        "VALUES (1), (2)",
        "WITH RECURSIVE t AS (SELECT 1 x UNION ALL SELECT x + 1 FROM t WHERE x < 3) SELECT * FROM t",
        "SELECT 1 UNION ALL SELECT 2 ORDER BY 1",
        "PIVOT gold.pretrain ON language IN ('python', 'java') USING count(*)",
        'SELECT \'"type": "COPY_QUERY_NODE"\'',
        "/* first */ SELECT 1 -- last",
    ],
)
def test_every_kind_of_query_is_answered(lake: Lake, statement: str) -> None:
    assert rows(lake, statement)


@pytest.mark.parametrize(
    "source",
    [
        "read_csv('{secret}')",
        "read_text('{secret}')",
        "read_blob('{secret}')",
        "'{secret}'",
        "glob('{folder}/*')",
        "read_text('{log}')",
        "read_parquet('{data}/../../../../secret.csv')",
        "read_parquet('https://example.org/x.parquet')",
        "sniff_csv('{secret}')",
    ],
)
def test_no_file_but_those_of_the_named_tables_can_be_read(lake: Lake, tmp_path: Path, source: str) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a,b\n1,2\n")
    log = f"{lake.location(pretrain)}/_delta_log/00000000000000000000.json"
    text = source.format(secret=secret, folder=tmp_path, log=log, data=lake.location(pretrain))
    with pytest.raises(ConfigError):
        rows(lake, f"SELECT * FROM gold.pretrain, {text}")


def test_python_variables_are_no_tables(lake: Lake) -> None:
    frame = pa.table({"a": [1]})
    with pytest.raises(ConfigError, match="'frame' is no table"):
        rows(lake, "SELECT * FROM frame")
    assert frame.num_rows == 1


def test_settings_are_locked_and_extensions_stay_out(lake: Lake) -> None:
    wanted = {
        "enable_external_access": "false",
        "lock_configuration": "true",
        "autoload_known_extensions": "false",
        "autoinstall_known_extensions": "false",
        "python_enable_replacements": "false",
    }
    found = dict(rows(lake, f"SELECT name, value FROM duckdb_settings() WHERE name IN {tuple(wanted)}"))
    assert found == wanted


# --- versions


def test_a_pinned_version_shows_the_rows_it_had(lake: Lake) -> None:
    assert rows(lake, "SELECT count(*) FROM gold.pretrain", pins={"gold.pretrain": 0}) == [(2,)]


def test_a_version_that_is_not_there_names_those_that_are(lake: Lake) -> None:
    with pytest.raises(ConfigError, match=r"gold\.pretrain: no version 7\. Versions: 0 to 1"):
        rows(lake, "SELECT count(*) FROM gold.pretrain", pins={"gold.pretrain": 7})


@pytest.mark.parametrize("text", ["gold.pretrain", "gold.pretrain=", "gold.pretrain=-1", "gold.pretrain=new", "=1"])
def test_a_version_is_written_as_table_and_number(lake: Lake, text: str) -> None:
    with pytest.raises(ConfigError):
        sql.pinned(lake, [text], None)


def release(lake: Lake, name: str, version: int, identity: str | None = None) -> None:
    said = {"release": name, "table": "gold.pretrain", "version": version, "digest": "d" * 64, "rows": 2, "bytes": 1}
    own = str(DeltaTable(lake.location(pretrain)).metadata().id)
    put(lake, ops.releases, [{**said, "table_id": identity or own, "made_from": "[]", "created_at": NOON}])


def test_a_release_is_asked_at_the_versions_it_pins(lake: Lake) -> None:
    release(lake, "first", 0)
    pins = sql.pinned(lake, [], "first")
    assert pins == {"gold.pretrain": 0}
    assert rows(lake, "SELECT count(*) FROM gold.pretrain", pins=pins, only_pinned=True) == [(2,)]
    assert rows(lake, "SELECT release FROM gold.releases", pins=pins, only_pinned=True) == [("first",)]


def test_a_table_outside_the_release_needs_a_version_of_its_own(lake: Lake) -> None:
    release(lake, "first", 0)
    pins = sql.pinned(lake, [], "first")
    with pytest.raises(ConfigError, match=r"not in the release.*--version silver.code_decisions=N"):
        rows(lake, "SELECT * FROM silver.code_decisions", pins=pins, only_pinned=True)
    both = sql.pinned(lake, ["silver.code_decisions=0"], "first")
    assert rows(lake, "SELECT count(*) FROM silver.code_decisions", pins=both, only_pinned=True) == [(2,)]


def test_a_release_of_a_table_that_was_made_anew_is_refused(lake: Lake) -> None:
    release(lake, "old", 0, identity="another")
    with pytest.raises(ConfigError, match="made anew"):
        sql.pinned(lake, [], "old")


def test_an_unknown_release_names_those_there_are(lake: Lake) -> None:
    release(lake, "first", 0)
    with pytest.raises(ConfigError, match="Releases: first"):
        sql.pinned(lake, [], "frist")


# --- what tables on disk may look like


def test_a_table_without_files_has_its_columns_and_no_rows(lake: Lake, tmp_path: Path) -> None:
    empty = Lake(str(tmp_path / "empty"))
    DeltaTable.create(empty.location(code_decisions), code_decisions.arrow_schema)
    assert rows(empty, "SELECT * FROM silver.code_decisions") == []
    describe = "DESCRIBE silver.code_decisions"
    assert rows(empty, describe) == rows(lake, describe)


def test_files_from_before_a_column_was_added_have_null_in_it(tmp_path: Path) -> None:
    where = str(tmp_path / "gold" / "grown")
    write_deltalake(where, pa.table({"a": [1]}))
    write_deltalake(where, pa.table({"a": [2], "b": ["x"]}), mode="append", schema_mode="merge")
    assert rows(Lake(str(tmp_path)), "SELECT a, b FROM gold.grown ORDER BY a") == [(1, None), (2, "x")]


def test_partition_columns_are_read_from_the_log(tmp_path: Path) -> None:
    where = str(tmp_path / "gold" / "cut")
    write_deltalake(where, pa.table({"a": [1, 2], "day": ["x y", None]}), partition_by=["day"])
    assert rows(Lake(str(tmp_path)), "SELECT a, day FROM gold.cut ORDER BY a") == [(1, "x y"), (2, None)]


def test_every_type_that_delta_has_comes_back_as_it_went_in(tmp_path: Path) -> None:
    row = {
        "flag": True,
        "small": 7,
        "price": Decimal("12.50"),
        "day": date(2026, 1, 15),
        "at": NOON,
        "raw": b"\x00\xff",
        "tags": {"k": [1, None]},
        "inner": {'quoted "name"': 0.5},
    }
    schema = pa.schema(
        {
            "flag": pa.bool_(),
            "small": pa.int16(),
            "price": pa.decimal128(10, 2),
            "day": pa.date32(),
            "at": pa.timestamp("us", "UTC"),
            "raw": pa.binary(),
            "tags": pa.map_(pa.string(), pa.list_(pa.int64())),
            "inner": pa.struct([('quoted "name"', pa.float64())]),
        }
    )
    where = str(tmp_path / "gold" / "types")
    write_deltalake(where, pa.Table.from_pylist([{**row, "tags": list(row["tags"].items())}], schema=schema))
    (found,) = rows(Lake(str(tmp_path)), "SELECT * FROM gold.types")
    assert sql.plain(dict(zip(row, found, strict=True))) == sql.plain(row)


def test_a_table_that_plain_parquet_readers_misread_is_refused(lake: Lake) -> None:
    log = Path(lake.location(pretrain)) / "_delta_log" / "00000000000000000000.json"
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    for entry in entries:
        if "protocol" in entry:
            features = {"readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"]}
            entry["protocol"] = {"minReaderVersion": 3, "minWriterVersion": 7, **features}
    log.write_text("\n".join(json.dumps(entry) for entry in entries))
    with pytest.raises(ConfigError, match=r"gold\.pretrain uses deletionVectors.*--engine spark"):
        rows(lake, "SELECT * FROM gold.pretrain")


def test_a_data_file_that_is_gone_is_a_fault_of_the_storage(lake: Lake) -> None:
    for path in Path(lake.location(pretrain)).glob("*.parquet"):
        path.unlink()
    with pytest.raises(StorageError, match="data file of the version is gone"):
        rows(lake, "SELECT * FROM gold.pretrain")


def test_a_damaged_log_is_named(lake: Lake) -> None:
    (Path(lake.location(pretrain)) / "_delta_log" / "00000000000000000000.json").write_text("garbage")
    with pytest.raises(StorageError, match=r"gold/pretrain: .*log is damaged"):
        rows(lake, "SELECT * FROM gold.pretrain")


# --- results


def test_a_value_that_does_not_convert_is_an_error_with_advice(lake: Lake) -> None:
    with pytest.raises(ConfigError, match="WHERE"):
        rows(lake, "SELECT CAST(language AS INT) FROM gold.pretrain")


def test_columns_of_one_name_are_numbered(lake: Lake) -> None:
    with sql.ask(lake, "SELECT 1 a, 2 a, 3 a_2") as answer:
        assert answer.columns == ("a", "a_2", "a_2_2")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (10**30, 10**30),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (Decimal("1.50"), 1.5),
        (Decimal("7.00"), 7),
        (b"\x00\xff", "00ff"),
        (NOON, "2026-01-15T12:00:00+00:00"),
        (NOON.astimezone(timezone(timedelta(hours=5))), "2026-01-15T12:00:00+00:00"),
        (date(2026, 1, 15), "2026-01-15"),
        ({"a": [b"\x01", {"b": None}]}, {"a": ["01", {"b": None}]}),
        ({7: 1}, {"7": 1}),
    ],
)
def test_values_are_written_so_that_json_can_hold_them(value: Any, expected: Any) -> None:
    assert sql.plain(value) == expected
    json.loads(json.dumps(sql.plain(value), allow_nan=False))


@given(st.lists(st.tuples(st.text(st.characters(codec="utf-8")), st.integers()), max_size=5))
def test_a_csv_gives_back_every_text(table: list[tuple[str, int]]) -> None:
    out = io.StringIO(newline="")
    sql.write_csv(sql.Answer(("text", "number"), iter(table)), out)
    read = list(csv.reader(io.StringIO(out.getvalue(), newline="")))
    assert read == [["text", "number"], *([text, str(number)] for text, number in table)]


@given(st.lists(st.tuples(st.text(st.characters(codec="utf-8")), st.floats()), max_size=5))
def test_json_is_one_array_of_objects(table: list[tuple[str, float]]) -> None:
    out = io.StringIO()
    sql.write_json(sql.Answer(("text", "number"), iter(table)), out)
    read = json.loads(out.getvalue())
    assert read == [{"text": text, "number": sql.plain(number)} for text, number in table]


def test_a_limit_reads_no_further() -> None:
    def endless() -> Iterator[tuple[Any, ...]]:
        while True:
            yield (1,)

    assert list(sql.limited(sql.Answer(("a",), endless()), 3).rows) == [(1,)] * 3


def test_asking_imports_neither_the_pipeline_nor_pandas_nor_spark(lake: Lake) -> None:
    program = (
        "import sys; from lakehouse.cli import main; main(sys.argv[1:]);"
        "print(sorted({name.partition('.')[0] for name in sys.modules}"
        " & {'jobs', 'pyspark', 'pandas', 'numba', 'pydantic', 'omegaconf', 'great_expectations'}))"
    )
    arguments = ["sql", "--csv", "--lake", lake.root, "SELECT count(*) AS n FROM gold.pretrain"]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["n", "3", "[]"]


# --- the same text in Spark


@pytest.fixture
def session(spark: SparkSession) -> Iterator[SparkSession]:
    """The session, with no table of a lake known before or after."""

    def forget() -> None:
        for layer in names.LAYERS:
            if spark.catalog.databaseExists(layer):
                for table in spark.catalog.listTables(layer):
                    spark.sql(f"DROP TABLE IF EXISTS {layer}.`{table.name}`")

    forget()
    yield spark
    forget()


def plain_rows(answer: sql.Answer) -> list[Mapping[str, Any]]:
    return [dict(zip(answer.columns, map(sql.plain, row), strict=True)) for row in answer.rows]


QUERIES = [
    "SELECT * FROM bronze.code_files ORDER BY path",
    "SELECT content_id, keep, hits FROM silver.code_decisions ORDER BY content_id",
    "SELECT language, count(*) AS files, sum(bytes) AS total, max(text) AS last FROM gold.pretrain GROUP BY language ORDER BY language",
    "WITH kept AS (SELECT content_id FROM silver.code_decisions WHERE keep) SELECT p.path FROM gold.pretrain p JOIN kept k ON p.doc_id = k.content_id",
    "SELECT path, committed_at FROM bronze.code_files WHERE committed_at IS NOT NULL",
]


@pytest.mark.spark
@pytest.mark.parametrize("query", QUERIES)
def test_spark_and_duckdb_answer_alike(session: SparkSession, lake: Lake, query: str) -> None:
    with sql.ask(lake, query) as answer:
        expected = plain_rows(answer)
    assert expected
    assert plain_rows(sql.ask_spark(session, lake, query)) == expected


@pytest.mark.spark
def test_what_spark_wrote_duckdb_reads(session: SparkSession, lake: Lake) -> None:
    """Spark stores times as INT96, which carries no zone; content must still be the same instant."""
    where = lake.location(names.named("gold.by_spark"))
    session.createDataFrame(
        [(1, NOON, bytearray(b"\x00\xff"), {"k": 1.5}), (2, None, None, None)],
        "n int, at timestamp, raw binary, tags map<string,double>",
    ).write.format("delta").save(where)
    query = "SELECT * FROM gold.by_spark ORDER BY n"
    with sql.ask(lake, query) as answer:
        found = plain_rows(answer)
    assert found[0] == {"n": 1, "at": "2026-01-15T12:00:00+00:00", "raw": "00ff", "tags": {"k": 1.5}}
    assert plain_rows(sql.ask_spark(session, lake, query)) == found


@pytest.mark.spark
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM gold.pretrain",
        "DROP TABLE gold.pretrain",
        "INSERT INTO gold.pretrain SELECT * FROM gold.pretrain",
        "WITH x AS (SELECT * FROM gold.pretrain) INSERT INTO gold.pretrain SELECT * FROM x",
        "FROM gold.pretrain INSERT INTO gold.pretrain SELECT *",
        "SELECT 1) x; DROP TABLE gold.pretrain; SELECT * FROM (SELECT 1",
        "CREATE TABLE gold.other AS SELECT 1",
        "SELECT nope FROM gold.pretrain",
    ],
)
def test_spark_too_only_reads(session: SparkSession, lake: Lake, statement: str) -> None:
    with pytest.raises(ConfigError, match="Spark: "):
        sql.ask_spark(session, lake, statement)
    assert plain_rows(sql.ask_spark(session, lake, "SELECT count(*) AS n FROM gold.pretrain")) == [{"n": 3}]
    assert DeltaTable(lake.location(pretrain)).version() == 1


@pytest.mark.spark
def test_a_limit_reaches_spark(session: SparkSession, lake: Lake) -> None:
    assert len(list(sql.ask_spark(session, lake, "SELECT * FROM gold.pretrain;", limit=2).rows)) == 2


@pytest.mark.spark
def test_a_name_that_the_session_knows_elsewhere_is_not_read_by_mistake(
    session: SparkSession, lake: Lake, tmp_path: Path
) -> None:
    other = Lake(str(tmp_path / "other"))
    put(other, pretrain, [document(A, "go", "package a\n")])
    assert names.register(session, other) == ["gold.pretrain"]
    with pytest.raises(ConfigError, match=r"gold.pretrain: the session knows it at .*other/gold/pretrain.*DROP TABLE"):
        names.register(session, lake)
