"""Enumerating a portal that changes while it is read.

By keyset: the next page begins after the last identifier, so no insertion and no
deletion can shift it. A portal that refuses the range, ignores it or does not sort is
read by offsets, twice, and only what both turns saw alike counts as complete.

Each step is a value that can be stored, so a killed run goes on where it was.

>>> cursor = Cursor(count=2)
>>> cursor.query("").fq, cursor.query("organization:kerman").fq
('', 'organization:kerman')
>>> after = advance(cursor, ["a", "b"], new=2)
>>> after.query("").fq
'id:{"b" TO *]'
>>> advance(after, [], new=0).ended
True
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, Literal

from shahrdad.federation.bridge.limits import PACKAGES_MAX, PAGE_PACKAGES

Method = Literal["keyset", "offset"]


@dataclass(frozen=True, slots=True)
class Query:
    """One page to ask for, sorted by identifier."""

    fq: str
    start: int
    rows: int = PAGE_PACKAGES


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far an enumeration came.

    Attributes:
        count: What the portal counted before the first page.
        method: How pages are asked for.
        last: The last identifier read, by keyset.
        start: The place of the next page, by offsets.
        turn: 1, or 2 for the second reading by offsets.
        ended: There is no further page.
        sound: Every page could be read whole.
    """

    count: int | None = None
    method: Method = "keyset"
    last: str = ""
    start: int = 0
    turn: int = 1
    ended: bool = False
    sound: bool = True

    def query(self, fq: str) -> Query:
        """Return the page to ask for next.

        Args:
            fq: What the source is limited to, "" for everything.
        """
        if self.method == "offset":
            return Query(fq, self.start)
        beyond = f'id:{{"{self.last}" TO *]' if self.last else ""
        return Query(f"({fq}) AND {beyond}" if fq and beyond else fq or beyond, 0)

    def to_json(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return asdict(self)


def by_offset(cursor: Cursor) -> Cursor:
    """Begin again by offsets; what the keyset gave is forgotten."""
    return Cursor(count=cursor.count, method="offset")


def is_doubtful(cursor: Cursor, distinct: int, count_after: int) -> bool:
    """Tell whether a keyset showed less or more than a quiet portal counts.

    One that honours the range without sorting skips datasets; offsets find them.
    """
    quiet = cursor.count == count_after
    return cursor.method == "keyset" and quiet and distinct != count_after


def advance(cursor: Cursor, ids: Sequence[str | None], *, new: int) -> Cursor:
    """Return the cursor after a page.

    Args:
        cursor: The one that the page was asked with.
        ids: The identifiers on the page, in its order; None for an unusable one.
        new: How many of them were not seen before in this turn.
    """
    usable = [number for number in ids if number is not None]
    sound = cursor.sound and len(usable) == len(ids)
    if cursor.method == "keyset":
        if not ids:
            return replace(cursor, ended=True)
        if not _is_keyset_page(cursor, usable, len(ids), new):
            return by_offset(cursor)
        return replace(cursor, last=usable[-1], sound=sound)
    start = cursor.start + len(ids)
    if ids and new and start <= PACKAGES_MAX:
        return replace(cursor, start=start, sound=sound)
    # The same page again and again: the portal ignores `start`.
    sound = sound and not ids
    if cursor.turn == 1:
        return replace(cursor, start=0, turn=2, sound=sound)
    return replace(cursor, ended=True, sound=sound)


def _is_keyset_page(
    cursor: Cursor, usable: Sequence[str], length: int, new: int
) -> bool:
    """Tell whether a page is what a keyset gives: all new, all beyond, and in order."""
    beyond = [cursor.last, *usable]
    return len(usable) == new == length and all(a < b for a, b in pairwise(beyond))
