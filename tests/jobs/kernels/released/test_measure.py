"""The released filter, value for value: what it recorded of 983 documents is measured again, and nothing differs."""

import ast
import json
import re
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.kernels.released import languages, natural, patterns, python
from jobs.kernels.released.measure import LANGUAGES, NAMES, measure, missing
from jobs.kernels.released.python import MAX_DEPTH
from jobs.kernels.released.split import normal, split
from jobs.kernels.released.text import lines_of

RECORDED = Path(__file__).parents[5] / "shared" / "recipe" / "verdicts.jsonl"

needs_parsers = pytest.mark.skipif(
    bool(missing()),
    reason=f"exact only with the release's parsers: install codelake[opencoder] ({', '.join(missing())})",
)


def measured(content, name="case.py", language="python", kind="code", natural_language="en"):
    extension = name.rpartition(".")[2]
    size = len(content.encode())
    return measure(
        content,
        name=name,
        extension=extension,
        size=size,
        language=language,
        kind=kind,
        natural_language=natural_language,
    )


@needs_parsers
def test_a_file_is_measured_under_the_released_names():
    found = measured("import os\n\n\ndef here():\n    return os.getcwd()\n")
    assert not found.failures
    assert found.values["qsc_code_num_lines"] == 5
    assert found.values["qsc_codepython_frac_lines_import"] == 0.33333333
    assert found.values["qsc_codepython_frac_lines_simplefunc"] == 1 / 3


def test_there_are_118_signals():
    assert len(NAMES) == len(set(NAMES)) == 118


# ---- what the release recorded


def content_of(row):
    return row.get("content", "") or "".join(part * times for part, times in row.get("content_parts", ()))


@pytest.fixture(scope="module")
def recorded():
    if not RECORDED.exists():
        pytest.skip(f"{RECORDED} is absent: it holds what the released filter recorded, and is not part of the project")
    return [json.loads(line) for line in RECORDED.read_text("utf-8").splitlines()]


# No rule uses it, and the lists of words it counts are not ours.
NOT_MEASURED = "qsc_doc_frac_words_redpajama_stop"


@needs_parsers
def test_every_recorded_value_and_failure_is_measured_again(recorded):
    compared = Counter()
    for row in recorded:
        found = measure(
            content_of(row),
            name=row["filename_arg"],
            extension=row["ext"],
            size=row["size"],
            language=row["program_lang"],
            kind=row["doc_type"],
            natural_language=row["lang"],
        )
        expected = {name: None if value is None else float(value) for name, value in row["signals"].items()}
        expected |= {NOT_MEASURED: None} if NOT_MEASURED in expected else {}
        assert found.values == expected, row["id"]
        assert list(found.failures) == row["errors"], row["id"]
        compared.update(expected.keys())
    assert len(recorded) == 983
    assert set(compared) == set(NAMES)


# ---- comments and code

CODE = st.lists(
    st.sampled_from(("x = 1", "/* a */", "/*", "*/", "// b", "# c", "-- d", '"""', "=cut", "=pod", " ", "\n", "\n")),
    max_size=30,
).map("".join)


@given(CODE, st.sampled_from(("perl", "zenscript")))
def test_splitting_by_lines_loses_nothing(text, language):
    code, comments = split(text, language)
    assert sorted(lines_of(text)) == sorted(lines_of(code) + lines_of(comments)) or Counter(text) == Counter(
        code + comments
    )


def test_a_line_comment_leaves_a_block_open_as_released():
    assert split("a\n# b\nc\n/* d\ne\n", "zenscript") == ("a\ne\n", "# b\nc\n/* d\n")


@needs_parsers
@pytest.mark.parametrize("language", ["json", "yaml", "toml", "css", "java", "go", "sql"])
@settings(deadline=None)
@given(
    text=st.lists(
        st.sampled_from(("key", ": ", "{", "}", '"', "'", "\n", "\r\n", "\r", "-", "/", "*", "1", " ", "\t", "é", "`"))
    ).map("".join)
)
def test_where_nothing_can_begin_a_comment_pygments_finds_none(language, text):
    from pygments.lexers import get_lexer_by_name

    from jobs.kernels.released import split as module

    if module._BEGINS[language].search(text):
        return
    assert module._by_pygments(text, get_lexer_by_name(language)) == (normal(text), "")


# ---- patterns: the same as an engine that looks ahead and backtracks

