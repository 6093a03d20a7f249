"""What a release says of itself, how two differ, and the files that others read; all at pinned versions, without Spark.

codelake release card 2026-11
codelake release diff 2026-10 2026-11
codelake release export 2026-11 stage2.parquet --layout opc-sft-stage2
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from jobs.code.tables import code_decisions, code_languages, code_sample
from jobs.corpus.tables import mixture, pretrain
from jobs.sft.tables import sft
from lakehouse import ledger, ops
from lakehouse.cli.main import main
from lakehouse.errors import ConfigError
from lakehouse.lake import Lake
from lakehouse.release_export import LAYOUTS, export
from lakehouse.report.card import card
from lakehouse.report.release_diff import difference
from lakehouse.table import Table
from tests.lakehouse import lakes

Rows = list[dict[str, Any]]
BEHIND = ("silver.code_decisions", "silver.code_sample", "silver.code_languages", "silver.code_signals")
GOLD = ("gold.pretrain", "gold.sft", "gold.mixture")


def turns(*said: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(said)]


def conversation(stage: int, *said: str, **facts: Any) -> dict[str, Any]:
    name = hashlib.sha256("".join(said).encode()).hexdigest()
    blank = dict.fromkeys(("licence", "seq_id", "tag", "code", "entry_point", "testcase"))
    size = sum(len(text.encode()) for text in said)
    row = {"doc_id": name, "stage": stage, "source": f"data{stage}", "copies": 1, "turns": len(said), "bytes": size}
    return {**blank, **row, "messages": turns(*said), **facts}


CONVERSATIONS = [
    conversation(1, "What is a list?", "A row of things.", tag="toy"),
    conversation(1, "And a set?", "Things once.", "Ordered?", "No.", tag="toy"),
    conversation(2, "Double it.", "def double(x): ...", seq_id="7", entry_point="double", testcase=["assert double(1) == 2"]),
]  # fmt: skip
WEB_TEXT = "first\n\nthird without an end"


def web_page() -> dict[str, Any]:
    template = lakes.rows()["gold.pretrain"][0]
    said = {
        "doc_id": "e" * 64,
        "corpus": "web",
        "repo": "crawl/a.warc.gz",
        "path": "https://a.test/x",
        "language": "code",
    }
    return {
        **template,
        **said,
        "version": "CC-1",
        "text": WEB_TEXT,
        "bytes": len(WEB_TEXT),
        "licence": f"<i>Own</i>{lakes.BIDI}",
    }


def put(lake: Lake, table: Table, rows: Rows) -> None:
    write_deltalake(lake.location(table), pa.Table.from_pylist(rows, schema=table.arrow_schema), mode="overwrite")


def at(lake: Lake, name: str) -> tuple[str, int]:
    opened = DeltaTable(f"{lake.root}/{name.replace('.', '/')}")
    return str(opened.metadata().id), opened.version()


def pin(lake: Lake, release: str) -> None:
    """A release of what is there now, made from what lies behind it now."""
    behind = [{"name": name, "id": at(lake, name)[0], "version": at(lake, name)[1]} for name in BEHIND]
    run = {"job": "corpus.pretrain", "run_id": "1", "code": "c" * 64, "params": "a" * 64, "inputs": behind}
    rows = [
        {"release": release, "table": name, "table_id": at(lake, name)[0], "version": at(lake, name)[1],
         "digest": "d" * 64, "rows": 1, "bytes": 1, "made_from": json.dumps([run]),
         "created_at": datetime(2026, 2, 3, tzinfo=UTC)}
        for name in GOLD
    ]  # fmt: skip
    ledger.append(lake, ops.releases, rows)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Two releases: between them a source goes, a rule changes both ways, a cap cuts, a text changes, a file comes."""
    made = lakes.make_lake(tmp_path_factory.mktemp("pinned") / "lake", without={"gold.releases"})
    rows = {name: [dict(row) for row in found] for name, found in lakes.rows().items()}
    gold, decisions, sample = (rows[name] for name in ("gold.pretrain", "silver.code_decisions", "silver.code_sample"))
    put(made, pretrain, [*gold, web_page()])
    put(made, sft, CONVERSATIONS)
    taken = [{"doc_id": row["doc_id"], "part": row["language"], "times": 2, "tokens": row["bytes"]} for row in gold]
    put(made, mixture, taken)
    pin(made, "first")
    names = [row["doc_id"] for row in gold]
    gone, ruled, cut, changed = names[:4]
    back = next(row for row in decisions if [hit["rule"] for hit in row["hits"]] == ["too_few_lines"])
    for row in decisions:
        if row["content_id"] == ruled:
            hit = {"rule": "long_line", "value": 2.0, "limit": 1.0, "detail": None}
            row |= {"keep": False, "hits": [hit, {**hit, "rule": "benchmark"}, hit]}
        if row is back:
            row |= {"keep": True, "hits": []}
    put(made, code_decisions, [row for row in decisions if row["content_id"] != gone])
    put(made, code_sample, [{**row, "taken": row["taken"] and row["content_id"] != cut} for row in sample])
    kept = [
        {**row, "text": "other"} if row["doc_id"] == changed else row
        for row in gold
        if row["doc_id"] not in (gone, ruled, cut)
    ]
    new = [{**gold[0], "doc_id": "f" * 64}, {**gold[0], "doc_id": back["content_id"]}]
    put(made, pretrain, [*kept, *new, web_page()])
    put(made, sft, CONVERSATIONS[:2])
    pin(made, "second")
    return made


