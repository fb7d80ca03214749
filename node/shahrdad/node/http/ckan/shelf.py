"""Reading the cards for the facade: pages of JSON that lies ready, and counts.

A page is two reads: the row numbers, from an index of the order, and their JSON by
number. Counts by city, standard and licence come from a tally; other counts, and the
lists that an index of words gave, are kept until the catalog changes. Whatever takes
longer than `SECONDS_MAX` is refused.
"""

import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice
from typing import Any, Generic, Literal, TypeVar

import numpy as np

from shahrdad.datasets import standards
from shahrdad.node.http.card_reading import Rooted
from shahrdad.node.http.ckan import selection
from shahrdad.node.http.ckan.query import Query
from shahrdad.node.http.ckan.selection import Condition
from shahrdad.node.http.ckan.word_sets import (
    LIVE,
    WARM_MAX,
    Bits,
    WordSets,
    of_owners,
)
from shahrdad.node.http.languages import now, rfc3339
from shahrdad.node.http.release import release
from shahrdad.node.http.view import NodeView
from shahrdad.node.search.fts5 import interrupted_after

Base = Literal["own", "all", "harvest"]
DELETED_DAYS_MAX = 400
SECONDS_MAX = 5.0  # of one statement
VALUES_MAX = 20_000  # of one statement; SQLite takes 32,766
KEPT_COUNTS_MAX = 1_000
KEPT_LISTS_MAX = 16
LOOKUP_STEPS = 8  # in an index: what looking up and sorting a dataset costs
WALKED_MAX = 2_000  # of a list of common words; of what is further back a list is kept
ORDERS = {
    "id": "c.uid",
    "name": "c.name",
    "title": "c.title_key",
    "title_string": "c.title_key",
    "metadata_created": "c.created",
    "metadata_modified": "c.modified",
}
UNRANKED = frozenset({"score", "views_recent"})  # accepted, and order nothing
COLUMN_FACETS = {
    "organization": "c.city",
    "groups": "c.family",
    "license_id": "c.license",
    "state": "c.state",
}
_ACTIVE = b'"datastore_active":true'
_INACTIVE = b'"datastore_active":false'
Kept = TypeVar("Kept")
Counts = dict[str, int]


class TooExpensiveError(Exception):
    """The search reads too much; private to the facade, which answers CKAN's way."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What the cards are a state of."""

    epoch: str
    change: int
    indexed: int


class Shelf:
    """The cards of one application; serves many threads."""

    def __init__(self) -> None:
        self.counts: Memory[int] = Memory(KEPT_COUNTS_MAX)
        self.facets: Memory[Counts] = Memory(KEPT_COUNTS_MAX)
        self.lists: Memory[array[int]] = Memory(KEPT_LISTS_MAX)
        self.sets = WordSets()

    def warm(self, node: NodeView) -> None:
        """Read the sets of the commonest words before anybody asks for them."""
        found = selection.common_words(node.database.connect(), WARM_MAX)
        if found:
            own = of_owners("city", [node.config.node.city])
            each = [of_owners("family", [name]) for name in standards.families()]
            self.sets.warm(node.database, [own, LIVE, *each, *found])

    def at(self, node: NodeView, base: Base) -> "Reading":
        """Return the cards of a base as they are now."""
        connection = node.database.connect()
        epoch, change, indexed = connection.execute(
            "SELECT (SELECT epoch FROM feed_epoch),"
            " (SELECT COALESCE(MAX(seq), 0) FROM change_feed),"
            " (SELECT COALESCE(MAX(seq), 0) FROM search_change)"
        ).fetchone()
        return Reading(self, Mark(str(epoch), change, indexed), node, base)


