"""What a report shows beside the funnel: duplicates, licences, redactions, gates, runs, releases, versions.

Every function answers with at most a given number of rows and says how many there are, or with None where a table it
needs is not there yet. Texts shown are those of `silver.code_texts`, after redaction: what was taken out is never read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse import registry
from lakehouse.report.diff import LINES, Diff, side_by_side
from lakehouse.report.funnel import Amount
from lakehouse.report.views import Views
from lakehouse.table import Table

Item = TypeVar("Item")

TEXT_LIMIT = 300 * LINES  # characters of a text that are compared


@dataclass(frozen=True)
class Top(Generic[Item]):
    """The first rows of a list, and how many there are in all."""

    rows: tuple[Item, ...]
    total: int

    @property
    def more(self) -> int:
        return self.total - len(self.rows)


@dataclass(frozen=True)
class Licence:
    """A stated licence (None: not stated): distinct contents in bytes of files, documents in bytes of text."""

    name: str | None
    distinct: Amount
    gold: Amount


@dataclass(frozen=True)
class Redaction:
    """A kind of what was replaced: places, and texts that have one."""

    kind: str
    places: int
    texts: int


@dataclass(frozen=True)
class Member:
    """A content of a cluster of near-duplicates, by the occurrence that stands for it."""

    content_id: str
    source: str
    repo: str
    path: str
    size: int
    kept: bool
    jaccard: float


@dataclass(frozen=True)
class Cluster:
    """A cluster with its first members, the survivor first; `diff` is None where a text is not there.

    `cut`: a text is longer than `TEXT_LIMIT` characters, and only these were compared.
    """

    members: Top[Member]
    compared: Member | None
    diff: Diff | None
    cut: bool


@dataclass(frozen=True)
class Gate:
    """The newest gate of a table: expectations that were judged, those that were not met, and how many of these stop a batch."""

    table: str
    run_id: str
    at: datetime
    rows: int
    judged: int
    errors: int
    failed: Top[dict[str, Any]]


@dataclass(frozen=True)
class Version:
    """A table as it is now. `rows` is None where the log does not say; `run_id` where no run published it."""

    table: Table
    version: int | None
    rows: int | None
    files: int
    bytes: int
    run_id: str | None


def licences(views: Views, most: int) -> Top[Licence] | None:
    """Licences as the sources state them, the most bytes in gold first."""
    if not views.has("silver.code_files"):
        return None
    query = "SELECT licence, count(*) AS files, coalesce(sum({size}), 0) AS bytes FROM {table} GROUP BY licence"
    distinct, gold = (
        {row["licence"]: Amount(row["files"], int(row["bytes"])) for row in views.rows(said)} if there else {}
        for said, there in (
            (query.format(size="size", table="silver.code_files"), True),
            (query.format(size="bytes", table="gold.pretrain"), views.has("gold.pretrain")),
        )
    )
    found = [Licence(name, distinct.get(name, Amount()), gold.get(name, Amount())) for name in {**distinct, **gold}]
    found.sort(key=lambda row: (-row.gold.bytes, -row.distinct.bytes, row.name or ""))
    return Top(tuple(found[:most]), len(found))


def redactions(views: Views, most: int) -> Top[Redaction] | None:
    """What was replaced in texts and notices that were taken out, by kind. Counts only."""
    if not views.has("silver.code_texts"):
        return None
    rows = views.rows(
        """SELECT kind, count(*) AS places, count(DISTINCT content_id) AS texts
        FROM (SELECT content_id, unnest(redactions).kind AS kind FROM silver.code_texts)
        GROUP BY kind ORDER BY places DESC, kind"""
    )
    (noticed,) = views.rows("SELECT count(notice) AS texts FROM silver.code_texts")
    notices = [Redaction("licence or copyright notice", noticed["texts"], noticed["texts"])] if noticed["texts"] else []
    found = [*notices, *(Redaction(**row) for row in rows)]
    return Top(tuple(found[:most]), len(found))


def cluster_sizes(views: Views) -> dict[int, int] | None:
    """Number of near-duplicate clusters by number of members."""
    if not views.has("silver.code_duplicates"):
        return None
    query = (
        "SELECT members, count(*) AS clusters FROM silver.code_duplicates WHERE kept GROUP BY members ORDER BY members"
    )
    return {row["members"]: row["clusters"] for row in views.rows(query)}


def largest_clusters(views: Views, most: int, most_members: int) -> tuple[Cluster, ...]:
    """The largest clusters; the survivor is compared with the member that is least similar to any other."""
    if not views.has("silver.code_duplicates", "silver.code_files"):
        return ()
    found = []
    largest = """SELECT cluster, any_value(members) AS members FROM silver.code_duplicates
        WHERE kept GROUP BY cluster ORDER BY members DESC, cluster LIMIT ?"""
    query = """SELECT content_id, source, repo, path, size, kept, jaccard
        FROM silver.code_duplicates JOIN silver.code_files USING (content_id)
        WHERE cluster = ? ORDER BY kept DESC, jaccard, content_id LIMIT ?"""
    for row in views.rows(largest, [most]):
        members = tuple(Member(**member) for member in views.rows(query, [row["cluster"], most_members]))
        found.append(Top(members, row["members"]))
    compared = {id(top): top.rows[:2] for top in found if len(top.rows) > 1 and top.rows[0].kept}
    texts = _texts(views, {member.content_id for pair in compared.values() for member in pair})
    return tuple(_cluster(top, compared.get(id(top), ()), texts) for top in found)


def _cluster(top: Top[Member], pair: Sequence[Member], texts: dict[str, str]) -> Cluster:
    if len(pair) < 2 or not all(member.content_id in texts for member in pair):
        return Cluster(top, None, None, cut=False)
    left, right = (texts[member.content_id] for member in pair)
    cut = max(len(left), len(right)) > TEXT_LIMIT
    return Cluster(top, pair[1], side_by_side(left[:TEXT_LIMIT], right[:TEXT_LIMIT]), cut)


def _texts(views: Views, wanted: Collection[str]) -> dict[str, str]:
    """These texts, cut to one character more than is compared."""
    if not wanted or not views.has("silver.code_texts"):
        return {}
    query = "SELECT content_id, left(text, ?) AS text FROM silver.code_texts WHERE content_id IN (SELECT unnest(?))"
    return {row["content_id"]: row["text"] for row in views.rows(query, [TEXT_LIMIT + 1, list(wanted)])}


def gates(views: Views, most_failed: int) -> tuple[Gate, ...] | None:
    """The newest gate of every table that was judged. What failing rows hold is left out."""
    if not views.has("ops.expectation_results"):
        return None
    newest = """(SELECT * FROM ops.expectation_results
        QUALIFY run_id = max(run_id) OVER (PARTITION BY "table"))"""
    totals = views.rows(
        f"""SELECT "table", run_id, max("at") AS "at", max("rows") AS "rows", count(*) AS judged,
            count_if(NOT success AND severity = 'error') AS errors
        FROM {newest} GROUP BY "table", run_id"""
    )
    failed = views.rows(
        f"""SELECT "table", expectation, severity, unexpected, "rows" FROM {newest}
        WHERE NOT success ORDER BY severity, expectation"""
    )
    order = {table.name: i for i, table in enumerate(registry.tables())}
    found = []
    for row in sorted(totals, key=lambda row: (order.get(row["table"], len(order)), row["table"])):
        own = [outcome for outcome in failed if outcome["table"] == row["table"]]
        found.append(Gate(**row, failed=Top(tuple(own[:most_failed]), len(own))))
    return tuple(found)


def runs(views: Views) -> tuple[dict[str, Any], ...] | None:
    """The newest run of every job, in the order of the pipeline, with the number of runs and how many did not succeed."""
    if not views.has("ops.runs"):
        return None
    rows = views.rows(
        """SELECT job, run_id, status, seconds, cpu_seconds, peak_mb, bytes_in, rows_out, started_at,
            split_part(error, chr(10), 1) AS error, count(*) OVER jobs AS runs,
            count_if(status NOT IN ('published', 'unchanged')) OVER jobs AS failures
        FROM ops.runs WINDOW jobs AS (PARTITION BY job)
        QUALIFY row_number() OVER (PARTITION BY job ORDER BY run_id DESC) = 1"""
    )
    order = {job.name: i for i, job in enumerate(registry.graph().jobs)}
    return tuple(sorted(rows, key=lambda row: (order.get(row["job"], len(order)), row["job"])))


def releases(views: Views, most: int) -> Top[dict[str, Any]] | None:
    """Pinned tables, the newest release first."""
    if not views.has("gold.releases"):
        return None
    query = """SELECT release, "table", version, "rows", bytes, digest, created_at, count(*) OVER () AS total
        FROM gold.releases ORDER BY created_at DESC, release, "table" LIMIT ?"""
    rows = views.rows(query, [most])
    return Top(tuple(rows), rows[0]["total"] if rows else 0)


def versions(views: Views) -> tuple[Version, ...]:
    """Every table of the pipeline: its newest version, what it holds, and the run that published it."""
    return tuple(_versions(views))


def _versions(views: Views) -> Iterator[Version]:
    for table in registry.tables():
        opened = views.tables.get(table.name)
        if opened is None:
            yield Version(table, None, None, 0, 0, None)
            continue
        files = pa.table(opened.get_add_actions(flatten=True)).select(["size_bytes", "num_records"])
        counted = files["num_records"]
        commit = views.lake.last_publish(table)
        yield Version(
            table,
            opened.version(),
            None if counted.null_count else int(pc.sum(counted).as_py() or 0),
            files.num_rows,
            int(pc.sum(files["size_bytes"]).as_py() or 0),
            None if commit is None else commit.run_id,
        )
