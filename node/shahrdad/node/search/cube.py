"""How many datasets there are of each city, family, licence and year together.

The catalog's tally has the count of every combination; totals and facets of any list
without a query follow from them, and estimates of those with one. The cube is kept
until the catalog changes.
"""

import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from shahrdad.node.search.sql import uncounted
from shahrdad.node.search.terms import FACETS, Counts, Filters

COUNTED_LISTS_MAX = 256  # filters whose facets are kept
_TALLIED = (
    "SELECT d.state, d.city, d.family, d.license, d.fiscal_year, d.datasets"
    " FROM dataset_tally d WHERE d.datasets > 0 AND d.state<>'pending'"
)
_AMONG = (
    "SELECT d.state, d.city, d.family, d.license, d.fiscal_year, COUNT(*)"
    " FROM dataset d WHERE d.state<>'pending'{condition}"
    " GROUP BY d.state, d.city, d.family, d.license, d.fiscal_year"
)
AMONG_MAX = 16  # conditions that the cube has not, whose counts are kept
Combination = tuple[str, tuple[str | int | None, ...], int]  # state, values, count


class Cube:
    """Counts of a catalog, by state and facet values.

    Args:
        connect: Gives the calling thread's connection.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._mark: tuple[str, int] | None = None
        self._cells: list[Combination] = []
        self._among: dict[Any, list[Combination]] = {}  # under other conditions
        self._facets: dict[Filters, Counts] = {}  # already counted, at this mark
        self._totals: dict[Filters, int] = {}

    def cells(self, mark: tuple[str, int], filters: Filters) -> list[Combination]:
        """Return all combinations, as they are at a mark of the catalog.

        Args:
            mark: Of the catalog.
            filters: Those of facets are left to the caller; the others hold.
        """
        with self._lock:
            if mark != self._mark:
                self._cells = _read(self._connect().execute(_TALLIED))
                self._mark = mark
                self._among.clear()
                self._facets.clear()
                self._totals.clear()
            if filters.is_counted:
                return self._cells
        condition, values = uncounted(filters)
        name = (condition, *values)
        known = self._among.get(name)
        if known is None:
            sql = _AMONG.format(condition=condition)
            if filters.is_tallied:
                sql = _TALLIED + condition
            known = _read(self._connect().execute(sql, values))
            with self._lock:
                if mark == self._mark and len(self._among) < AMONG_MAX:
                    self._among[name] = known
        return known

    def total(self, mark: tuple[str, int], filters: Filters) -> int:
        """Return how many datasets pass the filters."""
        cells = self.cells(mark, filters)
        known = self._totals.get(filters)
        if known is None:
            known = sum(count for _, count in _passing(cells, filters, FACETS))
            self._remember(self._totals, mark, filters, known)
        return known

    def facets(self, mark: tuple[str, int], filters: Filters) -> Counts:
        """Return the count of each facet's values, leaving its own filter out."""
        cells = self.cells(mark, filters)
        known = self._facets.get(filters)
        if known is not None:
            return known
        found = {}
        for place, facet in enumerate(FACETS):
            others = tuple(name for name in FACETS if name != facet)
            counts: Counter[str | int | None] = Counter()
            for values, count in _passing(cells, filters, others):
                counts[values[place]] += count
            found[facet] = ordered(counts)
        self._remember(self._facets, mark, filters, found)
        return found

    def _remember(
        self,
        known: dict[Filters, Any],
        mark: tuple[str, int],
        filters: Filters,
        counted: Any,
    ) -> None:
        """Keep what was counted, unless the catalog changed meanwhile."""
        with self._lock:
            if mark == self._mark and len(known) < COUNTED_LISTS_MAX:
                known[filters] = counted


def ordered(counts: Counter[str | int | None]) -> dict[str, int]:
    """Return counts as they are shown: the most frequent value first."""
    counts.pop(None, None)
    pairs = sorted(counts.items(), key=lambda pair: (-pair[1], str(pair[0])))
    return {str(value): count for value, count in pairs}


def _read(rows: sqlite3.Cursor) -> list[Combination]:
    return [(state, tuple(values), count) for state, *values, count in rows]


def _passing(
    cells: list[Combination], filters: Filters, facets: tuple[str, ...]
) -> Iterator[tuple[tuple[str | int | None, ...], int]]:
    """Yield the combinations that pass the filters of these facets."""
    checks = [
        (FACETS.index(facet), frozenset(filters.chosen(facet)))
        for facet in facets
        if filters.chosen(facet)
    ]
    for state, values, count in cells:
        if state == filters.state and all(values[at] in given for at, given in checks):
            yield values, count
