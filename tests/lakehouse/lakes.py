"""A small lake made without Spark: every table filled, every reason to lose a file planted once.

lake = make_lake(tmp_path)                                # the whole pipeline has run
lake = make_lake(tmp_path, without={"gold.pretrain"})     # its last stage has not
expected = rows()["silver.code_decisions"]                # the same rows, as plain Python

Rows follow from `FILES` by the rules of the jobs, so tables agree with each other as after a real build.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, write_deltalake

from jobs.code import tables as code
from jobs.code.released_signals import code_released_signals
from jobs.code.signals import code_signals
from jobs.corpus.tables import pretrain
from jobs.kernels.measures import measure
from lakehouse import ops
from lakehouse.lake import Lake
from lakehouse.table import Table

Run = Callable[..., tuple[int, str, str]]  # the fixture `run`: arguments of codelake to exit code, stdout, stderr

START = datetime(2026, 1, 15, 12, tzinfo=UTC)
SECRET = "hunter2-never-to-be-shown"
MAIL = "operator" + "@" + "planted.example"
BIDI = "\u202e"
HOSTILE_PATH = f"a\"'><script>alert(1)</script>/{BIDI}gpj.<img src=x onerror=alert(2)>.py"
HOSTILE_TEXT = f"</td></script><script>alert(3)</script>{BIDI}"
HOSTILE_REPO = "<b>repo</b>&amp;\x1b[31m"
CAPS = {"java": 700}

NOTICE = "# Copyright (c) 2026 The Planted Authors. All rights reserved.\n"
QUEUE = '''"""A queue with a limit: a new item pushes the oldest one out."""

from collections import deque


class LimitedQueue:
    def __init__(self, limit):
        self._items = deque(maxlen=limit)

    def put(self, item):
        """Add one item; the oldest makes room."""
        self._items.append(item)

    def get(self):
        return self._items.popleft()

    def __len__(self):
        return len(self._items)
'''
CLIENT = f'''import urllib.request

OPERATOR = "{MAIL}"
PASSWORD = "{SECRET}"


def send(address, body, timeout=5):
    """Post the body to the address as the operator; answer the status."""
    headers = {{"From": OPERATOR, "X-Password": PASSWORD}}
    request = urllib.request.Request(address, data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return answer.status
'''


@dataclass(frozen=True)
class File:
    """One occurrence. `hits`: (rule, value, limit); `cluster`: near-duplicates share a name, `jaccard` apart; `redact`: (kind, what)."""

    source: str
    repo: str
    path: str
    content: bytes
    language: str
    type: str = "code"
    licence: str | None = None
    stars: int | None = None
    unreadable: str | None = None
    hits: tuple[tuple[str, float, float], ...] = ()
    cluster: str | None = None
    jaccard: float = 0.9
    redact: tuple[tuple[str, str], ...] = ()

    @property
    def content_id(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def _java(name: str, methods: int) -> bytes:
    body = "".join(f"    int step{i}(int x) {{\n        return x + {i};\n    }}\n" for i in range(methods))
    return f"/** Counts steps. */\nclass {name} {{\n{body}}}\n".encode()


FILES = (
    File("shop", "acme/shop", "src/queue.py", (NOTICE + QUEUE).encode(), "python", licence="MIT", stars=120, cluster="queue"),
    File("shop", "acme/shop", "src/copy/queue.py", (NOTICE + QUEUE).encode(), "python", licence="MIT", stars=120, cluster="queue"),
    File(
        "shop", "acme/shop", "src/queue_near.py", (NOTICE + QUEUE.replace("limit", "most")).encode(), "python",
        licence="MIT", stars=120, cluster="queue",
    ),
    File(
        "shop", "acme/shop", "src/client.py", CLIENT.encode(), "python", licence="MIT", stars=120,
        redact=(("email", MAIL), ("password", SECRET)),
    ),
    File(
        "shop", "acme/shop", "static/app.min.js", b"var q=[];" + b"function f(a,b){return a*b+q.length};" * 60, "javascript",
        licence="MIT", stars=120, hits=(("long_line", 2229.0, 1000.0), ("long_lines_on_average", 2229.0, 100.0)),
    ),
    File("shop", "acme/shop", "bin/tool", b"\x7fELF\x00\x01\x02" * 40, "unknown", "unknown", "MIT", 120, unreadable="binary"),
    File("shop", "acme/shop", "static/logo.svg", b"<svg><path d='M0 0'/></svg>\n" * 12, "svg", "excluded", "MIT", 120),
    File(
        "packages", "empty-words", "empty.py", b"", "python", licence="Apache-2.0",
        hits=(("too_few_characters", 0.0, 50.0), ("too_few_lines", 0.0, 10.0), ("too_few_words", 0.0, 30.0)),
    ),
    File("packages", "vendored", "third/queue.py", (NOTICE + QUEUE).encode(), "python", licence="Apache-2.0", cluster="queue"),
    File(
        "packages", "vendored", "third/queue_typed.py", (QUEUE.replace("(self, limit)", "(self, limit: int) -> None")).encode(),
        "python", licence="Apache-2.0", cluster="queue",
    ),
    File("packages", "steps", "Steps.java", _java("Steps", 6), "java", licence="Apache-2.0"),
    File("packages", "steps", "More.java", _java("More", 8), "java", licence="Apache-2.0"),
    File("packages", "steps", "Most.java", _java("Most", 10), "java", licence="Apache-2.0"),
    File("crawl", "piles", "pile.py", QUEUE.replace("queue", BIDI + "pile").encode() * 2, "python"),
    File(
        "crawl", HOSTILE_REPO, HOSTILE_PATH, QUEUE.replace("queue", HOSTILE_TEXT).encode(), "python",
        licence=f"<i>Own</i>{BIDI}", cluster="queue", jaccard=0.71,
    ),
    File("crawl", "notes", "notes.md", b"# Notes\n" + b"A line that says something about the shop.\n" * 12, "markdown", "text"),
    File("crawl", "notes", "short.md", b"# Short\n", "markdown", "text", hits=(("too_few_lines", 1.0, 10.0),)),
)  # fmt: skip

# (source, repo, path, reason, size)
REFUSED = (
    ("shop", "acme/shop", "data/dump.sql", "over_cap", 9_000_000),
    ("packages", "broken", "broken-1.0.whl", "corrupt_archive", None),
    ("crawl", HOSTILE_REPO, f"{BIDI}<script>.tar", "unsafe_path", 512),
)

JOBS: tuple[tuple[str, tuple[Table, ...]], ...] = (
    ("code.ingest", (code.code_contents, code.code_files, ops.quarantine, code.code_sources)),
    ("code.exact_dedup", (code.distinct_files,)),
    ("code.language", (code.code_marks, code.code_languages)),
    ("code.bands", (code.code_bands,)),
    ("code.pairs", (code.code_pairs,)),
    ("code.near_dedup", (code.code_duplicates,)),
    ("code.redact", (code.code_notebooks, code.code_texts)),
    ("code.licence_claims", (code.code_licence_claims,)),
    ("code.licences", (code.code_licences,)),
    ("code.signals", (code_signals,)),
    ("code.released_signals", (code_released_signals,)),
    ("code.decontaminate", (code.code_benchmarks.items, code.code_benchmarks.hits)),
    ("code.decide", (code.code_decisions,)),
    ("code.sample", (code.code_sample,)),
    ("corpus.pretrain", (pretrain,)),
)

Rows = list[dict[str, Any]]


def make_lake(
    root: Path,
    *,
    files: Sequence[File] = FILES,
    refused: Sequence[tuple[str, str, str, str, int | None]] = REFUSED,
    without: Collection[str] = (),
) -> Lake:
    """Write the lake below `root`, leaving out the tables named in `without`."""
    lake, made = Lake(str(root)), rows(tuple(files), tuple(refused))
    for job, tables in JOBS:
        for table in tables:
            if table.name not in without:
                _write(lake, table, made[table.name], job)
    for table in (ops.runs, ops.expectation_results, ops.releases):
        if table.name not in without:
            _write(lake, table, made[table.name], None)
    return lake


@cache
def rows(
    files: tuple[File, ...] = FILES, refused: tuple[tuple[str, str, str, str, int | None], ...] = REFUSED
) -> Mapping[str, Rows]:
    """The rows of every table, by table name."""
    best = _best(files)
    made = {**_bronze(files, refused), **_measured(files, best), **_decided(files, best)}
    return {**made, **_books(made)}


def run_id(job: str) -> str:
    """The id of the run that wrote the job's tables."""
    return f"20260115T12{[name for name, _ in JOBS].index(job):02d}00.000000-1"


