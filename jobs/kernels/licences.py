"""What one file says about licences, and what a directory says by its licence files and manifests.

A header speaks for its own file: an SPDX tag first, then a licence's text or standard notice, then a phrase. A licence
file or a package's manifest speaks for its directory and all below. Where a directory holds several texts all of them
count (AND), unless a manifest beside them joins the very same licences, as `MIT OR Apache-2.0`. A text that no licence
explains, that carries conditions of its own, or a tag that is no SPDX expression is *unrecognised*: an answer that
permits nothing. Names, phrases and thresholds are data (conf/licences.yaml).
"""

from __future__ import annotations

import configparser
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import re2

from jobs.kernels import spdx
from jobs.kernels.licence_texts import LicenceTexts

_KEYS = ("share", "unexplained", "text_names", "not_text_names", "restricting", "phrases", "names")
_TAG = re.compile(r"(?m)^[^\w\n]{0,40}(?:REM |dnl )?SPDX-License-Identifier:[ \t]*([^\r\n]{1,300})")
_TAG_END = re.compile(r"\s*(?:\*+/|-->|--%>|%>|\*\)|#}|-}|\]\]|\"\"\"|'''|[*#;])*\s*$")
_POINTER_WORDS = 80  # a longer text is a licence, however many files it names
_FILE_NAME = re.compile(r"(?i)\b(?:licen[sc]e|copying)[-_.][a-z0-9.+_-]*[a-z0-9]")
_NOTICE_CHARACTERS = 20_000
_MANIFEST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Claim:
    """`expression`: an SPDX expression, None where what is said is not recognised. `how`: tag, notice, phrase, text,
    or the manifest's name. `share`: of the licence's words that are there, for notice and text. `detail`: what was
    read, or why it is not recognised. `mentions`: names of licence files that a short unrecognised text points at.
    """

    expression: str | None
    how: str
    share: float | None = None
    detail: str = ""
    mentions: tuple[str, ...] = ()


class Licences:
    """The rules of conf/licences.yaml with the texts of the SPDX list."""

    def __init__(self, mapping: Mapping[str, Any], texts: LicenceTexts) -> None:
        """Raises ValueError for a key that is not known or missing, and an expression or pattern that is not one."""
        for key in mapping:
            if key not in _KEYS:
                raise ValueError(f"licences has the key {key!r}. Allowed: {', '.join(_KEYS)}.")
        for key in _KEYS:
            if key not in mapping:
                raise ValueError(f"licences.{key} is missing. Needed: {', '.join(_KEYS)}.")
        self._texts, self._share = texts, float(mapping["share"])
        self._unexplained, self._restricting = int(mapping["unexplained"]), frozenset(mapping["restricting"])
        self._names = {str(name).lower(): _checked(said, name) for name, said in mapping["names"].items()}
        self._phrases = [(re2.compile(f"(?i){key}"), _checked(said, key)) for key, said in mapping["phrases"].items()]
        self._notice = lru_cache(maxsize=2048)(self._of_notice)  # a project writes one notice into all its files

    @classmethod
    def load(cls, mapping: Mapping[str, Any]) -> Licences:
        return cls(mapping, LicenceTexts.installed())

    def expression(self, said: str) -> str | None:
        """The SPDX expression that somebody meant by `said`, None where that is not clear."""
        return spdx.canonical(said, self._names)

    def of_header(self, notice: str, head: str) -> Claim | None:
        """What a file says of itself. `notice`: the comments at its head that are notices; `head`: the text behind."""
        tags = [_TAG_END.sub("", tag) for tag in _TAG.findall(notice) or _TAG.findall(head)]
        if tags:
            found = [self.expression(tag) for tag in dict.fromkeys(tags)]
            said = ", ".join(dict.fromkeys(tags))[:300]
            return Claim(spdx.joined(f for f in found if f) if all(found) else None, "tag", detail=said)
        return self._notice(notice) if 0 < len(notice) <= _NOTICE_CHARACTERS else None

    def _of_notice(self, notice: str) -> Claim | None:
        match = self._texts.match(notice, self._share)
        if match.licences:
            return Claim(_expression(match.licences, match.exceptions), "notice", match.share)
        flat = " ".join(re.findall(r"[\w.+-]+", notice))
        said = {expression for pattern, expression in self._phrases if pattern.search(flat)}
        return Claim(spdx.joined(said), "phrase") if said else None

    def of_text(self, text: str) -> Claim:
        """What a licence file says: always a claim, unrecognised at the least."""
        match = self._texts.match(text, self._share)
        nearest = f"nearest: {match.nearest}, {match.share:.2f} of it"
        if not match.licences:
            words = len(text.split())
            mentions = {name.lower() for name in _FILE_NAME.findall(text)} if words <= _POINTER_WORDS else set()
            return Claim(None, "text", match.share, nearest, tuple(sorted(mentions)))
        expression = _expression(match.licences, match.exceptions)
        conditions = sorted(self._restricting & set(match.unexplained))
        if conditions or len(match.unexplained) > self._unexplained:
            among = f", among them {', '.join(conditions)}" if conditions else ""
            detail = f"{expression} and {len(match.unexplained)} words that are no part of it{among}"
            return Claim(None, "text", match.share, detail)
        return Claim(expression, "text", match.share)

    def of_manifest(self, name: str, text: str) -> Claim | None:
        """What a package's manifest says, None where it says nothing or cannot be read. `name`: one of MANIFESTS."""
        try:
            said = MANIFESTS[name](text[:_MANIFEST_BYTES])
        except (ValueError, RecursionError, configparser.Error):  # broken JSON, TOML or INI
            return None
        if not isinstance(said, str) or not said.strip() or said.lower().startswith(("see licen", "file:")):
            return None
        return Claim(self.expression(said), name, detail=" ".join(said.split())[:300])