GUARD = r"(?!\s*(?:public|protected|private|if|else))"
SLOW = {
    "cs_functions": (
        r"^\s*(?:(?:public|protected|private|internal)\s+)?(?:(?:static|virtual|override|abstract|async)\s+)?"
        rf"{GUARD}(?:<\w+>)?\s*\w+\s+\w+\s*\([^)]*\)"
    ),
    "java_functions": (
        rf"^\s*(?:(?:public|protected|private|static)\s+)*{GUARD}(?:<\w+>)?\s*\w+\s+\w+\s*\([^)]*\)"
        r"(?:\s*throws\s+[\w, ]+)?"
    ),
    "c_functions": r"\b(?:[A-Za-z_]\w*\s*\**\s+)+\*?\s*[A-Za-z_]\w*\([^)]*\)\s*",
    "py_return_lines": r"^\s*return(?:\s+[^\n]+)?\s*$",
    "go_returns": r"^\s*return(?:\s+[^;\n]+)?\s*;?\s*$",
    "java_returns": r'^\s*return(?:;|\s+(?:\w*|"(?:[^"\\]|\\.)*")\s*;\s*)$',
}
TOKENS = (
    *("public", "private", "if", "else", "elsewhere", "iffy", "static", "async", "int", "foo", "é", "<T>", "return"),
    *("(", ")", "(a, b)", " ", " ", "\n", "  ", ";", "*", "{", "throws", "E, F", "9", '"x"', "\u3000"),
)


@settings(max_examples=1000, deadline=None)
@given(st.lists(st.sampled_from(TOKENS), max_size=16).map("".join), st.sampled_from(sorted(SLOW)))
def test_patterns_match_what_a_backtracking_engine_matches(code, name):
    expected = [match[0] for match in re.finditer(SLOW[name], code, re.MULTILINE)]
    assert list(map(len, patterns.matches(name, code))) == list(map(len, expected))


@pytest.mark.parametrize("name", sorted(patterns._PATTERNS))
@pytest.mark.parametrize("piece", ["a ", "a * ", "\n", "return ", "int a = ", "func a(", "class a : ", "public ", "(("])
def test_no_pattern_takes_long_for_any_text(name, piece):
    """An engine that backtracks would not come back from these."""
    assert patterns.count(name, piece * 50_000) >= 0


def test_foreign_letters_and_spaces_are_of_their_class_in_ascii_form():
    text = "né = ２0\u3000…"
    assert patterns.ascii_form(text) == b"n0 = 01\t\x02"
    assert unicodedata.category("２") == "Nd"


# ---- text files

LINKS = st.text(alphabet="(ht)p:/s <>\na", max_size=40) | st.lists(
    st.sampled_from(("(http://", "(https://", ")", " ", "<", ">", "\n", "a"))
).map("".join)


@settings(max_examples=500)
@given(LINKS)
def test_links_and_tags_are_those_of_the_patterns(text):
    links = sum(len(match[0]) for match in re.finditer(r"\(https?://\S*\)", text))
    tags = sum(len(match[0]) for match in re.finditer(r"<[^\n]*?>", text))
    expected = round((links + tags) / len(text), 8) if text else None
    assert natural.SIGNALS["qsc_doc_frac_chars_hyperlink_html_tag"](natural.Prose(text, "a.md", "en")) == expected


@pytest.mark.parametrize("piece", ["<", "(http://", "a. ", "【", ".\n", "…", "(http://a)<"])
def test_text_of_one_piece_repeated_is_measured_in_linear_time(piece):
    found = measured(piece * 100_000, "a.md", "markdown", "text")
    assert set(found.values) == set(natural.SIGNALS)
    assert not found.failures


# ---- failures: null, with a reason, and the rest of the family is not computed


@needs_parsers
def test_a_tree_that_is_too_deep_fails_and_ends_its_family():
    found = measured("x = 0" + " + 1" * MAX_DEPTH + "\n")
    assert found.values["qsc_codepython_cate_ast"] == 1.0
    assert found.values["qsc_codepython_frac_lines_func_ratio"] is None
    assert "qsc_codepython_frac_lines_pass" not in found.values
    assert "levels" in found.failures["qsc_codepython_frac_lines_func_ratio"]


@needs_parsers
@pytest.mark.parametrize(
    ("content", "name", "language"),
    [
        ("(" * 100_000, "a.py", "python"),
        ("(" * 100_000, "a.js", "javascript"),
        ("[" * 100_000, "a.js", "javascript"),
        ("{" * 100_000, "a.js", "javascript"),
        ("<" * 1_000_000, "a.html", "html"),
        ("<!--" * 300_000, "a.html", "html"),
        ("<div>" * 20_000, "a.html", "html"),
        ("-" * 100_000 + "1", "a.py", "python"),
    ],
)
def test_endless_and_deep_nesting_gives_values_or_a_reason(content, name, language):
    found = measured(content, name, language)
    family = LANGUAGES[language]
    first = next(iter(family))
    assert first in found.values
    assert (found.values[first] is None) == (first in found.failures)


@pytest.mark.parametrize("kind", ["excluded", "unknown"])
def test_what_is_neither_code_nor_text_has_no_signal(kind):
    assert measured("a\n", kind=kind).values == {}


def test_a_class_of_c_and_cpp_has_the_same_signals_in_another_order():
    assert next(iter(languages.CPP)).endswith("preprocessor_directives")
    assert len(languages.C) == len(languages.CPP) == 8


def test_docstrings_are_found_in_the_order_of_a_walk_over_everything() -> None:
    for path in sorted(Path(ast.__file__).parent.glob("[a-e]*.py")):
        root = ast.parse(path.read_bytes())
        walked = [node for node in ast.walk(root) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)]
        assert list(python._documented(root)) == walked, path
