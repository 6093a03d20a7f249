"""The 33 signals of code and data, whatever the language."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from jobs.kernels.counts import Count, Counts, character_tables, count_rows
from jobs.kernels.literals import concatenating_lines, literals, long_pieces, long_words
from jobs.kernels.released import python
from jobs.kernels.released.split import split
from jobs.kernels.released.text import filled, lines_of, rounded, share, simplified, tokens, words_of
from jobs.kernels.repeats import DUPLICATE, TOP, Repeats, repeats
from jobs.kernels.words import plain_kinds, points_of

Value = float | None
Signal = Callable[["Source"], Value]


@dataclass(frozen=True)
class Source:
    """One file of code or data, and what its signals share; each part is made when it is first asked for.

    `content`: the text as it came; `size`: bytes of the file; `language`: the programming language; `natural`: label
    of the natural language.
    """

    content: str
    name: str
    extension: str
    size: int | None
    language: str
    natural: str

    @cached_property
    def raw(self) -> str:
        return simplified(self.content) if self.natural == "zh" else self.content

    @cached_property
    def parts(self) -> tuple[str, str]:
        return split(self.raw, self.language)

    @property
    def code(self) -> str:
        return self.parts[0]

    @cached_property
    def code_lines(self) -> list[str]:
        return filled(lines_of(self.code))

    @cached_property
    def counts(self) -> Counts:
        """Counts of the raw text, the code and the comments: shape (len(Count), 3)."""
        return count_rows(pa.array([self.raw, *self.parts]))

    @cached_property
    def raw_counts(self) -> Counts:
        return count_rows(pa.array([self.raw]))[:, 0]

    @cached_property
    def words(self) -> tuple[int, int, Repeats]:
        """(words, distinct words, their repetition)."""
        hashes, lengths = words_of(self.raw, self.natural)
        return len(hashes), len(np.unique(hashes)), repeats(hashes, lengths)

    @cached_property
    def code_points(self) -> "np.ndarray[tuple[int], np.dtype[np.int32]]":
        return points_of(self.code)

    def per_line(self, found: float) -> Value:
        """`found` per code line."""
        return share(found, len(self.code_lines))

    def lines_with(self, *marks: str) -> int:
        """Code lines that hold one of the marks."""
        return sum(any(mark in line for mark in marks) for line in self.code_lines)


def _comments(source: Source) -> Value:
    if source.language == "python":
        return share(python.prose_length(source.raw), len(source.raw))
    return share(len(source.parts[1]), len(source.raw))


def _encoded(source: Source) -> float:
    longest, total = source.raw_counts[Count.LONGEST_ENCODED], source.raw_counts[Count.IN_ENCODED]
    return float(longest > 1024 or total > 0.5 * len(source.raw))


def _long_strings(source: Source) -> Value:
    spans = literals(source.code_points, True)
    if source.natural in ("zh", "ja"):
        pieces = [piece for start, end in spans.tolist() for piece in source.code[start:end].split("\n")]
        found = sum(len(tokens(piece, source.natural)) > 20 for piece in pieces)
    else:
        found = long_pieces(source.code_points, spans, plain_kinds())
    return source.per_line(found)


def _string_length(source: Source) -> Value:
    spans = literals(source.code_points, False)
    return share(int((spans[:, 1] - spans[:, 0]).sum()), len(source.code))


def _long_words(source: Source) -> Value:
    spans = literals(source.code_points, False)
    return share(long_words(source.code_points, spans, plain_kinds()), len(source.code))


def _raw_share(part: Count, whole: Count, empty: Value = None) -> Signal:
    def measured(source: Source) -> Value:
        found = share(int(source.raw_counts[part]), int(source.raw_counts[whole]))
        return empty if found is None else found

    return measured


def _top(n: int) -> Signal:
    return lambda source: _of_words(source.words[2].top[TOP.index(n)], source)


def _duplicate(n: int) -> Signal:
    return lambda source: _of_words(source.words[2].duplicate[DUPLICATE.index(n)], source)


def _of_words(characters: int, source: Source) -> float:
    return rounded(characters / source.words[2].characters) if characters else 0.0


_CODE, _COMMENTS = 1, 2

SIGNALS: dict[str, Signal] = {
    "qsc_code_num_words": lambda s: s.words[0],
    "qsc_code_num_chars": lambda s: len(s.content),
    "qsc_code_mean_word_length": lambda s: share(s.words[2].characters, s.words[0]),
    "qsc_code_frac_words_unique": lambda s: share(s.words[1], s.words[0]),
    **{f"qsc_code_frac_chars_top_{n}grams": _top(n) for n in TOP},
    **{f"qsc_code_frac_chars_dupe_{n}grams": _duplicate(n) for n in DUPLICATE},
    "qsc_code_frac_chars_replacement_symbols": _raw_share(Count.REPLACEMENTS, Count.CHARACTERS),
    "qsc_code_frac_chars_digital": _raw_share(Count.DIGITS, Count.VISIBLE, 1.0),
    "qsc_code_frac_chars_whitespace": _raw_share(Count.SPACES, Count.CHARACTERS, 1.0),
    "qsc_code_size_file_byte": lambda s: s.size,
    "qsc_code_num_lines": lambda s: int(s.raw_counts[Count.LINES]),
    "qsc_code_num_chars_line_max": lambda s: int(s.raw_counts[Count.LONGEST_LINE]),
    "qsc_code_num_chars_line_mean": _raw_share(Count.CHARACTERS, Count.LINES, 0.0),
    "qsc_code_frac_chars_alphabet": _raw_share(Count.LETTERS, Count.VISIBLE, 0.0),
    "qsc_code_frac_chars_comments": _comments,
    "qsc_code_cate_xml_start": lambda s: float(s.raw_counts[Count.XML_HEAD]),
    "qsc_code_frac_lines_dupe_lines": lambda s: s.per_line(int(s.counts[Count.REPEATED_LINES, _CODE])),
    "qsc_code_cate_autogen": lambda s: float(s.raw_counts[Count.GENERATED_HEAD]),
    "qsc_code_frac_lines_long_string": _long_strings,
    "qsc_code_frac_chars_string_length": _string_length,
    "qsc_code_frac_chars_long_word_length": _long_words,
    "qsc_code_frac_lines_string_concat": lambda s: s.per_line(
        concatenating_lines(s.code_points, character_tables()[0])
    ),
    "qsc_code_cate_encoded_data": _encoded,
    "qsc_code_frac_chars_hex_words": lambda s: share(int(s.counts[Count.IN_HEX_WORDS, _CODE]), len(s.code)),
    "qsc_code_frac_lines_prompt_comments": lambda s: share(
        int(s.counts[Count.TODO_LINES, _COMMENTS]), int(s.raw_counts[Count.LINES])
    ),
    "qsc_code_frac_lines_assert": lambda s: s.per_line(int(s.counts[Count.ASSERT_LINES, _CODE])),
}
