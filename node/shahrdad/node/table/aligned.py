"""Comparing parts whose rows match by position, several pairs at a time.

Two parts that begin with the same key and hold the same keys are compared column by
column; a column whose compressed bytes are equal is not decoded, and the keys are
decoded only where a cell changed. Reading and decoding leave Python's lock, so a few
threads work ahead of the one that asks.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from shahrdad.node.table.cells import different
from shahrdad.node.table.chunks import OpenPart, equal_keys
from shahrdad.node.table.parquet import Part
from shahrdad.node.table.reading import TableReader

Found = TypeVar("Found")
THREADS_MAX = 4  # pairs of parts in memory at once, and one more


@dataclass(frozen=True, slots=True)
class ChangedCells:
    """The changed cells of one column.

    Attributes:
        column: Its name.
        places: Of n rows, rising.
        keys: n rows: what they are matched by.
        old: n cells.
        new: n cells.
    """

    column: str
    places: pa.Array
    keys: pa.Table
    old: pa.ChunkedArray
    new: pa.ChunkedArray


@dataclass(frozen=True, slots=True)
class Columns:
    """What parts are compared by.

    Attributes:
        key: The columns that must agree row by row.
        match: The columns that name a row in the answer.
        compared: The columns whose cells are compared.
    """

    key: tuple[str, ...]
    match: tuple[str, ...]
    compared: tuple[str, ...]


def changed_cells(
    keys: Callable[[], pa.Table], old: pa.Table, new: pa.Table
) -> list[ChangedCells]:
    """Return the changed cells of rows that match by position, column by column.

    Args:
        keys: Reads what the rows are matched by; asked where a cell changed only.
        old: n rows of the compared columns.
        new: n rows; columns that `old` lacks are left out.
    """
    read: pa.Table | None = None
    found: list[ChangedCells] = []
    for name in new.schema.names:
        if name not in old.schema.names:
            continue
        places = pc.indices_nonzero(different(old[name], new[name]))
        if len(places) == 0:
            continue
        read = keys() if read is None else read
        before, after = old[name].take(places), new[name].take(places)
        found.append(ChangedCells(name, places, read.take(places), before, after))
    return found


def compare_parts(
    old: tuple[TableReader, Part], new: tuple[TableReader, Part], columns: Columns
) -> list[list[ChangedCells]] | None:
    """Compare two parts by position.

    Returns:
        The changed cells of each row group; None when the keys are not the same, so
        that the parts cannot be compared so.
    """
    before, after = OpenPart(*old), OpenPart(*new)
    if not equal_keys(before, after, columns.key):
        return None
    found: list[list[ChangedCells]] = []
    for group in range(after.groups):
        names = [
            name
            for name in columns.compared
            if not before.same_bytes(after, group, name)
        ]
        if names:
            tables = before.read(group, names), after.read(group, names)
            found.append(changed_cells(_keys(after, group, columns.match), *tables))
    return found


def _keys(part: OpenPart, group: int, match: Sequence[str]) -> Callable[[], pa.Table]:
    """Return what reads the columns that name the rows of a group."""
    return lambda: part.read(group, match)


def ahead(calls: Iterable[Callable[[], Found]]) -> Iterator[Found]:
    """Yield what calls return, in their order, some of them made ahead on threads."""
    threads = min(THREADS_MAX, os.cpu_count() or 1)
    waiting: deque[Future[Found]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="diff") as pool:
        try:
            for call in calls:
                waiting.append(pool.submit(call))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
