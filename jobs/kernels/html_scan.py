"""One linear pass over HTML before it is parsed: what parsing and extracting would cost, and the text without structure.

Parsers of HTML repair what authors break, and repair is where small pages become large: elements that are never closed
nest without end, unclosed formatting is opened again in every paragraph, attributes of one tag are compared pairwise.
Extraction then walks up from every element. The pass counts what drives those costs; a page that is over its
budget is given as its visible text alone. Tags are read as a browser's tokeniser does: quotes count in attribute values
only, and what is in script, style and the like is no markup. On its way the pass notes where code blocks, tables
and formulae stand, so that they can be taken out of the source before anything is parsed.

Cost: 3 ns a byte. Memory: one copy of the page.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Names = npt.NDArray[np.uint64]
Index = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Cost:
    """What a page asks of a parser. `depth`: elements open at once; `formatting`: those of them that are opened again."""

    tags: int
    depth: int
    formatting: int
    attribute_pairs: int
    """Sum over the tags of the square of their attributes."""

    @property
    def steps(self) -> int:
        """An upper estimate of the steps up that extraction takes: elements, times how deep they lie."""
        return self.tags * (1 + self.formatting) * (1 + self.depth)


def _packed(*names: str) -> Names:
    """Names of at most 8 bytes as numbers, low byte first."""
    return np.array([int.from_bytes(name.encode(), "little") for name in names], np.uint64)


_VOID = _packed("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr")
# Closed by the next of their kind, so that leaving them open nests nothing.
_IMPLIED = _packed("p", "li", "dt", "dd", "option", "tr", "td", "th", "tbody", "thead", "html", "head", "body")
_RAW = _packed("script", "style", "textarea", "title", "iframe", "noembed", "noframes", "xmp")
_FORMATTING = _packed("a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u")
_BREAKING = _packed(
    "p", "br", "div", "li", "ul", "ol", "dl", "dt", "dd", "tr", "table", "pre", "h1", "h2", "h3", "h4", "h5", "h6",
    "section", "article", "header", "footer", "nav", "main", "form", "hr", "option", "title", "body", "td", "th",
)  # fmt: skip

KINDS = ("pre", "listing", "xmp", "code", "math", "table")
_REGIONS = _packed(*KINDS)
_TABLE = KINDS.index("table")
_CODE = KINDS.index("code")
_ABOVE = 4  # elements around a region whose tags are noted: a highlighter's class is on one of them
_MAX_REGIONS = 20_000  # of one page; what comes behind stays in the text as it is
_MAX_OPEN = 4096

_BLANKS = re.compile(r"[ \t\f\v]+")
_LINES = re.compile(r" ?(?:[\r\n] ?)+")


@dataclass(frozen=True, slots=True)
class Region:
    """An element of one of `KINDS`, as byte offsets: its tag begins at `start`, its content at `inner`.

    `above`: where the tags of the elements around it begin, nearest first. Of tables only those without another inside.
    """

    kind: str
    start: int
    inner: int
    inner_end: int
    end: int
    above: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Scanned:
    cost: Cost
    regions: tuple[Region, ...]
    _flat: bytes

    @property
    def text(self) -> str:
        """The visible text: entities resolved, blanks collapsed, a line per block."""
        flat = html.unescape(self._flat.decode("utf-8", "replace"))
        return _LINES.sub("\n", _BLANKS.sub(" ", flat)).strip()


def scan(data: bytes) -> Scanned:
    """What a page in UTF-8 costs and where its regions are, in order of their starts."""
    source = np.frombuffer(data, np.uint8)
    out = np.empty(2 * source.size + 16, np.uint8)
    counts = np.zeros(6, np.int64)
    found = np.empty((min(data.count(b"<") + 1, _MAX_REGIONS), 5 + _ABOVE), np.int64)
    _scan(source, out, counts, found, _VOID, _IMPLIED, _RAW, _FORMATTING, _BREAKING, _REGIONS)
    size, tags, depth, formatting, pairs, regions = (int(n) for n in counts)
    listed = (
        Region(KINDS[kind], start, inner, inner_end, end, tuple(at for at in above if at >= 0))
        for kind, start, inner, inner_end, end, *above in found[:regions].tolist()
    )
    ordered = tuple(sorted(listed, key=lambda region: (region.start, -region.end)))
    return Scanned(Cost(tags, depth, formatting, pairs), ordered, out[:size].tobytes())


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _member(name: np.uint64, names: Names) -> bool:
    for other in names:  # noqa: SIM110  numba compiles the loop
        if other == name:
            return True
    return False


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _name_at(data: Bytes, at: int) -> tuple[np.uint64, int]:
    """The lower-case name that begins here, packed, and where it ends. A name over 8 bytes is known by its hash."""
    packed, mixed, size = np.uint64(0), np.uint64(1469598103934665603), 0
    while at < data.size:
        char = data[at]
        if char in (0x20, 0x09, 0x0A, 0x0C, 0x0D, 0x2F, 0x3E):
            break
        if 0x41 <= char <= 0x5A:
            char += 0x20
        if size < 8:
            packed |= np.uint64(char) << np.uint64(8 * size)
        mixed = (mixed ^ np.uint64(char)) * np.uint64(1099511628211)
        size += 1
        at += 1
    return (packed if size <= 8 else mixed | np.uint64(1 << 63)), at


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _behind_tag(data: Bytes, at: int) -> tuple[int, int]:
    """Behind the `>` of a tag whose name ended at `at`, and the number of its attributes."""
    attributes = 0
    while at < data.size:
        char = data[at]
        if char == 0x3E:
            return at + 1, attributes
        if char in (0x20, 0x09, 0x0A, 0x0C, 0x0D, 0x2F):
            at += 1
            continue
        attributes += 1
        at += 1  # the first character of a name may be anything, even "="
        while at < data.size and data[at] not in (0x20, 0x09, 0x0A, 0x0C, 0x0D, 0x2F, 0x3E, 0x3D):
            at += 1
        while at < data.size and data[at] in (0x20, 0x09, 0x0A, 0x0C, 0x0D):
            at += 1
        if at >= data.size or data[at] != 0x3D:
            continue
        at += 1
        while at < data.size and data[at] in (0x20, 0x09, 0x0A, 0x0C, 0x0D):
            at += 1
        if at < data.size and data[at] in (0x22, 0x27):
            quote = data[at]
            at += 1
            while at < data.size and data[at] != quote:
                at += 1
            at += 1
        else:
            while at < data.size and data[at] not in (0x20, 0x09, 0x0A, 0x0C, 0x0D, 0x3E):
                at += 1
    return min(at, data.size), attributes


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _behind_comment(data: Bytes, at: int) -> int:
    """Behind a comment or declaration whose `<!` or `<?` begins at `at`."""
    if at + 3 < data.size and data[at + 1] == 0x21 and data[at + 2] == 0x2D and data[at + 3] == 0x2D:
        i = at + 4
        while i < data.size:
            if data[i] == 0x3E and (data[i - 1] == 0x2D and (data[i - 2] == 0x2D or i <= at + 5)):
                return i + 1
            i += 1
        return i
    i = at + 2
    while i < data.size and data[i] != 0x3E:
        i += 1
    return i + 1


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _end_of_raw(data: Bytes, at: int, name: np.uint64) -> int:
    """Where the closing tag of this raw element begins; the end of the page where there is none."""
    while at + 2 < data.size:
        if data[at] == 0x3C and data[at + 1] == 0x2F:
            found, _ = _name_at(data, at + 2)
            if found == name:
                return at
        at += 1
    return data.size


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _place(name: np.uint64, names: Names) -> int:
    for i in range(names.size):
        if names[i] == name:
            return i
    return -1


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _note(found: Index, counts: Index, region: Index, stop: int, behind: int) -> None:
    """Add a region that ends here to what was found, while there is room."""
    if counts[5] < found.shape[0]:
        row = found[counts[5]]
        row[:] = region
        row[3] = stop
        row[4] = behind
        counts[5] += 1


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _scan(
    data: Bytes, out: Bytes, counts: Index, found: Index, void: Names, implied: Names, raw: Names, formatting: Names,
    breaking: Names, regions: Names,
) -> None:  # fmt: skip
    """Fill `out` with text, `found` with regions, `counts` with the text's size, tags, greatest depth, greatest
    formatting, attribute pairs and regions.

    `waiting` holds regions that are open: kind, start, inner, and whether a table has another inside.
    """
    opened = np.zeros(1024, np.int64)  # by name, modulo; a close tag without its open one closes nothing
    above = np.empty(_MAX_OPEN, np.int64)
    waiting = np.empty((_MAX_OPEN, found.shape[1]), np.int64)
    held = at = size = tags = depth = styled = pairs = deepest = most_styled = 0
    while at < data.size:
        if data[at] != 0x3C or at + 1 >= data.size:
            out[size] = data[at]
            size += 1
            at += 1
            continue
        begin, second = at, data[at + 1]
        if second == 0x21 or second == 0x3F:
            at = _behind_comment(data, at)
            continue
        closing = second == 0x2F
        start = at + 2 if closing else at + 1
        if start >= data.size or not (0x41 <= data[start] <= 0x5A or 0x61 <= data[start] <= 0x7A):
            out[size] = data[at]
            size += 1
            at += 1
            continue
        name, at = _name_at(data, start)
        at, attributes = _behind_tag(data, at)
        pairs += attributes * attributes
        if _member(name, breaking):
            out[size] = 0x0A
            size += 1
        slot = np.int64(name % np.uint64(1021))
        nests = not _member(name, void) and not _member(name, implied)
        kind = _place(name, regions)
        if closing:
            if kind >= 0:
                match = held - 1  # the innermost open region of this kind; those inside it were never closed
                while match >= 0 and waiting[match, 0] != kind:
                    match -= 1
                if match >= 0:
                    if kind != _TABLE or waiting[match, 3] == 0:
                        _note(found, counts, waiting[match], begin, min(at, data.size))
                    held = match
            if nests and opened[slot] > 0:
                opened[slot] -= 1
                depth -= 1
                styled -= 1 if _member(name, formatting) else 0
            continue
        tags += 1
        if kind >= 0 and held < _MAX_OPEN:
            if kind == _TABLE:
                for i in range(held):
                    waiting[i, 3] = 1
            waiting[held, 0] = kind
            waiting[held, 1] = begin
            waiting[held, 2] = min(at, data.size)
            waiting[held, 3] = 0
            for i in range(found.shape[1] - 5):
                place = depth - 1 - i
                waiting[held, 5 + i] = above[place] if 0 <= place < _MAX_OPEN else -1
            held += 1
        if _member(name, raw):
            at = _end_of_raw(data, at, name)
        elif nests:
            if depth < _MAX_OPEN:
                above[depth] = begin
            opened[slot] += 1
            depth += 1
            styled += 1 if _member(name, formatting) else 0
            deepest = max(deepest, depth)
            most_styled = max(most_styled, styled)
    for i in range(held):
        if waiting[i, 0] < _CODE:  # a code block that is never closed reaches to the end
            _note(found, counts, waiting[i], data.size, data.size)
            break
    counts[0] = size
    counts[1] = tags
    counts[2] = deepest
    counts[3] = most_styled
    counts[4] = pairs
