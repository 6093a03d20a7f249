"""The documents that near-duplicate tools are compared on: every distinct text in the pinned archives.

    made = make(250, folder)
    made.base, made.added, made.one     # folders of Parquet: repo, path, text

Texts are the files of the archives, each once by its bytes, decoded as the lake decodes them; what is no text, is empty
or is over the recipe's 8 MB is left out. They lie in the order of their SHA-256, so that the first parts are a fair
sample, and what is over the size that was asked for is cut off. One in a hundred is kept apart: `added`, what comes
later. `one` is a single file that resembles nothing.
"""

from __future__ import annotations

import hashlib
import tarfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.kernels.decode import decode
from tests.bench import corpus
from tests.bench.corpus import Archive, CorpusError

MOST_BYTES = 8_000_000  # conf/limits.yaml: the lake refuses larger files
PART_BYTES = 4_000_000  # small, so that a slow tool gets a few parts
ONE_IN = 100
SCHEMA = pa.schema([("id", pa.string()), ("repo", pa.string()), ("path", pa.string()), ("text", pa.string())])
LONE = "#!/bin/sh\n" + "".join(f"echo lone{i} word{i * i} of{i + 7} nothing{3 * i}\n" for i in range(12))


@dataclass(frozen=True)
class Part:
    """One Parquet file. `bytes`: of its texts, UTF-8."""

    path: Path
    documents: int
    bytes: int


@dataclass(frozen=True)
class Documents:
    """`base` has at least the bytes that were asked for."""

    archives: tuple[Archive, ...]
    base: tuple[Part, ...]
    added: tuple[Part, ...]
    one: tuple[Part, ...]


@dataclass(frozen=True)
class _Text:
    digest: bytes
    repo: str
    path: str
    data: bytes

    @property
    def is_kept_apart(self) -> bool:
        return int.from_bytes(self.digest[-4:]) % ONE_IN == 0


def make(mb: float, folder: Path) -> Documents:
    """Fetch what is missing, read archives until there are `mb` million bytes, write. Raises CorpusError when it is not enough."""
    archives, texts = _texts(mb)
    texts = _cut(sorted(texts, key=lambda text: text.digest), mb)
    lone = _Text(hashlib.sha256(LONE.encode()).digest(), "lone", "lone.sh", LONE.encode())
    return Documents(
        archives,
        _write(folder / "base", (text for text in texts if not text.is_kept_apart)),
        _write(folder / "added", (text for text in texts if text.is_kept_apart)),
        _write(folder / "one", [lone]),
    )


def first(parts: Sequence[Part], mb: float | None) -> tuple[Part, ...]:
    """The first parts with at least `mb` million bytes; all of them for None or when there are not as many."""
    taken: list[Part] = []
    for part in parts:
        if mb is not None and size(taken) >= mb * 1e6:
            break
        taken.append(part)
    return tuple(taken)


def size(parts: Iterable[Part]) -> int:
    return sum(part.bytes for part in parts)


def count(parts: Iterable[Part]) -> int:
    return sum(part.documents for part in parts)


def _texts(mb: float) -> tuple[tuple[Archive, ...], list[_Text]]:
    used: list[Archive] = []
    found: dict[bytes, _Text] = {}
    total = 0
    for archive in corpus.pinned()[0]:
        if total >= mb * 1e6:
            break
        corpus.fetch([archive])
        used.append(archive)
        for path, content in dict(_members(archive.path)).items():
            text = decode(content).text if len(content) <= MOST_BYTES else None
            data = text.encode() if text else b""
            digest = hashlib.sha256(data).digest()
            if data and digest not in found:
                found[digest] = _Text(digest, archive.label, path, data)
                total += 0 if found[digest].is_kept_apart else len(data)
    if total < mb * 1e6:
        raise CorpusError(
            f"--mb {mb:g}: the archives that {corpus.PINS.name} pins hold {total / 1e6:.0f} MB of distinct texts. Ask for"
            " less, or pin more archives."
        )
    return tuple(used), list(found.values())


def _cut(texts: Sequence[_Text], mb: float) -> list[_Text]:
    """The first texts of which `mb` million bytes are not kept apart."""
    total = 0
    for number, text in enumerate(texts, 1):
        total += 0 if text.is_kept_apart else len(text.data)
        if total >= mb * 1e6:
            return list(texts[:number])
    return list(texts)


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as opened:
            for info in opened.infolist():
                if not info.is_dir():
                    yield info.filename, opened.read(info)
        return
    with tarfile.open(path) as tar:
        for member in tar:
            packed = tar.extractfile(member) if member.isreg() else None
            if packed is not None:
                yield member.name, packed.read()


def _write(folder: Path, texts: Iterable[_Text]) -> tuple[Part, ...]:
    folder.mkdir(parents=True)
    made: list[Part] = []
    waiting: list[_Text] = []

    def flush() -> None:
        path = folder / f"part-{len(made):05d}.parquet"
        rows = [{"id": t.digest.hex(), "repo": t.repo, "path": t.path, "text": t.data.decode()} for t in waiting]
        pq.write_table(pa.Table.from_pylist(rows, SCHEMA), path, compression="zstd")
        made.append(Part(path, len(waiting), sum(len(t.data) for t in waiting)))
        waiting.clear()

    for text in texts:
        waiting.append(text)
        if sum(len(t.data) for t in waiting) >= PART_BYTES:
            flush()
    if waiting:
        flush()
    return tuple(made)
