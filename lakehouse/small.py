"""Small commits by delta-rs, without a Spark job: what is staged is read on the driver and written to the table.

A merge of 300 rows into 20,000 takes 0.2 s here and 5 in Spark, an append 0.05 and 1.3, a new table 0.03 and 1; a build
makes dozens. The commit is the same one: one version, fenced by its transaction number, with the run's facts beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import (
    CommitProperties,
    DeltaTable,
    PostCommitHookProperties,
    Transaction,
    WriterProperties,
    write_deltalake,
)
from deltalake.exceptions import CommitFailedError

from lakehouse.lake import APP_ID, Lake
from lakehouse.stage import OP, Staged
from lakehouse.table import Table

STAGED_BYTES = 128_000_000  # uncompressed: the driver holds them
MERGED_INTO_BYTES = 128_000_000  # on disk: a merge into 424 MB, a GB of text, took 14 s and 1.3 GB of memory


def fits(lake: Lake, table: Table, staged: Staged) -> bool:
    """Whether a commit belongs here. Clustering and row groups of a set size are Spark's."""
    if table.cluster_by or table.row_group_bytes is not None or _size(staged) > STAGED_BYTES:
        return False
    if not (staged.updated or staged.deleted):
        return True
    opened = lake.open(table, staged.base)
    return opened is not None and sum(pa.table(opened.get_add_actions())["size_bytes"].to_pylist()) <= MERGED_INTO_BYTES


def commit(lake: Lake, table: Table, staged: Staged, number: int, said: str) -> None:
    """Commit the staged changes under this transaction number, or nothing where another writer was faster.

    Raises what delta-rs raises where the commit fails for another reason.
    """
    opened = lake.open(table)
    assert opened is not None
    if (opened.transaction_version(APP_ID) or 0) >= number:
        return
    before, rows = opened.version(), ds.dataset(staged.path).to_table(use_threads=False)
    how: Mapping[str, Any] = {
        "commit_properties": CommitProperties({"userMetadata": said}, 0, [Transaction(APP_ID, number)]),
        "writer_properties": WriterProperties(compression="ZSTD"),
        "post_commithook_properties": PostCommitHookProperties(cleanup_expired_logs=False),
    }
    try:
        if staged.updated or staged.deleted:
            _merge(opened, table, rows, how)
        else:
            write_deltalake(opened, rows.drop(OP).cast(table.arrow_schema), mode="append", **how)
    except CommitFailedError:
        if lake.version(table) == before:  # not because somebody else was faster
            raise


def _merge(opened: DeltaTable, table: Table, rows: pa.Table, how: Mapping[str, Any]) -> None:
    # A row that goes has its key alone.
    schema = pa.schema([*(field.with_nullable(True) for field in table.arrow_schema), (OP, pa.string())])
    columns = {f"`{name}`": f"s.`{name}`" for name in table.column_names}
    source, keys = rows.select(schema.names).cast(schema), table.merge_condition("t", "s")
    # streamed_exec off: files whose keys lie elsewhere are not read.
    merger = opened.merge(source, keys, source_alias="s", target_alias="t", streamed_exec=False, **how)
    merger = merger.when_matched_delete(f"s.{OP} = 'delete'").when_matched_update(columns)
    merger.when_not_matched_insert(columns, f"s.{OP} <> 'delete'").execute()


def _size(staged: Staged) -> int:
    """Bytes of what is staged, uncompressed, from the footers: hostile texts compress a thousandfold."""
    fragments = ds.dataset(staged.path).get_fragments()
    return sum(group.total_byte_size for fragment in fragments for group in fragment.row_groups)
