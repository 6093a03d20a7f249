"""Everything that is measured of a text: the counts of `signals`, and what needs more than counting characters.

A measure is a row of MEASURES. What it needs of a text (words, code and comments, quoted text, syntax tree) is made
once, when the first measure asks for it, so a measure costs little more than its line says; trees are made only of
languages that have a grammar in `syntax`. A measure that does not apply to a text's type or language is null. One that
fails is null too, with the reason in `failures`, and no other is affected.

Each says which signals of the OpenCoder filter it stands for. They are what that filter means, not what its release does:
where the two differ the description says so, and `jobs.kernels.released` has the release to the digit.

Cost on one core: 25 MB/s of text without a tree, 5 MB/s with one. Memory: 60 bytes a byte of the largest text.
"""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from jobs.kernels import language_measures
from jobs.kernels.counts import SPACE, character_tables
from jobs.kernels.document import ALL, BOOLEAN, CODE, DOUBLE, STRING, TEXT, Document, Measure, Value
from jobs.kernels.literals import concatenating_lines, literals, long_pieces, long_words
from jobs.kernels.notices import CommentSyntax
from jobs.kernels.parts import Marks, commented, text_of
from jobs.kernels.released import natural
from jobs.kernels.repeats import DUPLICATE, TOP, entropy
from jobs.kernels.signals import SIGNALS, signals
from jobs.kernels.words import plain_kinds

FAILURES = pa.list_(pa.struct([("signal", pa.string()), ("reason", pa.string())]))


# ---- all types


def _top(n: int) -> Measure:
    return Measure(
        f"top_{n}gram_share",
        DOUBLE,
        "share of word characters",
        f"Characters of the {n} consecutive words that occur most often, times their occurrences, per character of all "
        f"words; 0 where none occurs twice. Source: qsc_code_frac_chars_top_{n}grams, qsc_doc_frac_chars_top_{n}grams.",
        lambda d: d.per_word_character(d.repeats.top[TOP.index(n)]),
        ALL,
    )


def _duplicate(n: int) -> Measure:
    return Measure(
        f"duplicate_{n}gram_share",
        DOUBLE,
        "share of word characters",
        f"Characters of words inside {n} consecutive words that occur twice or more, per character of all words. "
        f"Source: qsc_code_frac_chars_dupe_{n}grams, qsc_doc_frac_chars_dupe_{n}grams.",
        lambda d: d.per_word_character(d.repeats.duplicate[DUPLICATE.index(n)]),
        ALL,
    )


REPETITION = (*map(_top, TOP), *map(_duplicate, DUPLICATE))

# ---- code and data


def _long_strings(d: Document) -> Value:
    found = long_pieces(d.parts[0], literals(d.parts[0], True), plain_kinds())
    return found / d.code_lines if d.code_lines else None


PARTS = (
    Measure(
        "comment_share",
        DOUBLE,
        "share of characters",
        "Characters of comments, marks included and line ends not, per character; null for the empty text. In Python "
        "a text in three quotes that begins its line is a comment. Source: qsc_code_frac_chars_comments.",
        lambda d: commented(d.parts[1]) / len(d.points) if len(d.points) else None,
    ),
    Measure(
        "string_share",
        DOUBLE,
        "share of code characters",
        "Characters between quotes on one line, or three quotes, per character outside comments. "
        "Source: qsc_code_frac_chars_string_length.",
        lambda d: d.per_code_character(int((d.strings[:, 1] - d.strings[:, 0]).sum())),
    ),
    Measure(
        "long_string_line_share",
        DOUBLE,
        "per line of code",
        "Lines of quoted text with more than 20 words per line of code; may exceed 1. "
        "Source: qsc_code_frac_lines_long_string.",
        _long_strings,
    ),
    Measure(
        "long_string_word_share",
        DOUBLE,
        "share of code characters",
        "Characters of words of more than 20 between quotes, links apart, per character outside comments. "
        "Source: qsc_code_frac_chars_long_word_length.",
        lambda d: d.per_code_character(long_words(d.parts[0], d.strings, plain_kinds())),
    ),
    Measure(
        "string_concat_share",
        DOUBLE,
        "share of lines of code",
        "Lines of code that assign two quoted texts joined by `+`. Source: qsc_code_frac_lines_string_concat.",
        lambda d: concatenating_lines(d.parts[0], character_tables()[0]) / d.code_lines if d.code_lines else None,
    ),
)

# ---- text


def _of_prose(signal: str, name: str, kind: pa.DataType, unit: str, description: str) -> Measure:
    function = natural.SIGNALS[signal]
    return Measure(name, kind, unit, f"{description} Source: {signal}.", lambda d: function(d.prose), TEXT)


def _natural_language(d: Document) -> str:
    """zh or ja where their characters are a third of the letters, else other."""
    if d.text.isascii():
        return "other"
    points = d.points
    han = int(((points >= 0x4E00) & (points <= 0x9FFF) | (points >= 0x3400) & (points <= 0x4DBF)).sum())
    kana = int(((points >= 0x3041) & (points <= 0x30FF)).sum())
    visible = int((character_tables()[0][points] & SPACE == 0).sum())
    if 3 * (han + kana) < visible:
        return "other"
    return "ja" if 10 * kana > han else "zh"


