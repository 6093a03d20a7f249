"""Copyright and licence notices leave the head of a file; descriptions, directives and code stay as they are."""

import ast
import io
import pickle
import sysconfig
import tokenize
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from jobs.kernels.file_types import FileTypes
from jobs.kernels.notices import CommentSyntax, Span, Stripped, load, strip_notice

CONF = Path(__file__).parents[3] / "conf"
COMMENTS = yaml.safe_load((CONF / "comments.yaml").read_text(encoding="utf-8"))
SYNTAXES = load(COMMENTS)
PYTHON = SYNTAXES["python"]


def strip(language, text):
    return strip_notice(text, SYNTAXES[language]).text


def test_a_notice_leaves_the_head_and_what_was_removed_is_recorded():
    text = "#!/usr/bin/env python3\n# Copyright (c) 2021 Ann Author\n# All rights reserved.\n\nimport os\n"
    stripped = strip_notice(text, PYTHON)
    assert stripped == Stripped("#!/usr/bin/env python3\n\nimport os\n", (Span(23, 78),))
    assert text[23:78] == "# Copyright (c) 2021 Ann Author\n# All rights reserved.\n"


NOTICE = "Copyright 2020 Ann Author, licensed under the terms below"
BLOCKS = {"/*": "*/", "<!--": "-->", "{-": "-}", "#|": "|#", "(*": "*)", "--[[": "]]"}


@pytest.mark.parametrize(
    ("language", "opening", "code"),
    [
        ("ada", "--", "with Ada.Text_IO;"),
        ("batchfile", "REM", "dir"),
        ("batchfile", "::", "dir"),
        ("c", "/*", "int x;"),
        ("c", "//", "int x;"),
        ("clojure", ";;", "(ns a)"),
        ("cmake", "#", "project(a)"),
        ("common lisp", ";;;", "(defun f ())"),
        ("common lisp", "#|", "(defun f ())"),
        ("cpp", "/*", "int x;"),
        ("csharp", "//", "using System;"),
        ("css", "/*", "a { color: red }"),
        ("cuda", "//", "__global__ void f();"),
        ("dart", "//", "void main() {}"),
        ("dockerfile", "#", "FROM scratch"),
        ("elixir", "#", "defmodule A do"),
        ("emacs lisp", ";;", "(provide 'a)"),
        ("erlang", "%%", "-module(a)."),
        ("f#", "(*", "module A"),
        ("fortran", "!", "program a"),
        ("go", "//", "package a"),
        ("groovy", "/*", "println 1"),
        ("haskell", "--", "module A where"),
        ("haskell", "{-", "module A where"),
        ("hcl", "#", "a = 1"),
        ("html", "<!--", "<html>"),
        ("ini", ";", "[a]"),
        ("java", "/*", "package a;"),
        ("javascript", "//", "let a"),
        ("julia", "#", "x = 1"),
        ("kotlin", "/*", "package a"),
        ("lua", "--", "local a"),
        ("lua", "--[[", "local a"),
        ("makefile", "#", "all:"),
        ("matlab", "%", "x = 1;"),
        ("nim", "#", "echo 1"),
        ("nix", "#", "{ }"),
        ("objective-c++", "//", "@interface A"),
        ("ocaml", "(*", "let x = 1"),
        ("pascal", "(*", "unit a;"),
        ("perl", "#", "use strict;"),
        ("powershell", "#", "Get-Item a"),
        ("prolog", "%", "a :- b."),
        ("protocol buffer", "//", 'syntax = "proto3";'),
        ("r", "#", "x <- 1"),
        ("racket", ";", "(define a 1)"),
        ("ruby", "#", "require 'a'"),
        ("rust", "//", "fn main() {}"),
        ("rust", "/*", "fn main() {}"),
        ("scala", "/*", "object A"),
        ("scheme", ";", "(define a 1)"),
        ("shell", "#", "set -e"),
        ("sql", "--", "SELECT 1;"),
        ("sql", "/*", "SELECT 1;"),
        ("swift", "//", "let a = 1"),
        ("tcl", "#", "set a 1"),
        ("tex", "%", "\\begin{document}"),
        ("toml", "#", "a = 1"),
        ("tsx", "/*", "let a"),
        ("typescript", "/*", "let a"),
        ("verilog", "//", "module a;"),
        ("vhdl", "--", "library ieee;"),
        ("vim script", '"', "set nocompatible"),
        ("visual basic .net", "'", "Module A"),
        ("vue", "<!--", "<template>"),
        ("xml", "<!--", "<a/>"),
        ("yaml", "#", "a: 1"),
    ],
)
@pytest.mark.parametrize("eol", ["\n", "\r\n"])
def test_each_language_loses_its_notice_and_nothing_else(language, opening, code, eol):
    close = BLOCKS.get(opening)
    if close:
        notice = [opening, f" {NOTICE}", " All rights reserved.", close]
        other = f"{opening} Parses tables. {close}"
    else:
        notice = [f"{opening} {NOTICE}", f"{opening} All rights reserved."]
        other = f"{opening} Parses tables."
    rest = eol.join([other, "", code, *notice, ""])
    text = eol.join([*notice, "", rest])
    stripped = strip_notice(text, SYNTAXES[language])
    assert stripped.text == rest  # the same words behind code stay
    assert stripped.removed == (Span(0, len(text) - len(rest)),)


