"""A git repository at one commit: every file of its tree, read from the object store without a checkout.

    git ls-tree -r -l -z COMMIT     -> mode, id, size, path of every file
    git cat-file --batch --buffer   -> the bytes of those within the cap, in the same order

Every content is hashed and compared with its id, since `cat-file` does not check: what is yielded is what the commit
says, bit for bit. Symbolic links and submodules become rows, as do objects that are missing or damaged. What a smudge
filter would make of a file (Git LFS) is not done: the pointer is the content.
Cost: one listing per shard, then the shard's own objects. Memory: the shard's listing and one file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import IO

from jobs.code.sources.files import fingerprint_of
from jobs.code.sources.gitrepo import (
    GitError,
    Repository,
    commit_time,
    open_repository,
    repository_name,
    resolve,
    tag,
)
from jobs.code.sources.limits import Limits
from jobs.code.sources.paths import MAX_PATH_BYTES, printable, safe_path
from jobs.code.sources.rows import Fault, Occurrence, Reason, Unreadable, over_cap
from jobs.code.sources.spec import Shard, SourceError, SourceSpec, split

_LONGEST_RECORD = 2 * MAX_PATH_BYTES
"""Bytes of an ls-tree record that are kept: a path cut here is refused for its length anyway."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the tree's listing. `size` is None where git knows none: a submodule, or a missing object."""

    mode: bytes
    oid: bytes
    size: int | None
    path: bytes


def fingerprint(spec: SourceSpec) -> str:
    """Over the commit id that the ref names now and the repository's name; the tree is not listed."""
    repository = open_repository(spec)
    return fingerprint_of(spec, repository_name(repository, spec.path()), [(resolve(spec, repository),)])


def shards(spec: SourceSpec, limits: Limits) -> list[Shard]:
    """Raises SourceError for an unknown ref, an empty repository or tree, or a tree that cannot be listed."""
    repository = open_repository(spec)
    commit = resolve(spec, repository)
    try:
        origin = spec.origin(
            repository_name(repository, spec.path()),
            commit=commit,
            committed_at=commit_time(repository, commit),
            version=tag(repository, spec.ref),
        )
    except GitError as error:
        raise _damaged(spec, commit, error) from error
    resolved = spec.model_copy(update={"location": str(spec.path())})
    files = ((entry.path, entry.size or 0) for entry in _listing(spec, repository, commit, limits))
    found = list(split(resolved, origin, files, limits))
    if not found:
        raise spec.error(
            f"commit {commit} has no files", allowed="a commit with at least one file", next_step="name another `ref`"
        )
    return found


def read(shard: Shard, limits: Limits) -> Iterator[Occurrence | Unreadable]:
    repository = open_repository(shard.spec)
    commit = shard.origin.commit
    assert commit is not None
    span = shard.span
    entries = [e for e in _listing(shard.spec, repository, commit, limits) if e.path in span]
    checked = [_check(entry, limits) for entry in _mark_duplicates(entries)]
    wanted = [entry for entry in checked if isinstance(entry, Entry)]
    with closing(_contents(repository, wanted, limits.max_file_bytes)) as contents:
        for entry, verdict in zip(entries, checked, strict=True):
            answer = next(contents) if isinstance(verdict, Entry) else verdict
            if isinstance(answer, Fault):
                yield shard.origin.unreadable(printable(entry.path), answer)
            else:
                yield shard.origin.occurrence(entry.path.decode("utf-8"), answer)


def _listing(spec: SourceSpec, repository: Repository, commit: str, limits: Limits) -> Generator[Entry, None, None]:
    """The tree's files in git's order, at most one more than `max_archive_members`.

    The bound is for trees that name one subtree many times over: a few hundred bytes can unfold into billions of paths.
    """
    arguments = ("ls-tree", "-r", "-l", "-z", "--full-tree", commit)
    try:
        with closing(repository.records(*arguments, longest=_LONGEST_RECORD)) as records:
            for count, record in enumerate(records):
                head, _, path = record.partition(b"\t")
                mode, _, oid, size = head.split()
                if count == limits.max_archive_members:
                    yield Entry(b"", oid, None, path)
                    return
                yield Entry(mode, oid, int(size) if size.isdigit() else None, path)
    except GitError as error:
        raise _damaged(spec, commit, error) from error


