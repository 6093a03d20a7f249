"""The git command line as a reader of one repository: plumbing only, nothing checked out, nothing fetched, nothing run.

A crawled repository is hostile input: its own configuration may name programs to start. The commands used here
(`rev-parse`, `rev-list`, `ls-tree`, `cat-file`, `config --get`) start none, and the environment below closes the rest:
no configuration of this machine or user, no hooks, no prompts, no transport (so a partial clone fetches nothing), no
replace refs (they would make a commit id mean another tree), no search in folders above the location.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from jobs.code.sources.paths import printable
from jobs.code.sources.spec import SourceSpec, folder_name

_SETTINGS = {
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "credential.helper": "",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "protocol.allow": "never",
    "safe.directory": "*",
}
_CREDENTIALS = re.compile(r"(?<=//)[^/@\s]+@")
_SCP_ADDRESS = re.compile(r"(?:[^/@:]+@)?[^/:]+:(?!//)(?P<path>.+)", re.DOTALL)
_CHUNK = 1 << 16


class GitError(Exception):
    """git ended with an error; the text is its own, credentials taken out."""


@dataclass(frozen=True, slots=True)
class Repository:
    """One repository, bare or with a work tree. All commands pass `command`."""

    git_dir: Path

    def command(self, *arguments: str) -> list[str]:
        settings = [part for key, value in _SETTINGS.items() for part in ("-c", f"{key}={value}")]
        return ["git", f"--git-dir={self.git_dir}", "--no-pager", "--literal-pathspecs", *settings, *arguments]

    def ask(self, *arguments: str) -> bytes | None:
        """The answer of a short command without the last newline; None where git says no (exit status 1)."""
        done = subprocess.run(
            self.command(*arguments), env=environment(), stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        if done.returncode not in (0, 1):
            raise GitError(_said(done.stderr))
        return done.stdout.removesuffix(b"\n") if done.returncode == 0 else None

    def records(self, *arguments: str, longest: int) -> Generator[bytes, None, None]:
        """The NUL-terminated records of a command as they come, each cut at `longest` bytes.

        Raises GitError where git fails. Stops git when the caller stops. Memory: one record and one chunk.
        """
        with tempfile.TemporaryFile() as errors, self._start(arguments, errors) as process:
            assert process.stdout is not None
            pieces: list[bytes] = []
            kept = 0
            while chunk := process.stdout.read(_CHUNK):
                *whole, rest = chunk.split(b"\0")
                for piece in whole:
                    yield b"".join([*pieces, piece])[:longest]
                    pieces, kept = [], 0
                if kept < longest:
                    pieces.append(rest)
                    kept += len(rest)
            if process.wait() != 0:
                raise GitError(_text(errors))

    @contextmanager
    def objects(self, ids: Sequence[bytes]) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
        """The output of `cat-file --batch` for the objects in order, and a file with git's complaints.

        Ids are fed by a thread, as both pipes would fill otherwise. Leaving the block ends git and the thread.
        """
        with (
            tempfile.TemporaryFile() as errors,
            self._start(("cat-file", "--batch", "--buffer"), errors, stdin=subprocess.PIPE) as process,
        ):
            assert process.stdin is not None
            assert process.stdout is not None
            feeder = threading.Thread(target=_feed, args=(process.stdin, ids), daemon=True)
            feeder.start()
            try:
                yield process.stdout, errors
            finally:
                process.kill()
                feeder.join()

    @contextmanager
    def _start(
        self, arguments: Sequence[str], errors: IO[bytes], stdin: int = subprocess.DEVNULL
    ) -> Iterator[subprocess.Popen[bytes]]:
        process = subprocess.Popen(
            self.command(*arguments), env=environment(), stdin=stdin, stdout=subprocess.PIPE, stderr=errors
        )
        try:
            yield process
        finally:
            process.kill()  # no effect once it has ended
            for pipe in (process.stdout, process.stdin):
                if pipe is not None:
                    _close(pipe)
            process.wait()


def open_repository(spec: SourceSpec) -> Repository:
    """The repository at the location itself, never one around it. Raises SourceError."""
    path = spec.path().resolve()
    inner = path / ".git"
    repository = Repository(inner if inner.exists() else path)
    try:
        repository.ask("rev-parse", "--git-dir")
    except FileNotFoundError as error:
        raise spec.error(
            "git is not installed",
            allowed="git 2.36 or later on PATH",
            next_step="install git on every machine that reads",
        ) from error
    except GitError as error:
        raise spec.error(
            f"is not a git repository ({error})",
            allowed="a bare repository, or a folder with .git",
            next_step="correct `location`, or use kind 'folder'",
        ) from error
    return repository


def resolve(spec: SourceSpec, repository: Repository) -> str:
    """The commit id that `spec.ref` names. Raises SourceError for an empty repository or an unknown ref."""
    try:
        commit = repository.ask("rev-parse", "--verify", "--quiet", "--end-of-options", spec.ref + "^{commit}")
        if commit is not None:
            return commit.decode("ascii")
        refs = repository.ask("for-each-ref", "--count=10", "--format=%(refname:short)") or b""
    except GitError as error:
        raise spec.error(
            f"ref {spec.ref!r} cannot be resolved ({error})",
            allowed="an unambiguous branch, tag or commit id",
            next_step="run git fsck there, or name another `ref`",
        ) from error
    if not refs:
        raise spec.error(
            "the repository is empty, it has no branch and no tag",
            allowed="a repository with at least one commit",
            next_step="clone it again, or remove the source",
        )
    known = ", ".join(printable(ref) for ref in refs.splitlines())
    raise spec.error(
        f"there is no commit at ref {spec.ref!r}", allowed=f"{known}, or a commit id", next_step="correct `ref`"
    )


def commit_time(repository: Repository, commit: str) -> datetime | None:
    """When the commit was made, UTC; None where the commit states no time between the years 1 and 9999."""
    answer = repository.ask("rev-list", "--no-walk", "--timestamp", commit)
    try:
        return datetime.fromtimestamp(int((answer or b"").split()[0]), UTC)
    except (IndexError, ValueError, OverflowError, OSError):
        return None


def tag(repository: Repository, ref: str) -> str | None:
    """`ref` as a tag's name, where it is one: what the project calls this state."""
    name = ref.removeprefix("refs/tags/")
    known = repository.ask("show-ref", "--verify", "--quiet", f"refs/tags/{name}")
    return None if known is None else name