class Memory(Generic[Kept]):
    """What was found at the catalog's newest state; the oldest found goes first.

    Args:
        most: How much is kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._mark: Mark | None = None
        self._found: OrderedDict[Any, Kept] = OrderedDict()

    def keep(self, mark: Mark, name: Any, find: Callable[[], Kept]) -> Kept:
        """Return what was found already at this mark, or find it."""
        with self._lock:
            if mark != self._mark:
                self._mark = mark
                self._found.clear()
            elif name in self._found:
                self._found.move_to_end(name)
                return self._found[name]
        found = find()
        with self._lock:
            if mark == self._mark:
                self._found[name] = found
                while len(self._found) > self._most:
                    self._found.popitem(last=False)
        return found


class Reading:
    """The cards that one base of the facade shows, during one call."""

    def __init__(self, shelf: Shelf, mark: Mark, node: NodeView, base: Base) -> None:
        self._shelf = shelf
        self._mark = mark
        self._base = base
        self._connection = node.database.connect()
        self._config = node.config
        self._city = None if base == "all" else node.config.node.city
        # A day's beginning, so that pages asked one after the other are of one list.
        oldest = rfc3339(now() - timedelta(days=DELETED_DAYS_MAX))
        self._oldest = oldest[:10]
        self._rooted = Rooted(node)

    @property
    def state(self) -> tuple[object, ...]:
        """All that an answer follows from, besides what is asked."""
        config = self._config
        return (
            *(release(), self._mark, self._base, self._oldest),
            *(config.public_url, config.node),
        )

    def condition(self, queries: Sequence[Query] = ()) -> Condition:
        """Return the condition of this base and of queries."""
        catalog = selection.Catalog(
            self._connection,
            self._config,
            sorted(self.counts("organization")),
            sorted(self.counts("groups")),
        )
        asked = [selection.condition(query, catalog) for query in queries]
        words = selection.every(asked)
        found = selection.every([self._of_base(), words])
        # A base is no word; of withdrawn datasets there are no sets.
        if self._base == "harvest":
            return replace(found, words=())
        return replace(found, words=words.words, rare=words.rare, term=words.term)

    def _of_base(self) -> Condition:
        """Return the condition of this base.

        The sign keeps SQLite from an index on the state, which nearly all share.
        """
        if self._base == "all":
            return Condition("+c.state = 'active'")
        if self._base == "own":
            return Condition("c.city = ? AND +c.state = 'active'", (self._city or "",))
        return Condition(
            "c.city = ? AND (+c.state = 'active' OR +c.updated >= ?)",
            (self._city or "", self._oldest),
        )

    def count(self, asked: Condition) -> int:
        """Return how many datasets a condition lets through."""
        if asked.term is not None and self._base != "harvest":
            return self._count_of(asked.term)
        if asked.is_common:
            return int(np.count_nonzero(self._having(asked)))
        if asked.slow:
            return len(self._list(asked, "c.uid"))

        def count() -> int:
            sql = _sql("COUNT(*)", asked)
            if asked.is_tallied:
                sql = _tally("COALESCE(SUM(c.datasets), 0)", asked)
            ((number,),) = self._rows(sql, asked.values)
            return int(number)

        return self._shelf.counts.keep(self._mark, ("count", asked), count)

    def _is_whole(self, asked: Condition) -> bool:
        """Tell whether every live dataset of the base, and no other, is asked for."""
        return self._base != "harvest" and asked == self.condition()

    def page(self, asked: Condition, order: str, start: int, rows: int) -> list[bytes]:
        """Return the JSON of the datasets of a page.

        Args:
            asked: Which datasets.
            order: SQL, of `order_of`.
            start: How many to leave out.
            rows: At most so many.
        """
        return self.packages(self.numbers(asked, order, start, rows))

    def numbers(self, asked: Condition, order: str, start: int, rows: int) -> list[int]:
        """Return the row numbers of the datasets of a page."""
        if asked.is_common and start + rows <= WALKED_MAX:
            walked = self._walk(asked, order, start + rows)
            return [*islice(walked, start, start + rows)]
        if asked.slow or asked.is_common:
            return self._list(asked, order)[start : start + rows].tolist()
        found = self._rows(
            f"{_sql('c.dataset', asked)} ORDER BY {order} LIMIT ? OFFSET ?",
            (*asked.values, rows, start),
        )
        return [number for (number,) in found]

    def _list(self, asked: Condition, order: str) -> "array[int]":
        """Return all that a condition lets through; kept for the next page."""

        def find() -> "array[int]":
            if asked.is_common:
                return array("L", self._walk(asked, order, None))
            found = self._rows(
                f"{_sql('c.dataset', asked)} ORDER BY {order}", asked.values
            )
            return array("L", (number for (number,) in found))

        return self._shelf.lists.keep(self._mark, (asked, order), find)

    def _count_of(self, term: int) -> int:
        """Return how many datasets of the base have a keyword or format."""
        of_city = "" if self._city is None else " AND city = ?"
        (row,) = self._rows(
            "SELECT COALESCE(SUM(datasets), 0) FROM card_count"  # noqa: S608
            f" WHERE term = ? AND state = 'active'{of_city}",
            (term, *(() if self._city is None else (self._city,))),
        )
        return int(row[0])

    def _having(self, asked: Condition) -> Bits:
        """Return the datasets of this base that have the words asked for."""
        city = self._city
        groups = [*asked.words, (LIVE if city is None else of_owners("city", [city]),)]
        state = self._mark.epoch, self._mark.indexed
        return self._shelf.sets.find(self._connection, state, groups)

    def _walk(self, asked: Condition, order: str, wanted: int | None) -> Iterator[int]:
        """Yield the datasets that have the words asked for, in order.

        Args:
            asked: Which datasets.
            order: SQL, of `order_of`.
            wanted: How many are taken; None is all of them.
        """
        base = self._of_base()
        having = self._having(asked)
        few = np.flatnonzero(having)
        # Steps in the order until enough were found, against looking each of them up.
        share = 1.0 if wanted is None else min(1.0, wanted / max(1, len(few)))
        if len(few) * LOOKUP_STEPS < len(having) * share:
            listed = "c.dataset IN (SELECT value FROM json_each(?))"
            sql = f"{_sql('c.dataset', Condition(listed, rare=True))} ORDER BY {order}"
            yield from (n for (n,) in self._rows(sql, (str(few.tolist()),)))
            return
        has = having.tobytes()
        with interrupted_after(self._connection, SECONDS_MAX) as connection:
            rows = connection.execute(
                f"{_sql('c.dataset', base)} ORDER BY {order}", base.values
            )
            while page := rows.fetchmany(1_000):
                yield from (n for (n,) in page if n < len(has) and has[n])
            return
        raise TooExpensiveError

    def packages(self, numbers: Sequence[int]) -> list[bytes]:
        """Return the JSON of datasets by row number."""
        marks = ",".join("?" * len(numbers))
        found = dict(
            self._connection.execute(
                f"SELECT dataset, json FROM card_package WHERE dataset IN ({marks})",  # noqa: S608
                numbers,
            ).fetchall()
        )
        return [found[number] for number in numbers if number in found]

    def written(self, json: bytes) -> bytes:
        """Return JSON of cards as this base of this node sends it."""
        if self._base == "harvest":  # a harvested copy has no datastore
            json = json.replace(_ACTIVE, _INACTIVE)
        return self._rooted.written(json)

    @property
    def finish(self) -> Callable[[bytes], bytes] | None:
        """What the JSON of cards goes through; None where nothing in it is another."""
        plain = self._base != "harvest" and self._rooted.is_own
        return None if plain else self.written

    def number(self, wanted: str) -> int | None:
        """Return the row number of a dataset by identifier, name or reference."""
        asked = self._of_base()
        found = self._rows(
            "SELECT c.dataset FROM card c WHERE c.dataset IN"  # noqa: S608
            " (SELECT dataset FROM card WHERE uid=? UNION ALL"
            "  SELECT dataset FROM card WHERE ref=?)"
            f" AND {asked.sql}",
            (wanted, wanted.replace("--", "/", 1), *asked.values),
        )
        return int(found[0][0]) if found else None

    def ref(self, number: int) -> str:
        """Return the reference of a dataset by row number."""
        (row,) = self._rows("SELECT ref FROM card WHERE dataset=?", (number,))
        return str(row[0])

    def resource(self, wanted: str) -> tuple[int, str, str] | None:
        """Return dataset, name and format of a resource by its identifier."""
        asked = self._of_base()
        found = self._rows(
            "SELECT c.dataset, r.name, r.format FROM card_resource r"  # noqa: S608
            f" JOIN card c ON c.dataset=r.dataset WHERE r.uid=? AND {asked.sql}",
            (wanted, *asked.values),
        )
        return found[0] if found else None

    def resources_like(
        self, terms: Sequence[tuple[str, str]], start: int, rows: int
    ) -> tuple[int, list[tuple[int, str]]]:
        """Return how many resources have these letters, and a page of them.

        Args:
            terms: Of `name` or `format`: small letters that are somewhere in it.
            start: How many to leave out.
            rows: At most so many: each with its dataset, by identifier.
        """
        asked = self._of_base()
        having = "".join(f" AND instr(lower(r.{field}), ?) > 0" for field, _ in terms)
        sql = (
            # CROSS keeps this order: the first page ends the reading.
            "FROM card_resource r CROSS JOIN card c ON c.dataset=r.dataset"
            f" WHERE {asked.sql}{having}"
        )
        values = (*asked.values, *(letters for _, letters in terms))

        def count() -> int:
            (row,) = self._rows(f"SELECT COUNT(*) {sql}", values)
            return int(row[0])

        name = ("resources", asked, tuple(terms))
        total = self._shelf.counts.keep(self._mark, name, count)
        found = self._rows(
            f"SELECT r.dataset, r.uid {sql} ORDER BY r.uid LIMIT ? OFFSET ?",
            (*values, rows, start),
        )
        return total, found

    def tables(self, start: int, rows: int) -> list[str]:
        """Return the identifiers of tables that can be searched, by identifier."""
        asked = self._of_base()
        found = self._rows(
            "SELECT r.uid FROM card_resource r"  # noqa: S608
            f" JOIN card c ON c.dataset=r.dataset WHERE r.format='CSV' AND {asked.sql}"
            " ORDER BY r.uid LIMIT ? OFFSET ?",
            (*asked.values, rows, start),
        )
        return [str(uid) for (uid,) in found]

    def table_count(self) -> int:
        """Return how many tables can be searched."""
        asked = self._of_base()

        def count() -> int:
            (row,) = self._rows(
                "SELECT COUNT(*) FROM card_resource r JOIN card c"  # noqa: S608
                f" ON c.dataset=r.dataset WHERE r.format='CSV' AND {asked.sql}",
                asked.values,
            )
            return int(row[0])

        return self._shelf.counts.keep(self._mark, ("tables", asked), count)

    def names(self, start: int, rows: int) -> list[str]:
        """Return the names of live datasets, in order."""
        asked = self._live()
        found = self._rows(
            f"SELECT c.name FROM card c WHERE {asked.sql} ORDER BY c.name"  # noqa: S608
            " LIMIT ? OFFSET ?",
            (*asked.values, rows, start),
        )
        return [str(name) for (name,) in found]

    def named_like(self, text: str, rows: int) -> list[tuple[str, str]]:
        """Return name and title of datasets that have these letters in either."""
        asked = self._of_base()
        return self._rows(
            f"SELECT c.name, c.title FROM card c WHERE {asked.sql}"  # noqa: S608
            " AND (instr(c.name, ?) OR instr(lower(c.title), ?)) LIMIT ?",
            (*asked.values, text, text, rows),
        )

    def _live(self) -> Condition:
        if self._city is None:
            return Condition("+c.state = 'active'")
        return Condition("c.city = ? AND +c.state = 'active'", (self._city,))

    def counts(self, facet: str) -> Counts:
        """Return how many live datasets each value of a facet has; none for others."""
        if facet in COLUMN_FACETS:
            column = COLUMN_FACETS[facet]
            of_city = "" if self._city is None else " AND c.city = ?"
            live = "SUM(c.datasets * (c.state = 'active'))"
            sql = (
                f"SELECT {column}, {live} FROM card_tally c"  # noqa: S608
                f" WHERE {column} IS NOT NULL AND c.datasets > 0{of_city} GROUP BY 1"
            )
            values: tuple[Any, ...] = () if self._city is None else (self._city,)
        else:
            of_city = "" if self._city is None else " AND n.city = ?"
            sql = (
                "SELECT t.value, SUM(n.datasets) FROM card_count n"  # noqa: S608
                " JOIN card_term t ON t.id=n.term"
                f" WHERE t.field=? AND n.state='active'{of_city}"
                " GROUP BY 1 HAVING SUM(n.datasets) > 0"
            )
            values = (facet, *(() if self._city is None else (self._city,)))
        return self._shelf.facets.keep(
            self._mark,
            ("counts", facet, self._city),
            lambda: {value: int(n) for value, n in self._rows(sql, values)},
        )

    def facet(self, facet: str, asked: Condition) -> Counts:
        """Return how many of the datasets found each value of a facet has."""
        if self._is_whole(asked):
            return {value: n for value, n in self.counts(facet).items() if n}
        values: tuple[Any, ...] = asked.values
        if facet in COLUMN_FACETS and asked.is_tallied:
            column = COLUMN_FACETS[facet]
            sql = f"{_tally(f'{column}, SUM(c.datasets)', asked)} GROUP BY 1"
        elif facet in COLUMN_FACETS:
            sql = f"{_sql(f'{COLUMN_FACETS[facet]}, COUNT(*)', asked)} GROUP BY 1"
        else:
            # CROSS keeps this order: datasets are fewer than what they have.
            sql = (
                f"SELECT t.value, COUNT(*) FROM ({_sql('c.dataset', asked)}) c"  # noqa: S608
                " CROSS JOIN card_posting p ON p.dataset=c.dataset"
                " CROSS JOIN card_term t ON t.id=p.term AND t.field=? GROUP BY t.id"
            )
            values = (*asked.values, facet)
        return self._shelf.facets.keep(
            self._mark,
            ("facet", facet, asked),
            lambda: {v: int(n) for v, n in self._rows(sql, values) if v is not None},
        )

    def _rows(self, sql: str, values: Sequence[Any]) -> list[Any]:
        """Return rows.

        Raises:
            TooExpensiveError: SQLite was not done in time.
        """
        if len(values) > VALUES_MAX:
            raise TooExpensiveError
        with interrupted_after(self._connection, SECONDS_MAX) as connection:
            return connection.execute(sql, values).fetchall()
        raise TooExpensiveError


def _sql(what: str, asked: Condition) -> str:
    """Return the statement; a short list leads, instead of an order's index."""
    how = " NOT INDEXED" if asked.rare else ""
    return f"SELECT {what} FROM card c{how} WHERE {asked.sql}"  # noqa: S608


def _tally(what: str, asked: Condition) -> str:
    """Return the statement on the tally of cards, for a condition that it answers."""
    return f"SELECT {what} FROM card_tally c WHERE c.datasets > 0 AND ({asked.sql})"  # noqa: S608


def order_of(sort: str) -> str | None:
    """Return the SQL of an order; None of one that CKAN has not.

    The identifier ends it, so pages never overlap.
    """
    found = []
    for clause in sort.split(","):
        name, _, direction = clause.strip().partition(" ")
        direction = direction.strip().lower() or "asc"
        if direction not in {"asc", "desc"}:
            return None
        if name in UNRANKED:
            continue
        if name not in ORDERS:
            return None
        found.append(f"{ORDERS[name]} {direction}")
    if not any(one.startswith("c.uid ") for one in found):
        found.append("c.uid asc")
    return ", ".join(found)
