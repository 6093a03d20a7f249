"""What shingles are, slowly and by the packages: the oracle of tokens, hashes, shingles and signatures."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path

import numpy as np
import xxhash
from datasketch.hashfunc import sha1_hash32

from jobs.kernels.shingles import Shingling

UNITS = ["ascii_words", "unicode_words", "characters", "bytes"]
HASHES = ["xxh3", "sha1"]


def tokens_of_python(text: bytes, unit: str) -> list[bytes]:
    if unit == "ascii_words":
        return re.findall(rb"[A-Za-z0-9_]+", text)
    if unit == "bytes":
        return [text[i : i + 1] for i in range(len(text))]
    decoded = text.decode("utf-8", "surrogateescape")
    found = re.findall(r"\w+", decoded) if unit == "unicode_words" else list(decoded)
    return [token.encode("utf-8", "surrogateescape") for token in found]


def shingles_of_python(text: bytes, shingling: Shingling) -> list[bytes]:
    """Every shingle of the text as bytes, in order and with repeats."""
    tokens = tokens_of_python(text, shingling.unit)
    joint = b" " if shingling.unit.endswith("words") else b""
    count = max(len(tokens) - shingling.size + 1, min(len(tokens), 1))
    return [joint.join(tokens[i : i + shingling.size]) for i in range(count)]


def hash_of_package(data: bytes, name: str) -> int:
    return sha1_hash32(data) if name == "sha1" else xxhash.xxh3_64_intdigest(data) & 0xFFFFFFFF


def hashes_of_python(text: bytes, shingling: Shingling) -> list[int]:
    return [hash_of_package(shingle, shingling.hash) for shingle in shingles_of_python(text, shingling)]


@functools.cache
def sources(count: int) -> list[bytes]:
    """Sources of the standard library and of numpy (Python, stubs, C headers): real text, up to 60 kB each."""
    library, package = Path(json.__file__).parents[1], Path(np.__file__).parent
    found = [*library.glob("*.py"), *(p for kind in ("*.py", "*.pyi", "*.h") for p in package.rglob(kind))]
    fitting = sorted(p for p in found if 0 < p.stat().st_size <= 60_000)
    return [p.read_bytes() for p in fitting[:: len(fitting) // count][:count]]


@functools.cache
def foreign_sources() -> list[bytes]:
    """Sources of the standard library with letters beyond ASCII: names in many scripts, tables of encodings."""
    library = Path(json.__file__).parents[1]
    texts = [path.read_bytes() for path in sorted(library.rglob("*.py")) if path.stat().st_size <= 60_000]
    return [text for text in texts if not text.isascii()][:40]
