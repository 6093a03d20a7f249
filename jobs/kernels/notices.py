"""Copyright and licence notices out of the comments at the head of a file.

The head is what stands before the first code: blank lines, comments, and what has to stay first (`#!`, encoding lines,
`<?php`, XML declarations, directives to tools). A comment is a run of lines with the same comment mark, or one block
comment. A comment of the head in which a notice pattern is found goes as a whole, with the blank lines after it; any
other comment stays, and so does everything behind the head. What counts as a comment, as a notice and as "has to stay"
is data (conf/comments.yaml).

Limits: a description inside the same comment as the notice goes with it; a notice behind code (a Python docstring, a C#
`#region`) stays; a head of more than 1,000 comments is left alone.
Cost: one pass over the head at C speed and one copy of the text; 2.7 GB/s over Python sources on one core.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import re2

_KEYS = ("line", "block", "nested", "preamble", "code", "line_stop")

# 36,046 source files of one machine had 51 pieces at most; a generated head of a million costs seconds.
_MAX_COMMENTS = 1000
_PREAMBLE_WINDOW = 1024  # characters; an XML declaration or a Haskell pragma fits many times

_EOL = r"(?:\r{0,2}\n|\r)"
_LINE_END = re.compile(_EOL)
_BLANK = re.compile("[ \t\r\n\f\v\ufeff]*+")
_BLANK_LINES = re.compile(rf"(?:[ \t\f\v]*+{_EOL})*+")
_SPACES = re.compile(r"[ \t\f\v]*+")

# Comments wrap: between two words of a notice there may be a line end and the comment mark of the next line.
_BETWEEN_WORDS = r"(?:[\s*#;%/!'\"|-]+)"


@dataclass(frozen=True, slots=True)
class CommentSyntax:
    """How one language writes comments, and which comments of a head are notices.

    `line`: marks that comment to the end of the line. `block`: (open, close) pairs; `nested` says that they nest.
    `preamble`: RE2 patterns of what stays at the head. `code`: beginnings that end the head though they look like a
    comment (`#[` in PHP, `///` in Rust). `line_stop`: a comment line that holds it ends the head (`?>` in PHP).
    `notice`: RE2 patterns, any case; a space stands for any run of white space and comment marks.
    """

    line: tuple[str, ...] = ()
    block: tuple[tuple[str, str], ...] = ()
    preamble: tuple[str, ...] = ()
    nested: bool = False
    code: tuple[str, ...] = ()
    line_stop: str = ""
    notice: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """Characters start <= i < end of the input."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Stripped:
    """`text` is the input without the characters of `removed`, which are in order and do not overlap."""

    text: str
    removed: tuple[Span, ...]


def strip_notice(text: str, syntax: CommentSyntax) -> Stripped:
    """The text without the notices at its head. Never fails; a second pass removes nothing more.

    Line ends (LF, CRLF, CR) stay as they are. Where the comment stood between two other lines, a blank line is left.
    """
    scanner = _scanner(syntax)
    removed: list[Span] = []
    done = 0  # end of the piece before
    line_ends = 2  # that stay between this piece and the one above that stays; nothing above counts as a blank line
    for count, (start, end, is_comment) in enumerate(_head(text, scanner)):
        if count == _MAX_COMMENTS:
            return Stripped(text, ())
        line_ends += len(_LINE_END.findall(text, done, start))
        if is_comment and scanner.is_notice(text[start:end]):
            span = _removal(text, done, start, end, line_ends)
            if span is None:
                break
            removed.append(span)
            done = span.end
        else:
            done, line_ends = end, int(_last_line_end(text, start, end) < end)
    return Stripped(_without(text, removed), tuple(removed))


