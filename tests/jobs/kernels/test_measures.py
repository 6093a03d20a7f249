"""Measures: code and comments told apart, pages read, trees counted, and every failure with its reason."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.kernels import notices
from jobs.kernels.document import CODE
from jobs.kernels.language_measures import PARSED
from jobs.kernels.measures import MEASURES, NAMES, measure
from jobs.kernels.pages import visible_characters
from jobs.kernels.parts import Marks, parts, text_of
from jobs.kernels.syntax import GRAMMARS, MAX_DEPTH, syntax
from jobs.kernels.words import points_of

CONF = Path(__file__).parents[3] / "conf"
SYNTAXES = notices.load(yaml.safe_load((CONF / "comments.yaml").read_text("utf-8")))


def measured(text, path, language, kind="code"):
    (row,) = measure(pa.array([text]), [(path, language, kind)], SYNTAXES).to_pylist()
    return row


def test_a_file_is_measured():
    text = 'import os\n\n\nclass Here:\n    """Where we are."""  # TODO: more\n\n    def path(self):\n        return os.getcwd()\n'
    row = measured(text, "src/here.py", "python")
    assert row["failures"] == []
    assert row["parses"] is True
    assert row["comment_share"] == len('"""Where we are."""# TODO: more') / len(text)
    assert row["functions_per_line"] == row["simple_functions_per_line"] == row["import_line_share"] == 1 / 4
    assert row["no_logic_score"] == (1 + 1 + 1 + 1) / 4  # function, import, class, return
    assert row["todo_line_share"] == 1 / 8
    assert row["no_variable"] is False
    assert row["sentences"] is None  # of text only


# ---- code and comments


def divided(text, language):
    code, comments = parts(points_of(text), Marks.of(language, SYNTAXES[language]))
    return text_of(code), text_of(comments)


@pytest.mark.parametrize(
    ("language", "text", "code", "comments"),
    [
        ("c", "a; // b\n/* c\n*/d;\n", "a; \n\nd;\n", "// b\n/* c\n*/\n"),
        ("c", 'p("// no"); // yes\n', 'p("// no"); \n', "// yes\n"),
        ("c", "c = '\"'; // yes\n", "c = '\"'; \n", "// yes\n"),
        ("c", 's = "a\\" // no";\n', 's = "a\\" // no";\n', ""),
        ("c", "a /* never closed\n", "a \n", "/* never closed\n"),
        ("rust", "fn f<'a>(x: &'a str) {} // yes\n", "fn f<'a>(x: &'a str) {} \n", "// yes\n"),
        ("shell", "x=${#a} # yes\n", "x=${#a} \n", "# yes\n"),
        ("python", '"""doc"""\nx = """no # no\n"""\n', '\nx = """no # no\n"""\n', '"""doc"""\n'),
        ("go", "s := `// no\n// no`\n// yes\n", "s := `// no\n// no`\n\n", "// yes\n"),
        ("haskell", "a {- b {- c -} d -} e\n", "a  e\n", "{- b {- c -} d -}\n"),
        ("sql", "select 1 -- one\n", "select 1 \n", "-- one\n"),
    ],
)
def test_a_comment_begins_and_ends_where_the_language_says(language, text, code, comments):
    assert divided(text, language) == (code, comments)


CODE_PIECES = ("/*", "*/", "//", "#", '"', "'", '"""', "'''", "`", "\\", "\n", "\n", " ", "a", "é", "{-", "-}", "--")


@settings(max_examples=500, deadline=None)
@given(
    st.lists(st.sampled_from(CODE_PIECES), max_size=30).map("".join),
    st.sampled_from(("c", "python", "go", "shell", "haskell", "sql", "rust")),
)
def test_no_character_is_lost_and_code_keeps_every_line(text, language):
    code, comments = divided(text, language)
    assert code.count("\n") == text.count("\n")
    assert sorted(code.replace("\n", "") + comments.replace("\n", "")) == sorted(text.replace("\n", ""))


# ---- pages