PROSE = (
    Measure(
        "natural_language",
        STRING,
        "",
        "zh or ja where Chinese or Japanese characters are a third of what is visible; else other.",
        _natural_language,
        TEXT,
    ),
    _of_prose(
        "qsc_doc_frac_chars_curly_bracket", "curly_bracket_share", DOUBLE, "share of characters", "Curly brackets."
    ),
    _of_prose(
        "qsc_doc_num_sentences",
        "sentences",
        DOUBLE,
        "sentences",
        "Runs of characters up to the next full stop, question or exclamation mark; line ends do not end a sentence.",
    ),
    _of_prose(
        "qsc_doc_num_chars_sentence_length_mean",
        "sentence_length_mean",
        DOUBLE,
        "characters",
        "Characters between full stops, question marks, exclamation marks and line ends, on average.",
    ),
    _of_prose(
        "qsc_doc_frac_words_full_bracket",
        "corner_bracket_share",
        DOUBLE,
        "share of words",
        "Words that are one lenticular bracket, as around titles in Chinese.",
    ),
    _of_prose(
        "qsc_doc_frac_lines_end_with_readmore",
        "read_more_line_share",
        DOUBLE,
        "share of lines",
        "Lines that end with dots or an invitation to read on.",
    ),
    _of_prose(
        "qsc_doc_frac_lines_start_with_bullet",
        "bullet_line_share",
        DOUBLE,
        "share of lines",
        "Lines that begin with a bullet sign.",
    ),
    Measure(
        "word_entropy",
        DOUBLE,
        "nats",
        "Shannon entropy of the distribution of words; null without a word. Source: qsc_doc_entropy_unigram.",
        lambda d: entropy(d.words[0]),
        TEXT,
    ),
    _of_prose(
        "qsc_doc_frac_words_all_caps", "capital_word_share", DOUBLE, "share of words", "Words in capital letters."
    ),
    _of_prose(
        "qsc_doc_frac_lines_dupe_lines",
        "duplicate_text_line_share",
        DOUBLE,
        "share of lines",
        "Lines, without white space at their edges, that occur twice or more; blank ones apart.",
    ),
    _of_prose(
        "qsc_doc_frac_chars_dupe_lines",
        "duplicate_text_character_share",
        DOUBLE,
        "share of characters",
        "Characters of the lines that occur twice or more.",
    ),
    _of_prose(
        "qsc_doc_frac_chars_hyperlink_html_tag",
        "link_and_tag_share",
        DOUBLE,
        "share of characters",
        "Characters of links in parentheses and of tags.",
    ),
    _of_prose(
        "qsc_doc_cate_code_related_file_name",
        "document_name",
        BOOLEAN,
        "",
        "The name says that the text belongs to code: readme, notes, requirements and the like.",
    ),
)

MEASURES: tuple[Measure, ...] = (*REPETITION, *PARTS, *PROSE, *language_measures.MEASURES)
NAMES = (*(signal.name for signal in SIGNALS), *(measure.name for measure in MEASURES))


def measure(
    texts: pa.Array, files: list[tuple[str, str, str]], syntaxes: Mapping[str, CommentSyntax]
) -> pa.RecordBatch:
    """One row per text: the columns of SIGNALS, those of MEASURES, and `failures` (what is null for which reason).

    `texts`: string or large_string without nulls. `files`: (path, language, type) of each. `syntaxes`: comment marks
    by language. Raises ValueError where `signals` does.
    """
    marks = {language: _marks(language, syntaxes) for language in {language for _, language, _ in files}}
    columns: dict[str, list[Any]] = {one.name: [] for one in MEASURES}
    code, comments, failures = [], [], []
    for text, (path, language, kind) in zip(texts.to_pylist(), files, strict=True):
        document = Document(text, path.rpartition("/")[2], language, kind, marks[language])
        for one in MEASURES:
            columns[one.name].append(_measured(one, document) if one.applies(document) else None)
        code.append(document.code)
        comments.append(_comments(document))
        failures.append([{"signal": name, "reason": said} for name, said in document.reasons.items()])
    counted = signals(texts, pa.array(code, texts.type), pa.array(comments, texts.type))
    arrays = [pa.array(columns[one.name], one.type) for one in MEASURES]
    return pa.RecordBatch.from_arrays(
        [*counted.columns, *arrays, pa.array(failures, FAILURES)],
        [*counted.schema.names, *(one.name for one in MEASURES), "failures"],
    )


def _marks(language: str, syntaxes: Mapping[str, CommentSyntax]) -> Marks | None:
    syntax_of = syntaxes.get(language)
    return None if syntax_of is None else Marks.of(language, syntax_of)


def _comments(document: Document) -> str:
    """What stands for the comments: nothing is told apart in prose, so the whole text does."""
    return text_of(document.parts[1]) if document.kind in CODE else document.text


def _measured(one: Measure, document: Document) -> Value:
    try:
        value = one.value(document)
        return bool(value) if one.type == BOOLEAN and value is not None else value
    except ValueError as error:
        document.reasons[one.name] = str(error)
        return None
