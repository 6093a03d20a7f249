"""One text and what its measures share: words, code and comments, quoted text, the syntax tree; each made when asked for."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import pyarrow as pa

from jobs.kernels.counts import character_tables
from jobs.kernels.literals import literals
from jobs.kernels.parts import Marks, filled_lines, parts, text_of
from jobs.kernels.released import natural
from jobs.kernels.repeats import Repeats, repeats
from jobs.kernels.syntax import Found, syntax
from jobs.kernels.words import Hashes, Index, Points, folded, points_of

Value = float | bool | str | None

CODE, TEXT, ALL = ("code", "data"), ("text",), ("code", "data", "text")

DOUBLE, BIGINT, BOOLEAN, STRING = pa.float64(), pa.int64(), pa.bool_(), pa.string()


@dataclass
class Document:
    """One text and what its measures share. `kind` is its type; `name` the file name without folders."""

    text: str
    name: str
    language: str
    kind: str
    marks: Marks | None
    reasons: dict[str, str] = field(default_factory=dict)

    @cached_property
    def points(self) -> Points:
        return points_of(self.text)

    @cached_property
    def parts(self) -> tuple[Points, Points]:
        """(code, comments). What is no code, or has no known comments, is all code."""
        if self.marks is None or self.kind not in CODE:
            return self.points, self.points[:0]
        return parts(self.points, self.marks)

    @cached_property
    def words(self) -> tuple[Hashes, Index]:
        return folded(self.points)

    @cached_property
    def repeats(self) -> Repeats:
        return repeats(*self.words)

    @cached_property
    def strings(self) -> Index:
        return literals(self.parts[0], False)

    @cached_property
    def code(self) -> str:
        return text_of(self.parts[0]) if len(self.parts[0]) < len(self.points) else self.text

    @cached_property
    def code_lines(self) -> int:
        """Lines of code that are not blank."""
        return filled_lines(self.parts[0], character_tables()[0])

    @cached_property
    def prose(self) -> natural.Prose:
        # English words are runs of letters, which holds for all languages that are not cut by a dictionary.
        return natural.Prose(self.text, self.name, "en")

    @cached_property
    def _tree_or_reason(self) -> Found | str | None:
        try:
            return syntax(self.text, self.language)
        except ValueError as error:
            return str(error)

    @property
    def tree(self) -> Found | None:
        """The counts over the syntax tree; None without a grammar. Raises ValueError, each time, where a bound is passed."""
        if isinstance(self._tree_or_reason, str):
            raise ValueError(self._tree_or_reason)
        return self._tree_or_reason

    def per_line(self, found: Callable[[Found], int]) -> Value:
        """What the tree holds per line of code; None without a tree or code."""
        return found(self.tree) / self.code_lines if self.tree is not None and self.code_lines else None

    def per_word_character(self, found: int) -> float:
        return found / self.repeats.characters if found else 0.0

    def per_code_character(self, found: int) -> Value:
        return found / len(self.parts[0]) if len(self.parts[0]) else None


@dataclass(frozen=True)
class Measure:
    """A column: where it applies (`types`, and `languages` or all), and how it is had of a document."""

    name: str
    type: pa.DataType
    unit: str
    description: str
    value: Callable[[Document], Value]
    types: tuple[str, ...] = CODE
    languages: tuple[str, ...] | None = None

    def applies(self, document: Document) -> bool:
        return document.kind in self.types and (self.languages is None or document.language in self.languages)
