"""The 32 signals of text files. The share of stop words, which no rule uses and whose lists are not ours, stays null."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from jobs.kernels.counts import Count, Counts, count_rows
from jobs.kernels.released.text import Hashes, Index, lines_of, rounded, share, simplified, tokens, words_of
from jobs.kernels.repeats import DUPLICATE, TOP, Repeats, entropy, repeats

Value = float | None
Signal = Callable[["Prose"], Value]

_ENDS = ".!?。！？؟"
# A word character first: what lies before it begins no sentence. Linear, because neither part can match the other's.
_SENTENCE = re.compile(rf"\b[^{_ENDS}]+[{_ENDS}]*")
_PIECE = re.compile(r"[.?!\n]")
_LINK = re.compile(r"\(https?://")
# Where a line has no more `>`, its other `<` are passed over too: each character is looked at once.
_TAG = re.compile(r"<[^>\n]*(>?)")
_MORE = ("...", "…", "全文", "详情", "详细", "更多", "المزيد", "تفاصيل", "اقرأ المزيد", "もっと", "詳細", "もっと読む")
_CLOSERS = "]】)>》"
_RANGES = ((0x25A0, 0x25AF), (0x25C6, 0x25CB), (0x25CF, 0x25D6), (0x25E2, 0x25E6))
_BULLETS = frozenset(
    [chr(point) for first, last in _RANGES for point in range(first, last + 1)] + list("•‣⁃⁌⁍∙◘◙◯☑☒⦾⬛⬜⬞⬟⬤")
)
_CODE_STEMS = ("readme", "notes", "todo", "description", "cmakelists")


@dataclass(frozen=True)
class Prose:
    """One text file, and what its signals share. Fields as in `general.Source`."""

    content: str
    name: str
    natural: str

    @cached_property
    def raw(self) -> str:
        return simplified(self.content) if self.natural == "zh" else self.content

    @cached_property
    def lines(self) -> list[str]:
        return lines_of(self.raw)

    @cached_property
    def counts(self) -> Counts:
        return count_rows(pa.array([self.raw]))[:, 0]

    @cached_property
    def hashed(self) -> tuple[Hashes, Index]:
        return words_of(self.raw, self.natural)

    @cached_property
    def repeated(self) -> Repeats:
        return repeats(*self.hashed)

    @cached_property
    def raw_words(self) -> list[str]:
        if self.natural in ("zh", "ja"):
            return [word for line in self.lines for word in tokens(line, self.natural)]
        return tokens(self.raw, self.natural)

    @cached_property
    def stripped(self) -> list[str]:
        return [line for line in map(str.strip, self.lines) if line]

    def per_char(self, found: int) -> Value:
        return share(found, len(self.raw))


def _more(prose: Prose) -> Value:
    found = sum(line.rstrip().rstrip(_CLOSERS).endswith(_MORE) for line in prose.lines)
    return share(found, len(prose.lines))


def _bullets(prose: Prose) -> Value:
    return share(sum(line.lstrip()[:1] in _BULLETS for line in prose.lines), len(prose.lines))


def _duplicate_lines(prose: Prose) -> Value:
    often = Counter(prose.stripped)
    return share(sum(often[line] > 1 for line in prose.stripped), len(prose.stripped))


def _in_duplicate_lines(prose: Prose) -> Value:
    often = Counter(prose.stripped)
    found = sum(len(line) for line in prose.stripped if often[line] > 1)
    return share(found, sum(map(len, prose.stripped)))


def has_code_name(name: str) -> bool:
    """Whether a text file's name says that it belongs to code: requirements, readme, notes and the like."""
    stem = name.lower().split(".")[0]
    return "requirement" in stem or stem in _CODE_STEMS


def _code_name(prose: Prose) -> float:
    return float(has_code_name(prose.name))


def _links_and_tags(prose: Prose) -> Value:
    links = sum(map(_link, prose.raw.split())) if "(http" in prose.raw else 0
    tags = sum(len(match[0]) for match in _TAG.finditer(prose.raw) if match[1])
    return prose.per_char(links + tags)


