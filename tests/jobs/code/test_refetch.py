"""Texts from metadata: what is found, why the rest is not, and a second run that asks for nothing again.

codelake refetch refinecode-meta stack-v2 texts --contents https://archive.example/content
"""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.code import refetch
from jobs.code.sources.limits import Limits
from jobs.code.sources.parquet import read, shards
from jobs.code.sources.spec import SourceSpec
from lakehouse.cli.main import main
from lakehouse.config import load
from lakehouse.errors import InputError, StorageError
from lakehouse.registry import graph


def blob(text: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(text) + text).hexdigest()


TEXTS = {f"src/{name}.py": f"print({name!r})\n".encode() for name in ("one", "two", "three", "four")}
OLD = b"print('an older one')\n"
GONE, ODD, BROKEN, LARGE = b"gone\n", b"odd\n", b"broken\n", b"x" * 2000


class Archive(BaseHTTPRequestHandler):
    blobs: ClassVar[dict[str, bytes]] = {}
    asked: ClassVar[list[str]] = []
    down: ClassVar[bool] = False

    def do_GET(self) -> None:
        name = self.path.rsplit("/", 1)[1]
        Archive.asked.append(name)
        found = None if Archive.down else Archive.blobs.get(name)
        self.send_response(503 if Archive.down else 200 if found is not None else 403)
        self.send_header("Content-Length", str(len(found or b"")))
        self.end_headers()
        self.wfile.write(found or b"")

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Archive)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Archive.blobs = {blob(text): gzip.compress(text) for text in (*TEXTS.values(), OLD, LARGE)}
    Archive.blobs[blob(TEXTS["src/two.py"])] = TEXTS["src/two.py"]  # not packed
    Archive.blobs |= {blob(ODD): gzip.compress(b"another text"), blob(BROKEN): b"\x1f\x8b broken"}
    Archive.asked, Archive.down = [], False
    yield f"http://127.0.0.1:{server.server_port}/content"
    server.shutdown()
    server.server_close()


def write(folder: Path, rows: list[dict[str, object]]) -> Path:
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(rows), folder / "train-00000-of-00001.parquet")
    return folder


def metadata(folder: Path) -> tuple[Path, Path]:
    """The folder alone may name the file; paths of The Stack begin with a slash; one path has two blobs."""
    found = {**TEXTS, "a/gone.py": GONE, "odd.py": ODD, "b/broken.py": BROKEN, "c/large.py": LARGE}
    named = [(path.rpartition("/")[0], path.rpartition("/")[2], len(text)) for path, text in found.items()]
    meta = [
        {"repo_name": "acme/shop", "sub_path": sub, "file_name": name, "file_size_in_byte": size, "lang": "en"}
        for sub, name, size in [*named, ("nowhere", "x.py", 5)]
    ]
    meta[0]["sub_path"] = "/src/one.py"
    stack = [
        {
            "repo_name": "acme/shop",
            "path": f"/{path}",
            "blob_id": blob(text),
            "length_bytes": len(text),
            "src_encoding": "UTF-8",
        }
        for path, text in [*found.items(), ("src/three.py", OLD)]
    ]
    return write(folder / "meta", meta), write(folder / "stack", stack)


def test_every_row_is_a_text_or_has_a_reason(tmp_path: Path, address: str, capsys: pytest.CaptureFixture[str]) -> None:
    meta, stack = metadata(tmp_path)
    command = ["refetch", str(meta), str(stack), str(tmp_path / "out"), "--contents", address, "--most-bytes", "1000"]
    main([*command, "--json"])
    report = {row["outcome"]: row["rows"] for row in json.loads(capsys.readouterr().out)}
    assert report == {
        "texts": 4, "not_in_stack": 1, "not_in_archive": 1, "other_content": 1, "damaged": 1, "over_cap": 1,
    }  # fmt: skip
    rows = pq.read_table(tmp_path / "out" / "texts").to_pylist()
    assert {row["path"]: row["content"] for row in rows} == TEXTS
    misses = {row["path"]: row["reason"] for row in pq.read_table(tmp_path / "out" / "misses").to_pylist()}
    assert misses["a/gone.py"] == "not_in_archive" and misses["nowhere/x.py"] == "not_in_stack"
    asked = len(Archive.asked)
    main(command)
    assert len(Archive.asked) == asked == 8
    spec = SourceSpec(name="refinecode", kind="parquet", location=str(tmp_path / "out" / "texts"))
    limits = load(graph()).jobs["code.ingest"].model_dump()["limits"]
    found = [row for shard in shards(spec, Limits(**limits)) for row in read(shard, Limits(**limits))]
    assert {(row.repo, row.path) for row in found} == {("acme/shop", path) for path in TEXTS}


def test_a_server_that_goes_down_ends_the_run_and_the_next_goes_on(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refetch, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(refetch, "ROWS", 2)
    meta, stack = metadata(tmp_path)
    Archive.down = True
    with pytest.raises(StorageError, match=r"status 503, 4 times\. The same command goes on"):
        refetch.refetch(meta, stack, tmp_path / "out", address, workers=1, most_bytes=1000)
    assert not list((tmp_path / "out" / "texts").iterdir())
    Archive.down = False
    report = refetch.refetch(meta, stack, tmp_path / "out", address, workers=2, most_bytes=1000)
    assert sum(row.rows for row in report) == 9 and report[0].outcome == "texts"


def test_a_folder_of_blobs_does_too(tmp_path: Path) -> None:
    meta, stack = metadata(tmp_path)
    (tmp_path / "blobs").mkdir()
    text = TEXTS["src/one.py"]
    (tmp_path / "blobs" / f"{blob(text)}.gz").write_bytes(gzip.compress(text))
    report = refetch.refetch(meta, stack, tmp_path / "out", str(tmp_path / "blobs"), workers=1, most_bytes=1000)
    assert {row.outcome: row.rows for row in report} == {"not_in_archive": 7, "texts": 1, "not_in_stack": 1}


def test_files_of_another_layout_are_refused_by_column(tmp_path: Path) -> None:
    meta, stack = metadata(tmp_path)
    with pytest.raises(InputError, match="no column blob_id, length_bytes"):
        refetch.refetch(
            meta,
            write(tmp_path / "other", [{"repo_name": "a", "path": "b"}]),
            tmp_path / "out",
            "x",
            workers=1,
            most_bytes=9,
        )
    with pytest.raises(InputError, match="no Parquet file"):
        refetch.refetch(tmp_path / "none", stack, tmp_path / "out2", "x", workers=1, most_bytes=9)
