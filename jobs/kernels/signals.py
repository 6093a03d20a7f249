"""Signals: what is measured of a text, before anything is decided. One column each, one row a document.

Words used below. A *character* is a Unicode code point. A *line* ends with its line feed, which belongs to it; what
follows the last line feed is a line when it has characters; nothing else ends a line, and a carriage return is a
character like others. *Visible* means other than white space. A *word* is what is left of the text after these
steps: control characters are removed, ASCII punctuation separates (so `snake_case` is two words and `camelCase` one),
as do its full-width forms; then letters and digits in a row are one word, and so are other characters in a row. Words
are compared in lower case and compatibility form (NFKC).

Most signals are those of the OpenCoder filter (`qsc_code_*`), without its rounding to eight decimals, and equal its
recorded values. Where one differs, its description says "simplified". Two differences are general: words are folded
one character at a time, so nothing composes or expands ("…" stays one character), and Chinese and Japanese are not
cut by a dictionary nor converted to simplified characters.

A signal is a row of `SIGNALS`: a count, or one count per another. To add one, add the row, and to `counts` what it
counts. Cost and memory are those of `counts`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs.kernels.counts import LONG_LINE, Count, Counts, count_rows


class Part(IntEnum):
    """What of a text is counted: all of it, or only code or comments, where the two are told apart."""

    WHOLE = 0
    CODE = 1
    COMMENTS = 2


@dataclass(frozen=True, slots=True)
class Signal:
    """A column of `signals`: `count`, or `count` per `per`, of the parts `of` and `per_of` of the text.

    `empty` is the value where `per` counts nothing; None is null. `type` is pa.int64(), pa.float64() or pa.bool_().
    """

    name: str
    type: pa.DataType
    unit: str
    description: str
    count: Count
    per: Count | None = None
    empty: float | None = None
    of: Part = Part.WHOLE
    per_of: Part = Part.WHOLE


SIGNALS: tuple[Signal, ...] = (
    Signal(
        "size_bytes",
        pa.int64(),
        "bytes",
        "Bytes of the text in UTF-8. Simplified from qsc_code_size_file_byte, the size of the file as it was stored.",
        Count.BYTES,
    ),
    Signal(
        "characters",
        pa.int64(),
        "characters",
        "Code points of the text. Source: qsc_code_num_chars.",
        Count.CHARACTERS,
    ),
    Signal(
        "lines",
        pa.int64(),
        "lines",
        "Lines of the text, blank ones included; only a line feed ends a line. Source: qsc_code_num_lines.",
        Count.LINES,
    ),
    Signal(
        "line_length_max",
        pa.int64(),
        "characters",
        "Code points of the longest line, its line end included. Source: qsc_code_num_chars_line_max.",
        Count.LONGEST_LINE,
    ),
    Signal(
        "line_length_mean",
        pa.float64(),
        "characters per line",
        "Code points of all lines, line ends included, per line; 0 without a line. "
        "Source: qsc_code_num_chars_line_mean.",
        Count.CHARACTERS,
        per=Count.LINES,
        empty=0.0,
    ),
    Signal(
        "long_line_share",
        pa.float64(),
        "share of characters",
        f"Share of the code points that lie in lines of more than {LONG_LINE}, line end included: near 1 in minified "
        "code, also where its licence is wrapped; null for the empty text. Not a signal of the recipe.",
        Count.IN_LONG_LINES,
        per=Count.CHARACTERS,
    ),
    Signal(
        "alphabet_share",
        pa.float64(),
        "share of visible characters",
        "Letters of any script (Unicode category L) per code point that is not white space; 0 when there is none. "
        "Source: qsc_code_frac_chars_alphabet.",
        Count.LETTERS,
        per=Count.VISIBLE,
        empty=0.0,
    ),
    Signal(
        "digit_share",
        pa.float64(),
        "share of visible characters",
        "Digits of any script, superscript and circled ones too, per code point that is not white space; 1 when there "
        "is none. Source: qsc_code_frac_chars_digital.",
        Count.DIGITS,
        per=Count.VISIBLE,
        empty=1.0,
    ),
    Signal(
        "whitespace_share",
        pa.float64(),
        "share of characters",
        "White space (29 characters, line ends and U+001C-001F among them) per code point; 1 for the empty text. "
        "Source: qsc_code_frac_chars_whitespace.",
        Count.SPACES,
        per=Count.CHARACTERS,
        empty=1.0,
    ),
    Signal(
        "replacement_share",
        pa.float64(),
        "share of characters",
        "U+FFFD, the sign of bytes that did not decode, per code point; null for the empty text. "
        "Source: qsc_code_frac_chars_replacement_symbols.",
        Count.REPLACEMENTS,
        per=Count.CHARACTERS,
    ),
    Signal(
        "words",
        pa.int64(),
        "words",
        "Words: runs of letters and digits, and runs of other characters; white space and ASCII punctuation (the "
        "underscore too) separate. Source: qsc_code_num_words; simplified outside ASCII.",
        Count.WORDS,
    ),
    Signal(
        "word_length_mean",
        pa.float64(),
        "characters per word",
        "Code points of all words per word; null without a word. Source: qsc_code_mean_word_length; "
        "simplified as words.",
        Count.IN_WORDS,
        per=Count.WORDS,
    ),
    Signal(
        "unique_word_share",
        pa.float64(),
        "share of words",
        "Distinct words, whatever their case, per word; null without a word. Source: qsc_code_frac_words_unique; "
        "simplified as words.",
        Count.DISTINCT_WORDS,
        per=Count.WORDS,
    ),
    Signal(
        "duplicate_line_share",
        pa.float64(),
        "share of lines",
        "Share of the lines of code that are not blank which occur twice or more (each occurrence counts) when white space is "
        "taken out; one character, or `},`, is never a duplicate; null without such lines. "
        "Source: qsc_code_frac_lines_dupe_lines.",
        Count.REPEATED_LINES,
        per=Count.FILLED_LINES,
        of=Part.CODE,
        per_of=Part.CODE,
    ),
    Signal(
        "hex_word_share",
        pa.float64(),
        "share of characters",
        "Code points of numbers such as 0x1F, as whole words, per code point, both outside comments; null without code. "
        "Source: qsc_code_frac_chars_hex_words.",
        Count.IN_HEX_WORDS,
        per=Count.CHARACTERS,
        of=Part.CODE,
        per_of=Part.CODE,
    ),
    Signal(
        "encoded_run_max",
        pa.int64(),
        "characters",
        "Code points of the longest run of encoded data: 64 or more of letters, digits, + / = and line feed; 8 or more "
        "bytes of two hexadecimal digits, with or without 0x or \\x, that a comma or white space may follow; 8 or more "
        "\\uXXXX. Source: the first half of qsc_code_cate_encoded_data, which is encoded_run_max > 1024.",
        Count.LONGEST_ENCODED,
    ),
    Signal(
        "encoded_share",
        pa.float64(),
        "share of characters",
        "Code points of all runs as in encoded_run_max per code point; the three kinds add up, so it may exceed 1; "
        "null for the empty text. Source: the second half of qsc_code_cate_encoded_data, which is encoded_share > 0.5.",
        Count.IN_ENCODED,
        per=Count.CHARACTERS,
    ),
    Signal(
        "byte_array_run_max",
        pa.int64(),
        "characters",
        "Code points of the longest run of 8 or more bytes of two hexadecimal digits as in encoded_run_max, where white "
        "space may follow the comma. Source: what qsc_code_cate_encoded_data means, which does not see `0x01, 0x02`.",
        Count.LONGEST_BYTE_ARRAY,
    ),
    Signal(
        "byte_array_share",
        pa.float64(),
        "share of characters",
        "Code points of all runs as in byte_array_run_max per code point; null for the empty text. "
        "Source: what qsc_code_cate_encoded_data means.",
        Count.IN_BYTE_ARRAYS,
        per=Count.CHARACTERS,
    ),
    Signal(
        "xml_head",
        pa.bool_(),
        "",
        "`<?xml version=` stands within the first 100 code points. Source: qsc_code_cate_xml_start.",
        Count.XML_HEAD,
    ),
    Signal(
        "auto_generated",
        pa.bool_(),
        "",
        "The first 200 code points hold `generate`, `autogen` or `do not edit` in any case. "
        "Source: qsc_code_cate_autogen.",
        Count.GENERATED_HEAD,
    ),
    Signal(
        "todo_line_share",
        pa.float64(),
        "share of lines",
        "Lines whose comment holds `todo`, `fixme` or `your code here` in any case, per line; null for the empty text. "
        "Source: qsc_code_frac_lines_prompt_comments, which takes line comments in a row for one line.",
        Count.TODO_LINES,
        per=Count.LINES,
        of=Part.COMMENTS,
    ),
    Signal(
        "assert_line_share",
        pa.float64(),
        "share of lines",
        "Lines of code that hold `assert` in any case, per line that is not blank; null without such lines. "
        "Source: qsc_code_frac_lines_assert.",
        Count.ASSERT_LINES,
        per=Count.FILLED_LINES,
        of=Part.CODE,
        per_of=Part.CODE,
    ),
)


def signals(text: pa.Array, code: pa.Array | None = None, comments: pa.Array | None = None) -> pa.RecordBatch:
    """The signals of every document: one column per row of SIGNALS, in that order. A null has only nulls.

    `text` is an Array of string or large_string, slices allowed; `code` and `comments` are its parts, as long. Where a
    part is not given, the whole text stands for it. Raises ValueError for another type, for bytes that are not UTF-8,
    and for a document of more than `shingles.MAX_DOCUMENT_BYTES`.
    """
    _check(text)
    null = text.is_null().to_numpy(zero_copy_only=False)
    counts = count_rows(text)
    parts = {Part.WHOLE: counts}
    for part, given in ((Part.CODE, code), (Part.COMMENTS, comments)):
        if given is not None:
            _check(given)
        parts[part] = counts if given is None else count_rows(given)
    columns = [_column(signal, parts, null) for signal in SIGNALS]
    return pa.RecordBatch.from_arrays(columns, names=[signal.name for signal in SIGNALS])


def _check(text: pa.Array) -> None:
    if not isinstance(text, pa.Array) or text.type not in (pa.string(), pa.large_string()):
        found = text.type if isinstance(text, pa.Array) else type(text).__name__
        raise ValueError(
            f"text is {found}: expected an Array of string or large_string. Decode bytes with `jobs.kernels.decode`, "
            f"or pass the chunks of a ChunkedArray one by one."
        )
    text.validate(full=True)  # 0.1 ns a byte; the passes over it trust it


def _column(signal: Signal, parts: Mapping[Part, Counts], null: npt.NDArray[np.bool_]) -> pa.Array:
    value = parts[signal.of][signal.count]
    if signal.per is None:
        return pa.array(value.astype(bool) if signal.type == pa.bool_() else value, signal.type, mask=null)
    per = parts[signal.per_of][signal.per]
    share = np.full(len(value), np.nan if signal.empty is None else signal.empty)
    np.divide(value, per, out=share, where=per > 0)
    return pa.array(share, signal.type, mask=null | np.isnan(share))