def load(mapping: Mapping[str, Any]) -> dict[str, CommentSyntax]:
    """Language -> syntax, from conf/comments.yaml as parsed: `notice`, `preamble` (of all languages), `languages`.

    Raises ValueError for a key that is not known, a value of the wrong shape, and a pattern that RE2 refuses.
    """
    _only(mapping, ("notice", "preamble", "languages"), "comments")
    notice = _patterns(mapping, "notice", "comments")
    preamble = _patterns(mapping, "preamble", "comments")
    syntaxes = {}
    languages = mapping.get("languages")
    if not isinstance(languages, Mapping):
        raise ValueError(f"comments.languages = {languages!r}: expected a mapping of language to syntax.")
    for language, entry in languages.items():
        where = f"comments.languages.{language}"
        if not isinstance(entry, Mapping):
            raise ValueError(f"{where} = {entry!r}: expected a mapping with {', '.join(_KEYS)}.")
        _only(entry, _KEYS, where)
        syntaxes[str(language)] = CommentSyntax(
            line=_texts(entry, "line", where),
            block=_pairs(entry, where),
            preamble=preamble + _patterns(entry, "preamble", where),
            nested=bool(entry.get("nested", False)),
            code=_texts(entry, "code", where),
            line_stop=str(entry.get("line_stop", "")),
            notice=notice,
        )
    return syntaxes


@dataclass(frozen=True, slots=True)
class _Scanner:
    """The compiled form of a CommentSyntax."""

    run: re.Pattern[str] | None  # lines with the same mark; None where the language has no line comment
    blocks: tuple[tuple[str, str, re.Pattern[str] | None], ...]  # open, close, both where they nest
    code: tuple[str, ...]
    preamble: Any  # at a position
    preamble_line: Any  # at a line of a run
    notice: Any

    def is_notice(self, comment: str) -> bool:
        return self.notice is not None and self.notice.search(_encodable(comment)) is not None


@lru_cache(maxsize=1024)
def _scanner(syntax: CommentSyntax) -> _Scanner:
    opens = [pair[0] for pair in syntax.block]
    runs = [_run_of(mark, (*opens, *syntax.code), syntax.line_stop) for mark in syntax.line]
    blocks = []
    for begin, close in sorted(syntax.block, key=lambda pair: -len(pair[0])):
        both = re.compile(f"{re.escape(begin)}|{re.escape(close)}") if syntax.nested else None
        blocks.append((begin, close, both))
    alternatives = "|".join(f"(?:{pattern})" for pattern in syntax.preamble)
    notice = "|".join(f"(?:{pattern})" for pattern in syntax.notice).replace(" ", _BETWEEN_WORDS)
    return _Scanner(
        run=re.compile("|".join(runs)) if runs else None,
        blocks=tuple(blocks),
        code=syntax.code,
        preamble=re2.compile(alternatives) if alternatives else None,
        preamble_line=re2.compile(f"(?m)^[ \t]*(?:{alternatives})") if alternatives else None,
        notice=re2.compile(f"(?i){notice}") if notice else None,
    )


def _run_of(mark: str, unless: tuple[str, ...], line_stop: str) -> str:
    """A regular expression for lines with this comment mark. Possessive, so linear."""
    others = "|".join(re.escape(other) for other in unless if other.startswith(mark))
    no_other = f"(?!{others})" if others else ""
    word_end = r"(?![A-Za-z0-9_])" if mark[-1].isalnum() else ""
    no_stop = rf"(?![^\r\n]*?{re.escape(line_stop)})" if line_stop else ""
    return rf"(?:[ \t]*+{no_other}{re.escape(mark)}{word_end}{no_stop}[^\r\n]*+(?:{_EOL}|\Z))++"


def _head(text: str, scanner: _Scanner) -> Iterator[tuple[int, int, bool]]:
    """(start, end, is comment) of the pieces of the head, in order. A run of lines ends behind its last line end."""
    position = 0
    while True:
        match = _BLANK.match(text, position)
        position = match.end() if match else position
        if position == len(text) or text.startswith(scanner.code, position):
            return
        run = scanner.run.match(text, position) if scanner.run else None
        if run is not None:
            yield from _segments(text, position, run.end(), scanner)
            position = run.end()
            continue
        end = _preamble_end(text, position, scanner)
        if end > position:
            yield position, end, False
        else:
            end = _block_end(text, position, scanner)
            if end == position:
                return
            yield position, end, True
        position = end


def _segments(text: str, start: int, end: int, scanner: _Scanner) -> Iterator[tuple[int, int, bool]]:
    """The run of comment lines, cut at the lines that have to stay."""
    if scanner.preamble_line is not None:
        offset = start
        for match in scanner.preamble_line.finditer(_encodable(text[offset:end])):
            line_start, match_end = offset + match.start(), offset + match.end()
            if match_end <= start:
                continue
            if line_start > start:
                yield start, line_start, True
            line_end = _LINE_END.search(text, match_end, end)
            start = line_end.end() if line_end else end
            yield line_start, start, False
    if start < end:
        yield start, end, True


