"""Problem files of benchmarks, read into items. Layouts are data (`conf/benchmarks.yaml`).

A folder may hold JSON, JSON Lines and Parquet, packed by gzip or not, at any depth; other files are not looked at. A file
that no layout fits is refused by name, because a benchmark that is silently left out is worse than none.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field

from jobs.kernels.contamination import Item

SUFFIXES = (".json", ".jsonl", ".json.gz", ".jsonl.gz", ".parquet")
MOST_SOLUTIONS = 20  # of one item: APPS has up to hundreds that say the same

_CHECK = re.compile(r"(?m)^def check\(")
_CALL = re.compile(r"\b([A-Za-z_]\w*)\s*\(")
_NOT_CALLED = {
    "assert",
    "set",
    "sorted",
    "len",
    "str",
    "list",
    "tuple",
    "dict",
    "isinstance",
    "abs",
    "round",
    "math",
    "isclose",
    "not",
}


class Layout(BaseModel):
    """Which keys of a row say what. See the head of conf/benchmarks.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    has: tuple[str, ...]
    item: tuple[str, ...]
    parts: Mapping[str, tuple[str, ...]]
    code: tuple[str, ...] = ()
    entry_point: str | None = None
    from_tests: str | None = None
    solutions: str | None = Field(None, description="key of a list of whole programs")
    program: tuple[str, ...] = ()

    def fits(self, row: Mapping[str, Any]) -> bool:
        return all(key in row for key in self.has)

    def read(self, benchmark: str, row: Mapping[str, Any], place: int) -> Item:
        parts = {name: _text(row, keys, "\n") for name, keys in self.parts.items()}
        programs = _programs(row, self.solutions) if self.solutions else []
        parts |= {f"solution {i}": program for i, program in enumerate(programs)}
        entry_point = self._entry_point(row)
        known = [str(row[key]) for key in self.item if row.get(key) not in (None, "")]
        return Item(
            benchmark,
            "/".join(known) or str(place),
            {name: text for name, text in parts.items() if text.strip()},
            _text(row, self.code, "") if self.code else "\n".join(programs[:1]),
            entry_point,
            self._program(row, entry_point),
        )

    def _program(self, row: Mapping[str, Any], entry_point: str) -> str:
        """Tests of a function of this name; what only defines `check` is called, as HumanEval's layout wants it."""
        tests = _text(row, self.program, "\n") if entry_point else ""
        return f"{tests}\ncheck({entry_point})\n" if _CHECK.search(tests) else tests

    def _entry_point(self, row: Mapping[str, Any]) -> str:
        if self.entry_point:
            return str(row.get(self.entry_point) or "")
        if self.from_tests:
            calls = [name for name in _CALL.findall(_text(row, (self.from_tests,), "\n")) if name not in _NOT_CALLED]
            return calls[0] if calls else ""
        return ""


def files(folder: Path) -> list[Path]:
    """The problem files below a folder, sorted. Raises ValueError where there is no folder or no such file in it."""
    if not folder.is_dir():
        raise ValueError(
            f"{folder}: no such folder. Name one with problem files ({', '.join(SUFFIXES)}), or null for none."
        )
    found = sorted(path for path in folder.rglob("*") if path.is_file() and path.name.endswith(SUFFIXES))
    if not found:
        raise ValueError(
            f"{folder}: no problem file ({', '.join(SUFFIXES)}) in it. Put benchmarks there, or say null for none."
        )
    return found


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of each problem file by its path inside the folder: what the items depend on."""
    return {str(path.relative_to(folder)): _digest(path, path.stat().st_mtime_ns) for path in files(folder)}


@cache
def _digest(path: Path, changed: int) -> str:  # noqa: ARG001  a changed file is read again
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load(folder: Path, layouts: Mapping[str, Layout]) -> list[Item]:
    """Every item of every problem file. Raises ValueError for a file that no layout fits or that cannot be read."""
    return [item for path in files(folder) for item in _items(path, _name(path, folder), layouts)]


def _name(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder)).removesuffix(next(s for s in SUFFIXES if path.name.endswith(s)))


def _items(path: Path, benchmark: str, layouts: Mapping[str, Layout]) -> Iterator[Item]:
    try:
        rows = _rows(path)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{path}: cannot be read as a benchmark: {error}.") from error
    if not rows:
        raise ValueError(f"{path}: holds no row. Remove it from the folder of benchmarks or fetch it again.")
    layout = next((layout for layout in layouts.values() if layout.fits(rows[0])), None)
    if layout is None:
        known = "; ".join(f"{name}: {', '.join(layout.has)}" for name, layout in layouts.items())
        raise ValueError(
            f"{path}: no layout fits a row with the keys {', '.join(rows[0])}. Layouts need {known}."
            " Add one to conf/benchmarks.yaml, or take the file out of the folder."
        )
    seen: Counter[str] = Counter()
    for place, row in enumerate(rows):
        item = layout.read(benchmark, row, place)
        seen[item.item] += 1  # an identity may come twice, as in files of several languages
        yield item if seen[item.item] == 1 else replace(item, item=f"{item.item} #{seen[item.item]}")


def _rows(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        return rows
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    if ".jsonl" in path.name:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    whole = json.loads(text)
    return list(whole.values()) if isinstance(whole, dict) else list(whole)


def _text(row: Mapping[str, Any], keys: Sequence[str], between: str) -> str:
    values = [row[key] for key in keys if row.get(key) is not None]
    return between.join("\n".join(map(str, v)) if isinstance(v, list) else str(v) for v in values)


def _programs(row: Mapping[str, Any], key: str) -> list[str]:
    given = row.get(key) or []
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except json.JSONDecodeError as error:
            warnings.warn(f"{key} is not a JSON list, so it is taken as one program: {error}", stacklevel=2)
            given = [given]
    return [str(program) for program in given][:MOST_SOLUTIONS]
