"""Bytes of a page to text: by byte order mark, UTF-8 that is valid, HTTP header, meta element, detection; NULs dropped.

Valid UTF-8 beyond ASCII wins over what header and meta say: text in another encoding passes for it by chance only when it
is a few characters long, while wrong headers are common. A stated charset must decode all but a thousandth of the
text, which leaves room for a body that was cut in the middle of a character. `how` says what decided.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from jobs.kernels.decode import decode

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_META = re.compile(rb"<meta\b[^>]{0,500}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.+-]{1,40})", re.IGNORECASE)
_META_BYTES = 4096  # the standard says 1024; pages with long comments on top keep it further down
_DETECTED_BYTES = 65536
_MAX_WRONG = 0.001
_LEAST_TO_BE_CUT = 100  # characters: a shorter text with one wrong byte is rather in another encoding

# What browsers read under the labels of narrower encodings.
_WIDER = {
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
    "iso8859-9": "cp1254",
}


@dataclass(frozen=True, slots=True)
class PageText:
    """`charset`: the Python codec that was used. `how`: mark, utf8, ascii, header, meta, detected or fallback."""

    text: str
    charset: str
    how: str


def decode_page(body: bytes, stated: str | None = None) -> PageText:
    """The text of a page. Never raises on content."""
    for mark, codec in _MARKS:
        if body.startswith(mark):
            return PageText(_clean(body[len(mark) :].decode(codec, "replace")), codec, "mark")
    if body.isascii() and b"\x1b" not in body:  # ISO-2022-JP is ASCII with escapes
        return PageText(_clean(body.decode("ascii")), "ascii", "ascii")
    found = None if body.isascii() else _valid(body, "utf-8")
    if found is not None:
        return PageText(_clean(found), "utf-8", "utf8")
    meta = _META.search(body[:_META_BYTES])
    labels = ((stated, "header"), (meta[1].decode("ascii") if meta else None, "meta"), (_detected(body), "detected"))
    for label, how in labels:
        named = _codec(label)
        text = None if named is None else _valid(body, named)
        if named is not None and text is not None:
            return PageText(_clean(text), named, how)
    if b"\0" in body and (other := decode(body)).text is not None:
        return PageText(_clean(other.text), other.encoding, "detected")
    return PageText(_clean(body.decode("cp1252", "replace")), "cp1252", "fallback")


def _clean(text: str) -> str:
    """Without NULs, and without what would break an element that stands for code: the private characters U+E000 and U+E001."""
    return text.replace("\0", "").replace("\ue000", "").replace("\ue001", "")


def _codec(label: str | None) -> str | None:
    if label is None:
        return None
    try:
        name = codecs.lookup(label).name
    except (LookupError, ValueError):
        return None
    name = _WIDER.get(name, name)
    # Python knows codecs that are no character sets (hex, rot13, zip) and some that run what they read (idna, punycode).
    return name if getattr(codecs.lookup(name), "_is_text_encoding", True) and name not in _NO_CHARSETS else None


_NO_CHARSETS = {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "unicode-escape", "raw-unicode-escape", "undefined", "mbcs", "oem", "utf-7"}  # fmt: skip


def _valid(body: bytes, codec: str) -> str | None:
    """The text where this codec decodes it, but for a thousandth and a cut last character."""
    try:
        return body.decode(codec)
    except UnicodeDecodeError:
        text = body.decode(codec, "replace")
    except (LookupError, ValueError):
        return None
    wrong = text.count("\ufffd")
    cut = wrong == 1 and text.endswith("\ufffd") and len(text) > _LEAST_TO_BE_CUT
    return text if cut or wrong <= _MAX_WRONG * len(text) else None


def _detected(body: bytes) -> str | None:
    from resiliparse.parse.encoding import detect_encoding

    found: str | None = detect_encoding(body, max_len=_DETECTED_BYTES)
    return found
