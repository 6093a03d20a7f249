"""The documents of a release, streamed as Arrow batches from the version that it pins, without Spark.

    for batch in documents("lake", "quickstart", columns=("doc_id", "text"), batch_rows=1024):
        ...

What is read is what was released: the table must be the one that was pinned, its files must all be there, and the rows
must be as many as the release says. Order is that of the files in the log; shuffling and resuming belong to the stream
that is built on top of this. Memory: one batch and what the reader fetches ahead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from lakehouse.errors import InputError
from training import pins


def documents(
    root: str, name: str, *, table: str = "gold.pretrain", columns: Sequence[str], batch_rows: int
) -> Iterator[pa.RecordBatch]:
    """Batches of at most `batch_rows` rows with these columns.

    Raises ConfigError when there is no such release, InputError when it lacks the table or column, when the table was
    made anew, or when the rows are not those that were pinned.
    """
    pin = pins.of_release(root, name, table)
    opened = pins.opened(pin, columns)
    rows = 0
    try:
        for batch in opened.to_pyarrow_dataset().to_batches(
            columns=list(columns), batch_size=batch_rows, use_threads=False
        ):
            rows += batch.num_rows
            yield batch
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(
            f"{pin}: a file is missing or damaged: {error}."
            f" `codelake release verify {name} --lake {root}` says which releases still hold."
        ) from error
    if rows != pin.rows:
        raise InputError(
            f"{pin}: read {rows} rows, the release pins {pin.rows}. Run `codelake release verify {name} --lake {root}`."
        )