def _write(lake: Lake, table: Table, rows: Rows, job: str | None) -> None:
    facts = {"run_id": run_id(job), "run_key": "0" * 64, "job": job} if job else {}
    said = CommitProperties(custom_metadata={"userMetadata": json.dumps(facts)})
    data = pa.Table.from_pylist(rows, schema=table.arrow_schema)
    write_deltalake(lake.location(table), data, description=f"One row is {table.row}.", commit_properties=said)


def _best(files: Sequence[File]) -> dict[str, File]:
    """The occurrence that stands for each content: most stars, then the least source, repository and path."""
    ordered = sorted(
        files, key=lambda f: (-(f.stars if f.stars is not None else -1), f.source, f.repo, f.path), reverse=True
    )
    return {f.content_id: f for f in ordered}


def _occurrence(file: File) -> dict[str, Any]:
    return {
        "source": file.source,
        "repo": file.repo,
        "path": file.path,
        "commit": "c" * 40 if file.stars is not None else None,
        "version": None if file.stars is not None else "1.0",
        "stars": file.stars,
        "committed_at": START if file.stars is not None else None,
        "licence": file.licence,
    }


def _bronze(files: Sequence[File], refused: Sequence[tuple[str, str, str, str, int | None]]) -> dict[str, Rows]:
    contents = {f.content_id: f.content for f in files}
    sources = []
    for name in sorted({f.source for f in files}):
        own = [f for f in files if f.source == name]
        sources.append(
            {
                "source": name,
                "kind": "folder",
                "location": f"inputs/{name}",
                "fingerprint": hashlib.sha256(name.encode()).hexdigest(),
                "files": len(own),
                "bytes": sum(len(f.content) for f in own),
                "refused": sum(r[0] == name for r in refused),
            }
        )
    return {
        "bronze.code_sources": sources,
        "bronze.code_files": [{**_occurrence(f), "content_id": f.content_id, "size": len(f.content)} for f in files],
        "bronze.code_contents": [
            {
                "content_id": key,
                "swhid": "swh:1:cnt:" + hashlib.sha1(b"blob %d\x00" % len(content) + content).hexdigest(),
                "size": len(content),
                "content": content,
            }
            for key, content in contents.items()
        ],
        "ops.quarantine": [
            {
                "job": "code.ingest",
                "item": f"{source}/{repo}:{path} ({reason})",
                "source": source,
                "repo": repo,
                "path": path,
                "reason": reason,
                "detail": f"{path}: refused",
                "size": size,
                "first_bytes": b"\x00" * 8,
            }
            for source, repo, path, reason, size in refused
        ],
    }