def test_two_releases_differ_by_cause(lake: Lake) -> None:
    found = {(row["of"], row["what"], row["cause"]): row["rows"] for row in difference(lake, "first", "second")}
    code = "corpus = 'code'"
    stays = len(lakes.rows()["gold.pretrain"]) - 4
    assert found == {
        (code, "lost", "in no source any more"): 1,
        (code, "lost", "benchmark + long_line"): 1,
        (code, "lost", "cut by a cap"): 1,
        (code, "gained", "new"): 1,
        (code, "gained", "no longer: too_few_lines"): 1,
        (code, "changed", "another value of a column"): 1,
        (code, "same", ""): stays,
        ("corpus = 'web'", "same", ""): 1,
        ("true", "lost", "unknown: silver.sft_decisions of then is gone"): 1,
        ("true", "same", ""): 2,
    }
    (lost,) = [r for r in difference(lake, "first", "second") if r["cause"] == "in no source any more"]
    assert lost["bytes"] == lakes.rows()["gold.pretrain"][0]["bytes"]
    assert {row["what"] for row in difference(lake, "first", "first")} == {"same"}


def test_the_card_counts_what_is_pinned_and_nothing_that_came_later(lake: Lake) -> None:
    text = card(lake, "first")
    gold = lakes.rows()["gold.pretrain"]
    python = [row for row in gold if row["language"] == "python"]
    assert f"| code | python | {len(python):,} | {sum(row['bytes'] for row in python):,} |" in text
    assert "| 2 | data2 | unknown | 1 | 2 |" in text
    share = 100 * sum(row["bytes"] for row in python) / sum(row["bytes"] for row in gold)
    assert f"| python | {len(python)} | {2 * sum(r['bytes'] for r in python):,} | {round(share, 3):,g} | 2 |" in text
    hits = [hit["rule"] for row in lakes.rows()["silver.code_decisions"] for hit in row["hits"]]
    assert f"| long_line | {hits.count('long_line')} |" in text
    assert "| data2 |" not in card(lake, "second")
    assert "2026-02-03" in text


def test_a_card_shows_names_from_files_as_text(lake: Lake) -> None:
    text = card(lake, "first")
    assert "<i>" not in text and lakes.BIDI not in text
    assert "&lt;i&gt;Own" in text


