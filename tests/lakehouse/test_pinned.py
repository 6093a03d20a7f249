"""What a release says of itself, how two differ, and the files that others read; all at pinned versions, without Spark.

codelake release card 2026-11
codelake release diff 2026-10 2026-11
codelake release export 2026-11 stage2.parquet --layout opc-sft-stage2
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from jobs.code.tables import code_benchmarks, code_decisions, code_languages, code_sample
from jobs.corpus.tables import mixture, packed_pretrain, pretrain
from jobs.sft.tables import packed_stages, sft
from jobs.synthesis.tables import algorithmic, synthetic
from jobs.web import sources
from lakehouse import ledger, ops, release, release_sequences
from lakehouse.cli.main import main
from lakehouse.errors import ConfigError, MachineError
from lakehouse.lake import Lake
from lakehouse.release_export import LAYOUTS, export
from lakehouse.report.card import card
from lakehouse.report.croissant import croissant
from lakehouse.report.release_diff import difference
from lakehouse.report.tracked import log
from lakehouse.table import Table
from tests.lakehouse import lakes

Rows = list[dict[str, Any]]
BEHIND = (
    "silver.code_decisions", "silver.code_sample", "silver.code_languages", "silver.code_signals", "silver.algorithmic",
    "silver.code_benchmark_hits", "silver.code_files",
)  # fmt: skip
GOLD = ("gold.pretrain", "gold.sft", "gold.mixture", "gold.synthetic", "gold.packed_pretrain", "gold.packed_sft_stage1")


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


def written(kind: str) -> dict[str, Any]:
    text = f"A {kind}."
    return {
        "doc_id": hashlib.sha256(kind.encode()).hexdigest(), "kind": kind, "seed_id": "1" * 64, "content_id": "2" * 64,
        "corpus": "code", "source": "shop", "repo": "r", "path": "p", "seed_licence": None, "model": "m", "terms": "t",
        "language": "python", "instruction": "", "output": text, "code": "", "entry_point": "", "tests": [], "labels": [],
        "bytes": len(text), "text": text,
    }  # fmt: skip


def sequence(number: int, *pieces: list[int], mask: list[bool] | None = None) -> dict[str, Any]:
    ids = [one for piece in pieces for one in piece]
    starts = [sum(map(len, pieces[:n])) for n in range(len(pieces))]
    said = {"sequence_id": f"part/000000/{number:08d}", "source": "part", "tokens": len(ids), "input_ids": ids}
    return {**said, "doc_starts": starts, "loss_mask": mask, "doc_ids": ["d" * 64] * len(pieces)}


SEQUENCES = [sequence(2, [9] * 300), sequence(0, [1, 2, 3], [70_000]), sequence(1, [5, 6], [7], [8, 9])]
MASKED = [sequence(0, [1, 2, 3], mask=[False, True, True]), sequence(1, [4])]


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
    put(made, synthetic, [written("snippets"), written("textbooks")])
    chosen = [{"doc_id": r["doc_id"], "language": "python", "keywords": ["x"], "bytes": 1} for r in gold[:3]]
    put(made, algorithmic, [{**row, "taken": n < 2} for n, row in enumerate(chosen)])
    put(made, packed_pretrain, SEQUENCES)
    put(made, packed_stages[1], MASKED)
    hit = {"benchmark": "b", "item": "b/1", "part": "prompt", "rule": "ngram", "share": 1.0, "start": 0, "end": 1}
    put(made, code_benchmarks.hits, [{**hit, "content_id": gold[0]["doc_id"], "matched": "x"}])
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
    rows = [row for row in difference(lake, "first", "second") if row["table"] != "gold.synthetic"]
    found = {(row["of"], row["what"], row["cause"]): row["rows"] for row in rows}
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
    assert {row["what"] for row in difference(lake, "first", "second") if row["table"] == "gold.synthetic"} == {"same"}
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
    documents = f"{len(python)} | {2 * len(python)} | {round(100 * len(python) / len(gold), 3):,g}"
    tokens = f"{2 * sum(r['bytes'] for r in python):,} | {round(share, 3):,g} | 2"
    assert f"| python | {documents} | {tokens} |" in text
    hits = [hit["rule"] for row in lakes.rows()["silver.code_decisions"] for hit in row["hits"]]
    assert f"| long_line | {hits.count('long_line')} |" in text
    assert f"| {gold[0]['source']} | b | 1 | 1 |" in text  # benchmark items by source, then by item
    assert "| b | b/1 | 1 | prompt by ngram |" in text
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


def test_annealing_data_comes_out_in_the_released_layouts(lake: Lake, tmp_path: Path) -> None:
    for layout, language, rows in (("snippets", "lang", 1), ("qa", "program_lang", 1), ("algorithmic", "lang", 2)):
        done = export(lake, "first", f"opc-annealing-{layout}", tmp_path / f"{layout}.parquet", "parquet")
        assert (done.rows, done.left_out) == (rows, 0)
        assert pq.read_schema(done.path).names == ["text", language]
        assert {str(kind) for kind in pq.read_schema(done.path).types} == {"string"}


def test_a_file_in_a_folder_is_called_as_the_released_split(lake: Lake, tmp_path: Path) -> None:
    meta = export(lake, "first", "refinecode-meta", tmp_path, "parquet")
    assert meta.path.name == "The_Stack_V2-00000-of-00001.parquet"
    assert "text" not in pq.read_schema(meta.path).names
    assert export(lake, "first", "opc-sft-stage2", tmp_path, "jsonl").path.name == "train-00000-of-00001.jsonl"


def test_recalled_texts_come_out_as_they_were_released_and_are_read_again(lake: Lake, tmp_path: Path) -> None:
    path = export(lake, "first", "opc-fineweb", tmp_path / "deep" / "web.parquet", "parquet").path
    assert [(field.name, str(field.type)) for field in pq.read_schema(path)] == [
        ("url", "string"), ("tag", "string"), ("text", "string"), ("file_path", "string"), ("dump", "string"),
        ("file_size_in_byte", "int64"), ("line_count", "int64"),
    ]  # fmt: skip
    assert pq.read_table(path).to_pylist() == [
        {"url": "https://a.test/x", "tag": "code", "text": WEB_TEXT, "file_path": "crawl/a.warc.gz", "dump": "CC-1",
         "file_size_in_byte": len(WEB_TEXT.encode()), "line_count": 3}
    ]  # fmt: skip
    spec = sources.WebSource(name="again", kind="parquet", location=str(path), layout="opc-fineweb")
    limits = sources.Limits(max_page_bytes=1_000_000, max_ratio=200, max_faults=10, shard_bytes=1_000_000)
    found = [row for shard in sources.shards(spec, sources.files(spec), limits) for row in sources.read(shard, limits)]
    assert [(row.url, row.dump, row.body.decode()) for row in found if isinstance(row, sources.Page)] == [
        ("https://a.test/x", "CC-1", WEB_TEXT)
    ]


def test_metadata_of_source_code_comes_out_in_the_released_layout(lake: Lake, tmp_path: Path) -> None:
    meta = pq.read_table(export(lake, "first", "refinecode-meta", tmp_path / "meta.parquet", "parquet").path)
    assert meta.column_names == [
        "repo_name", "sub_path", "file_name", "file_ext", "file_size_in_byte", "line_count", "lang", "program_lang", "doc_type",
    ]  # fmt: skip
    kinds = {field.name: str(field.type) for field in meta.schema}
    assert {kinds.pop("file_size_in_byte"), kinds.pop("line_count")} == {"int64"} and set(kinds.values()) == {"string"}
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


def read_mds(folder: Path) -> list[dict[str, Any]]:
    """Every sample, read by the description of the format: offsets, then sizes, then values."""
    found = []
    index = json.loads((folder / "index.json").read_text())
    assert index["version"] == 2
    for shard in index["shards"]:
        data = (folder / shard["raw_data"]["basename"]).read_bytes()
        assert len(data) == shard["raw_data"]["bytes"]
        offsets = np.frombuffer(data, "<u4", shard["samples"] + 1, 4)
        assert int.from_bytes(data[:4], "little") == shard["samples"]
        for first, last in pairwise(offsets.tolist()):
            names, at = shard["column_names"], first + 4 * len(shard["column_names"])
            row = {}
            for name, kind, size in zip(
                names, shard["column_encodings"], np.frombuffer(data, "<u4", len(names), first).tolist(), strict=True
            ):
                row[name], at = _decoded(kind, data[at : at + size]), at + size
            assert at == last
            found.append(row)
    return found


def _decoded(kind: str, value: bytes) -> Any:
    if kind == "str":
        return value.decode()
    width = 1 << (value[0] & 3)
    assert value[0] >> 2 == 1  # dimensions
    array = np.frombuffer(value, kind.partition(":")[2], offset=1 + width)
    assert len(array) == int.from_bytes(value[1 : 1 + width], "little")
    return array.tolist()


def test_sequences_come_out_as_mds_shards(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release_sequences, "SHARD_BYTES", 200)
    done = release_sequences.export(lake, "first", "gold.packed_pretrain", tmp_path / "mds", "mds")
    assert done.rows == 3
    expected = sorted(SEQUENCES, key=lambda row: str(row["sequence_id"]))
    columns = ("sequence_id", "source", "input_ids", "doc_starts")
    assert read_mds(done.path) == [{name: row[name] for name in columns} for row in expected]
    assert len(list(done.path.glob("shard.*.mds"))) > 1
    masked = release_sequences.export(lake, "first", "gold.packed_sft_stage1", tmp_path / "sft", "mds")
    assert [row["loss_mask"] for row in read_mds(masked.path)] == [[0, 1, 1], [1]]


def read_megatron(folder: Path) -> tuple[list[list[int]], list[int]]:
    """Every sequence and where documents begin, read by the description of the format."""
    index = (folder / "tokens.idx").read_bytes()
    assert index[:9] == b"MMIDIDX\0\0" and index[9:17] == (1).to_bytes(8, "little") and index[17] == 4
    sequences, documents = np.frombuffer(index, "<i8", 2, 18).tolist()
    lengths = np.frombuffer(index, "<i4", sequences, 34)
    begins = np.frombuffer(index, "<i8", sequences, 34 + 4 * sequences)
    marks = np.frombuffer(index, "<i8", documents, 34 + 12 * sequences)
    data = (folder / "tokens.bin").read_bytes()
    found = [np.frombuffer(data, "<i4", n, at).tolist() for n, at in zip(lengths, begins.tolist(), strict=True)]
    return found, marks.tolist()


def test_pieces_of_documents_come_out_as_megatrons_indexed_data_set(lake: Lake, tmp_path: Path) -> None:
    done = release_sequences.export(lake, "first", "gold.packed_pretrain", tmp_path / "megatron", "megatron")
    pieces, marks = read_megatron(done.path)
    assert pieces == [[1, 2, 3], [70_000], [5, 6], [7], [8, 9], [9] * 300]
    assert marks == [0, 1, 2, 3, 4, 5, 6]
    with pytest.raises(ConfigError, match="the loss counts some of its ids only"):
        release_sequences.export(lake, "first", "gold.packed_sft_stage1", tmp_path / "masked", "megatron")
    with pytest.raises(ConfigError, match=r"no such packed table\. Allowed: gold\.packed_pretrain, gold\.packed_sft"):
        release_sequences.export(lake, "first", "gold.packed_anneal", tmp_path / "none", "mds")
    with pytest.raises(ConfigError, match="nothing is written over"):
        release_sequences.export(lake, "first", "gold.packed_pretrain", done.path, "mds")
    assert [path.name for path in tmp_path.iterdir()] == ["megatron"]


def test_croissant_metadata_names_the_files_columns_and_licences_of_what_is_pinned(
    lake: Lake, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["release", "card", "first", "--croissant", "--lake", lake.root])
    said = json.loads(capsys.readouterr().out)
    assert (said["name"], said["datePublished"]) == ("first", "2026-02-03")
    assert [one["@id"] for one in said["recordSet"]] == sorted(GOLD)
    for files, records in zip(said["distribution"], said["recordSet"], strict=True):
        there = [pq.read_table(Path(lake.root) / name) for name in files["includes"]]
        (pinned,) = (row for row in release.show(lake, "first") if row["table"] == records["@id"])
        opened = DeltaTable(f"{lake.root}/{records['@id'].replace('.', '/')}", version=pinned["version"])
        assert sum(map(len, there)) == opened.to_pyarrow_dataset().count_rows()
        columns = [field["@id"].removeprefix(f"{records['@id']}/") for field in records["field"]]
        assert columns == there[0].column_names
    messages = next(f for r in said["recordSet"] for f in r["field"] if f["@id"] == "gold.sft/messages")
    assert messages["repeated"] and [one["@id"] for one in messages["subField"]] == [
        "gold.sft/messages/role", "gold.sft/messages/content",
    ]  # fmt: skip
    assert "https://spdx.org/licenses/MIT" in said["license"] and said["license"][-1] == "unknown"


def test_a_release_is_read_by_pyarrow_duckdb_and_a_plain_reader_without_this_project(lake: Lake) -> None:
    import duckdb

    said = json.loads(croissant(lake, "second"))
    files = {
        one["@id"].partition("/")[0]: [f"{lake.root}/{name}" for name in one["includes"]]
        for one in said["distribution"]
    }
    texts = set(pa.concat_tables(map(pq.read_table, files["gold.pretrain"]))["text"].to_pylist())
    read = duckdb.execute("SELECT text FROM read_parquet(?)", [files["gold.pretrain"]]).fetchall()
    opened = DeltaTable(f"{lake.root}/gold/pretrain").to_pyarrow_table()["text"].to_pylist()
    assert texts == {text for (text,) in read} == set(opened)
    assert {"other", WEB_TEXT} <= texts


def test_a_release_is_one_run_of_mlflow_with_its_card(
    lake: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow comes with codelake[training]")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client = mlflow.MlflowClient(tracking_uri=uri)
    client.create_experiment("codelake-releases", artifact_location=(tmp_path / "files").as_uri())
    said = []
    for _ in range(2):
        main(["release", "log", "first", "--lake", lake.root, "--tracking-uri", uri])
        said.append(capsys.readouterr().out.split()[-1])
    assert said[0] == said[1]
    run = client.get_run(said[0])
    assert run.data.metrics["gold.pretrain.rows"] == 1
    total = 2 * sum(row["bytes"] for row in lakes.rows()["gold.pretrain"] if row["language"] == "python")
    assert run.data.metrics["gold.mixture.tokens.python"] == total
    assert {one.dataset.name for one in run.inputs.dataset_inputs} == set(GOLD)
    folder = Path(client.download_artifacts(said[0], "", str(tmp_path)))
    assert (folder / "card.md").read_text() == card(lake, "first")
    assert json.loads((folder / "croissant.json").read_text())["name"] == "first"


def test_without_mlflow_it_is_said_what_brings_it(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MachineError, match=r"codelake\[training\]"):
        log(lake, "first", "sqlite:///x.db", "e")
