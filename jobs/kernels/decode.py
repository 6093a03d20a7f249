"""Bytes of a file to text, or the reason why they are not text.

Order: byte order mark, strict UTF-8, UTF-16 without a mark, then cp1252 (latin-1 where a byte has no meaning in
cp1252). The fall-back decodes anything: `encoding` says that it was used, and text in an older Asian or Cyrillic
encoding comes out as the wrong characters there. UTF-32 without a mark is "binary", and so is UTF-16 without a
mark that holds no ASCII character at all, not even a line end.

Newlines stay as they are. Cost: at most five passes at C speed and two copies of the text.
"""

import codecs
import unicodedata
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

# UTF-32 first: its little-endian mark begins with the one of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_BINARY = "binary"

# What text holds of the 33 ASCII control characters: BS TAB LF VT FF CR, and ESC for coloured output.
_CONTROLS = bytes(byte for byte in (*range(32), 127) if byte not in b"\b\t\n\v\f\r\x1b")
_ODD = np.array([byte > 127 or byte in _CONTROLS for byte in range(256)])  # bytes that ASCII text does not hold
_CONTROL_TABLE = dict.fromkeys(_CONTROLS)
# Random bytes without a NUL hold 10% of them; of 14,826 text files under /usr the highest share was 0.13%.
_MAX_CONTROL_SHARE = 0.05

_PRINTABLE = bytes(range(32, 127)) + b"\t\n\r"
# Of the bytes of UTF-16 Chinese that are not NUL, half are printable ASCII by chance; of a text with a stray NUL, nearly all.
_MAX_PRINTABLE_SHARE = 0.8

_SAMPLE = 8192  # characters looked at to tell UTF-16 from binary; both show themselves at once
_MAX_ODD_SHARE = 0.01  # unassigned and private characters; random 16-bit units have 15%
_MIN_ASCII_SHARE = 0.02  # Chinese prose with a line end every 40 characters has 2.5%, code in any language more


@dataclass(frozen=True, slots=True)
class Decoded:
    """The text without its byte order mark, or None and the reason.

    `encoding` is the codec that text.encode() takes to give the bytes back, without the mark; "binary" without text.
    `reason` is None for text, "binary", or "undecodable" where a mark promises UTF-16 or UTF-32 and the bytes break it.
    """

    text: str | None
    encoding: str
    reason: str | None


def decode(content: bytes) -> Decoded:
    """The text of a file. Never raises on content; b"" is the empty text in UTF-8."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            decoded = _strict(content[len(mark) :], encoding)
            if decoded is not None:
                return decoded
            if encoding != "utf-32-le":  # FF FE 00 00 may also open UTF-16
                return Decoded(None, encoding, "undecodable")
    return _unmarked(content.removeprefix(codecs.BOM_UTF8))


def texts(contents: pa.Array) -> pa.LargeStringArray:
    """Each of an array of contents (binary) decoded; "" for one that is not text, and for a null.

    Contents of ASCII text, nine of ten source files, are not touched: one look-up per byte tells them.
    """
    contents = contents.cast(pa.large_binary())
    others = np.flatnonzero(~_ascii_text(contents))
    if others.size:
        mask = np.zeros(len(contents), np.bool_)
        mask[others] = True
        decoded = [
            (decode(content or b"").text or "").encode() for content in contents.take(pa.array(others)).to_pylist()
        ]
        contents = pc.replace_with_mask(contents, pa.array(mask), pa.array(decoded, pa.large_binary()))
    return contents.cast(pa.large_string())


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _all_plain(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    found = np.empty(offsets.shape[0] - 1, np.bool_)
    for row in range(found.shape[0]):
        odd = False  # no early end: a loop without a branch runs at 4 GB/s
        for at in range(offsets[row], offsets[row + 1]):
            odd |= _ODD[data[at]]
        found[row] = not odd
    return found


def _ascii_text(contents: pa.LargeBinaryArray) -> npt.NDArray[np.bool_]:
    """Whether each content is ASCII without controls, which every codec that is tried reads as it stands: shape (n,)."""
    if not len(contents):
        return np.zeros(0, np.bool_)
    _, offset_buffer, data_buffer = contents.buffers()
    offsets = np.frombuffer(offset_buffer, np.int64)[contents.offset : contents.offset + len(contents) + 1]
    plain: npt.NDArray[np.bool_] = _all_plain(np.frombuffer(data_buffer or b"", np.uint8), offsets)
    if contents.null_count:
        plain &= contents.is_valid().to_numpy(zero_copy_only=False)
    return plain


def _unmarked(content: bytes) -> Decoded:
    if b"\0" in content:
        return _utf16(content) or Decoded(None, _BINARY, "binary")
    if len(content.translate(None, _CONTROLS)) < (1 - _MAX_CONTROL_SHARE) * len(content):
        return Decoded(None, _BINARY, "binary")
    for encoding in ("utf-8", "cp1252"):
        try:
            return Decoded(content.decode(encoding), encoding, None)
        except UnicodeDecodeError:
            continue
    return Decoded(content.decode("latin-1"), "latin-1", None)


def _strict(content: bytes, encoding: str) -> Decoded | None:
    """The text in this encoding, "binary" where it decodes to controls, None where it does not decode."""
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return None
    controls = len(text) - len(text.translate(_CONTROL_TABLE))
    if "\0" in text or controls > _MAX_CONTROL_SHARE * len(text):
        return Decoded(None, _BINARY, "binary")
    return Decoded(text, encoding, None)


def _utf16(content: bytes) -> Decoded | None:
    """UTF-16 without a mark: the byte order that gives text, or the one with more ASCII where both do.

    Binary data fails on lone surrogates, on U+0000 and other controls, on characters that Unicode has not assigned, or
    for want of any ASCII. Text with a stray NUL fails because its other bytes are plain ASCII.
    """
    nuls = content.count(0)
    printable = len(content) - nuls - len(content.translate(None, _PRINTABLE + b"\0"))
    if len(content) % 2 or (nuls < 0.25 * len(content) and printable > _MAX_PRINTABLE_SHARE * (len(content) - nuls)):
        return None
    found = [(share, decoded) for order in ("utf-16-le", "utf-16-be") for share, decoded in _plausible(content, order)]
    return max(found, key=lambda pair: pair[0])[1] if found else None


def _plausible(content: bytes, encoding: str) -> list[tuple[float, Decoded]]:
    """The text in this byte order with its share of ASCII, or nothing when it is hardly text."""
    decoded = _strict(content, encoding)
    if decoded is None or decoded.text is None:
        return []
    sample = decoded.text[:_SAMPLE]
    odd = sum(unicodedata.category(character) in ("Cn", "Co") for character in sample)
    ascii_ = sum(character.isascii() for character in sample) / len(sample)
    return [(ascii_, decoded)] if odd <= _MAX_ODD_SHARE * len(sample) and ascii_ >= _MIN_ASCII_SHARE else []