def _measured(files: Sequence[File], best: Mapping[str, File]) -> dict[str, Rows]:
    copies = {key: sum(f.content_id == key for f in files) for key in best}
    readable = {key: f for key, f in best.items() if f.unreadable is None}
    texts = [_text(key, f) for key, f in readable.items()]
    named = [(f.path, f.language, f.type) for f in readable.values()]
    measured = measure(pa.array([row["text"] for row in texts], pa.string()), named, {}).to_pylist()
    return {
        "silver.code_files": [
            {"content_id": key, **_occurrence(f), "size": len(f.content), "copies": copies[key]} for key, f in best.items()
        ],
        "silver.code_languages": [
            {
                "content_id": key,
                "language": f.language,
                "type": f.type,
                "how": "extension",
                "encoding": None if f.unreadable else "utf-8",
                "unreadable": f.unreadable,
            }
            for key, f in best.items()
        ],
        "silver.code_bands": [
            {"content_id": key, "bands": [len(f.content), i], "setting": "5/16/16/1"} for i, (key, f) in enumerate(readable.items())
        ],
        **_near(best),
        "silver.code_marks": [
            {"content_id": key, "generated": None, "vendored": None, "minified": "its name, app.min.js"}
            for key, f in best.items()
            if ".min." in f.path
        ],
        "silver.code_notebooks": [],
        "silver.code_licence_claims": [],
        "silver.code_licences": [_licence(key, f) for key, f in best.items()],
        "silver.code_texts": texts,
        "silver.code_signals": [{"content_id": row["content_id"], **m} for row, m in zip(texts, measured, strict=True)],
        "silver.code_released_signals": [],
        "silver.code_benchmark_items": [],
        "silver.code_benchmark_hits": [],
    }  # fmt: skip


