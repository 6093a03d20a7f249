"""The same sequences in the same order, whatever is killed and however many ranks read.

with Stream([Part("code", 1.0, pin)], reading) as stream:
    for batch in stream.batches(start=0, rank=0, world=2, rows=4): ...
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.errors import InputError
from tests.training.packed import READING, number_of, numbered, part, sequence, write
from training.pins import Pin
from training.stream import NO_TARGET, Part, Stream


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[Part]:
    """Two parts of 47 and 13 sequences, in row groups of 4, with rows at the end of files that fill no group."""
    folder = tmp_path_factory.mktemp("packed")
    code = write(folder / "code", numbered(47), files=3)
    text = write(folder / "text", numbered(13, first=1000), files=2)
    return [part(code, "code", 0.7), part(text, "text", 0.3)]


def numbers(parts: list[Part], start: int, stop: int) -> list[int]:
    with Stream(parts, READING) as stream:
        batches = stream.batches(start=start, rank=0, world=1, rows=1, stop=stop)
        return [number_of(batch.input_ids[0]) for batch in batches]


@settings(max_examples=20)
@given(
    st.lists(
        st.tuples(st.sampled_from([1, 2, 3, 4]), st.sampled_from([1, 2, 3]), st.integers(0, 9)), min_size=1, max_size=6
    )
)
def test_kills_and_world_sizes_change_nothing(parts: list[Part], lives: list[tuple[int, int, int]]) -> None:
    """Each life has its own ranks and batch and dies after some steps, having read ahead; the next begins at the state."""
    at, seen = 0, []
    for world, rows, steps in lives:
        read: dict[int, int] = {}
        for rank in range(world):
            with Stream(parts, READING) as stream:
                ranks = stream.batches(start=at, rank=rank, world=world, rows=rows)
                for _ in range(steps):
                    batch = next(ranks)
                    assert (batch.samples % world == (at + rank) % world).all()
                    read |= dict(zip(batch.samples.tolist(), map(number_of, batch.input_ids), strict=True))
                next(ranks)  # read, but the state was not saved: the next life reads it again
        assert sorted(read) == list(range(at, at + world * rows * steps))
        seen += [read[sample] for sample in sorted(read)]
        at += world * rows * steps
    assert seen == numbers(parts, 0, at)


def test_a_table_that_is_made_again_gives_the_same_order_whatever_its_files_are_called(tmp_path: Path) -> None:
    seen = []
    for name in ("once", "again", "a third time"):
        pin = write(tmp_path / name, numbered(47), files=6)  # names drawn by the writer
        seen.append(numbers([part(pin)], 0, 47))
    assert seen[0] == seen[1] == seen[2]
    assert sorted(seen[0]) == list(range(47))


def test_shares_are_kept_and_every_row_of_a_part_comes_before_any_comes_again(parts: list[Part]) -> None:
    seen = numbers(parts, 0, 100)
    code, text = [n for n in seen if n < 1000], [n for n in seen if n >= 1000]
    assert (len(code), len(text)) == (70, 30)
    assert sorted(code[:47]) == list(range(47))
    assert sorted(text[:13]) == sorted(text[13:26]) == list(range(1000, 1013))
    assert text[:13] != text[13:26]
    with Stream(parts, READING) as stream:
        assert stream.seen(100) == {"code": 70, "text": 30}
        assert [stream.rows_of(n) for n in (0, 1)] == [47, 13]


def test_a_pinned_version_stays_what_it_was_when_the_table_grows(tmp_path: Path) -> None:
    pin = write(tmp_path / "t", numbered(10))
    before = numbers([part(pin)], 0, 10)
    write(tmp_path / "t", numbered(10, first=500))
    assert numbers([part(pin)], 0, 10) == before
    DeltaTable(str(tmp_path / "t")).create_checkpoint()
    assert numbers([part(pin)], 0, 10) == before


@pytest.mark.parametrize("partitioned", [False, True])
def test_a_part_may_be_one_source_of_a_table(tmp_path: Path, partitioned: bool) -> None:
    rows = [row for n in range(20) for row in numbered(1, first=n, source=("code", "web text")[n % 3 == 0])]
    pin = write(tmp_path / "t", rows, files=2, **({"partition_by": ["source"]} if partitioned else {}))
    web = [n for n in range(20) if n % 3 == 0]
    assert sorted(numbers([part(pin, "web", source="web text")], 0, 7)) == web
    with pytest.raises(InputError, match="no row with source 'math'"):
        Stream([part(pin, source="math")], READING)


def test_documents_begin_anew_and_only_real_tokens_are_targets(tmp_path: Path) -> None:
    masked = sequence(1, [5, 6, 7, 8, 9], doc_starts=[0, 2], loss_mask=[True, True, True, False, True])
    pin = write(tmp_path / "t", [masked])
    with Stream([part(pin)], READING) as stream:
        batch = stream.take(np.array([0]))
    assert batch.input_ids.tolist() == [[5, 6, 7, 8, 9, 0, 0, 0]]
    assert batch.positions.tolist() == [[0, 1, 0, 1, 2, 0, 1, 2]]
    assert batch.labels.tolist() == [[NO_TARGET, 6, NO_TARGET, NO_TARGET, 9, NO_TARGET, NO_TARGET, NO_TARGET]]
    assert batch.targets == 2
    with Stream([part(pin)], replace(READING, isolated=False)) as stream:
        batch = stream.take(np.array([0]))
    assert batch.positions.tolist() == [list(range(8))]
    assert batch.labels.tolist() == [[NO_TARGET, 6, 7, NO_TARGET, 9, NO_TARGET, NO_TARGET, NO_TARGET]]


def test_a_longer_sequence_is_the_next_rows_joined(parts: list[Part]) -> None:
    """The switch from 4,096 to 8,192 tokens goes on in the same order of rows."""
    rows = numbers(parts, 0, 40)
    with Stream(parts, replace(READING, rows_per_sequence=2)) as stream:
        (batch,) = stream.batches(start=10, rank=0, world=1, rows=4, stop=14)
        assert batch.input_ids.shape == (4, 16)
        joined = [number_of(ids[at : at + 8]) for ids in batch.input_ids for at in (0, 8)]
        assert joined == rows[20:28]
        assert batch.positions[0].tolist() == [0, 1, 2, 0, 1, 2, 3, 4] * 2


BAD_ROWS: dict[str, dict[str, Any]] = {
    "too long": {"input_ids": list(range(9))},
    "empty": {"input_ids": []},
    "id too large": {"input_ids": [1, 1000]},
    "negative id": {"input_ids": [-1, 1]},
    "NULL inside": {"input_ids": [1, None, 2]},
    "no start": {"doc_starts": []},
    "starts after 0": {"doc_starts": [1]},
    "starts fall": {"doc_starts": [0, 2, 2]},
    "start past the end": {"doc_starts": [0, 8]},
    "short mask": {"loss_mask": [True]},
}


@pytest.mark.parametrize("fault", BAD_ROWS)
@pytest.mark.parametrize("at", [0, 2, 3])
def test_a_bad_row_is_counted_and_stands_as_padding(tmp_path: Path, fault: str, at: int) -> None:
    rows = numbered(4)
    rows[at] |= BAD_ROWS[fault]
    pin = write(tmp_path / "t", rows)
    with Stream([part(pin)], replace(READING, bad_share=0.25)) as stream:
        batch = stream.take(np.arange(4))
        assert (stream.bad.read, stream.bad.rows) == (4, 1)
        assert stream.bad.first[0]["row"] == at
        good = {
            number_of(ids) for ids, labels in zip(batch.input_ids, batch.labels, strict=True) if (labels >= 0).any()
        }
    assert good == set(range(4)) - {at}
    with Stream([part(pin)], READING) as stream, pytest.raises(InputError, match="1 of 4 rows read are bad"):
        stream.take(np.array([0]))


def test_a_row_of_the_stream_can_be_named(parts: list[Part]) -> None:
    with Stream(parts, READING) as stream:
        for row in (0, 17, 61):
            said = stream.identify(row)
            number = number_of(stream.take(np.array([row])).input_ids[0])
            expected = {"sequence_id": f"s{number}", "doc_ids": [f"a{number}", f"b{number}"]}
            assert {key: said[key] for key in expected} == expected


def map_columns(folder: Path) -> None:
    """The commit that turns column mapping on; delta-rs does not write it."""
    first = (folder / "_delta_log" / f"{0:020}.json").read_text().splitlines()
    metadata = next(action for action in map(json.loads, first) if "metaData" in action)
    schema = json.loads(metadata["metaData"]["schemaString"])
    for number, column in enumerate(schema["fields"], 1):
        column["metadata"] = {"delta.columnMapping.id": number, "delta.columnMapping.physicalName": f"col-{number}"}
    metadata["metaData"]["schemaString"] = json.dumps(schema)
    metadata["metaData"]["configuration"] = {"delta.columnMapping.mode": "name"}
    actions = [{"protocol": {"minReaderVersion": 2, "minWriterVersion": 5}}, metadata]
    (folder / "_delta_log" / f"{1:020}.json").write_text("\n".join(map(json.dumps, actions)))


def test_tables_that_plain_readers_misread_are_refused(tmp_path: Path) -> None:
    pin = write(tmp_path / "t", numbered(8))
    with pytest.raises(InputError, match=r"cannot open version 9"):
        Stream([part(replace(pin, version=9))], READING)
    with pytest.raises(InputError, match=r"is table .* the release pins other"):
        Stream([part(replace(pin, table_id="other"))], READING)
    with pytest.raises(InputError, match=r"holds 8 rows, the release pins 9"):
        Stream([part(replace(pin, rows=9))], READING)
    with pytest.raises(InputError, match="no Delta table"):
        Stream([part(Pin(str(tmp_path / "none"), 0))], READING)
    map_columns(Path(pin.location))
    with pytest.raises(InputError, match=r"columnMapping \(name\)"):
        Stream([part(replace(pin, version=1))], READING)


def test_a_table_with_deletion_vectors_is_refused(tmp_path: Path) -> None:
    from deltalake.table import TableFeatures

    pin = write(tmp_path / "t", numbered(8))
    DeltaTable(pin.location).alter.add_feature(TableFeatures.DeletionVectors, allow_protocol_versions_increase=True)
    with pytest.raises(InputError, match=r"version 1 uses deletionVectors, which plain readers do not see"):
        Stream([part(replace(pin, version=1))], READING)


def test_a_file_that_is_gone_or_another_is_found_before_training(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    pin = write(tmp_path / "t", numbered(8))
    (file,) = Path(pin.location).glob("*.parquet")
    pq.write_table(pq.read_table(file).slice(0, 7), file)
    with pytest.raises(InputError, match=r"holds 7 rows, the log says 8"):
        Stream([part(pin)], READING)
    file.unlink()
    with pytest.raises(InputError, match=r"missing a file, or it is damaged"):
        Stream([part(pin)], READING)


def test_only_ids_are_needed(tmp_path: Path) -> None:
    """A table of another pipeline: one column, 64-bit ids."""
    from deltalake import write_deltalake

    table = pa.table({"input_ids": pa.array([[3, 4, 5], [6, 7]], pa.list_(pa.int64()))})
    write_deltalake(str(tmp_path / "t"), table)
    with Stream([part(Pin(str(tmp_path / "t"), 0))], READING) as stream:
        batch = stream.take(np.arange(2))
    assert sorted(map(sum, batch.input_ids.tolist())) == [12, 13]
    assert batch.targets == 3
