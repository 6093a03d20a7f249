"""Code and comments of one text, separated as the release does: by Pygments, else by the first characters of each line.

A language is split by the Pygments lexer whose alias is its name; perl by the marks of its documentation; all others by
hand. Pygments decides what a comment is, byte order mark and line ends included, and takes 1 s a megabyte; it is not
asked where the text holds no character that could begin a comment.
"""

import functools
import re
from typing import Any

from jobs.kernels.released.text import lines_of

_QUOTES = '"""'
# Languages, of those that are frequent, where nothing but these can begin a comment or a documentation string.
_BEGINS = {
    "json": re.compile(r"/[/*]"),
    "yaml": re.compile("#"),
    "toml": re.compile("#"),
    "css": re.compile(r"/\*"),
    "java": re.compile(r"/[/*]"),
    "go": re.compile(r"/[/*]"),
    "sql": re.compile(r"--|/\*|#"),
}
# Where an opening mark has no closing one, a lexer looks for it to the end of the text, and again at the next mark.
_PAIRS = (
    ("<!", ">"),
    ("<!--", "-->"),
    ("<", ">"),
    ("/*", "*/"),
    ("(*", "*)"),
    ("{-", "-}"),
    ("<%", "%>"),
    ("<?", "?>"),
)
MAX_WORK = 500_000_000  # characters looked at, 5 s; the release gave up after 10 s


def split(text: str, language: str) -> tuple[str, str]:
    """(code, comments): the pieces of each in order, with nothing in between.

    Raises ValueError where a lexer would have to look at more than MAX_WORK characters for marks that never come.
    """
    if language == "perl":
        return _by_pod(text)
    lexer = _lexer(language)
    if lexer is None:
        return _by_hand(text)
    begins = _BEGINS.get(language)
    if begins is not None and not begins.search(text):
        return normal(text), ""
    if len(text) ** 2 > MAX_WORK and (work := max(_work(text, *pair) for pair in _PAIRS)) > MAX_WORK:
        raise ValueError(f"marks without an end: up to {work} characters to look at, {MAX_WORK} allowed")
    return _by_pygments(text, lexer)


def _work(text: str, opening: str, closing: str) -> int:
    behind = text.rfind(closing) + len(closing) if closing in text else 0
    return text.count(opening, behind) * (len(text) - behind)


def normal(text: str) -> str:
    """The text that Pygments lexes: no byte order mark, line feeds only, none at the edges but one at the end."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    return text + "\n"


@functools.cache
def _lexer(language: str) -> Any:
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        return get_lexer_by_name(language)
    except ClassNotFound:
        return None


def has_lexer(language: str) -> bool:
    """Whether comments of the language are told by Pygments."""
    return language != "perl" and _lexer(language) is not None


@functools.cache
def _comment_types() -> frozenset[Any]:
    from pygments.token import Comment, String

    return frozenset((Comment.Multiline, Comment.Single, Comment.Hashbang, Comment.Special, String.Doc))


def _by_pygments(text: str, lexer: Any) -> tuple[str, str]:
    types = _comment_types()
    code: list[str] = []
    comments: list[str] = []
    for kind, piece in lexer.get_tokens(text):
        (comments if kind in types else code).append(piece)
    return "".join(code), "".join(comments)


def _by_pod(text: str) -> tuple[str, str]:
    code: list[str] = []
    comments: list[str] = []
    inside = False
    for line in lines_of(text):
        stripped = line.strip()
        is_comment = inside or stripped.startswith(("=", "#"))
        if stripped.startswith("="):
            inside = not stripped.startswith("=cut")
        (comments if is_comment else code).append(line)
    return "".join(code), "".join(comments)


def _by_hand(text: str) -> tuple[str, str]:
    """Any comment but the one that ends a block leaves a block open: so it was released."""
    code: list[str] = []
    comments: list[str] = []
    inside = False
    for line in lines_of(text):
        stripped = line.strip()
        if stripped.startswith((_QUOTES, "/*")) or stripped.endswith((_QUOTES, "*/")):
            inside, is_comment = not inside, True
        else:
            is_comment = inside = inside or stripped.startswith(("#", "//", "--"))
        (comments if is_comment else code).append(line)
    return "".join(code), "".join(comments)
