"""The project's errors: few, named for the cause, each with the exit code that a scheduler sees.

Every message says where, what value, what is allowed and what to do next; the same words reach the terminal, the log
and `ops.runs`. Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 data-quality gate failed, 4 locked.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class CodelakeError(Exception):
    """Base of all errors that a person can act on. `exit_code` is what the command line returns."""

    exit_code = 1


class ConfigError(CodelakeError):
    """A key, value or combination in the configuration or on the command line is not allowed. Nothing was read or written."""

    exit_code = 2


class InputError(CodelakeError):
    """A configured input cannot be read as a whole: missing path, empty repository, absent column."""

    exit_code = 2


class GateFailed(CodelakeError):
    """A batch did not meet an error-level expectation. The target table is untouched."""

    exit_code = 3


class Locked(CodelakeError):
    """Another process holds the lock of a table that this one wants to write."""

    exit_code = 4


class StorageError(CodelakeError):
    """The lake cannot be written: read-only, full disk, missing right."""


class MachineError(CodelakeError):
    """Java, a JAR or a Python package is missing or does not fit; `codelake doctor` says more."""


class JobFailed(CodelakeError):
    """A job ended with an error that none of the classes above names; the cause is chained."""


def nearest(value: str, allowed: Iterable[str]) -> str:
    """A hint such as " Did you mean 'rules'?", or nothing when no allowed word is close."""
    close = difflib.get_close_matches(value, list(allowed), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""
