"""Language by what is in a file, where its name leaves that open.

A name, or an extension that one language has to itself, is final. An extension that several languages share (`.h`,
`.m`, `.pl`) is settled by a modeline, else by go-enry, which has linguist's rules for such extensions and a classifier
behind them. A file whose extension nobody knows may still name its language in a modeline or a `#!` line. Nothing is
guessed from the content alone: a classifier over all languages is wrong too often. Lists are data
(conf/content-types.yaml); go-enry's names are mapped to those of conf/file-types.yaml, and what has no place there
changes nothing.

go-enry starts threads that do not survive a fork, so it is loaded where it is first used, in the worker itself.
Cost: 3 MB of table; 190 MB/s per core where the content is looked at, which is at most its first 32 KB.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobs.kernels.file_types import TYPES, FileType, FileTypes, extension_of, interpreter_of

CHARACTERS = 32_768  # of a file that are looked at
_MODELINES = 5  # lines at either end, as Vim and Emacs read them
_MODELINE_CHARACTERS = 1024


@dataclass(frozen=True, slots=True)
class ContentTypes:
    """`kinds`: language to type, of the file types and of those that only content tells. `shared`: extensions of
    several languages. `names`: go-enry's names to ours, where they are not alike."""

    types: FileTypes
    kinds: Mapping[str, str]
    shared: frozenset[str]
    names: Mapping[str, str]

    @classmethod
    def load(cls, types: FileTypes, mapping: Mapping[str, Any]) -> ContentTypes:
        """From conf/content-types.yaml. Raises ValueError for a language, type or extension that is not known."""
        kinds = {**mapping["languages"], **types.types}
        for language, kind in kinds.items():
            if kind not in TYPES:
                raise ValueError(f"content types: languages.{language} = {kind!r}: expected one of {', '.join(TYPES)}.")
        for linguist, language in mapping["names"].items():
            if language not in kinds:
                raise ValueError(f"content types: names.{linguist} = {language!r}: no language has this name.")
        for extension in mapping["shared"]:
            if extension not in types.extensions:
                raise ValueError(
                    f"content types: shared has {extension!r}, which no language of the file types claims."
                )
        return cls(types, kinds, frozenset(mapping["shared"]), dict(mapping["names"]))

    def classify(self, path: str, text: str) -> FileType:
        """Language and type of the file at `path` that holds `text`. Never fails; what nothing tells is unknown."""
        name = path.rpartition("/")[2]
        extension = extension_of(name)
        found = self.types.classify(path, text[:256].encode("utf-8", "replace"))
        settled = found.how == "name" or (found.how == "extension" and extension not in self.shared)
        if settled or not text:
            return found
        told = self._by_modeline(text)
        if told is None and found.how == "extension":
            told = self._by_content(name, text)
        if told is None and found.how == "unknown":
            told = self._by_interpreter(text)
        return told or found

    def _by_modeline(self, text: str) -> FileType | None:
        head, tail = text[: _MODELINES * _MODELINE_CHARACTERS], text[-_MODELINES * _MODELINE_CHARACTERS :]
        lines = [*head.split("\n")[:_MODELINES], *tail.split("\n")[-_MODELINES:]]
        ends = "\n".join(line[:_MODELINE_CHARACTERS] for line in lines)
        if not any(mark in ends for mark in ("-*-", "vim:", "vi:", "ex:")):
            return None
        import enry

        return self._named(enry.get_language_by_modeline(ends.encode("utf-8", "replace")).language, "modeline")

    def _by_content(self, name: str, text: str) -> FileType | None:
        import enry

        return self._named(enry.get_language(name, text[:CHARACTERS].encode("utf-8", "replace")), "content")

    def _by_interpreter(self, text: str) -> FileType | None:
        return self.types.by_interpreter(interpreter_of(text[:256].encode("utf-8", "replace")))

    def _named(self, linguist: str, how: Any) -> FileType | None:
        language = self.names.get(linguist, linguist.lower())
        kind = self.kinds.get(language)
        return FileType(language, kind, how) if kind is not None else None