@pytest.mark.parametrize(
    ("language", "first"),
    [
        ("python", "# -*- coding: utf-8 -*-\n"),
        ("python", "#!/usr/bin/python\n# vim: set fileencoding=utf-8 :\n"),
        ("ruby", "# frozen_string_literal: true\n"),
        ("shell", "#! /bin/sh -e\n"),
        ("php", "<?php\n"),
        ("php", "<?php\n\ndeclare(strict_types=1);\n"),
        ("xml", '<?xml version="1.0" encoding="UTF-8"?>\n'),
        ("html", "<!DOCTYPE html>\n"),
        ("css", '@charset "utf-8";\n'),
        ("javascript", "#!/usr/bin/env node\n'use strict';\n"),
        ("go", "//go:build linux\n"),
        ("haskell", "{-# LANGUAGE GADTs,\n    RankNTypes #-}\n"),
        ("dockerfile", "# syntax=docker/dockerfile:1\n"),
        ("emacs lisp", ";;; a.el --- A thing  -*- lexical-binding: t; -*-\n"),
        ("yaml", "---\n"),
        ("c", "#ifndef A_H\n#define A_H\n"),
        ("cpp", "#pragma once\n"),
        ("batchfile", "@echo off\n"),
        ("swift", "// swift-tools-version:5.9\n"),
        ("vyper", "# @version ^0.3.0\n"),
    ],
)
def test_what_has_to_stand_first_stays_first(language, first):
    syntax = SYNTAXES[language]
    notice = f"{syntax.line[0]} {NOTICE}\n" if syntax.line else f"{syntax.block[0][0]} {NOTICE} {syntax.block[0][1]}\n"
    assert strip(language, f"{first}{notice}x") == f"{first}\nx"
    assert strip(language, f"{first}\n{notice}\nx") == f"{first}\nx"


def test_an_encoding_line_between_two_lines_of_the_notice_stays():
    assert strip("python", f"# {NOTICE}\n# -*- coding: latin-1 -*-\n# MIT License: MIT\nx = 1\n") == (
        "# -*- coding: latin-1 -*-\n\nx = 1\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "# Reads the copyright field of a song.\nimport os\n",
        "# Checks that the license key is valid.\nimport os\n",
        "# (c) is the third case, after (a) and (b).\nimport os\n",
        "# Author: Ann Author\nimport os\n",
        "# Port of the 2019 version\nimport os\n",
        '"""Copyright 2020 Ann Author. All rights reserved."""\nimport os\n',  # a docstring is code
        "import os\n# Copyright 2020 Ann Author\n",
        "x = 1  # Copyright 2020 Ann Author\n",
        "Copyright 2020 Ann Author\n",
        "",
        "\n\n",
        "#",
    ],
)
def test_comments_without_a_notice_and_notices_behind_code_stay(text):
    assert strip_notice(text, PYTHON) == Stripped(text, ())


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("php", f"<?php #[Pure] // {NOTICE}\nfunction f() {{}}\n"),
        ("php", f"<?php // {NOTICE} ?>\n<html>\n"),  # `?>` ends the comment before the line does
        ("c", f"// {NOTICE} \\\nint x;\nint y;\n"),  # the comment goes on in the next line
        ("rust", f"//! {NOTICE}\n//! Parses tables.\n"),
        ("csharp", f"/// <summary>{NOTICE}</summary>\nclass A {{}}\n"),
        ("sql", f"/*!40101 SET x = '{NOTICE}' */;\n"),  # MySQL runs it
        ("html", f"<!--[if IE]> {NOTICE} <![endif]-->\n"),
        ("c", f"/* {NOTICE}\nint x;\n"),  # no end: not a comment
        ("rust", f"/* {NOTICE} /* */ fn main() {{}}\n"),  # nested: no end either
        ("lua", f"--[====[ {NOTICE}\n]====] x()\n"),  # a level of brackets that the table does not know
    ],
)
def test_what_only_looks_like_a_comment_of_the_head_stays(language, text):
    assert strip(language, text) == text