def _damaged(spec: SourceSpec, commit: str, error: GitError) -> SourceError:
    return spec.error(
        f"the tree of commit {commit} cannot be listed ({error})",
        allowed="a repository whose objects are all present (a partial clone has holes)",
        next_step="run git fsck there, or clone it again without --filter",
    )


def _mark_duplicates(entries: Sequence[Entry]) -> Iterator[tuple[Entry, bool]]:
    """Each entry, and whether its path came before: git forbids it, a forged tree does it."""
    seen: set[bytes] = set()
    for entry in entries:
        yield entry, entry.path in seen
        seen.add(entry.path)


def _check(marked: tuple[Entry, bool], limits: Limits) -> Entry | Fault:
    """The entry where its content may be read, else why not; nothing but the listing is looked at."""
    entry, repeated = marked
    try:
        if entry.mode == b"":
            raise Fault(
                Reason.TOO_MANY_MEMBERS,
                f"the tree has more than {limits.max_archive_members:,} files (max_archive_members); "
                "this one and all behind it were not read.",
            )
        safe_path(entry.path, limits.max_nesting)
        if entry.mode == b"120000":
            raise Fault(Reason.SYMLINK, "a symbolic link; allowed are regular files.", size=entry.size)
        if entry.mode == b"160000":
            raise Fault(Reason.SUBMODULE, f"a submodule at commit {entry.oid.decode()}; add it as a source of its own.")
        if repeated:
            raise Fault(Reason.DUPLICATE_PATH, "the tree names this path more than once; the first one was read.")
        if entry.size is None:
            raise _missing(entry)
        if entry.size > limits.max_file_bytes:
            raise over_cap(entry.size, limits.max_file_bytes)
    except Fault as fault:
        return fault.with_traceback(None)  # the frames would keep the whole listing, and this shard's git, alive
    return entry


def _contents(repository: Repository, entries: Sequence[Entry], cap: int) -> Generator[bytes | Fault, None, None]:
    """One answer per entry. git ends at the first damaged object: it is then started again behind that one."""
    done = 0
    while done < len(entries):
        pending = entries[done:]
        with repository.objects([entry.oid for entry in pending]) as (output, errors):
            for entry in pending:
                answer = _next_object(output, entry, cap)
                done += 1
                if answer is None:
                    errors.seek(0)
                    said = printable(errors.read(200)).removesuffix("%0A")
                    yield Fault(Reason.UNREADABLE, f"object {entry.oid.decode()}: git says: {said}", size=entry.size)
                    break
                yield answer


def _next_object(output: IO[bytes], entry: Entry, cap: int) -> bytes | Fault | None:
    """The next answer of `cat-file --batch`; None where git ended before it was complete."""
    header = output.readline().split()
    if len(header) == 2 and header[1] == b"missing":
        return _missing(entry)
    if len(header) != 3:
        return None
    size = int(header[2])
    if size > cap:
        return _skip(output, size, cap)
    content = output.read(size)
    if len(content) < size or output.read(1) != b"\n":
        return None
    if header[1] != b"blob":
        return Fault(
            Reason.UNREADABLE, f"object {entry.oid.decode()} is a {header[1].decode()}, not a file.", size=size
        )
    found = (hashlib.sha1 if len(entry.oid) == 40 else hashlib.sha256)(b"blob %d\0" % size)
    found.update(content)
    if found.hexdigest() != entry.oid.decode():
        return Fault(
            Reason.UNREADABLE,
            f"object {entry.oid.decode()} is damaged: its bytes hash to {found.hexdigest()}.",
            size=size,
            first_bytes=content,
        )
    return content


def _skip(output: IO[bytes], size: int, cap: int) -> Fault | None:
    """Leave out an object larger than the listing said. The cap holds whatever the listing says."""
    left = size + 1
    while left and (piece := output.read(min(left, 1 << 20))):
        left -= len(piece)
    return None if left else over_cap(size, cap)


def _missing(entry: Entry) -> Fault:
    return Fault(
        Reason.MISSING_CONTENT,
        f"object {entry.oid.decode()} is not in the repository (a partial clone?); clone it again in full.",
        size=entry.size,
    )
