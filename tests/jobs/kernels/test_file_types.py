"""What a file is called decides its language: the recipe's table, and the first line of scripts."""

import string
from collections import Counter
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from jobs.kernels.file_types import FileType, FileTypes, extension_of, interpreter_of

ROOT = Path(__file__).parents[3]
RECIPE = ROOT.parent / "shared" / "recipe" / "file-types.yaml"
CONF = yaml.safe_load((ROOT / "conf" / "file-types.yaml").read_text(encoding="utf-8"))
TYPES = FileTypes.load(CONF)


def test_a_path_tells_its_language_and_type():
    assert TYPES.classify("src/app/main.py") == FileType("python", "code", "extension")
    assert TYPES.classify("deploy/Dockerfile") == FileType("dockerfile", "code", "name")
    assert TYPES.classify("bin/run", b"#!/usr/bin/env python3\n") == FileType("python", "code", "shebang")
    assert TYPES.classify("data/table.csv") == FileType("csv", "excluded", "extension")
    assert TYPES.classify("photo.jpeg") == FileType("unknown", "unknown", "unknown")


def test_the_table_has_the_counts_of_the_recipe():
    assert Counter(TYPES.types.values()) == {"code": 469, "data": 119, "text": 22, "notebook": 1, "excluded": 33}
    assert (len(TYPES.types), len(TYPES.extensions), len(TYPES.names)) == (644, 1347, 369)


def test_every_fact_of_the_recipe_is_in_the_table_and_nothing_else():
    if not RECIPE.exists():
        pytest.skip("the recipe's own table is not beside this checkout")
    recipe = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))["languages"]
    extensions = {key: language for language, entry in recipe.items() for key in entry.get("ext", [])}
    names = {key: language for language, entry in recipe.items() for key in entry.get("names", [])}
    types = {language: entry["type"] for language, entry in recipe.items()}
    # The released filter leaves notebooks out because the paper takes them by another way, which is ours too.
    assert types.pop("jupyter notebook") == "excluded"
    assert types == {language: kind for language, kind in TYPES.types.items() if kind != "notebook"}
    assert extensions == {key: found.language for key, found in TYPES.extensions.items()}
    assert names == {key: found.language for key, found in TYPES.names.items()}


@pytest.mark.parametrize(
    ("path", "language"),
    [
        ("CMakeLists.txt", "cmake"),  # the name comes before the extension
        ("notes.txt", "text"),
        ("a/b.c/Makefile", "makefile"),  # dots of folders do not count
        ("x.h", "c"),
        ("x.H", "cpp"),  # the case counts
        ("x.PY", "unknown"),
        ("x.html.hl", "clojure"),  # only the part after the last dot is looked up
        ("pom.xml", "maven pom"),
        (".bashrc", "shell"),
        ("", "unknown"),
        ("folder/", "unknown"),
    ],
)
def test_names_come_before_extensions_and_both_are_exact(path, language):
    assert TYPES.classify(path).language == language


@pytest.mark.parametrize(
    ("head", "language"),
    [
        (b"#!/bin/sh\n", "shell"),
        (b"#! /usr/bin/perl -w\r\n", "perl"),
        (b"#!/usr/bin/env -S node --no-warnings\n", "javascript"),
        (b"#!/usr/bin/env LC_ALL=C PYTHONPATH=. python3.11\n", "python"),
        (b"#!/usr/local/bin/ruby2.7", "ruby"),
        (b"#!/usr/bin/lua-5.4\n", "lua"),
        (b"#!/opt/tools/unheard-of\n", "unknown"),
        (b"#!/usr/bin/env\n", "unknown"),
        (b"#!\n/bin/sh", "unknown"),
        (b"echo '#!/bin/sh'\n", "unknown"),
        (b"#!\xff\xfe\n", "unknown"),
        (b"#!" + b" " * 10_000 + b"/bin/sh\n", "unknown"),  # behind the 256 bytes that are looked at
    ],
)
def test_a_script_without_extension_is_told_by_its_first_line(head, language):
    found = TYPES.classify("bin/tool", head)
    assert found.language == language
    assert found.how == ("unknown" if language == "unknown" else "shebang")


def test_a_first_line_never_overrules_an_extension_even_an_unknown_one():
    assert TYPES.classify("setup.py", b"#!/bin/sh\n").language == "python"
    assert TYPES.classify("setup.qqq", b"#!/bin/sh\n").language == "unknown"


@given(st.text(alphabet=string.ascii_letters + "./", max_size=30), st.binary(max_size=300))
def test_any_path_and_any_bytes_give_an_answer_that_agrees_with_the_table(path, head):
    found = TYPES.classify(path, head)
    assert found.type == TYPES.types.get(found.language, "unknown")
    assert (found.how == "unknown") == (found.language == "unknown")
    if found.how == "shebang":
        assert extension_of(path.rpartition("/")[2]) == ""
        assert interpreter_of(head) != ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"languages": {"python": {"type": "script"}}}, "languages.python.type = 'script'"),
        ({"languages": {"python": {"type": "code", "ext": ["py"]}}}, "key 'ext'"),
        ({"languages": {"a": {"type": "code", "extensions": [1]}}}, "put it in quotes"),
        ({"languages": {"a": {"type": "code", "extensions": "py"}}}, "expected a list"),
        (
            {"languages": {"a": {"type": "code", "names": ["x"]}, "b": {"type": "data", "names": ["x"]}}},
            "languages.b.names has 'x', which a has too",
        ),
        ({"interpreters": {"python": "pyhton"}}, "Did you mean 'python'"),
        ({"languages": None}, "languages = None: expected a mapping"),
    ],
)
def test_a_broken_table_is_refused_with_the_place_and_the_value(change, message):
    mapping = {"languages": {"python": {"type": "code"}}, "interpreters": {}} | change
    with pytest.raises(ValueError, match="(?s)" + message.replace(".", r"\.")):
        FileTypes.load(mapping)