@pytest.mark.parametrize(
    ("page", "visible"),
    [
        ("<p>one &amp; two</p>", "one & two"),
        ("a<!-- no > no -->b", "ab"),
        ("a<script>if (a < b) no</script >b<STYLE>no</STYLE>c", "abc"),
        ("<!DOCTYPE html><?no?>1 < 2 & 3 &nosemicolon 4", "1 < 2 & 3 &nosemicolon 4"),
        ("a<ruby>b<rt>no</rt></ruby>c", "abc"),
        ("a<scripts>b", "ab"),
        ("a<b", "a"),
        ("a<script>no", "a"),
        ("a<!-- no", "a"),
    ],
)
def test_what_is_visible_of_a_page(page, visible):
    assert visible_characters(points_of(page)) == len(visible)


# ---- trees


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("python", "match x:\n    case [1, *rest]:\n        pass\ntype A = int\nprint(f'{a!r:>{b}}')\n"),
        ("python", "async def f(a, /, b: int = 1, *, c):\n    return [x async for x in a if (y := x)]\n"),
        ("javascript", "#!/usr/bin/env node\nclass A { #x = 1n; static y = a?.b ?? c }\ntry { f() } catch { }\n"),
        ("javascript", "const A = () => <b c='d'>{e}</b>;\n"),
    ],
)
def test_what_is_valid_today_parses(language, text):
    assert syntax(text, language).parses


@pytest.mark.parametrize(
    ("language", "text"),
    [("python", "print 'two'\n"), ("python", "def f(:\n"), ("javascript", "function ( {\n"), ("go", "func {\n")],
)
def test_what_is_not_of_the_language_does_not_parse(language, text):
    assert not syntax(text, language).parses


SOURCES = {
    "c": "#include <a.h>\nint f(int a);\nint g;\nint main(void) { int z = 3; goto end; end: return 0; return f(z); }\n",
    "cpp": "#include <a>\nclass A { int g; };\nint f();\nint main() { int z = 3; goto end; end: return 0; return f(); }\n",
    "csharp": "using System;\nclass A { int g; int F(int a) { var z = 1; return z; } void G() { Console.WriteLine(1); } }\n",
    "java": "import a.b;\nclass A { int g; int f(int a) { int z = 1; return z; } void h() { System.out.println(g); } }\n",
    "go": 'package a\nimport (\n "x"\n y "z"\n)\ntype T struct{}\nvar g int\nfunc f() int { z := 1; fmt.Println(z); return z }\n',
    "javascript": "import a from 'b';\nlet g;\nfunction f() { const z = a(); console.log(z); return z }\nclass A {}\n",
    "python": "import a\ndef f(b):\n    print(b)\n    return b\nclass A:\n    g = 1\n",
}


@pytest.mark.parametrize("language", PARSED)
def test_each_grammar_finds_what_is_counted(language):
    found = syntax(SOURCES[language], language)
    assert found.parses
    assert found.functions == {"c": 2, "cpp": 2, "csharp": 2, "java": 2}.get(language, 1)
    assert found.imports == (2 if language == "go" else 1)
    assert found.classes == (0 if language == "c" else 1)
    assert found.variables >= 2
    assert found.simple_returns == 1
    assert found.simple_variables + found.class_fields == 1
    assert found.prints == (0 if language in ("c", "cpp") else 1)
    assert (found.mains, found.gotos) == ((1, 1) if language in ("c", "cpp") else (0, 0))


def test_names_are_legal_as_the_language_wants_them():
    found = syntax("class Good { int good; int Bad_1; void ok() {} void Not() {} }\nclass bad {}\n", "java")
    assert (found.legal_variables, found.legal_functions, found.legal_classes) == (0.5, 0.5, 0.5)


# ---- columns