def directory(claims: Sequence[tuple[str, Claim]]) -> Claim:
    """What a directory's licence files and manifests say together: (file name, claim) of each, at least one.

    `how` names the files that decided.
    """
    names = {name.lower() for name, _ in claims}
    texts = [(n, c) for n, c in claims if c.how == "text" and not (set(c.mentions) & (names - {n.lower()}))]
    manifests = [(n, c) for n, c in claims if c.how != "text"]
    unknown = [(n, c) for n, c in texts or manifests if c.expression is None]
    if unknown:
        name, claim = unknown[0]
        return Claim(None, name, claim.share, claim.detail)
    said = [c.expression for _, c in texts if c.expression]
    stated = [(n, c.expression) for n, c in manifests if c.expression]
    if said and stated:
        together = frozenset().union(*(spdx.ids(expression) for expression in said))
        same = [(n, e) for n, e in stated if spdx.ids(e) == together]
        other = [(n, e) for n, e in stated if spdx.ids(e) != together]
        if same:  # the manifest knows how they are joined, and whether later versions count
            said, texts = [e for _, e in same], [(n, c) for n, c in claims if n in {m for m, _ in same}]
        said += [e for _, e in other]
        texts += [(n, c) for n, c in claims if n in {m for m, _ in other}]
    elif stated:
        said, texts = [e for _, e in stated], manifests
    shares = [c.share for _, c in texts if c.share is not None]
    return Claim(spdx.joined(said), ", ".join(sorted({n for n, _ in texts})), min(shares, default=None))


def _expression(licences: Sequence[str], exceptions: Sequence[str]) -> str:
    """An exception belongs to the one licence beside it; among several it is left out, which is the stricter reading."""
    if len(licences) == 1 and len(exceptions) == 1:
        return f"{licences[0]} WITH {exceptions[0]}"
    return spdx.joined(licences)


def _package_json(text: str) -> object:
    data = json.loads(text)
    said = data.get("license", data.get("licenses")) if isinstance(data, dict) else None
    found = [one.get("type") if isinstance(one, dict) else one for one in (said if isinstance(said, list) else [said])]
    return " OR ".join(str(one) for one in found if one) or None


def _composer_json(text: str) -> object:
    data = json.loads(text)
    said = data.get("license") if isinstance(data, dict) else None
    return " OR ".join(map(str, said)) if isinstance(said, list) else said


def _cargo_toml(text: str) -> object:
    package = tomllib.loads(text).get("package")
    return package.get("license") if isinstance(package, dict) else None


def _pyproject_toml(text: str) -> object:
    project = tomllib.loads(text).get("project")
    said = project.get("license") if isinstance(project, dict) else None
    return said.get("text") if isinstance(said, dict) else said


def _setup_cfg(text: str) -> object:
    parser = configparser.RawConfigParser(strict=False)
    parser.read_string(text)
    return parser.get("metadata", "license", fallback=None)


MANIFESTS = {
    "cargo.toml": _cargo_toml,
    "composer.json": _composer_json,
    "package.json": _package_json,
    "pyproject.toml": _pyproject_toml,
    "setup.cfg": _setup_cfg,
}


def _checked(said: object, where: object) -> str:
    expression = spdx.canonical(str(said))
    if expression is None:
        raise ValueError(f"licences: {where!r} stands for {said!r}: expected an SPDX expression.")
    return expression
