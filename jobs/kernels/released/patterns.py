r"""The release's patterns over code, counted in linear time.

They were written for an engine that backtracks, whose time some texts make exponential. RE2 finds the same matches, but
knows `\w`, `\s` and `\b` in ASCII only. A pattern sees no more of a character than its class, so the text is written in
ASCII first: other word characters as `0`, other white space as a tab, the rest as U+0002, and the digit 0 as `1` where a
pattern must tell a digit from a foreign letter.
"""

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
import re2

from jobs.kernels.counts import NAME, WHITE, character_tables
from jobs.kernels.words import points_of

_S = r"[\t-\r ]"  # white space without U+001C-001F
_SPACES = r"[\t-\r\x1c- ]"  # all of it
_NAME = r"[A-Za-z_]\w*"
_GUARDED = ("public", "private", "protected", "if", "else")


def _no_prefix(prefixes: tuple[str, ...]) -> str:
    """A word that begins with none of the prefixes, as a pattern without looking ahead."""
    branches = {prefix[0] for prefix in prefixes}
    inner = []
    for first in sorted(branches):
        rest = tuple(prefix[1:] for prefix in prefixes if prefix[0] == first)
        if "" not in rest:
            inner.append(f"{first}(?:{_no_prefix(rest)})?")
    others = "".join(sorted(set("abcdefghijklmnopqrstuvwxyz") - branches))
    return "|".join([rf"[{others}A-Z0-9_]\w*", *inner])


def _method(modifiers: str) -> str:
    """A method's head: a type in angle brackets and a word, or a word that is no keyword, then the name and parameters."""
    kind = rf"(?:<\w+>{_S}*\w+|(?:{_no_prefix(_GUARDED)}))"
    return rf"^{_S}*{modifiers}{kind}{_S}+\w+{_S}*\([^)]*\)"


_CS_TYPES = "int|float|double|string|char|bool|byte|sbyte|short|ushort|uint|long|ulong|decimal"
_CS_METHOD = _method(
    rf"(?:(?:public|protected|private|internal){_S}+)?(?:(?:static|virtual|override|abstract|async){_S}+)?"
)
_JAVA_METHOD = _method(rf"(?:(?:public|protected|private|static){_S}+)*")
_JAVA_TYPES = r"(?:int|float|boolean|char|double|String|[A-Z][\w<>]*)"
_JAVA_FIELD = rf"^{_S}*(?:(?:public|protected|private|final|static){_S}+)*{_JAVA_TYPES}{_S}+\w+{_S}*"
_QUOTED = r'"(?:[^"\\]|\\[\x00-\x7f])*"'
_APOSTROPHES = r"'(?:[^'\\]|\\[\x00-\x7f])*'"
_C_DECLARED = rf"\**{_S}*[\w\[\]]+{_S}*(?:={_S}*[^;]*)?"
_GO_NAMES = rf"(?:var|const){_S}+\w+(?:,{_S}*\w+)*"

_PATTERNS = {
    "c_functions": rf"\b(?:{_NAME}{_S}*\**{_S}+)+\*?{_S}*{_NAME}\([^)]*\){_S}*",
    "c_includes": rf'^{_S}*#{_S}*include{_S}+["<][^">]+[">]',
    "c_classes": rf"^{_S}*class{_S}+\w+{_S}*(?::[^{{]*)?\{{",
    "c_simple_variables": rf"^{_S}*(?:unsigned{_S}+)?(?:int|float|double|char|bool|std::string|auto){_S}+\w+{_S}*;",
    "c_simple_returns": rf"^{_S}*return{_S}*(?:(?:\w+|{_QUOTED}|{_APOSTROPHES}){_S}*)?;{_S}*$",
    "c_variables": rf"\b\w+(?:{_S}+\w+)?{_S}+{_C_DECLARED}(?:,{_S}*{_C_DECLARED})*{_S}*;",
    "c_mains": rf"\bmain{_S}*\([^)]*\){_S}*\{{",
    "cs_functions": _CS_METHOD,
    "cs_variables": rf"\b(?:{_CS_TYPES}|var){_S}+\w+(?:{_S}*={_S}*[^;\n]+)?",
    "cs_simple_variables": rf"\b(?:{_CS_TYPES}){_S}+\w+{_S}*;",
    "cs_usings": rf"^{_S}*using{_S}+[A-Za-z1-9_.]+{_S}*;",
    "cs_classes": rf"\b(?:public|private|protected|internal|static|abstract|sealed)?{_S}*class{_S}+\w+",
    "cs_returns": rf"^{_S}*return\b(?:{_S}+[^;\n]+)?{_S}*;",
    "java_functions": rf"{_JAVA_METHOD}(?:{_S}*throws{_S}+[\w, ]+)?",
    "java_imports": rf"^{_S}*import{_S}+[\w.*]+{_S}*;{_S}*$",
    "java_variables": rf"{_JAVA_FIELD}(?:{_S}*={_S}*[^;]+)?;",
    "java_simple_variables": rf"{_JAVA_FIELD};",
    "java_returns": rf"^{_S}*return(?:;|{_S}+(?:\w*|{_QUOTED}){_S}*;{_S}*)$",
    "java_classes": rf"^{_S}*(?:(?:public|protected|private){_S}+)?(?:(?:final|abstract){_S}+)?class{_S}+[\w<>]+",
    "go_functions": (
        rf"^func{_S}+(?:\({_S}*\w+{_S}+\*?\w+{_S}*\))?{_S}*\w+{_S}*\([^)]*\){_S}*(?:\([^)]+\)|[\w\[\]]+)?{_S}*"
    ),
    "go_simple_variables": rf"^{_S}*var{_S}+\w+{_S}+\w+{_S}*;?{_S}*$",
    "go_returns": rf"^{_S}*return(?:{_S}+[^;\n]+)?{_S}*;?{_S}*$",
    "go_types": rf"^{_S}*type{_S}+\w+{_S}+(?:struct|interface){_S}*\{{[^}}]*\}}",
    "py_return_lines": rf"^{_SPACES}*return(?:{_SPACES}+[^\n]+)?{_SPACES}*$",
}


@functools.cache
def _compiled(name: str) -> Any:
    options = re2.Options()
    options.never_nl = False
    options.log_errors = False
    options.max_mem = 64 << 20
    return re2.compile(f"(?m){_PATTERNS[name]}".encode(), options)


def matches(name: str, code: str) -> Iterator[str]:
    """Each match of a pattern, left to right and apart, in the text's ASCII form."""
    return (match.group().decode("ascii") for match in _compiled(name).finditer(ascii_form(code)))


def count(name: str, code: str) -> int:
    """How many matches a pattern has."""
    return sum(1 for _ in _compiled(name).finditer(ascii_form(code)))


def count_all(names: tuple[str, ...], code: str) -> int:
    return sum(count(name, code) for name in names)


_DIGITS = bytes.maketrans(b"0", b"1")


@functools.lru_cache(maxsize=1)
def ascii_form(code: str) -> bytes:
    """The text as patterns see it, one byte a character."""
    if code.isascii():
        return code.encode("ascii").translate(_DIGITS)
    points = points_of(code)
    kinds = character_tables()[0][points]
    foreign = np.where(kinds & NAME, ord("0"), np.where(kinds & WHITE, ord("\t"), 2))
    own = np.where(points == ord("0"), ord("1"), points)
    return np.where(points < 128, own, foreign).astype(np.uint8).tobytes()
