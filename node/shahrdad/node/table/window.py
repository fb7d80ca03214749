"""Walking two sorted tables side by side, a window of keys at a time."""

from collections.abc import Iterator, Sequence

import pyarrow as pa

from shahrdad.node.table.key import Rank, order
from shahrdad.node.table.parquet import Part
from shahrdad.node.table.reading import TableReader

WINDOW_ROWS = 65_536


class Cursor:
    """The rows of some parts, taken from the front up to a key.

    Args:
        table: Whose parts; None has none.
        parts: In key order.
        key: The columns that the rows are sorted by.
        columns: What is read; those that the table lacks are left out.
    """

    def __init__(
        self,
        table: TableReader | None,
        parts: Sequence[Part],
        key: Sequence[str],
        columns: Sequence[str],
    ) -> None:
        self._key = list(key)
        self._batches: Iterator[pa.RecordBatch] = iter(())
        if table is not None and parts:
            names = [name for name in columns if name in table.schema.names]
            self._batches = table.batches(names, None, parts, WINDOW_ROWS)
        self._rows: pa.Table | None = None
        self._advance()

    def _advance(self) -> None:
        batch = next(self._batches, None)
        self._rows = None if batch is None else pa.Table.from_batches([batch])

    def last(self) -> list[Rank] | None:
        """Return the last key in memory, or None at the end of the table."""
        if self._rows is None:
            return None
        return self._rank(self._rows, self._rows.num_rows - 1)

    def take(self, until: list[Rank] | None) -> pa.Table | None:
        """Return the rows up to a key, with that one; without it, those in memory."""
        taken: list[pa.Table] = []
        while self._rows is not None:
            count = self._rows.num_rows
            if until is not None:
                count = self._count(self._rows, until)
            if count:
                taken.append(self._rows.slice(0, count))
            if count < self._rows.num_rows:
                self._rows = self._rows.slice(count)
                break
            self._advance()
            if until is None:
                break
        return pa.concat_tables(taken).combine_chunks() if taken else None

    def rest(self) -> pa.Table | None:
        """Return all rows that are left, in memory."""
        taken: list[pa.Table] = []
        while (rows := self.take(None)) is not None:
            taken.append(rows)
        return pa.concat_tables(taken).combine_chunks() if taken else None

    def _count(self, rows: pa.Table, until: list[Rank]) -> int:
        """Return how many rows in memory are not after a key: a binary search."""
        low, high = 0, rows.num_rows
        while low < high:
            middle = (low + high) // 2
            if self._rank(rows, middle) <= until:
                low = middle + 1
            else:
                high = middle
        return low

    def _rank(self, rows: pa.Table, index: int) -> list[Rank]:
        return [
            order(rows[name][index].as_py(), rows.schema.field(name).type)
            for name in self._key
        ]


def windows(
    old: Cursor, new: Cursor
) -> Iterator[tuple[pa.Table | None, pa.Table | None]]:
    """Yield the rows of both tables in windows of equal key ranges."""
    while True:
        ends = [end for end in (old.last(), new.last()) if end is not None]
        if not ends:
            return
        until = min(ends) if len(ends) == 2 else None
        yield old.take(until), new.take(until)
