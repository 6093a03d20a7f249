"""Python functions by their form: equal when they differ only in names, comments, layout, docstrings and annotations.

The form of a function is the digest of its syntax tree without docstring, annotations and decorators, with every name
that it binds itself (its own, its arguments, what it assigns) replaced by a number in order of appearance. Names from
outside, attributes and constants stay: `sum(x)` and `max(x)` differ.

Parsing every file would take 0.3 s a MB, so a compiled scan goes first. It reads a text as Python tokens without names,
strings, comments and layout and looks at each `def` whether one of the known outlines, each a prefix, begins there; only
what passes is parsed. Texts in other languages pass the scan as they pass any reader that does not know them: seldom,
and then they do not parse. An outline sees brackets that the tree does not: a copy with needless brackets is missed.

Cost: 250 MB/s for the scan on one core (AMD EPYC), and 1 ms for each function that passes.
"""

from __future__ import annotations

import ast
import hashlib
import keyword
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from jobs.kernels.arrays import compiled, frozen

MAX_OUTLINE = 2047  # tokens of an outline; benchmark functions have 20 to 400
MAX_FUNCTION_BYTES = 1 << 16  # what is parsed at one `def`; the parser's time and depth grow with it
MAX_CANDIDATES = 4096  # functions of one text that are parsed

_U64 = np.uint64
_PRIME, _BASE, _NAME = _U64(0x100000001B3), _U64(0x9E3779B97F4A7C15), _U64(0x5851F42D4C957F2D)
_SPREAD_MARK = _U64(0xD6E8FEB86659FD93)
_RING = MAX_OUTLINE + 1  # prefix sums that are kept
_OPEN = 64  # definitions that are followed at once; only a text made to cost time opens more within one outline

_SPACE, _WORD, _MARK, _QUOTE, _COMMENT = 0, 1, 2, 3, 4
_CLASS = np.full(256, _MARK, np.uint8)
for _byte in range(256):
    _character = chr(_byte)
    if _character in " \t\r\n\f\\;":
        _CLASS[_byte] = _SPACE
    elif _byte >= 128 or _character.isalnum() or _character == "_":
        _CLASS[_byte] = _WORD
_CLASS[ord('"')] = _CLASS[ord("'")] = _QUOTE
_CLASS[ord("#")] = _COMMENT

Hashes = npt.NDArray[np.uint64]
Index = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


def _word_hash(word: bytes) -> int:
    value = 0xCBF29CE484222325
    for byte in word:
        value = ((value ^ byte) * 0x100000001B3) % (1 << 64)
    return value


_KEYWORDS = np.zeros(1 << 12, np.uint64)  # by the hash, spread; no two keywords share a place
for _word in keyword.kwlist:
    _KEYWORDS[_word_hash(_word.encode()) * int(_SPREAD_MARK) % (1 << 64) >> 52] = _word_hash(_word.encode())
assert np.count_nonzero(_KEYWORDS) == len(keyword.kwlist)
_DEF = _U64(_word_hash(b"def"))


@dataclass(frozen=True)
class Function:
    """A function definition in a text: text[start:end] in bytes, and its form."""

    start: int
    end: int
    form: str
    nodes: int  # size of its syntax tree


@dataclass(frozen=True)
class Forms:
    """Known forms, ready to be looked for. `names[form]` says whose they are."""

    names: dict[str, tuple[int, ...]]
    powers: Hashes  # by length in tokens, up to the longest outline's; 0 where no outline has this length
    outlines: Hashes  # sorted

    @staticmethod
    def of(sources: Sequence[str], least_nodes: int) -> Forms:
        """The forms of all functions with at least `least_nodes` nodes; `names` holds places in `sources`.

        What does not parse, or only with errors, has no function.
        """
        names: dict[str, tuple[int, ...]] = {}
        outlines: set[tuple[int, int]] = set()
        owners: dict[str, list[int]] = {}  # variants of a benchmark have much the same solutions
        for i, source in enumerate(sources):
            owners.setdefault(source, []).append(i)
        for source, places in owners.items():
            for node in _definitions(source):
                form, nodes = form_of(node)
                if nodes < least_nodes:
                    continue
                names[form] = tuple(sorted({*names.get(form, ()), *places}))
                outlines |= {_outline(text) for text in (ast.get_source_segment(source, node) or "", _bare(node))}
        kept = sorted(pair for pair in outlines if 0 < pair[0] <= MAX_OUTLINE)
        powers = np.zeros(max((length for length, _ in kept), default=0) + 1, np.uint64)
        for length, _ in kept:
            powers[length] = pow(int(_BASE), length, 1 << 64)
        return Forms(names, powers, np.unique(np.array([h for _, h in kept], np.uint64)))

    def find(self, text: bytes) -> Iterator[tuple[Function, tuple[int, ...]]]:
        """Functions of a known form, each with whose it is, in order of place. Looks at MAX_CANDIDATES of a text at most."""
        if not self.names or b"def" not in text:
            return
        data = frozen(np.frombuffer(text, np.uint8), np.uint8)
        places = np.empty(MAX_CANDIDATES, np.int64)
        count = _scan(data, frozen(self.powers, np.uint64), frozen(self.outlines, np.uint64), places)
        for start in np.unique(places[:count]).tolist():
            found = function_at(text, start)
            if found is not None and found.form in self.names:
                yield found, self.names[found.form]


