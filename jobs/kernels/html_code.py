"""Code on web pages: blocks as highlighters and generators write them, to fenced text with every blank kept.

Works on the source of one element, as `html_scan` finds it. What is undone here: line numbers beside the code (a table of
two cells, or a row per line) and inside it, a line per element, breaks as elements. The language comes from class
names of the block, of what is inside and of what is around it. Cost: a few passes over the element's source.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

_NUMBER_CHARACTERS = " \t\r\n\f\v.:|0123456789"
_NUMBER_CLASSES = {
    "lineno", "linenos", "linenumber", "linenumbers", "line-number", "line-numbers", "gutter", "lnum", "ln", "ln-num",
    "hljs-ln-numbers", "hljs-ln-n", "blob-num", "rouge-gutter",
}  # fmt: skip
_CODE_CLASSES = {"code", "blob-code", "hljs-ln-code", "rouge-code", "line", "js-file-line", "code-line"}
_PREFIXES = ("language-", "lang-", "highlight-source-", "highlight-", "src-", "brush-", "code-", "hljs-")
_NAME = re.compile(r"[a-z][a-z0-9+#_.-]{0,19}")

# Class names that are a language by themselves: <pre class="python">, <figure class="highlight python">.
_LANGUAGES = {
    "ada", "asm", "awk", "bash", "c", "c++", "clojure", "cmake", "cpp", "csharp", "c#", "css", "cuda", "d", "dart", "diff",
    "dockerfile", "elixir", "elm", "erlang", "fortran", "fsharp", "go", "golang", "groovy", "haskell", "html", "ini", "java",
    "javascript", "js", "json", "julia", "kotlin", "latex", "lisp", "llvm", "lua", "makefile", "matlab", "nasm", "nim", "nix",
    "objective-c", "ocaml", "octave", "pascal", "perl", "php", "powershell", "prolog", "protobuf", "py", "python", "python3",
    "r", "racket", "ruby", "rust", "scala", "scheme", "sh", "shell", "sql", "swift", "tcl", "toml", "typescript", "ts",
    "verilog", "vhdl", "vim", "xml", "yaml", "zig",
}  # fmt: skip
_NOT_LANGUAGES = {
    "default", "none", "plain", "plaintext", "text", "txt", "source", "block", "wrapper", "container", "inline", "toolbar",
    "example", "box", "snippet", "ln", "ln-code", "ln-line", "ln-numbers",
}  # fmt: skip

# A tag ends at the next "<" too: a page of openings that never close is still one pass.
_TAG = re.compile(r"<[a-zA-Z/!?][^<>]*>?")
_HIDDEN = re.compile(r"<!--.*?(?:-->|\Z)|<(script|style)\b.*?(?:</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE)
_BREAK = re.compile(r"<br\b[^<>]*>", re.IGNORECASE)
_LINE_END = re.compile(r"\n?</(?:div|p|li|tr)\s*>", re.IGNORECASE)
_NUMBERED = re.compile(r"<(span|a|i|em|b|div|td|code)\b([^<>]*)>([\s\d.:|]*)</\1\s*>", re.IGNORECASE)
_ROW = re.compile(r"<tr\b[^<>]*>", re.IGNORECASE)
_CELL = re.compile(r"<t[dh]\b([^<>]*)>", re.IGNORECASE)
_PRE = re.compile(r"<(?:pre|code)\b", re.IGNORECASE)
_FIRST_TAGS = re.compile(r"(?:\s*<[a-zA-Z][^<>]*>){1,3}")
_ATTRIBUTE = re.compile(
    r"\b(class|data-lang|data-language|lang-name)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))", re.IGNORECASE
)
_SPACE = re.compile(r"\s+")


def fenced(code: str, language: str) -> str:
    """The code between fences that are longer than any run of backticks in it."""
    longest = max((len(run) for run in re.findall(r"`{3,}", code)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{code}\n{fence}"


def language_of(tag: str, inside: str, around: Sequence[str]) -> str:
    """The language that the block's tag, the tags it begins with and those around it state; "" where none does."""
    first = _FIRST_TAGS.match(inside)
    for text in (tag, first[0] if first else "", *around):
        if found := _stated(text):
            return found
    return ""


