"""Benchmark items are found in texts however they were copied, as far as the rules promise.

index = Index.of([Item("toy", "0", {"prompt": ..., "solution": ...}, code)], Setting(width=10, ...))
[hit] = index.find(pa.array([text]), entry_points=False)
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from jobs.corpus.benchmarks import Layout, load
from jobs.kernels.contamination import Hit, Index, Item, Setting, sequences_of
from jobs.kernels.phrases import MAX_WIDTH, Sequences, words
from tests.jobs.kernels.copies import FILLER, KINDS, recall_of

SETTING = Setting(width=10, shortest=5, distinct=4, least_nodes=15)
PROMPT = '''def rising_runs(readings, least):
    """Split the readings of a thermometer into runs that only rise, and keep those
    that hold at least the given number of values, longest first."""
'''
BODY = """    runs, current = [], []
    for reading in readings:
        if current and reading <= current[-1]:
            runs.append(current)
            current = []
        current.append(reading)
    runs.append(current)
    return sorted((run for run in runs if len(run) >= least), key=len, reverse=True)
"""
TOY = Item("toy", "toy/0", {"prompt": PROMPT, "solution": BODY}, PROMPT + BODY, "rising_runs")


@pytest.fixture(scope="module")
def toy() -> Index:
    return Index.of([TOY], SETTING)


def hits(index: Index, *texts: str, entry_points: bool = False) -> list[Hit]:
    return list(index.find(pa.array(texts, pa.string()), entry_points=entry_points))


def test_a_copy_is_found_with_its_place_its_share_and_what_matched(toy: Index) -> None:
    text = "# Ünïcode before it\n" + FILLER + PROMPT + BODY
    by_rule = {(hit.part, hit.rule): hit for hit in hits(toy, "nothing of interest", text)}
    assert set(by_rule) == {("prompt", "ngram"), ("solution", "ngram"), ("code", "form")}
    prompt = by_rule["prompt", "ngram"]
    assert (prompt.row, prompt.item, prompt.share) == (1, "toy/0", 1.0)
    assert text[prompt.start : prompt.end].startswith("def rising_runs(readings")
    assert text[prompt.start : prompt.end].endswith("longest first")
    function = by_rule["code", "form"]
    assert text[function.start : function.end].strip() == (PROMPT + BODY).strip().removeprefix("    ")


def test_a_part_of_an_item_says_how_much_of_it_is_there(toy: Index) -> None:
    (hit,) = hits(toy, "Split the readings of a thermometer into runs that only fall.")
    assert (hit.part, hit.rule) == ("prompt", "ngram")
    assert hit.share == pytest.approx(1 / len(sequences_of(PROMPT, SETTING)[1]))


def test_what_is_too_short_for_a_sequence_is_matched_whole_or_not_at_all() -> None:
    short = Item("toy", "1", {"prompt": "Reverse every second word of sentences."})
    index = Index.of([short, Item("toy", "2", {"prompt": "Add two numbers."})], SETTING)
    (hit,) = hits(
        index, "# Reverse every\n# second word of sentences", "Reverse every second word.", "Add two numbers."
    )
    assert (hit.row, hit.item, hit.rule, hit.share) == (0, "1", "exact", 1.0)


def test_numbers_and_loops_that_everybody_writes_are_no_hit() -> None:
    common = "for i in range(n):\n    for j in range(n):\n        x[i][j] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]\n"
    assert hits(Index.of([Item("toy", "0", {"solution": common})], SETTING), common * 3) == []


def test_a_definition_with_the_items_name_and_arguments_counts_where_asked_for(toy: Index) -> None:
    same = "Here it is: def rising_runs(readings: list[float], least: int = (3)) -> list: ..."
    other = "def rising_runs(values, least): ..."
    assert hits(toy, same, other) == []
    assert [(hit.row, hit.rule) for hit in hits(toy, same, other, entry_points=True)] == [(0, "entry_point")]


def test_nulls_empty_texts_and_an_empty_index_are_no_trouble(toy: Index) -> None:
    assert list(toy.find(pa.array([None, "", "def"], pa.string()), entry_points=True)) == []
    assert hits(Index.of([], SETTING), PROMPT) == []


def test_an_index_travels_to_workers(toy: Index) -> None:
    assert hits(pickle.loads(pickle.dumps(toy)), PROMPT) == hits(toy, PROMPT)


# --- words and sequences against the obvious way


@given(st.lists(st.text(alphabet="aB_1 \n.é漢字“”", max_size=40), max_size=5), st.integers(1, 4), st.data())
def test_sequences_are_found_exactly_where_a_search_over_all_words_finds_them(
    texts: list[str], width: int, data: st.DataObject
) -> None:
    split = [words(text.encode()) for text in texts]
    windows = sorted({tuple(w[i : i + n]) for w in split for n in (width, width + 2) for i in range(len(w) - n + 1)})
    known = data.draw(st.lists(st.sampled_from(windows), unique=True)) if windows else []
    sequences = Sequences.of(known)
    found = {
        (match.row, sequences.texts[match.key].split(b" ")[0]) for match in sequences.find(pa.array(texts, pa.string()))
    }
    expected = {
        (row, window[0]) for row, w in enumerate(split) for window in known for i in range(len(w)) if tuple(w[i : i + len(window)]) == window
    }  # fmt: skip
    assert found == expected
    for match in sequences.find(pa.array(texts, pa.string())):
        span = texts[match.row].encode()[match.start : match.end]
        assert b" ".join(words(span)) == sequences.texts[match.key]


@given(st.lists(st.sampled_from(["a", "be", "see", "7", "12345", "deed", "e_f", "Be"]), max_size=60))
def test_the_sequences_of_a_text_are_all_its_windows_that_say_something(given: list[str]) -> None:
    setting = Setting(width=4, shortest=2, distinct=2, least_nodes=15)
    split = [word.lower().encode() for word in given]
    windows = [tuple(split[i : i + 4]) for i in range(len(split) - 3)]
    telling = [w for w in windows if len({word for word in w if len(word) > 1 and not word.isdigit()}) >= 2]
    rule, found = sequences_of(" ".join(given), setting)
    if len(given) >= 4:
        assert (rule, found) == ("ngram", list(dict.fromkeys(telling)))


def test_words_are_letters_of_any_script_and_single_ideograms() -> None:
    assert words("Größe_1 “naïve”–漢字x\u00a0ПРИВЕТ".encode()) == [
        "größe_1".encode(), "naïve".encode(), "漢".encode(), "字".encode(), b"x", "ПРИВЕТ".encode(),
    ]  # fmt: skip


def test_a_sequence_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match=f"expected 1 to {MAX_WIDTH}"):
        Sequences.of([[b"a"] * (MAX_WIDTH + 1)])


# --- planted copies of real benchmark items: recall per kind, and files that nobody planted

# Share of items found, of 164 and 974. What is missed are short solutions without their prompt: form and words say too little.
RECALL = {
    "humaneval": {"verbatim": 1, "re-wrapped": 1, "re-indented": 1, "commented": 1, "renamed": 0.89, "translated": 1},
    "mbpp": {"verbatim": 1, "re-wrapped": 1, "re-indented": 0.99, "commented": 0.85, "renamed": 0.85, "translated": 1},
}


@pytest.fixture(scope="module")
def items() -> list[Item]:
    folder = Path(__file__).parents[4] / "shared" / "benchmarks"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there: benchmark files are not part of the project")
    return load(folder, layouts())


def layouts() -> dict[str, Layout]:
    text = (Path(__file__).parents[3] / "conf" / "benchmarks.yaml").read_text("utf-8")
    return {name: Layout(**said) for name, said in yaml.safe_load(text).items()}


@pytest.fixture(scope="module")
def index(items: list[Item]) -> Index:
    return Index.of(items, SETTING)


@pytest.mark.parametrize("benchmark", ["humaneval", "mbpp"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:invalid escape sequence")
def test_planted_copies_of_each_kind_are_found_as_often_as_promised(
    index: Index, items: list[Item], kind: str, benchmark: str
) -> None:
    recall, missed = recall_of(index, items, benchmark, kind)
    assert recall >= RECALL[benchmark][kind], f"{kind}: {recall:.3f}, missed {missed[:10]}"


def test_files_that_nobody_planted_are_nearly_all_left_alone(index: Index) -> None:
    """10 MB here; the figure over 291 MB stands at the head of the kernel."""
    import networkx
    import numpy

    files = [p for module in (networkx, numpy) for p in sorted(Path(module.__path__[0]).rglob("*.py"))]
    texts = [path.read_text("utf-8") for path in files]
    found = {hit.row for hit in index.find(pa.array(texts, pa.string()), entry_points=False)}
    assert len(texts) > 900
    assert len(found) <= 0.005 * len(texts), [str(files[row]) for row in sorted(found)]


# --- reading benchmark files


def test_every_item_of_every_known_layout_is_read(tmp_path: Path) -> None:
    import gzip

    rows: dict[str, list[dict[str, object]]] = {
        "he.jsonl.gz": [{"task_id": "T/0", "prompt": PROMPT, "canonical_solution": BODY, "entry_point": "rising_runs", "test": "check()"}],
        "mbpp.jsonl": [{"task_id": 7, "text": "Do it.", "code": "def go(x):\n    return x", "test_list": ["assert set(go(1)) == 2"]}],
        "bcb.json": [{"task_id": "B/1", "complete_prompt": PROMPT, "instruct_prompt": "Say it.", "canonical_solution": BODY}],
        "deep/lcb.jsonl": [{"question_id": "11", "platform": "site", "question_content": "Count the ways.", "starter_code": ""}],
        "apps.jsonl": [{"problem_id": 5, "question": "Why?", "solutions": json.dumps(["a = 1", "b = 2"])}],
        "crux.jsonl": [{"code": "def f(a): ...", "input": "1", "output": "2", "id": "s_0"}],
        "multi.jsonl": [{"name": "HE_0", "language": "js", "prompt": "// Do", "tests": "assert(true)"}],
    }  # fmt: skip
    for name, content in rows.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        text = json.dumps(content) if name.endswith(".json") else "\n".join(map(json.dumps, content))
        (tmp_path / name).write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    (tmp_path / "LICENSE").write_text("free")
    found = {item.benchmark: item for item in load(tmp_path, layouts())}
    assert {name: item.item for name, item in found.items()} == {
        "he": "T/0", "mbpp": "7", "bcb": "B/1", "deep/lcb": "site/11", "apps": "5", "crux": "s_0", "multi": "js/HE_0",
    }  # fmt: skip
    assert (found["he"].code, found["he"].entry_point, found["mbpp"].entry_point) == (
        PROMPT + BODY,
        "rising_runs",
        "go",
    )
    assert found["apps"].parts == {"prompt": "Why?", "solution 0": "a = 1", "solution 1": "b = 2"}
    assert found["bcb"].parts["instruction"] == "Say it."


def test_the_benchmarks_there_are_have_as_many_items_as_their_authors_say(items: Sequence[Item]) -> None:
    counts: dict[str, int] = {}
    for item in items:
        counts[item.benchmark] = counts.get(item.benchmark, 0) + 1
    assert counts["humaneval/HumanEval"] == counts["humanevalplus/HumanEvalPlus"] == 164
    assert (counts["mbpp/mbpp"], counts["mbpp/mbpp_sanitized"], counts["mbppplus/MbppPlus"]) == (974, 427, 378)
    assert counts["cruxeval/cruxeval"] == 800
    assert all(item.entry_point for item in items if item.benchmark.startswith(("humaneval", "mbpp")))


def test_items_with_one_identity_are_told_apart(tmp_path: Path) -> None:
    row = {"question_id": "1", "question_content": "Count."}
    (tmp_path / "twice.jsonl").write_text(f"{json.dumps(row)}\n{json.dumps(row)}\n")
    assert [item.item for item in load(tmp_path, layouts())] == ["1", "1 #2"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "holds no row"),
        ('{"question": "a", "answer": "b"}', "no layout fits a row with the keys question, answer"),
        ("{not json", "cannot be read as a benchmark"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_name(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "odd.jsonl").write_text(content)
    with pytest.raises(ValueError, match=rf"odd\.jsonl: .*{said}"):
        load(tmp_path, layouts())


def test_a_folder_without_problem_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no problem file"):
        load(tmp_path, layouts())
    with pytest.raises(ValueError, match="no such folder"):
        load(tmp_path / "absent", layouts())