def function_at(text: bytes, start: int) -> Function | None:
    """The function whose `def` is text[start:]; None where it does not parse within MAX_FUNCTION_BYTES."""
    line = text.rfind(b"\n", 0, start) + 1
    block = _block(text[line : start + MAX_FUNCTION_BYTES])
    for node in _definitions(block.decode("utf-8", "replace")):
        form, nodes = form_of(node)
        return Function(start, line + len(block), form, nodes)
    return None


def _block(text: bytes) -> bytes:
    """The lines of a definition: up to the next line of code that is not further in than the `def`, outside brackets."""
    depth, size = 0, 0
    indent = len(text) - len(text.lstrip(b" \t"))
    for i, line in enumerate(text.split(b"\n")):
        stripped = line.strip()
        if i and depth <= 0 and stripped and not stripped.startswith(b"#"):
            inside = len(line) - len(line.lstrip(b" \t"))
            if inside <= indent and not stripped.startswith((b")", b"]", b"}")):
                break
        if depth > 0 or i == 0:
            depth += sum(line.count(c) for c in (b"(", b"[", b"{")) - sum(line.count(c) for c in (b")", b"]", b"}"))
        size += len(line) + 1
    return text[:size]


def _definitions(source: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    if source[:1] in (" ", "\t"):
        source = f"if True:\n{source}"  # an indented definition; comments may stand further out
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old escapes in strings
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # MemoryError: how CPython says "nested too deeply"
        return
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def form_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[str, int]:
    """The form of a definition, 32 hex digits, and the number of nodes that it covers."""
    bound = {node.name}
    for inner in ast.walk(node):
        if isinstance(inner, ast.arg):
            bound.add(inner.arg)
        elif isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
            bound.add(inner.id)
        elif isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.add(inner.name)
    numbers: dict[str, int] = {}
    digest, nodes = hashlib.blake2b(digest_size=16), 0
    waiting: list[object] = [node]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            digest.update(b"[%d" % len(item))
            waiting += reversed(item)
        elif isinstance(item, ast.AST):
            nodes += 1
            digest.update(type(item).__name__.encode() + b"(")
            waiting += reversed(
                [_Bound(v) if n in _NAMES and isinstance(v, str) and v in bound else v for n, v in _fields(item)]
            )
        elif isinstance(item, _Bound):
            digest.update(b"%d," % numbers.setdefault(item.name, len(numbers)))
        else:
            digest.update(f"{type(item).__name__}:{item!r},".encode("utf-8", "replace"))
    return digest.hexdigest(), nodes


@dataclass(frozen=True)
class _Bound:
    name: str


_NAMES = {"id", "arg", "name"}  # fields that hold a name; those of attributes and modules are called otherwise
_LEFT_OUT = {"annotation", "returns", "decorator_list", "type_comment", "type_params", "kind", "ctx"}


def _fields(node: ast.AST) -> Iterator[tuple[str, object]]:
    for name, value in ast.iter_fields(node):
        if name in _LEFT_OUT:
            continue
        if name == "body" and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield name, value[1:] if _is_docstring(value[0]) else value
        else:
            yield name, value


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _bare(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """The definition as Python writes it, without decorators and annotations, which the tree loses too."""
    node.decorator_list, node.returns = [], None
    for inner in ast.walk(node):
        if isinstance(inner, ast.arg):
            inner.annotation = None
    return ast.unparse(node)


def _outline(source: str) -> tuple[int, int]:
    """Tokens from the first `def` on, and their hash; (0, 0) without one."""
    text = re.sub(r"^(\s*@.*\n)+", "", source).encode()
    data = frozen(np.frombuffer(text, np.uint8), np.uint8)
    sums = np.zeros(len(text) + 2, np.uint64)
    count, first = _tokens(data, sums)
    if first < 0:
        return 0, 0
    power = pow(int(_BASE), count - first, 1 << 64)
    return count - first, (int(sums[count]) - int(sums[first]) * power) % (1 << 64)


@compiled
def _skip_string(data: Bytes, i: int) -> int:
    """The place behind a string literal that opens at i."""
    n, quote = int(data.shape[0]), data[i]
    if i + 2 < n and data[i + 1] == quote and data[i + 2] == quote:
        i += 3
        while i < n:
            if data[i] == 92:
                i += 2
                continue
            if data[i] == quote and i + 2 < n and data[i + 1] == quote and data[i + 2] == quote:
                return i + 3
            i += 1
        return n
    i += 1
    while i < n and data[i] != quote and data[i] != 10:
        i += 2 if data[i] == 92 else 1
    return min(i + 1, n)


@compiled
def _next(data: Bytes, i: int) -> tuple[int, np.uint64, int]:
    """The token at or behind i: (place behind it, its hash, its place); place -1 at the end of the text."""
    n = data.shape[0]
    while i < n:
        kind = _CLASS[data[i]]
        if kind == _SPACE:
            i += 1
        elif kind == _COMMENT:
            while i < n and data[i] != 10:
                i += 1
        elif kind == _QUOTE:
            i = _skip_string(data, i)
        elif kind == _MARK:
            # A comma before a closing bracket is layout.
            if data[i] == 44:
                j = i + 1
                while j < n and _CLASS[data[j]] == _SPACE:
                    j += 1
                if j < n and (data[j] == 41 or data[j] == 93 or data[j] == 125):
                    i = j
                    continue
            return i + 1, _U64(data[i]) * _SPREAD_MARK, i
        else:
            began, h, digit = i, _U64(0xCBF29CE484222325), data[i] >= 48 and data[i] <= 57
            while i < n and _CLASS[data[i]] == _WORD:
                h = (h ^ _U64(data[i])) * _PRIME
                i += 1
            if i - began <= 2 and i < n and _CLASS[data[i]] == _QUOTE:
                continue  # the prefix of a string literal
            if not digit and _KEYWORDS[np.int64((h * _SPREAD_MARK) >> _U64(52))] != h:
                h = _NAME
            return i, h, began
    return n, _U64(0), -1


@compiled
def _tokens(data: Bytes, sums: Hashes) -> tuple[int, int]:
    """Fills prefix sums of all tokens; returns how many there are and which is the first `def` (-1: none)."""
    i, count, first = 0, 0, -1
    while True:
        i, h, place = _next(data, i)
        if place < 0:
            return count, first
        if first < 0 and h == _DEF:
            first = count
        sums[count + 1] = sums[count] * _BASE + h
        count += 1


@compiled
def _scan(data: Bytes, powers: Hashes, outlines: Hashes, places: Index) -> int:
    """Fills places of each `def` at which a known outline begins; returns how many."""
    longest = powers.shape[0] - 1
    sums = np.zeros(_RING, np.uint64)
    token, at = np.zeros(_OPEN, np.int64), np.zeros(_OPEN, np.int64)  # of the latest `def`s: number of the token, byte
    i, count, found, head, tail = 0, 0, 0, 0, 0
    while True:
        i, h, place = _next(data, i)
        if place < 0:
            return found
        if h == _DEF:
            token[tail & (_OPEN - 1)], at[tail & (_OPEN - 1)] = count, place
            tail += 1
            head = max(head, tail - _OPEN)
        total = sums[count & (_RING - 1)] * _BASE + h
        count += 1
        sums[count & (_RING - 1)] = total
        while head < tail and count - token[head & (_OPEN - 1)] > longest:
            head += 1
        for k in range(head, tail):
            began = token[k & (_OPEN - 1)]
            power = powers[count - began]
            if power != 0:
                value = total - sums[began & (_RING - 1)] * power
                known = np.searchsorted(outlines, value)
                if known < outlines.shape[0] and outlines[known] == value:
                    places[found] = at[k & (_OPEN - 1)]
                    found += 1
                    if found == places.shape[0]:
                        return found
