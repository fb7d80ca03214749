"""Writing a table as Parquet: sorted, cut by key, the same rows always the same bytes.

>>> import pyarrow as pa
>>> from pathlib import Path
>>> from tempfile import mkdtemp
>>> from shahrdad.node.store.contract import Area
>>> from shahrdad.node.store.local import LocalStore
>>> store = LocalStore(Path(mkdtemp()))
>>> batch = pa.record_batch({"line": ["2", "1"], "approved_rial": [5, 7]})
>>> info = TableInfo("budget_lines", "1.0.0", "kerman/budget-1404", "budget", ("line",))
>>> written = write_table([batch], batch.schema, info, store, Area.PRIVATE)
>>> written.rows, written.parts[0].first
(2, ('1',))
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from io import BytesIO
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shahrdad.federation.verify.digest import Digest
from shahrdad.node.store.contract import Area, ObjectStore, put_bytes
from shahrdad.node.table.key import (
    Value,
    first_values,
    hashable,
    key_texts,
    text_hashes,
)
from shahrdad.node.table.layout import choose_m, cuts
from shahrdad.node.table.limits import (
    PART_GROUP_ROWS,
    SINGLE_GROUP_ROWS,
    SINGLE_ROWS_MAX,
)
from shahrdad.node.table.schema import TableInfo, published_schema

PROFILE = "p1"  # the settings below; another set of settings is another profile
__all__ = [
    "Part",
    "Previous",
    "TableInfo",
    "WrittenTable",
    "encode_part",
    "write_table",
    "writer_facts",
]


@dataclass(frozen=True, slots=True)
class Part:
    """One Parquet object of a table.

    Attributes:
        digest: Its name in the store.
        bytes: Its size.
        rows: How many rows it has.
        first: The key of its first row, as in JSON; empty for a table without rows.
    """

    digest: Digest
    bytes: int
    rows: int
    first: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Previous:
    """The version before, whose objects are used again where the rows are equal.

    Attributes:
        parts: In order.
        m: Of its key-cut rule.
        area: Where they lie.
    """

    parts: tuple[Part, ...]
    m: int | None = None
    area: Area = Area.OBJECT


@dataclass(frozen=True, slots=True)
class WrittenTable:
    """A table in the store.

    Attributes:
        parts: In key order; one for a table of up to 131,072 rows.
        rows: Of all parts.
        m: Of the key-cut rule.
        writer: What the record calls `shahrdad.writer`.
        arrow_schema: Of every part, with its metadata.
    """

    parts: tuple[Part, ...]
    rows: int
    m: int
    writer: Mapping[str, str]
    arrow_schema: pa.Schema

    @property
    def bytes(self) -> int:
        """The size of all parts."""
        return sum(part.bytes for part in self.parts)


def write_table(
    batches: Iterable[pa.RecordBatch],
    schema: pa.Schema,
    info: TableInfo,
    store: ObjectStore,
    area: Area,
    previous: Previous | None = None,
) -> WrittenTable:
    """Write a table into the store.

    Args:
        batches: Rows in any order, n × the columns of `schema`; held in memory whole.
        schema: Names and types; metadata in it is dropped in favour of `info`.
        info: What the files say of the table.
        store: Where to.
        area: `private` for a draft.
        previous: The version before, if any.

    Returns:
        The parts; equal rows and settings give equal digests, whatever the batches.

    Raises:
        DataError: A column that cannot be published.
        ValueError: The batches do not have the columns of `schema`.
    """
    rows = list(batches)
    count = sum(batch.num_rows for batch in rows)
    m = choose_m(count, previous.m if previous else None)
    target = published_schema(schema, info, m)
    table = gather(rows, target)
    order = sort_order(table, info.primary_key)
    known = Reuse(store, previous, info.primary_key)
    parts: list[Part] = []
    for start, end in cuts(count, m, key_hashes(table, order, info.primary_key)):
        part = table.take(order.slice(start, end - start)).combine_chunks()
        parts.append(write_part(part, count, info, store, area, known))
    return WrittenTable(tuple(parts), count, m, writer_facts(), target)


def gather(batches: list[pa.RecordBatch], target: pa.Schema) -> pa.Table:
    """Return the batches as one table of the published types."""
    for batch in batches:
        if batch.schema.names != target.names:
            raise ValueError(f"columns {batch.schema.names}, expected {target.names}")
    if not batches:
        return target.empty_table()
    chunks = [
        pa.Table.from_batches([batch]).replace_schema_metadata(None).cast(target)
        for batch in batches
    ]
    # In one chunk: `take` on many chunks puts them together again at every call.
    return pa.concat_tables(chunks).combine_chunks()


def sort_keys(schema: pa.Schema, key: tuple[str, ...]) -> list[tuple[str, str, str]]:
    """Return the columns that a table is sorted by: without a key, all but lists."""
    names = key or [one.name for one in schema if not pa.types.is_list(one.type)]
    return [(name, "ascending", "at_end") for name in names]


def sort_order(table: pa.Table, key: tuple[str, ...]) -> pa.Array:
    """Return the row numbers of a table in the published order; ties stay in place."""
    keys = sort_keys(table.schema, key)
    if not keys or table.num_rows == 0:
        return pa.array(range(table.num_rows), pa.uint64())
    return pc.sort_indices(table, sort_keys=keys)


def cut_columns(schema: pa.Schema, key: tuple[str, ...]) -> list[str]:
    """Return the columns that decide where a part ends."""
    return list(key) or [one.name for one in schema if hashable(one.type)]


def key_hashes(
    table: pa.Table, order: pa.Array, key: tuple[str, ...]
) -> Callable[[int, int], list[int]]:
    """Return a function to the key hashes of the sorted rows from one to another."""
    columns = cut_columns(table.schema, key)
    keys = table.select(columns)

    def hashes(start: int, end: int) -> list[int]:
        rows = keys.take(order.slice(start, end - start))
        found: list[int] = text_hashes(key_texts(rows, columns)).tolist()
        return found

    return hashes


def write_part(
    part: pa.Table,
    count: int,
    info: TableInfo,
    store: ObjectStore,
    area: Area,
    known: "Reuse",
) -> Part:
    """Store one part, or find the previous version's equal one."""
    data = encode_part(part, info, single=count <= SINGLE_ROWS_MAX)
    first = first_values(part, cut_columns(part.schema, info.primary_key))
    digest = Digest.of(data)
    old = known.equal(part, first, digest)
    if old is not None:
        return old
    put_bytes(store, area, data)
    return Part(digest, len(data), part.num_rows, first)


