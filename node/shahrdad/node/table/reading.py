"""Reading published tables back: whole parts, verified, chosen by their first keys.

A part is fetched whole, hashed against its name, and decoded from memory: one request a
part, and no byte is used that was not checked.
"""

from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import IO

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from shahrdad.datasets.errors import DataError, Reason
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.store.contract import Area, ObjectStore, read_bytes
from shahrdad.node.table.key import Rank, Value, order
from shahrdad.node.table.limits import (
    BATCH_ROWS,
    PART_BYTES_MAX,
    PART_GROUP_ROWS,
    SINGLE_ROWS_MAX,
)
from shahrdad.node.table.parquet import Part, settings
from shahrdad.node.table.schema import TableInfo, file_facts


def read_part(store: ObjectStore, area: Area, part: Part) -> pq.ParquetFile:
    """Open one part from memory, verified.

    Raises:
        RequestError: OBJECT_UNKNOWN: the part is not held.
        UnavailableError: The store is away, or its bytes are damaged.
        DataError: TABLE_UNREADABLE: the right bytes are no Parquet.
    """
    data = read_bytes(store, area, part.digest, PART_BYTES_MAX)
    return parquet_file(data, part.digest)


def parquet_file(data: bytes, digest: Digest) -> pq.ParquetFile:
    """Return a reader of Parquet bytes."""
    try:
        return pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            Reason.TABLE_UNREADABLE, digest=digest.hex, detail=type(error).__name__
        ) from error


class TableReader:
    """A published table, read part by part.

    Args:
        store: Where the parts lie.
        parts: In key order, as the record lists them.
        area: In which area.
    """

    def __init__(
        self, store: ObjectStore, parts: Sequence[Part], area: Area = Area.OBJECT
    ) -> None:
        if not parts:
            raise ValueError("a table has at least one part")
        self.store = store
        self.area = area
        self.parts = tuple(parts)
        self._schema: pa.Schema | None = None

    @property
    def rows(self) -> int:
        """The rows of all parts."""
        return sum(part.rows for part in self.parts)

    @property
    def schema(self) -> pa.Schema:
        """The columns with their metadata; reads one part."""
        if self._schema is None:
            self._schema = self.open(self.parts[0]).schema_arrow
        return self._schema

    def remember(self, schemas: dict[Digest, pa.Schema]) -> None:
        """Take the columns from what is known of the first part, or note them there."""
        first = self.parts[0].digest
        self._schema = schemas.get(first)
        schemas[first] = self.schema

    def open(self, part: Part) -> pq.ParquetFile:
        """Open one part, verified."""
        return read_part(self.store, self.area, part)

    def choose(
        self,
        low: Sequence[Value] = (),
        high: Sequence[Value] = (),
    ) -> tuple[Part, ...]:
        """Return the parts that can hold keys between two bounds, both included.

        Args:
            low: The first values of a key, as many as are bounded; none for no bound.
            high: Likewise.
        """
        schema = self.schema
        kinds = [schema.field(name).type for name in self.key_columns()]
        return between(self.parts, kinds, low, high)

    def key_columns(self) -> tuple[str, ...]:
        """Return the primary key that the file's metadata names."""
        return file_facts(self.schema).primary_key

    def read(self, part: Part, columns: Sequence[str]) -> pa.Table:
        """Return some columns of one part, in that order."""
        return self.open(part).read(columns=list(columns)).select(list(columns))

    def batches(
        self,
        columns: Sequence[str] | None = None,
        where: ds.Expression | None = None,
        parts: Sequence[Part] | None = None,
        batch_rows: int = BATCH_ROWS,
    ) -> Iterator[pa.RecordBatch]:
        """Yield rows in the published order.

        Args:
            columns: Which; all by default.
            where: A filter, pushed to the row groups' statistics.
            parts: A choice of the table's; all by default.
            batch_rows: At most so many at a time.
        """
        for part in self.parts if parts is None else parts:
            if part.rows == 0:
                continue
            if where is None:
                yield from self.open(part).iter_batches(
                    batch_size=batch_rows,
                    columns=None if columns is None else list(columns),
                )
            else:
                data = read_bytes(self.store, self.area, part.digest, PART_BYTES_MAX)
                yield from filtered(data, columns, where, batch_rows)


def between(
    parts: Sequence[Part],
    kinds: Sequence[pa.DataType],
    low: Sequence[Value],
    high: Sequence[Value],
) -> tuple[Part, ...]:
    """Return the parts of one table that can hold keys between two bounds.

    Args:
        parts: In key order.
        kinds: The types of the key's columns.
        low: The first values of a key; none for no bound.
        high: Likewise; both are included.
    """

    def rank(values: Sequence[Value]) -> list[Rank]:
        return [order(one, kind) for one, kind in zip(values, kinds, strict=False)]

    chosen: list[Part] = []
    for number, part in enumerate(parts):
        if high and rank(part.first)[: len(high)] > rank(high):
            break
        following = parts[number + 1 : number + 2]
        # The next part may begin in the middle of equal leading values.
        if low and following and rank(following[0].first)[: len(low)] < rank(low):
            continue
        chosen.append(part)
    return tuple(chosen)


def filtered(
    data: bytes, columns: Sequence[str] | None, where: ds.Expression, batch_rows: int
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of one part that a filter lets through."""
    fragment = ds.ParquetFileFormat().make_fragment(pa.BufferReader(data))
    batches = fragment.to_batches(
        columns=None if columns is None else list(columns),
        filter=where,
        batch_size=batch_rows,
        use_threads=False,
    )
    yield from (batch for batch in batches if batch.num_rows)


def open_table(
    store: ObjectStore, parts: Sequence[Part], area: Area = Area.OBJECT
) -> TableReader:
    """Return a reader of a published table; reads nothing yet."""
    return TableReader(store, parts, area)


def join_parts(table: TableReader, info: TableInfo, file: IO[bytes] | BytesIO) -> None:
    """Write a table of several parts as one Parquet file, a row group a part.

    The joined file is a derivative: made on demand, and not in the record.
    """
    schema = table.schema
    largest = max(part.rows for part in table.parts)
    group_rows = PART_GROUP_ROWS if table.rows > SINGLE_ROWS_MAX else SINGLE_ROWS_MAX
    with pq.ParquetWriter(file, schema, **settings(schema, info, largest)) as writer:
        for part in table.parts:
            rows = table.open(part).read().combine_chunks()
            writer.write_table(rows, row_group_size=group_rows)
