"""All signals of one file as the release computes them: the family of its type, then that of its language.

A signal that fails is null, and the rest of its family is not computed: so it was released, and it makes a file more
likely to be kept. Time limits of the release are limits of size and depth here, so that the same text always gives the
same values.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from jobs.kernels.released import general, javascript, languages, natural, python

Value = float | None

LANGUAGES: Mapping[str, Mapping[str, Callable[[general.Source], Value]]] = {
    "python": python.SIGNALS,
    "c": languages.C,
    "cpp": languages.CPP,
    "csharp": languages.CSHARP,
    "java": languages.JAVA,
    "javascript": javascript.SIGNALS,
    "go": languages.GO,
    "html": languages.HTML,
}
NAMES: tuple[str, ...] = (
    *general.SIGNALS,
    *natural.SIGNALS,
    *(name for family in LANGUAGES.values() for name in family),
)

# What the recorded verdicts rest on, with the newest Python and versions that give them.
PYTHON = (3, 11)
PARSERS = {
    "pygments": "2.18.0",
    "esprima": "4.0.1",
    "beautifulsoup4": "4.12.3",
    "jieba": "0.42.1",
    "zhconv": "1.4.3",
    "mecab-python3": "1.0.8",
    "unidic-lite": "1.0.8",
}


@dataclass(frozen=True, slots=True)
class Measured:
    """`values`: by signal, those of the file's families up to the first failure. `failures`: by signal, why."""

    values: Mapping[str, Value]
    failures: Mapping[str, str]


def missing() -> list[str]:
    """What the environment lacks to measure as the release did; empty when nothing."""
    wrong = [] if sys.version_info[:2] == PYTHON else [f"Python {PYTHON[0]}.{PYTHON[1]}"]
    for package, pinned in PARSERS.items():
        try:
            found = version(package)
        except PackageNotFoundError:
            found = ""
        if found != pinned:
            wrong.append(f"{package}=={pinned}")
    return wrong


def measure(
    content: str, *, name: str, extension: str, size: int | None, language: str, kind: str, natural_language: str
) -> Measured:
    """The signals of a file. `kind`: its type; what is neither code, data nor text has none.

    `name`: as the release was given it; `size`: bytes; `natural_language`: label such as en, zh or ja.
    """
    found: dict[str, Value] = {}
    failures: dict[str, str] = {}
    if kind == "text":
        _family(natural.SIGNALS, natural.Prose(content, name, natural_language), found, failures)
    elif kind in ("code", "data"):
        source = general.Source(content, name, extension, size, language, natural_language)
        _family(general.SIGNALS, source, found, failures)
        _family(LANGUAGES.get(language, {}), source, found, failures)
    return Measured(found, failures)


def _family(
    family: Mapping[str, Callable[[Any], Value]], source: Any, found: dict[str, Value], failures: dict[str, str]
) -> None:
    for name, signal in family.items():
        try:
            value = signal(source)
            found[name] = None if value is None else float(value)
        except (ValueError, RecursionError) as error:
            found[name] = None
            failures[name] = str(error)
            return
