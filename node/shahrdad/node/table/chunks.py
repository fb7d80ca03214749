"""Column chunks of a part as they lie in the file, compared without decoding them.

A part is read as it is and not hashed (storage 2.2.7): the writing or the last scrub
found it good, each decoded page has a checksum of its own, and bytes that are equal on
both sides tell no difference. What cannot be decoded is hashed then, so that a damaged
object is named as such.
"""

from collections.abc import Sequence
from typing import NoReturn

import pyarrow as pa
import pyarrow.parquet as pq

from shahrdad.datasets.errors import DataError, Reason, RequestError
from shahrdad.node.store.contract import read_bytes
from shahrdad.node.table.limits import PART_BYTES_MAX
from shahrdad.node.table.parquet import Part
from shahrdad.node.table.reading import TableReader, parquet_file
from shahrdad.validators.byte_facts import fill


class OpenPart:
    """A part in memory, with its column chunks.

    Args:
        table: The table that has it.
        part: Which.

    Raises:
        RequestError: OBJECT_UNKNOWN: the part is not held.
        UnavailableError: The store is away, or its bytes are damaged.
        DataError: TABLE_UNREADABLE: the right bytes are no Parquet.
    """

    def __init__(self, table: TableReader, part: Part) -> None:
        self._table, self._part = table, part
        data = raw_bytes(table, part)
        try:
            self._file = pq.ParquetFile(
                pa.BufferReader(data), page_checksum_verification=True
            )
        except (pa.ArrowException, OSError):
            whole = verified_bytes(table, part)
            data = pa.py_buffer(whole)
            self._file = parquet_file(whole, part.digest)
        self._data = data
        metadata: pq.FileMetaData = self._file.metadata
        self._groups = [metadata.row_group(n) for n in range(metadata.num_row_groups)]
        self.schema: pa.Schema = self._file.schema_arrow
        # A column is one leaf, a list of texts too: leaves have the columns' order.
        self._leaves = {name: leaf for leaf, name in enumerate(self.schema.names)}

    @property
    def groups(self) -> int:
        """How many row groups the part has."""
        return len(self._groups)

    def group_rows(self) -> list[int]:
        """Return the rows of each row group."""
        return [group.num_rows for group in self._groups]

    def read(self, group: int, columns: Sequence[str]) -> pa.Table:
        """Decode some columns of a row group; those that are absent are left out."""
        names = [name for name in columns if name in self._leaves]
        leaves = [self._leaves[name] for name in names]
        try:
            # By number: looking names up again took a quarter of a small read. A few
            # columns: threads would cost more than they save.
            rows = self._file.reader.read_row_group(
                group, column_indices=leaves, use_threads=False
            )
        except (pa.ArrowException, OSError) as error:
            self._fail(error)
        return rows.select(names)

    def _fail(self, error: Exception) -> NoReturn:
        """Say why a page could not be decoded: damaged since, or written so."""
        verified_bytes(self._table, self._part)
        raise DataError(
            Reason.TABLE_UNREADABLE,
            digest=self._part.digest.hex,
            detail=type(error).__name__,
        ) from error

    def chunk(self, group: int, column: str) -> pa.Buffer:
        """Return the compressed bytes of a column in a row group."""
        about = self._groups[group].column(self._leaves[column])
        start = about.data_page_offset
        if about.dictionary_page_offset is not None:
            start = min(start, about.dictionary_page_offset)
        return self._data.slice(start, about.total_compressed_size)

    def same_bytes(self, other: "OpenPart", group: int, column: str) -> bool:
        """Tell whether a column has equal bytes in two parts, hence equal cells."""
        if column not in self._leaves or column not in other._leaves:
            return False
        mine, theirs = self.chunk(group, column), other.chunk(group, column)
        if mine.size != theirs.size or not mine.equals(theirs):
            return False
        kinds = self.schema.field(column).type, other.schema.field(column).type
        return bool(kinds[0] == kinds[1])


def raw_bytes(table: TableReader, part: Part) -> pa.Buffer:
    """Return a part as it lies in the store, not compared with its name."""
    data = pa.allocate_buffer(part.bytes)
    try:
        with table.store.open(table.area, part.digest, 0, part.bytes) as file:
            fill(file, memoryview(data))
        return data
    except RequestError as error:
        if error.reason is not Reason.RANGE_INVALID:
            raise
        # Another size than the record says.
        return pa.py_buffer(verified_bytes(table, part))


def verified_bytes(table: TableReader, part: Part) -> bytes:
    """Return a part, compared with its name."""
    return read_bytes(table.store, table.area, part.digest, PART_BYTES_MAX)


def equal_keys(old: OpenPart, new: OpenPart, key: Sequence[str]) -> bool:
    """Tell whether two parts hold the same keys in the same row groups and places."""
    if old.group_rows() != new.group_rows():
        return False
    for group in range(new.groups):
        for name in key:
            if old.same_bytes(new, group, name):
                continue
            if not old.read(group, [name])[name].equals(new.read(group, [name])[name]):
                return False
    return True
