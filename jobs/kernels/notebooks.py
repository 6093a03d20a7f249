"""Jupyter notebooks as text: triplets of markdown, code and output, in the order of the cells.

Formats 4 and 3 (2 is written like 3). Outputs are kept as plain text, cut to a length, without colours and without what
a progress bar overwrote; images and HTML are left out. IPython's magics (`%matplotlib inline`, `!pip install`) become
comments, because they are no Python; a cell in another language (`%%bash`) becomes one as a whole. A notebook that is not
JSON or holds no cells has a problem and no triplets; a cell that is not one is counted and left out.

`render` marks each part with a word of its own, and `parse` gives the triplets back: marks inside cells are split.
Cost: 100 MB/s per core, 4,000 notebooks of 60 cells a second.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MARKDOWN, CODE, OUTPUT = "<jupyter_text>", "<jupyter_code>", "<jupyter_output>"

_MARK = re.compile(r"<(?=jupyter_(?:text|code|output)>)")
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_OVERWRITTEN = re.compile(r"(?m)^[^\n]*\r(?!\n|$)")
_DATA = re.compile(r"data:[\w/+.-]{1,60};base64,[A-Za-z0-9+/=]{100,}")
_MAGIC = re.compile(r"\s*(?:%{1,2}[A-Za-z]|!\s*[\w./$-]|\?{1,2}[A-Za-z])")
_CELL_MAGIC = re.compile(r"\s*%%(\w+)")
_STILL_PYTHON = frozenset(["time", "timeit", "capture", "prun", "python", "python3", "pypy", "matplotlib", "script"])
_NAMES = {
    "ir": "r",
    "c++": "cpp",
    "c#": "csharp",
    "f#": "fsharp",
    "ipython": "python",
    "python2": "python",
    "python3": "python",
}


@dataclass(frozen=True, slots=True)
class Triplet:
    """What stands before the code, the code, and what it printed; any of the three may be empty."""

    markdown: str
    code: str
    output: str


@dataclass(frozen=True, slots=True)
class Notebook:
    """`language` of the kernel, in lower case; `format` as `4.5`. `cells` that were read, `refused` that are no cells.

    `output_characters` in the file, `cut` of them left out. `problem`: why there is nothing, else None.
    """

    triplets: tuple[Triplet, ...]
    language: str
    format: str
    cells: int
    refused: int
    output_characters: int
    cut: int
    problem: str | None


@dataclass(frozen=True, slots=True)
class _Cell:
    is_code: bool
    source: str
    output: str


def read(text: str, output_limit: int) -> Notebook:
    """The notebook in `text`; at most `output_limit` characters of each cell's output. Never fails."""
    try:
        data = json.loads(text)
    except RecursionError:
        return _broken("nested too deeply")
    except json.JSONDecodeError as error:  # its words differ from one Python to the next
        return _broken(f"not JSON at line {error.lineno}, column {error.colno}" if text.strip() else "empty")
    except ValueError:
        return _broken("not JSON: a number of thousands of digits")
    if not isinstance(data, dict):
        return _broken(f"not a notebook: a JSON {type(data).__name__}")
    said = list(_cells_of(data))
    if not said:
        return _broken("not a notebook: no cells")
    language = _language(data, said)
    cells = [cell for raw in said if (cell := _cell(raw, language)) is not None]
    if not cells:
        return _broken("no cell of it can be read")
    full = sum(len(cell.output) for cell in cells)
    triplets, cut = _triplets(cells, output_limit)
    version = f"{data.get('nbformat', '?')}.{data.get('nbformat_minor', '?')}"
    return Notebook(triplets, language, version, len(cells), len(said) - len(cells), full, cut, None)


def render(triplets: Iterable[Triplet]) -> str:
    """One text: each part behind its mark, on lines of its own. Empty parts are left out, but for code with an output."""
    parts = []
    for triplet in triplets:
        if triplet.markdown:
            parts.append(f"{MARKDOWN}\n{triplet.markdown}\n")
        if triplet.code or triplet.output:
            parts.append(f"{CODE}\n{triplet.code}\n")
        if triplet.output:
            parts.append(f"{OUTPUT}\n{triplet.output}\n")
    return "".join(parts)


def parse(text: str) -> tuple[Triplet, ...]:
    """The triplets of a rendered text. Raises ValueError for a text that does not begin with a mark."""
    pieces = re.split(r"(<jupyter_(?:text|code|output)>)\n", text)
    if pieces[0]:
        raise ValueError(
            f"a rendered notebook begins with one of {MARKDOWN}, {CODE}, {OUTPUT}; this with {text[:40]!r}."
        )
    triplets: list[Triplet] = []
    held = {MARKDOWN: "", CODE: "", OUTPUT: ""}
    order = [MARKDOWN, CODE, OUTPUT]
    last = -1
    for mark, part in zip(pieces[1::2], pieces[2::2], strict=True):
        place = order.index(mark)
        if place <= last:
            triplets.append(Triplet(*(held[name] for name in order)))
            held = dict.fromkeys(order, "")
        held[mark], last = part.removesuffix("\n"), place
    return (*triplets, Triplet(*(held[name] for name in order))) if last >= 0 else ()


