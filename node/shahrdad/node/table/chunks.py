"""Column chunks of a part as they lie in the file, compared without decoding them."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from shahrdad.node.store.contract import read_bytes
from shahrdad.node.table.limits import PART_BYTES_MAX
from shahrdad.node.table.parquet import Part
from shahrdad.node.table.reading import TableReader, parquet_file


class OpenPart:
    """A part in memory, verified, with its column chunks.

    Args:
        table: The table that has it.
        part: Which.
    """

    def __init__(self, table: TableReader, part: Part) -> None:
        self._data = read_bytes(table.store, table.area, part.digest, PART_BYTES_MAX)
        self._file = parquet_file(self._data, part.digest)
        self._metadata: pq.FileMetaData = self._file.metadata
        names = self._file.schema_arrow.names
        # A list is one leaf too: `tags.list.item` begins with its column's name.
        paths = [self._metadata.schema.column(n).path for n in range(len(names))]
        self._leaves = {path.split(".")[0]: leaf for leaf, path in enumerate(paths)}
        self.schema: pa.Schema = self._file.schema_arrow

    @property
    def groups(self) -> int:
        """How many row groups the part has."""
        return int(self._metadata.num_row_groups)

    def group_rows(self) -> list[int]:
        """Return the rows of each row group."""
        return [
            self._metadata.row_group(group).num_rows for group in range(self.groups)
        ]

    def read(self, group: int, columns: Sequence[str]) -> pa.Table:
        """Decode some columns of a row group; those that are absent are left out."""
        names = [name for name in columns if name in self._leaves]
        return self._file.read_row_group(group, columns=names).select(names)

    def chunk(self, group: int, column: str) -> bytes:
        """Return the compressed bytes of a column in a row group."""
        about = self._metadata.row_group(group).column(self._leaves[column])
        start = about.data_page_offset
        if about.dictionary_page_offset is not None:
            start = min(start, about.dictionary_page_offset)
        return self._data[start : start + about.total_compressed_size]

    def same_bytes(self, other: "OpenPart", group: int, column: str) -> bool:
        """Tell whether a column has equal bytes in two parts, hence equal cells."""
        if column not in self._leaves or column not in other._leaves:
            return False
        kinds = self.schema.field(column).type, other.schema.field(column).type
        return kinds[0] == kinds[1] and (
            self.chunk(group, column) == other.chunk(group, column)
        )


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
