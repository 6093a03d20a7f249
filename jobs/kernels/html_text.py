"""HTML to text with its code intact: resiliparse finds the content, code blocks, tables and formulae are taken out before.

    page -> scan: what it costs, where code, tables and formulae stand  -> over budget: visible text, `how` = "flat"
         -> those blocks taken out of the source, a short stand-in for each
         -> resiliparse's main content, or the whole page where that is empty
         -> each stand-in becomes its block again

Code becomes a fence with its language and every blank of the source; a data table becomes a line per row with bars;
MathML and MathJax become the TeX they carry. A block that the content heuristic leaves out is lost with what is
around it and counted. `EXTRACTOR` names packages and rules, and is stored with every text.

Cost: 1.5 to 3 ms a page of 30 KB. Bounded by `MAX_STEPS` and `MAX_ATTRIBUTE_PAIRS`, about 3 s each at worst.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape, unescape
from importlib import metadata
from typing import Any

from jobs.kernels import html_code
from jobs.kernels.html_scan import Cost, Region, scan

RULES = 1
"""Raise it when the same page gives another text."""

MAX_STEPS = 20_000_000
MAX_ATTRIBUTE_PAIRS = 200_000_000
MAX_DEPTH = 2_000
MAX_CELL = 400  # characters of a cell of a data table; a longer one is layout
MAX_CELLS = 20_000

_STANDS_FOR = re.compile("\ue000(\\d+)\ue001")
_SPACE = re.compile(r"\s+")
_MANY_LINES = re.compile(r"\n{3,}")
_ANNOTATION = re.compile(
    r"<annotation\b[^<>]{0,300}application/x-tex[^<>]{0,300}>(.*?)(?:</annotation\s*>|\Z)", re.DOTALL | re.IGNORECASE
)
_MATH_SCRIPT = re.compile(
    r"<script\b([^<>]{0,300}math/tex[^<>]{0,300})>(.*?)(?:</script\s*>|\Z)", re.DOTALL | re.IGNORECASE
)
_FIGURE = re.compile(r"<(/?)figure\b", re.IGNORECASE)
_LAYOUT = re.compile(r"<(?:div|ul|ol|dl|pre|h[1-6]|form|blockquote|section|article|input)\b", re.IGNORECASE)
_TAG_BYTES = 2048  # of a tag that are looked at for its classes


@dataclass(frozen=True, slots=True)
class Block:
    """What becomes of one element that was taken out. `alone`: it is a paragraph of its own."""

    text: str
    alone: bool
    is_code: bool


@dataclass(frozen=True, slots=True)
class Extracted:
    """`how`: main, whole or flat. `note`: why the text is empty or flat; "" where all is well. Characters of kept code."""

    text: str
    title: str
    how: str
    note: str
    code_blocks: int
    code_blocks_kept: int
    code_characters: int


@cache
def extractor() -> str:
    """Packages and rules that make a text what it is."""
    return f"resiliparse-{metadata.version('resiliparse')}/rules-{RULES}"


def extract(html: str) -> Extracted:
    """The text of a page. Never raises on content."""
    data = html.encode("utf-8", "surrogatepass")
    scanned = scan(data)
    if reason := _too_costly(scanned.cost):
        return Extracted(scanned.text, "", "flat", reason, 0, 0, 0)
    source, blocks = _taken_out(data, scanned.regions)
    return _content(source, blocks)


def _too_costly(cost: Cost) -> str:
    if cost.depth > MAX_DEPTH:
        return f"elements nested {cost.depth:,} deep, allowed are {MAX_DEPTH:,}"
    if cost.steps > MAX_STEPS:
        return (
            f"{cost.tags:,} elements, {cost.depth:,} deep, {cost.formatting:,} of them formatting: {cost.steps:,} steps,"
            f" allowed are {MAX_STEPS:,}"
        )
    if cost.attribute_pairs > MAX_ATTRIBUTE_PAIRS:
        return f"attributes that make {cost.attribute_pairs:,} pairs, allowed are {MAX_ATTRIBUTE_PAIRS:,}"
    return ""


def _content(source: str, blocks: list[Block]) -> Extracted:
    from resiliparse.parse.html import HTMLTree

    tree = HTMLTree.parse(source)
    title = _SPACE.sub(" ", tree.title or "").strip()[:500]
    code = sum(block.is_code for block in blocks)
    how, text = "main", _plain(tree, main=True)
    if not text.strip():
        how, text = "whole", _plain(tree, main=False)
    pieces = _STANDS_FOR.split(text)  # text, number, text, number, ..., text
    numbers = [int(number) for number in pieces[1::2]]
    kept = [blocks[number].text for number in set(numbers) if blocks[number].is_code]
    parts = [_MANY_LINES.sub("\n\n", pieces[0])]
    for number, piece in zip(numbers, pieces[2::2], strict=True):
        block, after = blocks[number], _MANY_LINES.sub("\n\n", piece)
        if block.alone:
            parts[-1] = parts[-1].rstrip(" \t\n") + "\n\n"
            after = "\n\n" + after.lstrip("\n")
        parts += [block.text, after]
    whole = "".join(parts).strip("\n")
    note = "" if whole.strip() else "no visible text"
    return Extracted(whole, title, how, note, code, len(kept), sum(map(len, kept)))


def _plain(tree: Any, *, main: bool) -> str:
    from resiliparse.extract.html2text import extract_plain_text

    found: str = extract_plain_text(tree, main_content=main, preserve_formatting=True, alt_texts=False)
    return found


def _taken_out(data: bytes, regions: Sequence[Region]) -> tuple[str, list[Block]]:
    """The page with a short stand-in for each block that was taken out, and the blocks in order."""
    blocks: list[Block] = []
    pieces: list[bytes] = []
    done = 0
    for region in regions:
        if region.start < done:
            continue  # inside a block that was taken
        block = _block(data, region)
        if block is None:
            continue
        mark = f"\ue000{len(blocks)}\ue001".encode()
        pieces += [data[done : region.start], b"<p>" + mark + b"</p>" if block.alone else mark]
        blocks.append(block)
        done = region.end
    pieces.append(data[done:])
    text = b"".join(pieces).decode("utf-8", "replace")
    # The content heuristic leaves figures out, and highlighters put code into them.
    plain = _FIGURE.sub(r"<\1div", text) if blocks else text
    return _MATH_SCRIPT.sub(_script_formula, plain), blocks


def _block(data: bytes, region: Region) -> Block | None:
    inside = data[region.inner : region.inner_end].decode("utf-8", "replace")
    if region.kind == "math":
        return _formula(inside, data[region.start : region.inner])
    if region.kind == "table":
        code = html_code.code_in_table(inside)
        if code is None:
            rows = _data_rows(inside)
            return None if rows is None else Block(rows, alone=True, is_code=False)
    elif region.kind == "code" and "\n" not in inside.strip():
        return None  # a word in a sentence
    else:
        code = html_code.code_of(inside)
    if not code.strip():
        return None
    tag = data[region.start : region.inner].decode("utf-8", "replace")
    around = [data[at : at + _TAG_BYTES].partition(b">")[0].decode("utf-8", "replace") for at in region.above]
    language = html_code.language_of(tag, inside[:_TAG_BYTES], around)
    return Block(html_code.fenced(code, language), alone=True, is_code=True)


def _formula(inside: str, tag: bytes) -> Block | None:
    """MathML as the TeX in its annotation; None where it carries none."""
    found = _ANNOTATION.search(inside)
    if found is None:
        return None
    return Block(_tex(unescape(found[1]), block=b'display="block"' in tag), alone=False, is_code=False)


def _script_formula(found: re.Match[str]) -> str:
    return escape(_tex(unescape(found[2]), block="mode=display" in found[1]))


def _tex(text: str, *, block: bool) -> str:
    inner = _SPACE.sub(" ", text).strip()
    if inner.startswith("{\\displaystyle") and inner.endswith("}"):
        inner = inner.removeprefix("{\\displaystyle")[:-1].strip()
    if not inner or inner.startswith(("$", "\\(", "\\[")):
        return inner
    return f"$${inner}$$" if block else f"${inner}$"


def _data_rows(inside: str) -> str | None:
    """A table of short cells as a line per row with bars between cells; None for one that only lays out a page."""
    if _LAYOUT.search(inside):
        return None
    rows = html_code.cells_of(inside)
    if len(rows) < 2 or max(map(len, rows)) < 2 or sum(map(len, rows)) > MAX_CELLS:
        return None
    texts = [[html_code.cell_text(source) for _, source in row] for row in rows]
    if any(len(text) > MAX_CELL for row in texts for text in row):
        return None
    return "\n".join("| " + " | ".join(row) + " |" for row in texts)
