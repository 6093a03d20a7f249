"""Language and type of a file, from its name and, where it has no extension, its first line.

The table is data (conf/file-types.yaml). Lookups are exact and keep the case: file name, extension, then the
interpreter of a `#!` line. Content decides nothing else here: `.h` is C whatever stands in it (`content_types` looks).
Cost: two dictionary lookups a file; a `#!` line is read only after both failed and within its first 256 bytes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

TYPES = ("code", "data", "text", "notebook", "excluded")
UNKNOWN = "unknown"

How = Literal["name", "extension", "shebang", "modeline", "content", "unknown"]

_SHEBANG_BYTES = 256  # Linux reads no further either
_VERSION = re.compile(r"[-.]?\d[\d.]*$")  # python3.11, lua-5.4, guile2


@dataclass(frozen=True, slots=True)
class FileType:
    """`type` is one of TYPES or UNKNOWN; `how` says what the answer rests on."""

    language: str
    type: str
    how: How


_UNKNOWN = FileType(UNKNOWN, UNKNOWN, "unknown")


@dataclass(frozen=True, slots=True)
class FileTypes:
    """The loaded table: file names, extensions and interpreters, each to its answer."""

    types: Mapping[str, str]  # language -> type
    names: Mapping[str, FileType]
    extensions: Mapping[str, FileType]
    interpreters: Mapping[str, FileType]

    @classmethod
    def load(cls, mapping: Mapping[str, object]) -> "FileTypes":
        """The table from conf/file-types.yaml as parsed: `languages` and `interpreters`.

        Raises ValueError for a type that is not in TYPES, a key that is not known, a name or extension that two
        languages claim, and an interpreter of a language that is not listed.
        """
        _only(mapping, ("languages", "interpreters"), "file types")
        types: dict[str, str] = {}
        names: dict[str, FileType] = {}
        extensions: dict[str, FileType] = {}
        for language, entry in _mapping(mapping.get("languages"), "languages").items():
            where = f"languages.{language}"
            said = _mapping(entry, where)
            _only(said, ("type", "extensions", "names"), where)
            kind = said.get("type")
            if kind not in TYPES:
                raise ValueError(f"{where}.type = {kind!r}: expected one of {', '.join(TYPES)}.")
            types[language] = str(kind)
            _claim(extensions, said, "extensions", FileType(language, str(kind), "extension"))
            _claim(names, said, "names", FileType(language, str(kind), "name"))
        interpreters: dict[str, FileType] = {}
        for program, named in _mapping(mapping.get("interpreters"), "interpreters").items():
            if named not in types:
                close = get_close_matches(str(named), types, 1)
                hint = f" Did you mean {close[0]!r}?" if close else ""
                raise ValueError(f"interpreters.{program} = {named!r}: expected a language of `languages`.{hint}")
            interpreters[program] = FileType(str(named), types[str(named)], "shebang")
        return cls(types, names, extensions, interpreters)

    def classify(self, path: str, head: bytes = b"") -> FileType:
        """Language and type of the file at `path` (separated by "/"); `head` is its beginning, if at hand.

        Never fails: what nothing matches is ("unknown", "unknown", "unknown").
        """
        name = path.rpartition("/")[2]
        extension = extension_of(name)
        found = self.names.get(name) or self.extensions.get(extension)
        if found is None and not extension:
            found = self.by_interpreter(interpreter_of(head))
        return found or _UNKNOWN

    def by_interpreter(self, program: str) -> FileType | None:
        """The language of a program that a `#!` line names, with or without a version; None for one that is not listed."""
        return self.interpreters.get(program) or self.interpreters.get(_VERSION.sub("", program))


def extension_of(name: str) -> str:
    """What follows the last dot of a file name: "gz" of "a.tar.gz", "" of "Makefile", ".bashrc" and "a."."""
    stem, _, extension = name.rpartition(".")
    return extension if stem else ""


def interpreter_of(head: bytes) -> str:
    """The program that a `#!` line runs, without its folder: "python3" of b"#!/usr/bin/env -S python3 -u".

    "" without such a line. Options and NAME=value arguments of env are skipped.
    """
    if not head.startswith(b"#!"):
        return ""
    words = head[2:_SHEBANG_BYTES].partition(b"\n")[0].decode("utf-8", "replace").split()
    programs = [word.rpartition("/")[2] for word in words[:1]]
    if programs == ["env"]:
        arguments = (word for word in words[1:] if not word.startswith("-") and "=" not in word)
        programs = [word.rpartition("/")[2] for word in arguments]
    return programs[0] if programs else ""


def _claim(table: dict[str, FileType], entry: Mapping[str, object], key: str, file_type: FileType) -> None:
    values = entry.get(key, [])
    if not isinstance(values, list):
        raise ValueError(f"languages.{file_type.language}.{key} = {values!r}: expected a list.")
    for value in values:
        if not isinstance(value, str):
            raise ValueError(f"languages.{file_type.language}.{key} has {value!r}: expected text; put it in quotes.")
        if value in table:
            raise ValueError(
                f"languages.{file_type.language}.{key} has {value!r}, which {table[value].language} has too: "
                f"expected one language for it. Take it out of one of them."
            )
        table[value] = file_type


def _mapping(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{where} = {value!r}: expected a mapping.")
    return value


def _only(mapping: Mapping[str, object], allowed: tuple[str, ...], where: str) -> None:
    for key in mapping:
        if key not in allowed:
            raise ValueError(f"{where} has the key {key!r}. Allowed: {', '.join(allowed)}.")
