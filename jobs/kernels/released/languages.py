"""The signals of C, C++, C#, Java and Go, from patterns over the code, and of HTML."""

import functools
import re
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

from jobs.kernels.released.patterns import count, count_all, matches
from jobs.kernels.released.text import lines_of, share

if TYPE_CHECKING:
    from jobs.kernels.released.general import Source

Value = float | None
Signals = dict[str, Callable[["Source"], Value]]

_HEADERS = ("h", "hpp", "hxx", "hh", "h++")
_SPACE = "[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
_DIRECTIVE = re.compile(f"struct|using|#{_SPACE}*(?:include|define|if|else|elif|endif|error|pragma|warning|undef|line)")
_GO_IMPORT = re.compile(r'import\s+"[^"]+"')
_CLASS_NAME = re.compile("[A-Z][A-Za-z1-9]*")
_MODIFIERS = ("public", "protected", "private")

# HTML's parser looks for the end of a tag anew at each `<`: characters it may have to look at, 10 s of its time.
MAX_WORK = 2_000_000_000


def _directives(source: "Source") -> Value:
    if source.extension in _HEADERS:
        return None
    return source.per_line(sum(bool(_DIRECTIVE.search(line)) for line in source.code_lines))


def _c_family(prefix: str, *prints: str) -> Signals:
    declared = ("c_functions", "c_includes", "c_simple_variables", "c_simple_returns", "c_classes")
    return {
        f"{prefix}_frac_lines_func_ratio": lambda s: s.per_line(count("c_functions", s.code)),
        f"{prefix}_cate_bitsstdc": lambda s: float("bits/stdc++.h" in s.code.strip().lower()[:200]),
        f"{prefix}_nums_lines_main": lambda s: count("c_mains", s.code),
        f"{prefix}_frac_lines_goto": lambda s: s.per_line(s.lines_with("goto")),
        f"{prefix}_cate_var_zero": lambda s: float(not count("c_variables", s.code)),
        f"{prefix}_score_lines_no_logic": lambda s: s.per_line(count_all(declared, s.code)),
        f"{prefix}_frac_lines_print": lambda s: s.per_line(s.lines_with(*prints)),
        f"{prefix}_frac_lines_preprocessor_directives": _directives,
    }


C: Signals = _c_family("qsc_codec", "printf")
_CPP = _c_family("qsc_codecpp", "cout", "printf")
# The order in which the release computes them counts: what follows a failed one is not computed.
CPP: Signals = {name: _CPP[name] for name in (list(_CPP)[-1], *list(_CPP)[:-1])}

_CS_DECLARED = ("cs_functions", "cs_usings", "cs_simple_variables", "cs_returns", "cs_classes")
CSHARP: Signals = {
    "qsc_codecsharp_frac_lines_func_ratio": lambda s: s.per_line(count("cs_functions", s.code)),
    "qsc_codecsharp_cate_var_zero": lambda s: 0.0,  # noqa: ARG005  the release compares a list with 0
    "qsc_codecsharp_score_lines_no_logic": lambda s: s.per_line(count_all(_CS_DECLARED, s.code)),
    "qsc_codecsharp_frac_lines_print": lambda s: s.per_line(s.lines_with("Console.WriteLine")),
}


def _class_names(source: "Source") -> list[str]:
    return [match.split()[-1] for match in matches("java_classes", source.code)]


def _modified(source: "Source") -> Value:
    functions, names = list(matches("java_functions", source.code)), _class_names(source)
    found = sum(any(word in function for word in _MODIFIERS) for function in functions)
    return share(found + sum(name in _MODIFIERS for name in names), len(functions) + len(names))


def _second(pattern: str, letters: Callable[[str], bool]) -> Callable[["Source"], Value]:
    def measured(source: "Source") -> Value:
        found = [match.strip()[1] for match in matches(pattern, source.code)]
        return share(sum(letter.isalpha() and letters(letter) for letter in found), len(found))

    return measured


def _legal_classes(source: "Source") -> Value:
    names = _class_names(source)
    return share(sum(bool(_CLASS_NAME.fullmatch(name)) for name in names), len(names))


_JAVA_DECLARED = ("java_functions", "java_imports", "java_simple_variables", "java_returns", "java_classes")
JAVA: Signals = {
    "qsc_codejava_cate_var_zero": lambda s: float(not count("java_variables", s.code)),
    "qsc_codejava_frac_lines_func_ratio": lambda s: s.per_line(count("java_functions", s.code)),
    "qsc_codejava_score_lines_no_logic": lambda s: s.per_line(count_all(_JAVA_DECLARED, s.code)),
    "qsc_codejava_frac_words_no_modifier": _modified,
    "qsc_codejava_frac_words_legal_var_name": _second("java_variables", str.islower),
    "qsc_codejava_frac_words_legal_func_name": _second("java_functions", str.isalpha),
    "qsc_codejava_frac_words_legal_class_name": _legal_classes,
    "qsc_codejava_frac_lines_print": lambda s: s.per_line(s.lines_with("System.out.print")),
}


def _go_imports(source: "Source") -> int:
    lines = [line.strip() for line in lines_of(source.code) if "import" in line]
    return sum(line == "import (" or bool(_GO_IMPORT.fullmatch(line)) for line in lines)


_GO_DECLARED = ("go_functions", "go_simple_variables", "go_returns", "go_types")
GO: Signals = {
    "qsc_codego_cate_testfile": lambda s: float(s.name.lower().endswith("_test.go")),
    "qsc_codego_frac_lines_func_ratio": lambda s: s.per_line(count("go_functions", s.code)),
    "qsc_codego_cate_var_zero": lambda s: 0.0,  # noqa: ARG005  as in C#
    "qsc_codego_score_lines_no_logic": lambda s: s.per_line(count_all(_GO_DECLARED, s.code) + _go_imports(s)),
    "qsc_codego_frac_lines_print": lambda s: s.per_line(s.lines_with("fmt.Print")),
}


@functools.lru_cache(maxsize=1)
def _html_text(text: str) -> int | None:
    """Characters of the text of a page; None where it cannot be parsed. Raises ValueError for too much work."""
    from bs4 import BeautifulSoup
    from bs4.builder import ParserRejectedMarkup

    behind = text.rfind(">") + 1
    work = text.count("<!") * len(text) + text.count("<", behind) * (len(text) - behind)
    if work > MAX_WORK:
        raise ValueError(f"tags without an end: up to {work} characters to look at, {MAX_WORK} allowed")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return len(BeautifulSoup(text, "html.parser").get_text())
    except (ParserRejectedMarkup, AssertionError):
        return None


def _text_share(source: "Source") -> Value:
    found = _html_text(source.raw)
    return None if found is None else share(found, len(source.raw))


HTML: Signals = {
    "qsc_codehtml_cate_ast": lambda s: float(_html_text(s.raw) is not None),
    "qsc_codehtml_frac_words_text": _text_share,
    "qsc_codehtml_num_chars_text": lambda s: _html_text(s.raw),
}
