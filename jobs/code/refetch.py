"""Source texts fetched again from metadata that holds none: RefineCode's, joined with The Stack v2's, from Software Heritage.

    report = refetch(meta, stack, out, contents="https://archive.example/content")

- `meta`: Parquet as RefineCode-code-corpus-meta has it (repo_name, sub_path, file_name, file_size_in_byte).
- `stack`: Parquet as The Stack v2 has it (repo_name, path, blob_id, length_bytes).
- `contents`: where a blob lies under its id, packed by gzip or not: an address, or a folder.

A row of the metadata is joined by repository and path; of several blobs under one path the one of the stated size is taken,
then the least id. A blob is what it should be when its bytes have its id (the SHA-1 of git), which is checked. What comes out,
`out/texts`, is a source of kind `parquet`; `out/misses` holds every other row with its reason.

Work is cut into parts by blob id. A part appears whole or not at all, so the same command goes on after a kill; a server
that does not answer ends it, and leaves no part behind that says a text is not there.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import time
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import urllib3

from lakehouse.ask.duck import connect, literal
from lakehouse.errors import InputError, StorageError

META = ("repo_name", "sub_path", "file_name", "file_size_in_byte")
STACK = ("repo_name", "path", "blob_id", "length_bytes")
ATTEMPTS = 4
PAUSE_SECONDS = 1.0  # before the second attempt; twice as long each time
ROWS = 4096  # of a part: some 30 MB of texts

_TEXTS = pa.schema([("repo", pa.string()), ("path", pa.string()), ("blob_id", pa.string()), ("content", pa.binary())])
_MISSES = pa.schema([("repo", pa.string()), ("path", pa.string()), ("blob_id", pa.string()), ("reason", pa.string())])
# The path of a row: its folder and name, or the folder alone where that names the file already.
_PATH = """CASE WHEN trim(sub_path, '/') = file_name OR ends_with(sub_path, '/' || file_name) THEN trim(sub_path, '/')
    ELSE concat_ws('/', nullif(trim(coalesce(sub_path, ''), '/'), ''), file_name) END"""


class Unreachable(Exception):
    """The server did not say whether it has the blob."""


@dataclass(frozen=True)
class Outcome:
    """One line of the report: `texts`, or why there is none, and how many rows of the metadata."""

    outcome: str
    rows: int
    share: float


def refetch(meta: Path, stack: Path, out: Path, contents: str, *, workers: int, most_bytes: int) -> list[Outcome]:
    """Do what is left to do below `out` and count all of it.

    Raises InputError where a column is missing, StorageError where `contents` does not answer.
    """
    for folder in (out / "texts", out / "misses"):
        folder.mkdir(parents=True, exist_ok=True)
    wanted = out / "wanted.parquet"
    if not wanted.exists():
        _join(meta, stack, wanted)
    get = partial(_blob, contents=contents, most_bytes=most_bytes)
    with ThreadPoolExecutor(workers, thread_name_prefix="refetch") as threads, pq.ParquetFile(wanted) as file:
        for number, batch in enumerate(file.iter_batches(ROWS)):
            name = f"part-{number:06d}.parquet"
            if (out / "texts" / name).exists():
                continue
            rows = batch.to_pylist()
            try:
                found = list(threads.map(get, [row["blob_id"] for row in rows]))
            except Unreachable as error:
                raise StorageError(f"{contents}: {error}. The same command goes on where this one ended.") from error
            missed = [{**row, "reason": said} for row, said in zip(rows, found, strict=True) if isinstance(said, str)]
            texts = [{**row, "content": said} for row, said in zip(rows, found, strict=True) if isinstance(said, bytes)]
            _write(out / "misses" / name, missed, _MISSES)
            _write(out / "texts" / name, texts, _TEXTS)  # last: with it the part is done
    return _report(out)


def _join(meta: Path, stack: Path, wanted: Path) -> None:
    """One row per row of the metadata, ordered by blob; no blob where The Stack has none."""
    new = wanted.with_name(f".{wanted.name}.{os.getpid()}")
    with connect(str(wanted.parent)) as database:
        files = {name: f"read_parquet({literal(str(folder / '**' / '*.parquet'))})" for name, folder in
                 (("meta", meta), ("stack", stack))}  # fmt: skip
        for name, columns in (("meta", META), ("stack", STACK)):
            _require(database, files[name], columns, meta if name == "meta" else stack)
        database.execute(
            f"""COPY (SELECT repo, path, blob_id FROM (
                SELECT m.repo, m.path, s.blob_id, row_number() OVER (PARTITION BY m.n ORDER BY
                    s.length_bytes IS NOT DISTINCT FROM m.size DESC, s.blob_id) AS nth
                FROM (SELECT row_number() OVER () AS n, repo_name AS repo, {_PATH} AS path, file_size_in_byte AS size
                    FROM {files["meta"]}) m
                LEFT JOIN (SELECT repo_name AS repo, ltrim(path, '/') AS path, blob_id, length_bytes FROM {files["stack"]}) s
                    USING (repo, path)) WHERE nth = 1 ORDER BY blob_id NULLS LAST, repo, path)
            TO {literal(str(new))} (FORMAT parquet)"""
        )
    new.replace(wanted)


def _require(database: duckdb.DuckDBPyConnection, files: str, columns: Sequence[str], folder: Path) -> None:
    try:
        there = [row[0] for row in database.execute(f"DESCRIBE SELECT * FROM {files}").fetchall()]
    except duckdb.Error as error:
        raise InputError(f"{folder}: no Parquet file that can be read: {error}") from error
    if lacking := [column for column in columns if column not in there]:
        raise InputError(f"{folder}: no column {', '.join(lacking)}; its files have {', '.join(there)}.")


def _blob(blob_id: str | None, contents: str, most_bytes: int) -> bytes | str:
    """The bytes of a blob, or why there are none."""
    if blob_id is None:
        return "not_in_stack"
    packed = _get(contents, blob_id)
    if packed is None:
        return "not_in_archive"
    try:
        data = _unpacked(packed, most_bytes)
    except (OSError, EOFError, zlib.error):
        return "damaged"
    if data is None:
        return "over_cap"
    return data if hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest() == blob_id else "other_content"


def _unpacked(data: bytes, most_bytes: int) -> bytes | None:
    """None for what is larger than allowed, without unpacking all of it."""
    if data[:2] == b"\x1f\x8b":
        with gzip.GzipFile(fileobj=pa.BufferReader(data)) as file:
            data = file.read(most_bytes + 1)
    return data if len(data) <= most_bytes else None


def _get(contents: str, blob_id: str) -> bytes | None:
    """None where the blob is not there. Raises Unreachable when nobody says so."""
    if "://" not in contents:
        found = [path for path in (Path(contents) / blob_id, Path(contents) / f"{blob_id}.gz") if path.is_file()]
        return found[0].read_bytes() if found else None
    said = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE_SECONDS * 2 ** (attempt - 1))
        try:
            answer = urllib3.request("GET", f"{contents.rstrip('/')}/{quote(blob_id)}", timeout=60.0, retries=False)
        except urllib3.exceptions.HTTPError as error:
            said = str(error)
            continue
        if answer.status == 200:
            return answer.data
        if answer.status in (403, 404, 410):  # an object store says 403 of what it does not have
            return None
        said = f"status {answer.status}"
    raise Unreachable(f"{blob_id}: {said}, {ATTEMPTS} times")


def _write(path: Path, rows: Sequence[dict[str, Any]], schema: pa.Schema) -> None:
    new = path.with_name(f".{path.name}.{os.getpid()}")
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), new, compression="zstd")
    new.replace(path)


def _report(out: Path) -> list[Outcome]:
    counts = dict(_counts(out))
    total = max(1, sum(counts.values()))
    return [
        Outcome(name, rows, round(rows / total, 4)) for name, rows in sorted(counts.items(), key=lambda one: -one[1])
    ]


def _counts(out: Path) -> Iterator[tuple[str, int]]:
    yield "texts", sum(pq.read_metadata(path).num_rows for path in (out / "texts").glob("part-*.parquet"))
    reasons: dict[str, int] = {}
    for path in (out / "misses").glob("part-*.parquet"):
        for reason in pq.read_table(path, columns=["reason"])["reason"].to_pylist():
            reasons[reason] = reasons.get(reason, 0) + 1
    yield from reasons.items()
