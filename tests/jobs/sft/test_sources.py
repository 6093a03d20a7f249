"""Rows of the layouts that instruction data comes in, and rows that are no conversation.

for found in read(SftSource(name="evol", location="evol.jsonl", stage=2), path, most_bytes=1_000_000): ...
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.sft.sources.files import Refused, SftSource, Taken, files, fingerprint, read
from jobs.sft.sources.layouts import RowError, conversation, sample_id
from jobs.synthesis.ingest import OpenSource

ASKED, SAID = "Add two numbers.", "def add(a, b):\n    return a + b"
TURNS = [{"role": "user", "content": ASKED}, {"role": "assistant", "content": SAID}]
ROWS: dict[str, dict[str, Any]] = {
    "messages": {"messages": TURNS, "id": 7},
    "conversations": {"conversations": [{"from": "human", "value": ASKED}, {"from": "gpt", "value": SAID}]},
    "instruction": {"seq_id": 3, "instruction": ASKED, "output": SAID, "tag": "toy", "testcase": ["assert add(1, 2) == 3"]},
}  # fmt: skip


def source(**said: Any) -> SftSource:
    return SftSource(**{"name": "toy", "location": ".", "stage": 1, **said})


def rows_of(path: Path, most_bytes: int = 10_000, **said: Any) -> list[Taken | Refused]:
    return list(read(source(**said), path, most_bytes))


def lines(path: Path, *rows: Any) -> Path:
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return path


def arrow(path: Path, rows: list[dict[str, Any]], *, indexed: bool = False) -> Path:
    """An Arrow file as libraries of data sets write them: a stream, or a file with an index."""
    table = pa.Table.from_pylist(rows)
    with (pa.ipc.new_file if indexed else pa.ipc.new_stream)(path, table.schema) as out:
        out.write_table(table, max_chunksize=2)
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".parquet", ".arrow", ".indexed.arrow"])
@pytest.mark.parametrize("layout", ROWS)
def test_every_layout_gives_the_same_conversation_from_every_kind_of_file(
    tmp_path: Path, layout: str, suffix: str
) -> None:
    path = tmp_path / f"data{suffix}"
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist([ROWS[layout]]), path)
    elif suffix.endswith(".arrow"):
        arrow(path, [ROWS[layout]], indexed=suffix.startswith(".indexed"))
    else:
        data = (json.dumps(ROWS[layout]) + "\n").encode()
        path.write_bytes(gzip.compress(data) if suffix.endswith("gz") else data)
    (found,) = rows_of(path)
    assert isinstance(found, Taken)
    assert (found.layout, list(found.said.messages)) == (layout, TURNS)
    assert found.said.sample_id == sample_id(TURNS)
    assert found.said.bytes == len(ASKED) + len(SAID)


def test_the_facts_of_a_released_row_come_along() -> None:
    facts = conversation(ROWS["instruction"], "instruction", {}).facts
    assert facts == {
        "seq_id": "3", "tag": "toy", "code": None, "entry_point": None, "testcase": ["assert add(1, 2) == 3"],
    }  # fmt: skip


@pytest.mark.parametrize("indexed", [False, True])
def test_a_torn_arrow_file_gives_what_came_before_or_nothing_and_says_so(tmp_path: Path, indexed: bool) -> None:
    path = arrow(
        tmp_path / "a.arrow", [{"instruction": str(n) * 500, "output": "x"} for n in range(8)], indexed=indexed
    )
    assert [row.place for row in rows_of(path)] == list(range(8))
    path.write_bytes(path.read_bytes()[:-1500])
    *taken, last = rows_of(path)
    assert isinstance(last, Refused) and last.reason == "damaged"
    assert all(isinstance(row, Taken) for row in taken) and bool(taken) == (not indexed)  # the index stands at the end


def test_texts_are_rows_only_for_those_who_ask_for_them(tmp_path: Path) -> None:
    path = arrow(tmp_path / "a.arrow", [{"text": "def f(): pass", "program_lang": "Golang"}])
    (refused,) = rows_of(path)
    assert isinstance(refused, Refused) and refused.reason == "bad_layout"
    (taken,) = read(OpenSource(name="books", location="."), path, 10_000)
    assert isinstance(taken, Taken) and taken.layout == "text"
    assert (taken.said.messages, taken.said.language) == (({"role": "assistant", "content": "def f(): pass"},), "go")
    with pytest.raises(ValueError, match="no layout 'text'; allowed: messages, conversations, instruction, or null"):
        source(layout="text")
    assert OpenSource(name="a", location=".", layout="text").layout == "text"


@pytest.mark.parametrize(
    ("row", "language"),
    [
        ({"instruction": "a", "output": "~~~C++\nint x;\n~~~"}, "cpp"),
        ({"instruction": "see ```js x```", "output": "  ```bash\nls\n```"}, "shell"),
        ({"instruction": "a", "output": "```python\n1\n```", "lang": "Rust"}, "rust"),
        ({"instruction": "a", "output": "```\n1\n```", "language": " "}, ""),
        ({"instruction": "a", "output": "no code", "language": None}, ""),
    ],
)
def test_the_language_is_what_the_row_says_else_what_its_first_code_says(row: dict[str, Any], language: str) -> None:
    assert conversation(row, "instruction", {}).language == language


def test_an_input_stands_behind_the_instruction_and_a_system_message_before_it() -> None:
    said = {"instruction": "Sort it.", "input": "3 1 2", "output": "1 2 3", "system": "Be brief."}
    turns = conversation(said, "instruction", {}).messages
    assert [(t["role"], t["content"]) for t in turns] == [
        ("system", "Be brief."), ("user", "Sort it.\n\n3 1 2"), ("assistant", "1 2 3"),
    ]  # fmt: skip


def test_columns_of_other_names_are_taken_under_ours(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", {"prompt": ASKED, "response": SAID})
    (found,) = rows_of(path, columns={"instruction": "prompt", "output": "response"})
    assert isinstance(found, Taken) and list(found.said.messages) == TURNS
    (refused,) = rows_of(path)
    assert isinstance(refused, Refused) and "the columns prompt, response" in refused.detail


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{broken", "not_json"),
        ("[1]", "bad_layout"),
        ({"messages": []}, "no_message"),
        ({"messages": "hello"}, "bad_layout"),
        ({"messages": [{"role": "narrator", "content": "Once"}]}, "unknown_role"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "bad_layout"),
        ({"messages": [{"role": "assistant", "content": "", "tool_calls": [{"id": "1"}]}]}, "tool_calls"),
        ({"instruction": "Do", "output": None}, "bad_layout"),
        ('{"instruction": "half \\ud83d", "output": "x"}', "bad_text"),
        ({"instruction": "x" * 20_000, "output": "y"}, "over_cap"),
    ],
)
def test_a_row_that_is_no_conversation_says_why_and_the_next_one_is_read(tmp_path: Path, row: Any, reason: str) -> None:
    refused, found = rows_of(lines(tmp_path / "a.jsonl", row, ROWS["messages"]))
    assert isinstance(refused, Refused) and isinstance(found, Taken)
    assert (refused.place, refused.reason, found.place) == (0, reason, 1)


def test_a_file_that_ends_too_early_gives_what_came_before(tmp_path: Path) -> None:
    path = tmp_path / "cut.jsonl.gz"
    whole = gzip.compress(
        "".join(f"{json.dumps({'instruction': str(n), 'output': 'x'})}\n" for n in range(5000)).encode()
    )
    path.write_bytes(whole[: len(whole) // 2])
    *taken, last = rows_of(path)
    assert all(isinstance(row, Taken) for row in taken) and len(taken) > 10
    assert isinstance(last, Refused) and (last.reason, last.place) == ("damaged", len(taken))
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 but no more")
    (refused,) = rows_of(tmp_path / "bad.parquet")
    assert isinstance(refused, Refused) and refused.reason == "damaged"


@given(st.lists(st.tuples(st.sampled_from(["user", "assistant"]), st.text(max_size=8)), min_size=1, max_size=4))
def test_the_name_of_a_conversation_tells_apart_what_differs(turns: list[tuple[str, str]]) -> None:
    said = [{"role": role, "content": content} for role, content in turns]
    joined = [{"role": said[0]["role"], "content": "".join(content for _, content in turns)}]
    assert sample_id(said) == sample_id([dict(reversed(turn.items())) for turn in said])
    assert (sample_id(said) == sample_id(joined)) == (said == joined)
    with_other = [*said, {"role": "user", "content": ""}]
    assert sample_id(with_other) != sample_id(said)


def test_files_are_found_below_a_folder_and_a_missing_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    lines(tmp_path / "deep" / "a.jsonl", ROWS["messages"])
    (tmp_path / "README.md").write_text("no data")
    assert list(files(source(location=str(tmp_path)))) == ["toy/deep/a.jsonl"]
    with pytest.raises(ValueError, match="no such file or folder"):
        files(source(location=str(tmp_path / "absent")))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no data file in it"):
        files(source(location=str(tmp_path / "empty")))


def test_a_fingerprint_moves_with_the_file_and_with_what_is_said_of_it(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", ROWS["messages"])
    first = fingerprint(source(), path)
    assert fingerprint(source(name="other"), path) == first
    assert fingerprint(source(stage=2), path) != first
    lines(path, ROWS["messages"], ROWS["messages"])
    assert fingerprint(source(), path) != first


def test_an_unknown_role_lists_what_is_allowed() -> None:
    with pytest.raises(RowError, match=r"messages\[0\]\.role = 'narrator'\. Allowed: system, user, human"):
        conversation({"messages": [{"role": "narrator", "content": ""}]}, "messages", {})