def _preamble_end(text: str, position: int, scanner: _Scanner) -> int:
    """Where what has to stay ends; `position` where nothing of that kind begins there."""
    if scanner.preamble is None:
        return position
    match = scanner.preamble.match(_encodable(text[position : position + _PREAMBLE_WINDOW]))
    return position + match.end() if match else position


def _block_end(text: str, position: int, scanner: _Scanner) -> int:
    """Where the block comment ends; `position` where none begins there or it has no end."""
    for begin, close, both in scanner.blocks:
        if not text.startswith(begin, position):
            continue
        if both is None:
            found = text.find(close, position + len(begin))
            return found + len(close) if found >= 0 else position
        depth = 0
        for match in both.finditer(text, position):
            depth += 1 if match.group() == begin else -1
            if depth == 0:
                return match.end()
        return position
    return position


def _removal(text: str, done: int, start: int, end: int, line_ends: int) -> Span | None:
    """What goes with the comment at start <= i < end: its line ends and the blank lines after it.

    `done` is the end of the piece before; `line_ends` stay between this comment and what stays above. None where the
    comments around it would grow together: the head ends there.
    """
    if line_ends == 0:  # something stays before it on its line: so does the line end
        last = _last_line_end(text, start, end)
        return Span(start, last if last < end else _after_spaces(text, end))
    match = _SPACES.match(text[done:start][::-1])
    begin = start - (match.end() if match else 0)
    if _last_line_end(text, start, end) == end:  # a block: the rest of its line is blank, or holds what stays
        after = _after_spaces(text, end)
        eol = _LINE_END.match(text, after)
        if eol is None and after < len(text):
            return Span(begin, after) if line_ends > 1 else None
        end = eol.end() if eol else after
    blank = _BLANK_LINES.match(text, end)
    end = blank.end() if blank else end
    if line_ends == 1 and end < len(text):
        end = _last_line_end(text, begin, end)
    return Span(begin, end)


def _last_line_end(text: str, start: int, end: int) -> int:
    """Where the line end at the end of start <= i < end begins; `end` where there is none."""
    for eol in ("\r\n", "\n", "\r"):
        if text.endswith(eol, start, end):
            return end - len(eol)
    return end


def _after_spaces(text: str, position: int) -> int:
    match = _SPACES.match(text, position)
    return match.end() if match else position


def _without(text: str, removed: list[Span]) -> str:
    starts = [0, *(span.end for span in removed)]
    ends = [*(span.start for span in removed), len(text)]
    return "".join(text[start:end] for start, end in zip(starts, ends, strict=True))


def _encodable(text: str) -> str:
    """The same number of characters, without lone surrogates: RE2 takes UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _only(mapping: Mapping[str, Any], allowed: tuple[str, ...], where: str) -> None:
    for key in mapping:
        if key not in allowed:
            raise ValueError(f"{where} has the key {key!r}. Allowed: {', '.join(allowed)}.")


def _texts(entry: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    values = entry.get(key, [])
    if not isinstance(values, list) or not all(isinstance(value, str) and value for value in values):
        raise ValueError(f"{where}.{key} = {values!r}: expected a list of texts, none of them empty.")
    return tuple(values)


def _pairs(entry: Mapping[str, Any], where: str) -> tuple[tuple[str, str], ...]:
    pairs = entry.get("block", [])
    if not isinstance(pairs, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        raise ValueError(f"{where}.block = {pairs!r}: expected a list of [open, close] pairs.")
    return tuple((str(begin), str(close)) for begin, close in pairs)


def _patterns(entry: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    patterns = _texts(entry, key, where)
    quiet = re2.Options()
    quiet.log_errors = False  # the error below says it
    for pattern in patterns:
        try:
            re2.compile(pattern, quiet)
        except re2.error as error:
            raise ValueError(f"{where}.{key} has {pattern!r}: RE2 refuses it ({error.args[0]!r}).") from error
    return patterns
