"""The measures that only some languages have: from the syntax tree, or from the text of an HTML page."""

import re

from jobs.kernels.document import BIGINT, BOOLEAN, DOUBLE, Document, Measure, Value
from jobs.kernels.pages import visible_characters
from jobs.kernels.syntax import GRAMMARS, Found

PARSED = tuple(GRAMMARS)

_DIRECTIVE = re.compile(
    r"^[ \t]*#[ \t]*(?:include|define|if|else|elif|endif|error|pragma|warning|undef|line)", re.MULTILINE
)
_HEADERS = (".h", ".hpp", ".hxx", ".hh", ".h++", ".inl", ".ipp")
_C_LIKE = ("c", "cpp")


def _directives(d: Document) -> Value:
    if d.name.lower().endswith(_HEADERS) or not d.code_lines:
        return None
    return len(_DIRECTIVE.findall(d.code)) / d.code_lines


def _no_logic(found: Found) -> int:
    named = found.functions + found.imports + found.classes + found.class_fields
    return named + found.simple_variables + found.simple_returns


def _visible(d: Document) -> int:
    return visible_characters(d.points)


def _modified(d: Document) -> Value:
    if d.tree is None:
        return None
    named = d.tree.functions + d.tree.classes
    return 1 - min(d.tree.public, named) / named if named else None


MEASURES: tuple[Measure, ...] = (
    Measure(
        "parses",
        BOOLEAN,
        "",
        "The whole text is of the language's grammar, as tree-sitter knows it today; Python 2 is not Python. "
        "Source: qsc_codepython_cate_ast, qsc_codejavascript_cate_ast.",
        lambda d: None if d.tree is None else d.tree.parses,
        languages=PARSED,
    ),
    Measure(
        "functions_per_line",
        DOUBLE,
        "per line of code",
        "Functions and methods per line of code. Source: the seven qsc_code*_frac_lines_func_ratio.",
        lambda d: d.per_line(lambda found: found.functions),
        languages=PARSED,
    ),
    Measure(
        "simple_functions_per_line",
        DOUBLE,
        "per line of code",
        "Functions whose body is one return statement per line of code. Source: qsc_codepython_frac_lines_simplefunc.",
        lambda d: d.per_line(lambda found: found.simple_functions),
        languages=("python",),
    ),
    Measure(
        "statements_per_line",
        DOUBLE,
        "per line of code",
        "Top-level statements per line of code. Source: qsc_codejavascript_num_statement_line.",
        lambda d: d.per_line(lambda found: found.statements),
        languages=("javascript",),
    ),
    Measure(
        "no_logic_score",
        DOUBLE,
        "per line of code",
        "Functions, imports, declarations without more, trivial returns and classes per line of code: near 1 in files "
        "that only declare. Source: the seven qsc_code*_score_lines_no_logic.",
        lambda d: d.per_line(_no_logic),
        languages=PARSED,
    ),
    Measure(
        "no_variable",
        BOOLEAN,
        "",
        "Nothing is bound to a name: no declaration, assignment or (Python) parameter. "
        "Source: the seven qsc_code*_cate_var_zero.",
        lambda d: None if d.tree is None else not d.tree.variables,
        languages=PARSED,
    ),
    Measure(
        "pass_line_share",
        DOUBLE,
        "per line of code",
        "Statements `pass` per line of code. Source: qsc_codepython_frac_lines_pass, which counts passwords too.",
        lambda d: d.per_line(lambda found: found.passes),
        languages=("python",),
    ),
    Measure(
        "import_line_share",
        DOUBLE,
        "per line of code",
        "Import statements per line of code. Source: qsc_codepython_frac_lines_import, which counts the word important.",
        lambda d: d.per_line(lambda found: found.imports),
        languages=("python",),
    ),
    Measure(
        "print_line_share",
        DOUBLE,
        "per line of code",
        "Calls that print to the standard output per line of code. Source: the seven qsc_code*_frac_lines_print.",
        lambda d: d.per_line(lambda found: found.prints),
        languages=PARSED,
    ),
    Measure(
        "goto_line_share",
        DOUBLE,
        "per line of code",
        "Statements `goto` per line of code. Source: qsc_codec_frac_lines_goto, qsc_codecpp_frac_lines_goto.",
        lambda d: d.per_line(lambda found: found.gotos),
        languages=_C_LIKE,
    ),
    Measure(
        "mains",
        BIGINT,
        "functions",
        "Definitions of `main`. Source: qsc_codec_nums_lines_main, qsc_codecpp_nums_lines_main.",
        lambda d: None if d.tree is None else d.tree.mains,
        languages=_C_LIKE,
    ),
    Measure(
        "directive_line_share",
        DOUBLE,
        "per line of code",
        "Lines of the preprocessor per line of code; null for headers. Source: "
        "qsc_codec_frac_lines_preprocessor_directives and its twin for C++, which count lines with struct and using too.",
        _directives,
        languages=_C_LIKE,
    ),
    Measure(
        "all_headers",
        BOOLEAN,
        "",
        "`bits/stdc++.h` stands within the first 200 characters of the code. "
        "Source: qsc_codec_cate_bitsstdc, qsc_codecpp_cate_bitsstdc.",
        lambda d: "bits/stdc++.h" in d.code.lstrip()[:200].lower(),
        languages=_C_LIKE,
    ),
    Measure(
        "no_modifier_share",
        DOUBLE,
        "share of functions and classes",
        "Functions and classes that are not public, protected or private. Source: qsc_codejava_frac_words_no_modifier, "
        "which counts those that are.",
        _modified,
        languages=("java",),
    ),
    Measure(
        "legal_variable_share",
        DOUBLE,
        "share of variables",
        "Variables of ASCII letters and digits that begin with a small letter. Source: qsc_codejava_frac_words_legal_var_name, "
        "which looks at the second character, and qsc_codejavascript_frac_words_legal_var_name.",
        lambda d: None if d.tree is None else d.tree.legal_variables,
        languages=("java", "javascript"),
    ),
    Measure(
        "legal_function_share",
        DOUBLE,
        "share of functions",
        "Functions of ASCII letters and digits that begin with a letter, a small one in Java. Source: "
        "qsc_codejava_frac_words_legal_func_name, qsc_codejavascript_frac_words_legal_func_name.",
        lambda d: None if d.tree is None else d.tree.legal_functions,
        languages=("java", "javascript"),
    ),
    Measure(
        "legal_class_share",
        DOUBLE,
        "share of classes",
        "Classes of ASCII letters and digits that begin with a capital. Source: "
        "qsc_codejava_frac_words_legal_class_name, qsc_codejavascript_frac_words_legal_class_name.",
        lambda d: None if d.tree is None else d.tree.legal_classes,
        languages=("java", "javascript"),
    ),
    Measure(
        "test_file",
        BOOLEAN,
        "",
        "The file's name ends with `_test.go`. Source: qsc_codego_cate_testfile.",
        lambda d: d.name.lower().endswith("_test.go"),
        languages=("go",),
    ),
    Measure(
        "visible_share",
        DOUBLE,
        "share of characters",
        "Characters of the page that are no tag, comment, script or style; null for the empty text. "
        "Source: qsc_codehtml_frac_words_text.",
        lambda d: _visible(d) / len(d.points) if len(d.points) else None,
        languages=("html",),
    ),
    Measure(
        "visible_characters",
        BIGINT,
        "characters",
        "Characters of the page that are no tag, comment, script or style. Source: qsc_codehtml_num_chars_text.",
        _visible,
        languages=("html",),
    ),
)
