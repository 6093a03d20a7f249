"""What tells that nobody wrote a file here by hand: generated, vendored, minified. Each mark comes with its reason.

Our own rules first, because they can say where they matched (conf/content-types.yaml); then those of linguist, by
go-enry, for what ours do not know. A mark is a finding, not a verdict. The reason holds no text of the file.
Cost: 50 MB/s per core, most of it go-enry's rules for generated files, which see the first 64 KB.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import re2

_HEAD_LINES, _HEAD_CHARACTERS = 40, 4000
_LINGUIST_CHARACTERS = 65_536
_KEYS = ("generated_lines", "generated_names", "vendored_folders", "minified")


@dataclass(frozen=True, slots=True)
class Marks:
    """Why the file is taken to be generated, vendored or minified; None where it is not."""

    generated: str | None
    vendored: str | None
    minified: str | None

    @property
    def any(self) -> bool:
        return bool(self.generated or self.vendored or self.minified)


class Marker:
    """The rules of conf/content-types.yaml."""

    def __init__(self, mapping: Mapping[str, Any]) -> None:
        """Raises ValueError for a key that is missing."""
        for key in _KEYS:
            if key not in mapping:
                raise ValueError(f"content types: {key} is missing. Needed: {', '.join(_KEYS)}.")
        self._lines = {name: re2.compile(f"(?i){pattern}") for name, pattern in mapping["generated_lines"].items()}
        self._names = frozenset(name.lower() for name in mapping["generated_names"])
        self._folders = frozenset(mapping["vendored_folders"])
        limits = mapping["minified"]
        self._languages = frozenset(limits["languages"])
        self._mean_line, self._least = int(limits["mean_line"]), int(limits["characters"])

    def of(self, path: str, language: str, text: str) -> Marks:
        """The marks of a text at `path` (separated by "/"). Never fails."""
        return Marks(self._generated(path, text), self._vendored(path), self._minified(path, language, text))

    def _generated(self, path: str, text: str) -> str | None:
        name = path.rpartition("/")[2]
        if name.lower() in self._names:
            return f"its name, {name}"
        head = "\n".join(text[:_HEAD_CHARACTERS].split("\n")[:_HEAD_LINES])
        data = head.encode("utf-8", "replace")
        for rule, pattern in self._lines.items():
            found = pattern.search(data)
            if found:
                return f"{rule} in line {data.count(10, 0, found.start()) + 1}"
        import enry

        is_generated = enry.is_generated(path, text[:_LINGUIST_CHARACTERS].encode("utf-8", "replace"))
        return "linguist's rules for generated files" if is_generated else None

    def _vendored(self, path: str) -> str | None:
        folders = path.lower().split("/")[:-1]
        held = next((folder for folder in folders if folder in self._folders), None)
        if held is not None:
            return f"the folder {held}"
        import enry

        return "linguist's rules for vendored paths" if enry.is_vendor(path) else None

    def _minified(self, path: str, language: str, text: str) -> str | None:
        if re.search(r"[.-]min\.[a-z]+\Z", path.lower()):
            return "its name, " + path.rpartition("/")[2]
        if language not in self._languages or len(text) < self._least:
            return None
        mean = len(text) // (text.count("\n") + 1)
        return f"lines of {mean} characters on average" if mean > self._mean_line else None