@pytest.mark.parametrize(
    ("language", "text", "rest"),
    [
        ("c", f"/* {NOTICE} */ int x;\n", "int x;\n"),
        ("c", f"  /* {NOTICE} */\n\n\n  int x;\n", "  int x;\n"),
        ("c", f"/* {NOTICE} */ /* {NOTICE} */ int x;", "int x;"),
        ("php", f"<?php /* {NOTICE} */ echo 1;", "<?php echo 1;"),
        ("php", f"<?php // {NOTICE}\necho 1;", "<?php \necho 1;"),
        ("rust", f"/* {NOTICE} /* inner */ */\nfn f() {{}}\n", "fn f() {}\n"),
        ("python", f"# {NOTICE}\n\n# Parses tables.\n\n# {NOTICE}\nx", "# Parses tables.\n\nx"),
        ("python", f"# {NOTICE}", ""),
        ("python", f"#!/bin/x\n# {NOTICE}\n", "#!/bin/x\n"),
        ("python", f"# {NOTICE}\r\r\nx", "x"),
        ("python", f"# {NOTICE}\rx = 1\r", "x = 1\r"),
        ("c", f"// one\n/* {NOTICE} */ // two\n", f"// one\n/* {NOTICE} */ // two\n"),  # would become one comment
        ("csharp", f"//////\n// {NOTICE}\n//////\n/// <summary>A</summary>\n", "/// <summary>A</summary>\n"),
        ("ruby", f"=begin\n{NOTICE}\n=end\nx\n", "x\n"),
    ],
)
def test_the_line_ends_around_a_notice_go_or_stay_with_it(language, text, rest):
    assert strip(language, text) == rest


@pytest.mark.parametrize(
    "notice",
    [
        "Copyright (C) 1999-2020 Ann Author",
        "Copyright(c)2020",
        "Copyright © Ann Author",
        "(c) 2020 Ann Author",
        "© 2020",
        "Copyright The Table Authors",
        "COPYRIGHT 2020, Table Inc",
        "SPDX-License-Identifier: MIT",
        "Licensed under\nthe Apache License",
        "License: BSD",
        "This program is free software; you may share it.",
        "Permission is\nhereby granted, free of charge",
        "Use of this code is governed by a BSD-style\nlicense that is in the file LICENSE.",
        "For details see the file\nLICENSE",
        "This code is in the public domain.",
        "Tous droits réservés",
        "版权所有",
    ],
)
def test_the_usual_wordings_are_notices_also_over_two_lines(notice):
    comment = "".join(f"# {line}\n" for line in notice.split("\n"))
    assert strip("python", f"{comment}x = 1\n") == "x = 1\n"


def test_offsets_are_in_characters_of_the_input():
    text = f"#!/bin/é𝄞\n# é𝄞 {NOTICE}\nécho = 1\n"
    stripped = strip_notice(text, PYTHON)
    assert stripped.text == "#!/bin/é𝄞\n\nécho = 1\n"
    (span,) = stripped.removed
    assert text[: span.start] + text[span.end :] == stripped.text
    assert strip_notice(f"# \ud800 {NOTICE}\nx", PYTHON).text == "x"  # a lone surrogate is a character too


LINES = st.sampled_from(
    f"#!/x|# a|# {NOTICE}|// b|// {NOTICE}|/* c */|/* {NOTICE} */|/* {NOTICE}| {NOTICE} */|# coding: x|x = 1||  |"
    f"/// d|<?php|-- {NOTICE}|<!-- {NOTICE} -->|(* (* {NOTICE} *)|*)|{{-# P #-}}|// 2020|// Copyright".split("|")
)


