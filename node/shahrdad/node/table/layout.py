"""Where a table is cut into parts (storage 4.1), decided without reading or writing.

Parts end where the *keys* say so, not after so many rows: an inserted row moves no cut
but its own, so all other parts keep their bytes and their digests.
"""

from collections.abc import Callable, Iterator

from shahrdad.node.table.limits import (
    CUT_ROWS_MIN,
    PARTS_KEPT_MAX,
    PARTS_KEPT_MIN,
    PARTS_WANTED_MAX,
    SINGLE_ROWS_MAX,
)

HASHED_ROWS = 4_096  # keys hashed at a time while looking for a cut


def choose_m(rows: int, previous: int | None = None) -> int:
    """Return m of the key-cut rule: a mean part has 2.5·m rows.

    Args:
        rows: Of the whole table.
        previous: m of the version before, which is kept while it fits.

    >>> choose_m(1_000_000), choose_m(20_000_000), choose_m(20_000_000, previous=8192)
    (8192, 16384, 8192)
    """
    if rows <= SINGLE_ROWS_MAX:
        return CUT_ROWS_MIN
    if previous is not None and previous >= CUT_ROWS_MIN:
        parts = rows / (2.5 * previous)
        enough = parts >= PARTS_KEPT_MIN or previous == CUT_ROWS_MIN
        if enough and parts <= PARTS_KEPT_MAX:
            return previous
    m = CUT_ROWS_MIN
    while rows / (2.5 * m) > PARTS_WANTED_MAX:
        m *= 2
    return m


def cuts(
    rows: int, m: int, hashes: Callable[[int, int], list[int]]
) -> Iterator[tuple[int, int]]:
    """Yield the parts of a sorted table as (first row, row after the last).

    Args:
        rows: Of the whole table.
        m: Of the rule: a part ends before a row whose key hash is a multiple of m,
            once it has 1.5·m rows, and at 8·m in any case.
        hashes: Returns the key hashes of the rows from one index to before another;
            called for about 40 % of the rows only.
    """
    if rows <= SINGLE_ROWS_MAX:
        yield 0, rows
        return
    start = 0
    while start < rows:
        end = part_end(start, rows, m, hashes)
        yield start, end
        start = end


def part_end(
    start: int, rows: int, m: int, hashes: Callable[[int, int], list[int]]
) -> int:
    """Return the row before which the part that begins at `start` ends."""
    limit = min(rows, start + 8 * m)
    position = start + m + m // 2
    while position < limit:
        until = min(position + HASHED_ROWS, limit)
        for index, value in enumerate(hashes(position, until), position):
            if value % m == 0:
                return index
        position = until
    return limit
