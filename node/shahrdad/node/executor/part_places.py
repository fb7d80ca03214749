"""Where a table is cut into parts when its rows lie sorted in several ranges.

Nothing here reads a row. Each range knows its rows whose key allows a cut, and how many
of its rows come before those of the other ranges; so their places in the whole table
are known, and with them every cut that writing the whole table would have made.

>>> cut_places(300_000, 8192, [13_000, 20_000, 150_000])[:3]
[(0, 13000), (13000, 78536), (78536, 144072)]
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from shahrdad.node.table.limits import SINGLE_ROWS_MAX

GROUP_ROWS = 262_144  # at least so many are written by one task


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row before which a part may end.

    Attributes:
        place: In the whole table.
        splits: For each range how many of its rows come before it.
    """

    place: int
    splits: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Consecutive parts that one task writes.

    Attributes:
        slices: For each range the rows that belong to them, from one to before another.
        parts: First row and row after the last of each, counted within the group.
    """

    slices: tuple[tuple[int, int], ...]
    parts: tuple[tuple[int, int], ...]


def candidate(
    range_: int, index: int, before: Sequence[int], behind: Sequence[int]
) -> Candidate:
    """Return a candidate.

    Args:
        range_: The range that has it.
        index: Its row there.
        before: For each range the rows whose key is less.
        behind: For each range the rows whose key is not more.
    """
    splits = [
        behind[one] if one < range_ else before[one] for one in range(len(before))
    ]
    splits[range_] = index
    return Candidate(sum(splits), tuple(splits))


def cut_places(rows: int, m: int, places: Sequence[int]) -> list[tuple[int, int]]:
    """Return the parts of a sorted table, as `layout.cuts` does.

    Args:
        rows: Of the whole table.
        m: Of the key-cut rule.
        places: Rows before which a part may end, rising.
    """
    if rows <= SINGLE_ROWS_MAX:
        return [(0, rows)]
    parts: list[tuple[int, int]] = []
    start = 0
    while start < rows:
        end = min(rows, start + 8 * m)
        at = bisect_left(places, start + m + m // 2)
        if at < len(places) and places[at] < end:
            end = places[at]
        parts.append((start, end))
        start = end
    return parts


def groups(
    parts: Sequence[tuple[int, int]],
    candidates: Sequence[Candidate],
    totals: Sequence[int],
) -> list[Group]:
    """Return the parts in groups, each from one candidate to before another.

    Args:
        parts: Of the whole table.
        candidates: Rising by their places.
        totals: Rows of each range.
    """
    splits = {one.place: one.splits for one in candidates}
    found: list[Group] = []
    held: list[tuple[int, int]] = []
    begun = tuple(0 for _ in totals)
    for number, (start, end) in enumerate(parts):
        held.append((start, end))
        last = number == len(parts) - 1
        enough = end - held[0][0] >= GROUP_ROWS and end in splits
        if not (last or enough):
            continue
        until = tuple(totals) if last else splits[end]
        first = held[0][0]
        found.append(
            Group(
                tuple(zip(begun, until, strict=True)),
                tuple((one - first, other - first) for one, other in held),
            )
        )
        begun, held = until, []
    return found
