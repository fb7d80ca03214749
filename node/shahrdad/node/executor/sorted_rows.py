"""The typed rows of one range, sorted by key: an object that is read by slices.

A sorted object is a row of Arrow streams, each of up to `CHUNK_ROWS` rows, and its
index says where each begins. So any slice of rows is one ranged read.

Rows before which a part may end (storage 4.1) are listed with their keys: one in 8,192.
"""

from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shahrdad.federation.verify.digest import Digest
from shahrdad.node.store.contract import Area, ObjectStore, put_bytes
from shahrdad.node.table.key import key_hash, key_texts
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


def table_of_stream(data: bytes | pa.Buffer) -> pa.Table:
    """Return the table of an Arrow stream."""
    with pa.ipc.open_stream(data) as reader:
        return reader.read_all()


def candidates(table: pa.Table, key: tuple[str, ...]) -> pa.Table:
    """Return the rows of a sorted table before which a part may end, by their keys."""
    columns = cut_columns(table.schema, key)
    texts = key_texts(table.select(columns), columns).to_pylist()
    hashes = np.array([key_hash(text) for text in texts], np.uint64)
    places = np.flatnonzero(hashes % np.uint64(CUT_ROWS_MIN) == 0)
    found = sort_columns(table, key).take(pa.array(places))
    found = found.append_column(INDEX, pa.array(places, pa.int64()))
    return found.append_column(HASH, pa.array(hashes[places], pa.uint64()))


def sort_columns(table: pa.Table, key: tuple[str, ...]) -> pa.Table:
    """Return the columns that a table is sorted by."""
    names = [name for name, _, _ in sort_keys(table.schema, key)]
    return table.select(names).replace_schema_metadata(None)


def read_slice(
    store: ObjectStore, found: Mapping[str, Any], start: int, end: int
) -> pa.Table | None:
    """Return the rows from one to before another; None for none."""
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
        table_of_stream(data[chunk[0] - offset : chunk[0] - offset + chunk[1]])
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
    behind = _rows_before(pa.concat_tables([rows, asked]), key, rows.num_rows, 0)
    if key:  # no two rows have one key, and the asked ones are of other ranges
        return behind, behind
    before = _rows_before(
        pa.concat_tables([asked, rows]), key, rows.num_rows, asked.num_rows
    )
    return before, behind


def _rows_before(both: pa.Table, key: tuple[str, ...], rows: int, first: int) -> Ranks:
    """Return the rows before each of the others; equals stay in the order given."""
    order = pc.sort_indices(both, sort_keys=sort_keys(both.schema, key)).to_numpy()
    is_row = (order >= first) & (order < first + rows)
    counted = np.cumsum(is_row)
    others = order[~is_row].astype(np.int64)
    found = np.empty(len(others), np.int64)
    found[others - (rows if first == 0 else 0)] = counted[~is_row]
    return found


def read_keys(
    store: ObjectStore, found: Mapping[str, Any], key: tuple[str, ...]
) -> pa.Table:
    """Return the columns that a range's rows are sorted by."""
    parts: list[pa.Table] = []
    rows = found["rows"]
    for start in range(0, rows, 64 * CHUNK_ROWS):
        part = read_slice(store, found, start, min(rows, start + 64 * CHUNK_ROWS))
        if part is not None:
            parts.append(sort_columns(part, key))
    return pa.concat_tables(parts)


def joined(parts: Iterable[pa.Table | None], schema: pa.Schema) -> pa.Table:
    """Return slices of several ranges as one table, in the order of the ranges."""
    kept: Sequence[pa.Table] = [part for part in parts if part is not None]
    if not kept:
        return schema.empty_table()
    return pa.concat_tables(
        [part.replace_schema_metadata(None).cast(schema) for part in kept]
    ).combine_chunks()