def _licence(content_id: str, file: File) -> dict[str, Any]:
    """By metadata, where that is an SPDX id."""
    found = file.licence if file.licence in ("MIT", "Apache-2.0", "BSD-3-Clause") else None
    return {
        "content_id": content_id,
        "expression": found,
        "how": "metadata" if file.licence else "nothing",
        "evidence": file.licence or "",
        "share": None,
        "alternatives": [[found]] if found else [],
    }


def _text(content_id: str, file: File) -> dict[str, Any]:
    original = file.content.decode()
    notice = NOTICE if original.startswith(NOTICE) else None
    text = original.removeprefix(NOTICE)
    spans = []
    for kind, what in file.redact:
        start = original.removeprefix(NOTICE).index(what)
        spans.append({"kind": kind, "start": start, "end": start + len(what), "placeholder": f"<{kind.upper()}>"})
        text = text.replace(what, f"<{kind.upper()}>")
    return {"content_id": content_id, "text": text, "bytes": len(text.encode()), "notice": notice, "redactions": spans}


def _clusters(best: Mapping[str, File]) -> list[list[str]]:
    """Content ids of every cluster of two or more, the survivor first: most stars, then the least source, repository and path."""
    named: dict[str, list[str]] = {}
    for key, f in best.items():
        if f.cluster is not None:
            named.setdefault(f.cluster, []).append(key)
    order = {key: (-(f.stars or -1), f.source, f.repo, f.path) for key, f in best.items()}
    return [sorted(keys, key=order.__getitem__) for keys in named.values() if len(keys) > 1]


def _near(best: Mapping[str, File]) -> dict[str, Rows]:
    pairs: Rows = []
    members: Rows = []
    for first, *others in _clusters(best):
        cluster, size = min(first, *others), 1 + len(others)
        closest = max(others, key=lambda key: best[key].jaccard)
        said = {"cluster": cluster, "members": size}
        nearest = {"nearest": closest, "jaccard": best[closest].jaccard}
        members.append({"content_id": first, **said, "kept": True, "duplicate_of": None, **nearest})
        for key in others:
            jaccard = best[key].jaccard
            nearest = {"nearest": first, "jaccard": jaccard}
            members.append({"content_id": key, **said, "kept": False, "duplicate_of": first, **nearest})
            pairs += [{"content_id": a, "other": b, "jaccard": jaccard} for a, b in ((first, key), (key, first))]
    return {"silver.code_pairs": pairs, "silver.code_duplicates": members}


def _decided(files: Sequence[File], best: Mapping[str, File]) -> dict[str, Rows]:
    duplicates = {row["content_id"]: row for row in _near(best)["silver.code_duplicates"]}
    decisions: Rows = []
    for key, f in best.items():
        hits = [{"rule": rule, "value": value, "limit": limit, "detail": None} for rule, value, limit in f.hits]
        if f.unreadable:
            hits.append({"rule": "unreadable", "value": None, "limit": None, "detail": f.unreadable})
        if f.type not in ("code", "data", "text"):
            hits.append({"rule": "file_type", "value": None, "limit": None, "detail": f"{f.type}: {f.language}"})
        if key in duplicates and not duplicates[key]["kept"]:
            row = duplicates[key]
            hits.append(
                {
                    "rule": "near_duplicate",
                    "value": row["jaccard"],
                    "limit": None,
                    "detail": f"of {row['duplicate_of']}",
                }
            )
        decisions.append({"content_id": key, "keep": not hits, "hits": hits, "rules": "0" * 16})
    sample = _sampled({row["content_id"]: best[row["content_id"]] for row in decisions if row["keep"]})
    taken = [row["content_id"] for row in sample if row["taken"]]
    return {
        "silver.code_decisions": decisions,
        "silver.code_sample": sample,
        "gold.pretrain": [_document(files, best, key) for key in taken],
    }


