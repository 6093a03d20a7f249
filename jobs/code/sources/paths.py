"""Names of files as untrusted bytes: which may be recorded, and how the others are written down.

A path is kept as its source names it. It is refused, never repaired: a repaired name could meet another file's name.
Backslashes and drive letters are judged too, since an archive packed elsewhere may mean them as separators.
"""

from __future__ import annotations

import re

from jobs.code.sources.rows import Fault, Reason

MAX_PATH_BYTES = 4096
"""PATH_MAX of Linux: a longer name cannot have come from a checkout."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_ESCAPED = re.compile(r"[\x00-\x1f\x7f-\x9f\udc80-\udcff]")
_SEPARATOR = re.compile(r"[/\\]")
_DRIVE = re.compile(r"[A-Za-z]:[/\\]")


def safe_path(raw: bytes, max_nesting: int) -> str:
    """The path as text, where it is relative, printable, at most 4,096 bytes long and `max_nesting` folders deep.

    Raises Fault: not_utf8_path, unsafe_name or path_escapes.
    """
    try:
        path = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Fault(
            Reason.NOT_UTF8_PATH,
            f"the path is not UTF-8: byte {raw[error.start]:#04x} at {error.start}; allowed are UTF-8 names.",
        ) from None
    if len(raw) > MAX_PATH_BYTES:
        raise Fault(Reason.UNSAFE_NAME, f"the path has {len(raw):,} bytes, allowed are {MAX_PATH_BYTES:,}.")
    if found := _CONTROL.search(path):
        raise Fault(
            Reason.UNSAFE_NAME,
            f"control character {ord(found[0]):#04x} at {found.start()} of the path; allowed is printable text.",
        )
    parts = _SEPARATOR.split(path)
    if all(part in ("", ".") for part in parts):
        raise Fault(Reason.UNSAFE_NAME, "the path names no file.")
    if path[0] in "/\\" or ".." in parts or _DRIVE.match(path):
        raise Fault(
            Reason.PATH_ESCAPES, "the path is absolute or has a '..' part; allowed are paths inside the source."
        )
    if path.count("/") > max_nesting:
        raise Fault(
            Reason.UNSAFE_NAME, f"{path.count('/')} folders above the file, allowed are {max_nesting} (max_nesting)."
        )
    return path


def printable(raw: bytes) -> str:
    """Any name as text that can be stored and shown: bad bytes and control characters as %XX, cut at 4,096 bytes."""
    text = raw[:MAX_PATH_BYTES].decode("utf-8", "surrogateescape")
    escaped = _ESCAPED.sub(lambda found: _percent(found[0]), text)
    return escaped if len(raw) <= MAX_PATH_BYTES else escaped + "..."


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogateescape"))