@given(
    st.sampled_from(["python", "c", "php", "rust", "haskell", "html", "sql", "ocaml", "javascript"]),
    st.lists(st.tuples(LINES, st.sampled_from(["\n", "\n", "\r\n", "\r", " ", ""])), max_size=12),
)
def test_a_second_pass_removes_nothing_and_only_the_recorded_spans_are_gone(language, lines):
    text = "".join(line + end for line, end in lines)
    syntax = SYNTAXES[language]
    once = strip_notice(text, syntax)
    assert strip_notice(once.text, syntax) == Stripped(once.text, ())
    kept = "".join(c for i, c in enumerate(text) if not any(s.start <= i < s.end for s in once.removed))
    assert once.text == kept
    assert all(a.end <= b.start for a, b in zip(once.removed, once.removed[1:], strict=False))


def test_installed_python_sources_keep_their_code_and_lose_only_comments():
    library = Path(sysconfig.get_path("purelib"))
    found = 0
    for package in ("pyspark", "click", "yaml", "networkx", "deltalake"):
        for path in sorted((library / package).rglob("*.py"))[:60]:
            text = path.read_text(encoding="utf-8")
            stripped = strip_notice(text, PYTHON)
            if not stripped.removed:
                continue
            found += 1
            assert strip_notice(stripped.text, PYTHON).removed == (), path
            assert ast.dump(ast.parse(text)) == ast.dump(ast.parse(stripped.text)), path
            for span in stripped.removed:
                tokens = tokenize.generate_tokens(io.StringIO(text[span.start : span.end]).readline)
                assert {t.type for t in tokens} <= {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENDMARKER}
    assert found > 50


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        (f"# {NOTICE}\n" * 150_000, True),
        ("# a\n" * 2_000_000 + f"# {NOTICE}\n", True),
        (f"# {NOTICE}\n\n" * 120_000, False),  # more comments than a head has
        ("#" * 8_000_000, False),
        ("\r" * 8_000_000, False),
        ("# -*- coding: x -*-\n" * 400_000, False),
    ],
)
def test_heads_of_eight_megabytes_are_read_once(text, gone):
    assert strip_notice(text, PYTHON).text == ("" if gone else text)


@pytest.mark.parametrize(
    ("language", "text"),
    [("c", f"/* {NOTICE} " * 150_000), ("ocaml", "(*" * 4_000_000), ("c", f"/* {NOTICE} */" * 120_000)],
)
def test_block_comments_without_end_or_without_number_stay(language, text):
    assert strip_notice(text, SYNTAXES[language]) == Stripped(text, ())


def test_the_table_names_languages_of_the_file_types_and_covers_the_usual_ones():
    types = FileTypes.load(yaml.safe_load((CONF / "file-types.yaml").read_text(encoding="utf-8"))).types
    assert set(SYNTAXES) <= set(types)
    assert len(SYNTAXES) == 224


def test_the_configuration_holds_no_interpolation():
    assert "${" not in (CONF / "comments.yaml").read_text(encoding="utf-8")


def test_a_syntax_is_plain_data_that_travels_to_workers():
    assert pickle.loads(pickle.dumps(PYTHON)) == PYTHON
    assert strip_notice("; Copyright 2020\nx", CommentSyntax(line=(";",), notice=("copyright",))).text == "x"


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"languges": {}}, "key 'languges'. Allowed: notice, preamble, languages"),
        ({"languages": []}, "expected a mapping of language"),
        ({"languages": {"c": ["//"]}}, "comments.languages.c = "),
        ({"languages": {"c": {"lines": ["//"]}}}, "comments.languages.c has the key 'lines'. Allowed: line"),
        ({"languages": {"c": {"line": "//"}}}, "comments.languages.c.line = '//': expected a list"),
        ({"languages": {"c": {"line": [""]}}}, "none of them empty"),
        ({"languages": {"c": {"block": ["/*", "*/"]}}}, "expected a list of [open, close] pairs"),
        ({"notice": ["(?=a)"], "languages": {}}, "comments.notice has '(?=a)': RE2 refuses it"),
    ],
)
def test_a_table_that_cannot_be_right_is_refused_with_its_place(mapping, message):
    with pytest.raises(ValueError) as caught:
        load(mapping)
    assert message in str(caught.value)