def test_columns_say_what_they_stand_for_and_every_signal_of_the_recipe_has_one():
    from jobs.kernels.released.measure import NAMES as RELEASED
    from jobs.kernels.signals import SIGNALS

    said = " ".join(one.description for one in (*SIGNALS, *MEASURES))
    assert len(set(NAMES)) == len(NAMES)
    text_twins = {"num_words", "num_chars", "num_lines", "mean_word_length", "frac_words_unique", "frac_chars_digital"}
    text_twins |= {"frac_chars_replacement_symbols", "frac_chars_alphabet", "frac_chars_whitespace"}
    text_twins |= {"frac_chars_hex_words"}
    by_language = re.findall(r"qsc_code\*(\w+)", said)
    for name in RELEASED:
        if name == "qsc_doc_frac_words_redpajama_stop" or name == "qsc_codehtml_cate_ast":
            continue  # no rule uses the first; every page can be read
        twin = name.replace("qsc_doc_", "qsc_code_") if name.removeprefix("qsc_doc_") in text_twins else name
        known = name in said or twin in said or any(name.endswith(ending) for ending in by_language)
        assert known or name == "qsc_codecpp_frac_lines_preprocessor_directives", name


def test_what_does_not_apply_is_null_and_no_failure():
    row = measured("one two.\nthree\n", "a.md", "markdown", "text")
    assert row["sentences"] == 2
    assert row["parses"] is row["comment_share"] is None
    assert row["natural_language"] == "other"
    assert measured("中文的一段文字。\n", "a.md", "markdown", "text")["natural_language"] == "zh"
    assert measured("これはにほんごのぶんです。\n", "a.md", "markdown", "text")["natural_language"] == "ja"
    assert row["failures"] == []


def test_a_batch_is_measured_row_by_row():
    texts = [SOURCES[language] for language in PARSED]
    files = [(f"a.{language}", language, "code") for language in PARSED]
    rows = measure(pa.array(texts), files, SYNTAXES).to_pylist()
    assert rows == [measured(t, *f) for t, f in zip(texts, files, strict=True)]


# ---- large and hostile


@pytest.mark.parametrize("language", sorted(GRAMMARS))
@pytest.mark.parametrize("piece", ["(", "{[", "a(", "a<b<", "x = '''", "/*", "if a:\n", "-", "class A {", "\\", '"\\'])
def test_deep_and_endless_nesting_gives_values_or_reasons(language, piece):
    row = measured(piece * (100_000 // len(piece)), f"a.{language}", language)
    failed = {failure["signal"] for failure in row["failures"]}
    applied = [one for one in MEASURES if "code" in one.types and (one.languages is None or language in one.languages)]
    assert failed <= {one.name for one in applied}
    assert (row["parses"] is None) == ("parses" in failed)
    assert row["characters"] == (100_000 // len(piece)) * len(piece)
    assert row["comment_share"] is not None  # a tree that fails takes nothing else with it


@pytest.mark.parametrize(
    ("piece", "path", "language", "kind"),
    [
        ("x=1;", "a.js", "javascript", "code"),
        ("<a ", "a.html", "html", "code"),
        ("<script>", "a.html", "html", "code"),
        ("&", "a.html", "html", "code"),
        ("(http://", "a.md", "markdown", "text"),
        ("< ", "a.md", "markdown", "text"),
        ("\u202e\ufeff", "a.txt", "text", "text"),
        ('{"a":', "a.json", "json", "data"),
    ],
)
def test_a_line_of_megabytes_is_measured(piece, path, language, kind):
    row = measured(piece * (2_000_000 // len(piece)), path, language, kind)
    assert row["lines"] == 1
    assert kind in CODE or row["sentences"] is not None


@pytest.mark.parametrize("text", ["", "\n", "\r\n", "\ufeff", "\0", "\r"])
@pytest.mark.parametrize("kind", ["code", "data", "text", "excluded"])
def test_texts_of_nearly_nothing_have_a_row(text, kind):
    for language in (*PARSED, "html", "markdown"):
        assert measured(text, "a", language, kind)["failures"] == []


@pytest.mark.parametrize("levels", [100, 1400, 1600, 1985, 2010, 5000])
def test_a_tree_is_too_deep_from_the_same_level_on_whether_looked_at_in_strides_or_walked(levels):
    row = measured("x = " + "(" * levels + "1" + ")" * levels + "\n" + "y = f(1)\n" * 4000, "a.py", "python")
    assert row["parses"] == (None if levels > MAX_DEPTH else True)