def repository_name(repository: Repository, location: Path) -> str:
    """`owner/name` from the address of the remote `origin`, else the folder's name.

    User, password, port and query of the address are never used. A remote that is a path of this machine gives its last
    part only.
    """
    address = repository.ask("config", "--no-includes", "--local", "--get", "remote.origin.url") or b""
    own = location.resolve()
    folder = folder_name(own.parent if own.name == ".git" else own).removesuffix(".git")
    return name_of_address(printable(address)) or folder or "root"


def name_of_address(address: str) -> str:
    """`owner/name` of https://host/owner/name.git, ssh://user@host:22/owner/name, user@host:owner/name; "" for none."""
    if "://" in address:
        try:
            url = urlsplit(address)
        except ValueError:
            return ""
        path, local = url.path, url.scheme == "file"
    elif scp := _SCP_ADDRESS.fullmatch(address):
        path, local = scp["path"], False
    else:
        path, local = address, True
    parts = [part for part in path.rstrip("/").removesuffix(".git").split("/") if part not in ("", ".", "..", "~")]
    return "/".join(parts[-1:] if local else parts)


def environment() -> dict[str, str]:
    """The environment of every git process: this one's without GIT_*, plus what the module docstring promises."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return kept | {
        "GIT_ALLOW_PROTOCOL": "",
        "GIT_ASKPASS": "false",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
        "SSH_ASKPASS": "false",
    }


def _feed(pipe: IO[bytes], ids: Sequence[bytes]) -> None:
    try:
        for oid in ids:
            pipe.write(oid + b"\n")
        pipe.flush()
    except BrokenPipeError:
        return  # git ended first; the reader of its output sees that and says so
    finally:
        _close(pipe)


def _close(pipe: IO[bytes]) -> None:
    try:
        pipe.close()
    except BrokenPipeError:
        return  # unsent ids of a git that has ended


def _text(errors: IO[bytes]) -> str:
    errors.seek(0)
    return _said(errors.read(4096))


def _said(stderr: bytes) -> str:
    lines = printable(stderr[:4096].replace(b"\n", b"; ")).strip("; ")
    return _CREDENTIALS.sub("***@", lines) or "no message"