def _stated(tags: str) -> str:
    for name, *values in _ATTRIBUTE.findall(tags):
        value = html.unescape("".join(values)).strip().lower()
        if name.lower() == "class":
            if found := _in_classes(value.split()):
                return found
        elif _is_language(value):
            return value
    return ""


def _in_classes(classes: Iterable[str]) -> str:
    found = list(classes)
    for name, following in pairwise([*found, ""]):
        if name in ("brush:", "sourcecode") and _is_language(following.rstrip(";")):
            return following.rstrip(";")
        if name.startswith("brush:") and _is_language(name[6:].rstrip(";")):
            return name[6:].rstrip(";")
        for prefix in _PREFIXES:
            if name.startswith(prefix) and _is_language(name.removeprefix(prefix)):
                return name.removeprefix(prefix)
    return next((name for name in found if name in _LANGUAGES), "")


def _is_language(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and name not in _NOT_LANGUAGES


def code_of(inside: str) -> str:
    """The text of a code block, blank for blank, without line numbers. `inside`: its content as source."""
    source = _NUMBERED.sub(_without_number, _HIDDEN.sub("", inside))
    source = _LINE_END.sub("\n", _BREAK.sub("\n", source))
    return trimmed(html.unescape(_TAG.sub("", source)))


def _without_number(found: re.Match[str]) -> str:
    return "" if _is_number_tag(found[2]) else found[0]


def _is_number_tag(attributes: str) -> bool:
    return "data-line-number" in attributes or bool(_classes(attributes) & _NUMBER_CLASSES)


def _classes(attributes: str) -> set[str]:
    found = (m for m in _ATTRIBUTE.findall(attributes) if m[0].lower() == "class")
    return set("".join(next(found, ("", ""))[1:]).lower().split())


def trimmed(code: str) -> str:
    """Without blank lines at either end; the indentation of the first line stays."""
    lines = code.replace("\r\n", "\n").rstrip().split("\n")
    first = next((n for n, line in enumerate(lines) if line.strip()), len(lines))
    return "\n".join(lines[first:])


def cells_of(inside: str) -> list[list[tuple[str, str]]]:
    """Rows of (attributes, source) per cell of a table that has no other table inside."""
    rows = []
    for row in _ROW.split(inside)[1:]:
        _, *parts = _CELL.split(row)
        if parts:
            rows.append(list(zip(parts[::2], parts[1::2], strict=True)))
    return rows


def cell_text(source: str) -> str:
    return _SPACE.sub(" ", html.unescape(_TAG.sub(" ", _HIDDEN.sub("", source)))).strip()


def code_in_table(inside: str) -> str | None:
    """The code of a table that sets line numbers beside code; None for any other table."""
    rows = cells_of(inside)
    if not rows or any(len(row) < 2 for row in rows):
        return None
    if len(rows) == 1:
        number, code = rows[0][0], rows[0][-1]
        pre = _PRE.search(code[1])
        if _is_gutter(*number) and (pre or _is_code(*code)):
            return code_of(code[1])
        return None
    if all(_is_gutter(*row[0]) for row in rows) and all(_is_code(*row[-1]) for row in rows):
        return trimmed("\n".join(html.unescape(_TAG.sub("", row[-1][1])).strip("\r\n") for row in rows))
    return None


def _is_gutter(attributes: str, source: str) -> bool:
    text = _TAG.sub("", source).strip()
    numbered = "data-line-number" in attributes if not text else text[-1].isdigit() or text[0].isdigit()
    return numbered and not text.strip(_NUMBER_CHARACTERS)


def _is_code(attributes: str, source: str) -> bool:
    return bool(_classes(attributes) & _CODE_CLASSES) or _PRE.search(source) is not None