def _link(run: str) -> int:
    """Length of the one parenthesised link in a run without white space: it reaches to the last closing parenthesis."""
    opened = _LINK.search(run)
    closed = run.rfind(")")
    return closed + 1 - opened.start() if opened and closed >= opened.end() else 0


def _letters(prose: Prose) -> Value:
    visible = int(prose.counts[Count.VISIBLE])
    if not visible:
        return 0.0
    return share(int(prose.counts[Count.LETTERS]), visible) if prose.natural == "en" else None


def _entropy(prose: Prose) -> Value:
    found = entropy(prose.hashed[0])
    return None if found is None else rounded(found)


def _unique(prose: Prose) -> Value:
    return share(len(np.unique(prose.hashed[0])), len(prose.hashed[0]))


def _sentence_length(prose: Prose) -> Value:
    if not prose.raw:
        return 0.0
    pieces = _PIECE.split(prose.raw)
    return share(sum(map(len, pieces)), len(pieces))


def _top(n: int) -> Signal:
    return lambda prose: _of_words(prose.repeated.top[TOP.index(n)], prose)


def _duplicate(n: int) -> Signal:
    return lambda prose: _of_words(prose.repeated.duplicate[DUPLICATE.index(n)], prose)


def _of_words(characters: int, prose: Prose) -> float:
    return rounded(characters / prose.repeated.characters) if characters else 0.0


def _or(value: Value, empty: float) -> float:
    return empty if value is None else value


SIGNALS: dict[str, Signal] = {
    "qsc_doc_frac_chars_curly_bracket": lambda p: _or(p.per_char(p.raw.count("{") + p.raw.count("}")), 0.0),
    "qsc_doc_frac_words_redpajama_stop": lambda p: None,  # noqa: ARG005  every signal is a function of the text
    "qsc_doc_num_sentences": lambda p: sum(1 for _ in _SENTENCE.finditer(p.raw)),
    "qsc_doc_num_words": lambda p: len(p.hashed[0]),
    "qsc_doc_num_chars": lambda p: len(p.content),
    "qsc_doc_num_lines": lambda p: len(p.lines),
    "qsc_doc_mean_word_length": lambda p: share(p.repeated.characters, len(p.hashed[0])),
    "qsc_doc_frac_words_full_bracket": lambda p: share(sum(w in ("【", "】") for w in p.raw_words), len(p.raw_words)),
    "qsc_doc_frac_lines_end_with_readmore": _more,
    "qsc_doc_frac_lines_start_with_bullet": _bullets,
    "qsc_doc_frac_words_unique": _unique,
    "qsc_doc_entropy_unigram": _entropy,
    "qsc_doc_frac_words_all_caps": lambda p: share(sum(map(str.isupper, p.raw_words)), len(p.raw_words)),
    "qsc_doc_frac_lines_dupe_lines": _duplicate_lines,
    "qsc_doc_frac_chars_dupe_lines": _in_duplicate_lines,
    **{f"qsc_doc_frac_chars_top_{n}grams": _top(n) for n in TOP},
    **{f"qsc_doc_frac_chars_dupe_{n}grams": _duplicate(n) for n in DUPLICATE},
    "qsc_doc_frac_chars_replacement_symbols": lambda p: p.per_char(int(p.counts[Count.REPLACEMENTS])),
    "qsc_doc_cate_code_related_file_name": _code_name,
    "qsc_doc_num_chars_sentence_length_mean": _sentence_length,
    "qsc_doc_frac_chars_hyperlink_html_tag": _links_and_tags,
    "qsc_doc_frac_chars_alphabet": _letters,
    "qsc_doc_frac_chars_digital": lambda p: _or(share(int(p.counts[Count.DIGITS]), int(p.counts[Count.VISIBLE])), 1.0),
    "qsc_doc_frac_chars_whitespace": lambda p: _or(p.per_char(int(p.counts[Count.SPACES])), 1.0),
    "qsc_doc_frac_chars_hex_words": lambda p: p.per_char(int(p.counts[Count.IN_HEX_WORDS])),
}