def _sampled(kept: Mapping[str, File]) -> Rows:
    found: Rows = []
    filled: dict[str, int] = {}
    for key, f in sorted(kept.items()):
        size, cap = _text(key, f)["bytes"], CAPS.get(f.language)
        filled[f.language] = filled.get(f.language, 0) + size
        taken = cap is None or filled[f.language] <= cap
        found.append({"content_id": key, "language": f.language, "bytes": size, "taken": taken, "cap": cap})
    return found


def _document(files: Sequence[File], best: Mapping[str, File], key: str) -> dict[str, Any]:
    file, text = best[key], _text(key, best[key])
    occurrence = _occurrence(file)
    del occurrence["committed_at"]
    copies = sum(f.content_id == key for f in files)
    said = {"doc_id": key, "corpus": "code", "language": file.language, "copies": copies}
    return {**occurrence, **said, "bytes": text["bytes"], "text": text["text"]}


def _books(made: Mapping[str, Rows]) -> dict[str, Rows]:
    runs = [_run(i, job, tables, made) for i, (job, tables) in enumerate(JOBS)]
    by_job = {run["job"]: run for run in runs}
    refused = {
        **by_job["code.decide"],
        "run_id": "20260115T115900.000000-1",
        "status": "gate_failed",
        "outputs": [],
        "rows_out": 0,
        "error": f"silver.code_decisions: the batch of 13 rows was refused.\n  example row: {SECRET}",
    }
    results = [
        {
            "run_id": run_id(job),
            "job": job,
            "table": table.name,
            "expectation": rule.id,
            "severity": rule.severity,
            "success": (table.name, rule.type) != ("silver.code_pairs", "expect_column_values_to_be_between"),
            "observed": json.dumps({"example": SECRET}),
            "unexpected": 0,
            "rows": len(made[table.name]),
            "examples": [SECRET],
            "at": START,
        }
        for job, tables in JOBS
        for table in tables
        for rule in table.base_rules()
    ]
    results = [r if r["success"] else {**r, "severity": "warning", "unexpected": 1} for r in results]
    pinned = {
        "release": "planted",
        "table": "gold.pretrain",
        "table_id": "00000000-0000-0000-0000-000000000000",
        "version": 0,
        "digest": "d" * 64,
        "rows": len(made["gold.pretrain"]),
        "bytes": sum(row["bytes"] for row in made["gold.pretrain"]),
        "made_from": json.dumps([{k: by_job["corpus.pretrain"][k] for k in ("job", "run_id", "run_key")}]),
        "created_at": START + timedelta(hours=1),
    }
    return {"ops.runs": [refused, *runs], "ops.expectation_results": results, "gold.releases": [pinned]}


def _run(nth: int, job: str, tables: Sequence[Table], made: Mapping[str, Rows]) -> dict[str, Any]:
    outputs = [
        {"name": t.name, "version": 0, "inserted": len(made[t.name]), "updated": 0, "deleted": 0} for t in tables
    ]
    seconds = 1.0 + 2.5 * (nth % 4)
    return {
        "run_id": run_id(job),
        "job": job,
        "status": "published",
        "run_key": "0" * 64,
        "code": "c" * 64,
        "params": "a" * 64,
        "params_json": "{}",
        "lock": "e" * 64,
        "inputs": [
            {"name": t.name, "id": "", "version": 0} for _, before in JOBS[max(0, nth - 1) : nth] for t in before
        ],
        "outputs": outputs,
        "rows_out": sum(o["inserted"] for o in outputs),
        "bytes_in": sum(row["size"] for row in made["bronze.code_files"]),
        "seconds": seconds,
        "cpu_seconds": 1.6 * seconds,
        "peak_mb": 900.0 + 30 * nth,
        "started_at": START + timedelta(minutes=nth),
        "ended_at": START + timedelta(minutes=nth, seconds=seconds),
        "host": "planted",
        "error": "",
    }