def test_instruction_data_comes_out_in_the_released_layouts(lake: Lake, tmp_path: Path) -> None:
    one = export(lake, "first", "opc-sft-stage1", tmp_path / "1.parquet", "parquet")
    assert (one.rows, one.left_out) == (1, 1)
    assert pq.read_table(one.path).to_pylist() == [
        {"instruction": "What is a list?", "output": "A row of things.", "tag": "toy"}
    ]
    two = pq.read_table(export(lake, "first", "opc-sft-stage2", tmp_path / "2.parquet", "parquet").path)
    assert two.column_names == ["seq_id", "instruction", "output", "code", "entry_point", "testcase"]
    assert (two.schema.field("seq_id").type, two.schema.field("testcase").type.value_type) == (pa.int64(), pa.string())
    assert two.to_pylist()[0]["testcase"] == ["assert double(1) == 2"]
    path = export(lake, "first", "messages", tmp_path / "all.jsonl", "jsonl").path
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["messages"] for row in rows] == [
        row["messages"] for row in sorted(CONVERSATIONS, key=lambda row: row["doc_id"])
    ]


def test_texts_and_their_metadata_come_out_in_the_released_layouts(lake: Lake, tmp_path: Path) -> None:
    path = export(lake, "first", "opc-fineweb", tmp_path / "deep" / "web.parquet", "parquet").path
    assert pq.read_table(path).to_pylist() == [
        {"url": "https://a.test/x", "tag": "code", "text": WEB_TEXT, "file_path": "crawl/a.warc.gz", "dump": "CC-1",
         "file_size_in_byte": len(WEB_TEXT), "line_count": 3}
    ]  # fmt: skip
    meta = pq.read_table(export(lake, "first", "refinecode-meta", tmp_path / "meta.parquet", "parquet").path)
    assert meta.column_names == [
        "repo_name", "sub_path", "file_name", "file_ext", "file_size_in_byte", "line_count", "lang", "program_lang", "doc_type",
    ]  # fmt: skip
    gold = {(row["repo"], row["path"]): row for row in lakes.rows()["gold.pretrain"]}
    types = {row["content_id"]: row["type"] for row in lakes.rows()["silver.code_languages"]}
    assert len(meta) == len(gold)
    for row in meta.to_pylist():
        place = "/".join(part for part in (row["sub_path"], row["file_name"]) if part)
        of = gold[row["repo_name"], place]
        assert row["line_count"] == len(of["text"].splitlines())
        assert row["file_name"].endswith(f".{row['file_ext']}")
        assert row["doc_type"] == types[of["doc_id"]]


def test_what_cannot_be_exported_is_refused_with_what_can(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="allowed are documents, opc-fineweb"):
        export(lake, "first", "opc-fineweeb", tmp_path / "a", "parquet")
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(ConfigError, match="nothing is written over"):
        export(lake, "first", "documents", tmp_path / "taken", "parquet")
    with pytest.raises(ConfigError, match="release 'third' does not exist"):
        export(lake, "third", "documents", tmp_path / "b", "parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_release_gives_the_same_rows_in_the_same_order(lake: Lake, tmp_path: Path, layout: str) -> None:
    first, again = (export(lake, "first", layout, tmp_path / name, "jsonl").path.read_bytes() for name in ("a", "b"))
    assert first == again and first.count(b"\n") > 0


def test_a_table_that_was_made_anew_is_left_out(lake: Lake, tmp_path: Path) -> None:
    import shutil

    copy = Lake(str(tmp_path / "lake"))
    shutil.copytree(lake.root, copy.root)
    shutil.rmtree(copy.location(code_languages))
    put(copy, code_languages, list(lakes.rows()["silver.code_languages"]))
    with pytest.raises(ConfigError, match=r"has no silver\.code_languages, or it was made anew"):
        export(copy, "first", "refinecode-meta", tmp_path / "meta", "parquet")


def test_the_commands_say_what_they_did(lake: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["release", "card", "first", "--lake", lake.root, "--out", str(tmp_path / "card.md")])
    assert (tmp_path / "card.md").read_text().startswith("# first\n")
    main(["release", "diff", "first", "second", "--lake", lake.root, "--json"])
    assert {row["what"] for row in json.loads(capsys.readouterr().out)} == {"lost", "gained", "changed", "same"}
    main(["release", "export", "first", str(tmp_path / "x.parquet"), "--layout", "opc-sft-stage1", "--lake", lake.root])
    assert "1 rows; 1 that the layout cannot say are not in it" in capsys.readouterr().out
