"""Licence and version as a Python package's metadata (METADATA, PKG-INFO) states them.

The licence is the first of: License-Expression (SPDX by definition), License where it is one short line, the licence
classifiers. Names in `_SPDX` become SPDX ids; a classifier that leaves the choice open (BSD without clauses, GPL
without version) says nothing, so that nobody mistakes a guess for a statement. Several classifiers are joined with AND,
the stricter reading, as the format does not say which is meant.
"""

from __future__ import annotations

import re
from email.errors import MessageError
from email.parser import BytesHeaderParser
from typing import NamedTuple

MAX_BYTES = 1 << 20
"""Bytes of a metadata file that are looked at: its fields come first, a long description behind."""

_SHORT = 64
_WHEEL = re.compile(rb"[^/]+\.dist-info/METADATA")
_SDIST = re.compile(rb"(?:[^/]+/)?PKG-INFO")

_SPDX = {
    "academic free license (afl)": None,
    "apache 2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "boost software license 1.0 (bsl-1.0)": "BSL-1.0",
    "bsd license": None,
    "3-clause bsd license": "BSD-3-Clause",
    "bsd 3-clause": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "2-clause bsd license": "BSD-2-Clause",
    "bsd 2-clause": "BSD-2-Clause",
    "bsd 2-clause license": "BSD-2-Clause",
    "cc0 1.0 universal (cc0 1.0) public domain dedication": "CC0-1.0",
    "eclipse public license 1.0 (epl-1.0)": "EPL-1.0",
    "eclipse public license 2.0 (epl-2.0)": "EPL-2.0",
    "european union public licence 1.2 (eupl 1.2)": "EUPL-1.2",
    "gnu affero general public license v3": "AGPL-3.0-only",
    "gnu affero general public license v3 or later (agplv3+)": "AGPL-3.0-or-later",
    "gnu general public license v2 (gplv2)": "GPL-2.0-only",
    "gnu general public license v2 or later (gplv2+)": "GPL-2.0-or-later",
    "gnu general public license v3 (gplv3)": "GPL-3.0-only",
    "gnu general public license v3 or later (gplv3+)": "GPL-3.0-or-later",
    "gnu lesser general public license v2 (lgplv2)": "LGPL-2.0-only",
    "gnu lesser general public license v2 or later (lgplv2+)": "LGPL-2.0-or-later",
    "gnu lesser general public license v3 (lgplv3)": "LGPL-3.0-only",
    "gnu lesser general public license v3 or later (lgplv3+)": "LGPL-3.0-or-later",
    "historical permission notice and disclaimer (hpnd)": "HPND",
    "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mit no attribution license (mit-0)": "MIT-0",
    "mozilla public license 1.1 (mpl 1.1)": "MPL-1.1",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "psf license": "PSF-2.0",
    "python software foundation license": "PSF-2.0",
    "the mit license": "MIT",
    "the unlicense (unlicense)": "Unlicense",
    "universal permissive license (upl)": "UPL-1.0",
    "zero-clause bsd (0bsd)": "0BSD",
    "zlib/libpng license": "Zlib",
    "zope public license": None,
}


class Stated(NamedTuple):
    """What the metadata says; None where it says nothing usable."""

    licence: str | None
    version: str | None


def rank(name: bytes) -> int | None:
    """Which member of an archive holds its metadata: the lower the better, None for all others."""
    if _WHEEL.fullmatch(name.removeprefix(b"./")):
        return 0
    return 1 if _SDIST.fullmatch(name.removeprefix(b"./")) else None


def stated(content: bytes) -> Stated:
    """Licence and version of one METADATA or PKG-INFO file; nothing where it cannot be parsed."""
    try:
        fields = BytesHeaderParser().parsebytes(content[:MAX_BYTES])
    except MessageError:
        return Stated(None, None)
    version = _line(fields.get("Version"))
    short = _line(fields.get("License"))
    classifiers = [_line(value) or "" for value in fields.get_all("Classifier", [])]
    licence = _line(fields.get("License-Expression"), longest=1000)
    if licence is None and short is not None:
        licence = _SPDX.get(short.casefold()) or short
    if licence is None:
        licence = _of_classifiers(classifiers)
    return Stated(licence, version)


def _line(value: object, longest: int = _SHORT) -> str | None:
    """A field as one printable line, None where it is absent, unknown, or more than that."""
    text = str(value or "").strip()
    if not text or len(text) > longest or not text.isprintable() or text.upper() == "UNKNOWN":
        return None
    return text


def _of_classifiers(classifiers: list[str]) -> str | None:
    names = [c.rpartition("::")[2].strip() for c in classifiers if c.startswith("License ::")]
    found = {_SPDX.get(name.casefold()) for name in names if name != "OSI Approved"}
    known = sorted(licence for licence in found if licence is not None)
    return " AND ".join(known) if known and None not in found else None