class Reuse:
    """The previous version's objects, by first key (storage 4.4).

    A newer pyarrow may write other bytes for equal rows; then the old object stays the
    one that the record names, and nothing is uploaded or mirrored again.
    """

    def __init__(
        self, store: ObjectStore, previous: Previous | None, key: tuple[str, ...]
    ) -> None:
        self._store = store
        self._area = previous.area if previous else Area.OBJECT
        parts = previous.parts if previous else ()
        self._parts = {(part.first, part.rows): part for part in parts}
        self._digests = {part.digest: part for part in parts}
        self._key = key

    def equal(
        self, part: pa.Table, first: tuple[Value, ...], digest: Digest
    ) -> Part | None:
        """Return the previous part that holds exactly these rows, if there is one."""
        if digest in self._digests:
            return self._digests[digest]
        old = self._parts.get((first, part.num_rows))
        if old is None or self._store.stat(self._area, old.digest) is None:
            return None
        from shahrdad.node.table.reading import read_part

        rows = read_part(self._store, self._area, old).read()
        same = rows.schema.equals(part.schema, check_metadata=True)
        return old if same and rows.equals(part) else None


def encode_part(part: pa.Table, info: TableInfo, *, single: bool) -> bytes:
    """Return one part as a Parquet file (storage 4.2).

    Args:
        part: Sorted rows in one chunk: other chunks would give other bytes.
        info: The table's key and identifiers.
        single: Whether the part is the whole table.
    """
    file = BytesIO()
    pq.write_table(
        part,
        file,
        row_group_size=SINGLE_GROUP_ROWS if single else PART_GROUP_ROWS,
        **settings(part.schema, info, part.num_rows),
    )
    return file.getvalue()


def settings(schema: pa.Schema, info: TableInfo, rows: int) -> dict[str, Any]:
    """Return how Parquet is written: profile p1, part of the bytes' identity."""
    filtered = [name for name in info.identifiers if name not in info.primary_key[:1]]
    ordering = pq.SortingColumn.from_ordering(
        schema,
        [(name, "ascending") for name in info.primary_key],
        null_placement="at_end",
    )
    return {
        "compression": "zstd",
        "compression_level": 3,
        "version": "2.6",
        "data_page_version": "1.0",
        "use_dictionary": True,
        "write_statistics": True,
        "write_page_index": True,
        "write_page_checksum": True,
        "sorting_columns": ordering or None,
        # The default is a filter for a million values, 1 MiB for each column and part.
        "bloom_filter_options": {
            name: {"ndv": max(rows, 1), "fpp": 0.05} for name in sorted(filtered)
        }
        or None,
        "store_schema": True,
        "coerce_timestamps": "us",
    }


def writer_facts() -> dict[str, str]:
    """Return what the record says of the software that wrote the parts."""
    return {
        "parquet": f"parquet-cpp-arrow {pa.cpp_version}",
        "profile": PROFILE,
        "software": f"shahrdad/{version('shahrdad')}",
    }
