"""The engine that needs nothing besides SQLite: FTS5, guarded against common words.

Ranking by bm25 reads every hit, so a word of a third of all datasets costs seconds at a
million. Therefore: more than `RANKED_HITS_MAX` hits, or bm25 not done after
`RANKED_SECONDS_MAX`, give the newest datasets first instead, and the answer says so.
Counts of such a query are exact when they are cheap, else marked approximate.
"""

import sqlite3
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from shahrdad.node.search.cube import Cube, ordered
from shahrdad.node.search.index import WEIGHTS, Query
from shahrdad.node.search.sql import ORDER_SQL, beyond, conditions, uncounted
from shahrdad.node.search.terms import FACETS, Ask, Counts, Filters, Hits

RANKED_HITS_MAX = 20_000
RANKED_SECONDS_MAX = 0.05
COUNTED_HITS_MAX = 50_000  # facets of more hits come from the cube
COUNTED_SECONDS_MAX = 0.05
RANKED_LISTS_MAX = 16  # kept for the next pages
_STEPS = 1_000  # of SQLite's machine between looks at the clock


class Fts5Engine:
    """Full-text search in the node's own database.

    Args:
        connect: Gives the calling thread's connection.
        cube: Counts without a query.
        ranked_hits_max: See the module.
        ranked_seconds_max: See the module.
    """

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        cube: Cube,
        *,
        ranked_hits_max: int = RANKED_HITS_MAX,
        ranked_seconds_max: float = RANKED_SECONDS_MAX,
    ) -> None:
        self._connect = connect
        self._cube = cube
        self._ranked_hits_max = ranked_hits_max
        self._ranked_seconds_max = ranked_seconds_max
        self._lists: OrderedDict[Any, tuple[int, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def page(self, ask: Ask) -> Hits:
        """Return a page of what matches the query and passes the filters."""
        hits_max = self.hits_max(ask.query)
        if hits_max == 0:
            return Hits((), 0, "relevance", self._empty_facets(ask))
        if ask.order != "relevance":
            ids = self.in_order(ask)
            return self._counted(ask, ids, hits_max, "none")
        if ask.ranking != "newest" and hits_max <= self._ranked_hits_max:
            ranked = self._ranked(ask)
            if ranked is not None:
                start = int(ask.after[0]) if ask.after else 0
                facets, about = self._facets(ask, hits_max)
                page = ranked[start : start + ask.limit + 1]
                return Hits(page, len(ranked), "relevance", facets, about)
        return self._counted(ask, self._newest(ask), hits_max, "newest")

    def hits_max(self, query: Query) -> int:
        """Return a number that the hits do not exceed: those of the rarest word."""
        keys = {
            word for term in query.wanted for key in term.keys for word in key.split()
        }
        counts = frequencies(self._connect(), sorted(keys))
        return min(
            sum(min(counts.get(word, 0) for word in key.split()) for key in term.keys)
            for term in query.wanted
        )

    def _ranked(self, ask: Ask) -> tuple[int, ...] | None:
        """Return all hits, best first, or None when that takes too long."""
        name = (ask.query.match, ask.filters, ask.mark)
        with self._lock:
            known = self._lists.get(name)
            if known is not None:
                self._lists.move_to_end(name)
                return known
        where, values = conditions(ask.filters)
        joined = (
            " JOIN dataset d ON d.id=search.rowid" if _narrowed(ask.filters) else ""
        )
        where = f" AND {where}" if joined else ""
        # A later page must be of the list that the first was of: it may take its time.
        seconds = self._ranked_seconds_max if ask.ranking is None else 2.0
        with interrupted_after(self._connect(), seconds) as connection:
            rows = connection.execute(
                f"SELECT search.rowid FROM search{joined}"  # noqa: S608
                f" WHERE search MATCH ?{where}"
                f" ORDER BY bm25(search, {WEIGHTS}), search.rowid DESC",
                (ask.query.match, *(values if joined else ())),
            )
            found = tuple(row[0] for row in rows)
            with self._lock:
                self._lists[name] = found
                if len(self._lists) > RANKED_LISTS_MAX:
                    self._lists.popitem(last=False)
            return found
        return None

    def _newest(self, ask: Ask) -> tuple[int, ...]:
        """Return hits, the last added first; SQLite stops at the limit."""
        where, values = conditions(ask.filters)
        joined = (
            " JOIN dataset d ON d.id=search.rowid" if _narrowed(ask.filters) else ""
        )
        where = f" AND {where}" if joined else ""
        values = [*values] if joined else []
        if ask.after:
            where += " AND search.rowid < ?"
            values.append(int(ask.after[0]))
        rows = self._connect().execute(
            f"SELECT search.rowid FROM search{joined}"  # noqa: S608
            f" WHERE search MATCH ?{where} ORDER BY search.rowid DESC LIMIT ?",
            (ask.query.matching(), *values, ask.limit + 1),
        )
        return tuple(row[0] for row in rows)

    def in_order(self, ask: Ask) -> tuple[int, ...]:
        """Return hits in an order that has nothing to do with the query."""
        where, values = conditions(ask.filters)
        after, after_values = beyond(ask.order, ask.after)
        rows = self._connect().execute(
            f"SELECT d.id FROM dataset d WHERE {where}{after} AND d.id IN"  # noqa: S608
            " (SELECT rowid FROM search WHERE search MATCH ?)"
            f" ORDER BY {ORDER_SQL[ask.order]} LIMIT ?",
            (*values, *after_values, ask.query.matching(), ask.limit + 1),
        )
        return tuple(row[0] for row in rows)

    def _counted(
        self, ask: Ask, ids: tuple[int, ...], hits_max: int, ranking: Any
    ) -> Hits:
        """Return hits with how many there are."""
        facets, about = self._facets(ask, hits_max)
        if len(ids) <= ask.limit and ask.after is None:
            return Hits(ids, len(ids), ranking, facets, about)
        total = self._total(ask)
        if total is None:
            about |= {"total"}
            share = self._cube.total(ask.mark, ask.filters) / max(
                1, self._cube.total(ask.mark, Filters())
            )
            total = max(len(ids), round(hits_max * share))
        return Hits(ids, total, ranking, facets, about)

    def hits_of_word(self, ask: Ask) -> int | None:
        """Return how many datasets have the one word that is asked for.

        None when more than a word decides.
        """
        query = ask.query
        one_term = len(query.wanted) == 1 and not query.unwanted
        keys = query.wanted[0].keys if one_term else ()
        if len(keys) != 1 or " " in keys[0] or _narrowed(ask.filters):
            return None
        return self.hits_max(query)

    def _total(self, ask: Ask) -> int | None:
        """Return how many hits there are, or None when counting takes too long."""
        known = self.hits_of_word(ask)
        if known is not None:
            return known
        query = ask.query
        where, values = conditions(ask.filters)
        joined = (
            " JOIN dataset d ON d.id=search.rowid" if _narrowed(ask.filters) else ""
        )
        where = f" AND {where}" if joined else ""
        with interrupted_after(self._connect(), COUNTED_SECONDS_MAX) as connection:
            (count,) = connection.execute(
                f"SELECT COUNT(*) FROM search{joined} WHERE search MATCH ?{where}",  # noqa: S608
                (query.matching(), *(values if joined else ())),
            ).fetchone()
            return int(count)
        return None

    def _facets(self, ask: Ask, hits_max: int) -> tuple[Counts, frozenset[str]]:
        """Return the counts of facets, and whether they are only about right."""
        if not ask.facets:
            return {}, frozenset()
        if hits_max <= COUNTED_HITS_MAX:
            with interrupted_after(self._connect(), COUNTED_SECONDS_MAX) as connection:
                return _exact_facets(connection, ask), frozenset()
        return self._cube.facets(ask.mark, ask.filters), frozenset({"facets"})

    def _empty_facets(self, ask: Ask) -> Counts:
        return {facet: {} for facet in FACETS} if ask.facets else {}


def _exact_facets(connection: sqlite3.Connection, ask: Ask) -> Counts:
    """Return the count of each facet's values among the hits."""
    more, values = uncounted(ask.filters)
    rows = connection.execute(
        "SELECT d.city, d.family, d.license, d.fiscal_year FROM search"  # noqa: S608
        f" JOIN dataset d ON d.id=search.rowid WHERE search MATCH ?{more}",
        (ask.query.matching(), *values),
    )
    combinations = Counter(rows)
    checks = [frozenset(ask.filters.chosen(facet)) for facet in FACETS]
    found: dict[str, dict[str, int]] = {}
    for place, facet in enumerate(FACETS):
        counts: Counter[str | int | None] = Counter()
        for row, count in combinations.items():
            passes = all(
                at == place or not given or row[at] in given
                for at, given in enumerate(checks)
            )
            if passes:
                counts[row[place]] += count
        found[facet] = ordered(counts)
    return found


def frequencies(connection: sqlite3.Connection, keys: Sequence[str]) -> dict[str, int]:
    """Return in how many datasets each known search key is."""
    marks = ",".join("?" * len(keys))
    rows = connection.execute(
        f"SELECT word, df FROM term_key WHERE word IN ({marks})",  # noqa: S608
        keys,
    )
    return dict(rows.fetchall())


def _narrowed(filters: Filters) -> bool:
    """Tell whether any filter needs the table of datasets."""
    return filters != Filters()


@contextmanager
def interrupted_after(
    connection: sqlite3.Connection, seconds: float
) -> Iterator[sqlite3.Connection]:
    """Leave the block when a statement in it is not done after some seconds."""
    deadline = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
    try:
        yield connection
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
    finally:
        connection.set_progress_handler(None, _STEPS)
