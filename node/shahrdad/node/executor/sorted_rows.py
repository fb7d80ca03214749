"""The typed rows of one range, sorted by key: an object that is read by slices.

A sorted object is a row of Arrow streams, each of up to `CHUNK_ROWS` rows, and its
index says where each begins. So any slice of rows is one ranged read.

Rows before which a part may end (storage 4.1) are listed with their keys: one in 8,192.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shahrdad.federation.verify.digest import Digest
from shahrdad.node.store.contract import Area, ObjectStore, put_bytes
from shahrdad.node.table.key import Rank, flat, key_texts, order, text_hashes
from shahrdad.node.table.limits import CUT_ROWS_MIN
from shahrdad.node.table.parquet import cut_columns, gather, sort_keys, sort_order
from shahrdad.node.table.schema import TableInfo, published_schema

CHUNK_ROWS = 8_192
INDEX, HASH = "_index", "_hash"  # of a candidate: its row, and the hash of its key
_COMPRESSED = pa.ipc.IpcWriteOptions(compression="lz4")
Ranks = npt.NDArray[np.int64]


def write_sorted(
    batches: list[pa.RecordBatch],
    schema: pa.Schema,
    info: TableInfo,
    store: ObjectStore,
) -> dict[str, Any]:
    """Store the rows of a range, sorted.

    Returns:
        As JSON: `digest`, `rows`, `chunks` (offset, length, rows), and `candidates`,
        the object of the rows before which a part may end.
    """
    table = gather(batches, published_schema(schema, info, CUT_ROWS_MIN))
    table = table.take(sort_order(table, info.primary_key)).combine_chunks()
    data = BytesIO()
    chunks = []
    for start in range(0, table.num_rows, CHUNK_ROWS):
        part = table.slice(start, CHUNK_ROWS)
        stream = stream_of(part)
        chunks.append([data.tell(), len(stream), part.num_rows])
        data.write(stream)
    return {
        "digest": put_bytes(store, Area.PRIVATE, data.getvalue()).hex,
        "rows": table.num_rows,
        "chunks": chunks,
        "candidates": put_bytes(
            store, Area.PRIVATE, stream_of(candidates(table, info.primary_key))
        ).hex,
    }


def stream_of(table: pa.Table) -> bytes:
    """Return a table as an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=_COMPRESSED) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def table_of_stream(
    data: bytes | pa.Buffer, names: Sequence[str] | None = None
) -> pa.Table:
    """Return the table of an Arrow stream, or only some columns of it."""
    with pa.ipc.open_stream(data) as reader:
        if names is None:
            return reader.read_all()
        places = [reader.schema.get_field_index(name) for name in names]
    options = pa.ipc.IpcReadOptions(included_fields=places)
    with pa.ipc.open_stream(data, options=options) as reader:
        return reader.read_all()


def candidates(table: pa.Table, key: tuple[str, ...]) -> pa.Table:
    """Return the rows of a sorted table before which a part may end, by their keys."""
    columns = cut_columns(table.schema, key)
    hashes = text_hashes(key_texts(table.select(columns), columns))
    places = np.flatnonzero(hashes % np.uint64(CUT_ROWS_MIN) == 0)
    found = sort_columns(table, key).take(pa.array(places))
    found = found.append_column(INDEX, pa.array(places, pa.int64()))
    return found.append_column(HASH, pa.array(hashes[places], pa.uint64()))


def sort_columns(table: pa.Table, key: tuple[str, ...]) -> pa.Table:
    """Return the columns that a table is sorted by."""
    names = [name for name, _, _ in sort_keys(table.schema, key)]
    return table.select(names).replace_schema_metadata(None)


def read_slice(
    store: ObjectStore,
    found: Mapping[str, Any],
    start: int,
    end: int,
    names: Sequence[str] | None = None,
) -> pa.Table | None:
    """Return the rows from one to before another, or some columns; None for none."""
    if start >= end:
        return None
    first = 0  # row of the chunk at hand
    chosen: list[list[int]] = []
    skipped = 0
    for chunk in found["chunks"]:
        if first < end and first + chunk[2] > start:
            if not chosen:
                skipped = start - first
            chosen.append(chunk)
        first += chunk[2]
    offset = chosen[0][0]
    length = chosen[-1][0] + chosen[-1][1] - offset
    digest = Digest.parse(found["digest"])
    with store.open(Area.PRIVATE, digest, offset, length) as source:
        data = pa.py_buffer(source.read())
    parts = [
        table_of_stream(data[chunk[0] - offset : chunk[0] - offset + chunk[1]], names)
        for chunk in chosen
    ]
    return pa.concat_tables(parts).slice(skipped, end - start)


def ranks(rows: pa.Table, asked: pa.Table, key: tuple[str, ...]) -> tuple[Ranks, Ranks]:
    """Return how many rows come before each asked key, and how many with its equals.

    Args:
        rows: Sorted rows, the columns they are sorted by.
        asked: Keys, the same columns.
        key: Of the table.
    """
    names = [name for name, _, _ in sort_keys(rows.schema, key)]
    columns = [_Ordered(rows.column(name)) for name in names]
    wanted = [_Ordered(asked.column(name)) for name in names]
    found = np.empty((asked.num_rows, 2), np.int64)
    for number in range(asked.num_rows):
        found[number] = _span(columns, [column[number] for column in wanted])
    return found[:, 0], found[:, 1]


class _Ordered:
    """A column whose values compare as the table is sorted."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        self._values, self._kind = flat(column), column.type

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, row: int) -> Rank:
        return order(self._values[row].as_py(), self._kind)


def _span(columns: Sequence[_Ordered], wanted: Sequence[Rank]) -> tuple[int, int]:
    """Return the first row that is not before a key, and the first behind it."""
    low, high = 0, len(columns[0]) if columns else 0
    for column, value in zip(columns, wanted, strict=True):
        if low < high and column[low] == value == column[high - 1]:
            continue  # most columns of a key are the same in many rows
        low, high = (
            bisect_left(column, value, low, high),
            bisect_right(column, value, low, high),
        )
    return low, high


def read_keys(
    store: ObjectStore, found: Mapping[str, Any], names: Sequence[str]
) -> pa.Table | None:
    """Return the columns that a range's rows are sorted by; None without rows."""
    return read_slice(store, found, 0, found["rows"], names)


def joined(parts: Iterable[pa.Table | None], schema: pa.Schema) -> pa.Table:
    """Return slices of several ranges as one table, in the order of the ranges."""
    kept: Sequence[pa.Table] = [part for part in parts if part is not None]
    if not kept:
        return schema.empty_table()
    return pa.concat_tables(
        [part.replace_schema_metadata(None).cast(schema) for part in kept]
    ).combine_chunks()