def _broken(problem: str) -> Notebook:
    return Notebook((), "unknown", "?", 0, 0, 0, 0, problem[:200])


def _cells_of(data: Mapping[str, Any]) -> Iterator[Any]:
    """The cells of format 4, or of all worksheets of format 3."""
    sheets = data.get("worksheets")
    found = [data.get("cells")]
    if isinstance(sheets, list):
        found += [sheet.get("cells") for sheet in sheets if isinstance(sheet, dict)]
    for cells in found:
        yield from cells if isinstance(cells, list) else ()


def _language(data: Mapping[str, Any], cells: list[Any]) -> str:
    """Of the kernel, as metadata says it in one of three places; of the first cell in format 3; else Python."""
    metadata = _mapping(data.get("metadata"))
    kernel, info = _mapping(metadata.get("kernelspec")), _mapping(metadata.get("language_info"))
    first = next((cell.get("language") for cell in cells if isinstance(cell, dict) and cell.get("language")), None)
    for said in (kernel.get("language"), info.get("name"), first, kernel.get("name")):
        if isinstance(said, str) and said.strip():
            name = said.strip().lower()
            return _NAMES.get(name, name)
    return "python"


def _cell(raw: Any, language: str) -> _Cell | None:
    if not isinstance(raw, dict):
        return None
    kind = raw.get("cell_type")
    source = _joined(raw.get("source", raw.get("input", "")))
    if kind not in ("code", "markdown", "raw", "heading", "html") or source is None:
        return None
    source = _clean(source)
    if kind == "heading":
        level = raw.get("level")
        return _Cell(False, "#" * (level if isinstance(level, int) and 0 < level < 7 else 1) + " " + source, "")
    if kind != "code":
        return _Cell(False, source, "")
    outputs = raw.get("outputs")
    said = [_output(one) for one in outputs] if isinstance(outputs, list) else []
    return _Cell(True, _without_magics(source) if language == "python" else source, "\n".join(s for s in said if s))


def _output(raw: Any) -> str:
    """The plain text of one output: a stream, a result, or the last line of an error."""
    if not isinstance(raw, dict):
        return ""
    if raw.get("output_type") in ("error", "pyerr"):
        said: str | None = f"{raw.get('ename', '')}: {raw.get('evalue', '')}"
    else:
        data = raw.get("data")
        said = _joined(raw.get("text", data.get("text/plain", "") if isinstance(data, dict) else ""))
    return _clean(_OVERWRITTEN.sub("", _ANSI.sub("", said or "")))


def _clean(text: str) -> str:
    """Without embedded files, with marks split, with `\\n` alone at line ends and none at either end."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    return _MARK.sub("< ", _DATA.sub("data:", plain)).strip("\n")


def _without_magics(source: str) -> str:
    lines = source.split("\n")
    other = _CELL_MAGIC.match(source)
    if other and other[1] not in _STILL_PYTHON:
        return "\n".join(f"# {line}" if line else "#" for line in lines)
    return "\n".join(f"# {line}" if _MAGIC.match(line) else line for line in lines)


def _triplets(cells: list[_Cell], limit: int) -> tuple[tuple[Triplet, ...], int]:
    """Consecutive markdown goes together, in front of the next code. Also: characters of output that were cut."""
    triplets: list[Triplet] = []
    markdown: list[str] = []
    cut = 0
    for cell in cells:
        if not cell.is_code:
            markdown.append(cell.source)
            continue
        if not cell.source and not cell.output:
            continue
        output, lost = _bounded(cell.output, limit)
        cut += lost
        triplets.append(Triplet("\n\n".join(part for part in markdown if part), cell.source, output))
        markdown = []
    rest = "\n\n".join(part for part in markdown if part)
    if rest:
        triplets.append(Triplet(rest, "", ""))
    return tuple(triplets), cut


def _bounded(text: str, limit: int) -> tuple[str, int]:
    """The beginning of a text, and how many characters are left out; a line is not cut where there is another."""
    if len(text) <= limit:
        return text, 0
    kept = text[:limit]
    kept = kept[: kept.rindex("\n")] if "\n" in kept else kept
    return f"{kept}\n[{len(text) - len(kept)} characters more]", len(text) - len(kept)


def _joined(value: Any) -> str | None:
    """A text that may be written as a list of lines; None for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "".join(value)
    return None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
