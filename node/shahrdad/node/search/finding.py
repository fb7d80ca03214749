"""Finding datasets: filters, facets, order, pages, `did_you_mean` and suggestions.

Lists without a query come from the catalog's indexes; a query goes to an engine: FTS5
in the node's database, or tantivy beside it (`[search] engine`). Pages go by key, never
by offset, so that nothing which changes meanwhile hides or repeats another dataset. A
list ranked by relevance has no such key, since one new dataset moves all scores: its
cursor is of one state of the index, and expires with it.

>>> from shahrdad.node.search.finding import Filters
>>> Filters(city=("kerman",)).state
'live'
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from shahrdad.datasets.alphabet import sort_key
from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.catalog import Catalog, Dataset
from shahrdad.node.database import Database
from shahrdad.node.limits import PAGE_MAX
from shahrdad.node.search.cube import Cube
from shahrdad.node.search.cursor import Cursor, decode
from shahrdad.node.search.fts5 import Fts5Engine, frequencies
from shahrdad.node.search.index import Query, Term, read_query, with_joined
from shahrdad.node.search.sql import ORDER_SQL, beyond, conditions
from shahrdad.node.search.suggest import SUGGESTIONS_MAX, Suggestion, suggest
from shahrdad.node.search.terms import (
    FACETS,
    ORDERS,
    Ask,
    Engine,
    Filters,
    Hits,
    Key,
    Order,
    Ranking,
)
from shahrdad.node.search.words import nearest_query
from shahrdad.validators.normalise.search_key import key

__all__ = [
    "FACETS",
    "ORDERS",
    "EngineName",
    "Filters",
    "Found",
    "Order",
    "Search",
    "Suggestion",
]

EngineName = Literal["auto", "fts5", "tantivy"]
TANTIVY_DATASETS_MIN = 200_000  # from here on `auto` takes tantivy, when installed
FEW_HITS = 3  # below, another spelling is looked for


@dataclass(frozen=True, slots=True)
class Found:
    """A page of datasets.

    Attributes:
        ids: Their row numbers, in order.
        load: Reads datasets by row number.
        total: Of all pages.
        order: What was asked for, or followed from the query.
        ranking: `newest` when a query was too common to rank by relevance.
        folded: How the query was read.
        facets: Counts of values; of each facet without its own filter.
        approximate: Which of "total" and "facets" are only about right.
    """

    ids: tuple[int, ...]
    load: Callable[[Sequence[int]], tuple[Dataset, ...]]
    total: int
    order: Order
    ranking: Ranking
    next_cursor: str | None = None
    folded: str = ""
    facets: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    approximate: frozenset[str] = frozenset()
    did_you_mean: str | None = None

    @property
    def datasets(self) -> tuple[Dataset, ...]:
        """The datasets, read anew; without those that are gone."""
        return self.load(self.ids)


class Search:
    """Finds datasets in the catalog of one node; serves many threads.

    Args:
        database: The node's database.
        catalog: Its catalog.
        engine: Which engine reads queries.
        folder: Where tantivy keeps its index; None = beside the database.
    """

    def __init__(
        self,
        database: Database,
        catalog: Catalog,
        engine: EngineName = "auto",
        folder: Path | None = None,
    ) -> None:
        self._database = database
        self._catalog = catalog
        self._cube = Cube(database.connect)
        self._folder = folder or database.path.with_name("search")
        self._wanted = engine
        self._engine: Engine | None = None

    def find(
        self,
        q: str = "",
        filters: Filters | None = None,
        sort: Order | None = None,
        cursor: str | None = None,
        limit: int = 50,
        facets: bool = False,
    ) -> Found:
        """Return a page of the live datasets that match.

        Args:
            q: Words, `"phrase"`, `-word`; "" = everything.
            filters: What else must hold.
            sort: The order; None = relevance with a query, else by reference.
            cursor: `next_cursor` of the page before; alone it is enough.
            limit: At most so many datasets.
            facets: Whether to count facets.

        Raises:
            RequestError: CURSOR_MALFORMED, SEARCH_CURSOR_EXPIRED.
        """
        filters = filters or Filters()
        at = decode(cursor) if cursor is not None else None
        if at is not None:
            q, filters, sort = _resumed(at, cursor or "", q, filters, sort)
        query = with_joined(read_query(q), self._known)
        asked_words = query.match is not None
        order: Order = sort or ("relevance" if asked_words else "ref")
        if not asked_words and order == "relevance":
            order = "ref"
        ask = Ask(
            query,
            filters,
            order,
            min(limit, PAGE_MAX),
            facets,
            at.key if at else None,
            at.ranking if at else None,
            self._mark(),
        )
        if at is not None and (at.order != order):
            raise RequestError(Reason.CURSOR_MALFORMED, cursor=(cursor or "")[:100])
        self._refuse_expired(at, ask, cursor)
        hits = self._hits(ask, q)
        return self._found(ask, hits, q)

    def suggest(self, q: str, limit: int = SUGGESTIONS_MAX) -> list[Suggestion]:
        """Return what a person may be about to type; the last word is a beginning."""
        return suggest(self._database.connect(), q, limit)

    def _hits(self, ask: Ask, q: str) -> Hits:
        """Return the row numbers of a page."""
        if ask.query.match is not None and ask.filters.withdrawn:
            return self._withdrawn(ask)
        if ask.query.match is not None:
            return self._engine_now().page(ask)
        if q.strip():  # only -words or signs: nothing is wanted
            return Hits((), 0, "none", {})
        where, values = conditions(ask.filters)
        after, after_values = beyond(ask.order, ask.after)
        rows = self._database.connect().execute(
            f"SELECT d.id FROM dataset d WHERE {where}{after}"  # noqa: S608
            f" ORDER BY {ORDER_SQL[ask.order]} LIMIT ?",
            (*values, *after_values, ask.limit + 1),
        )
        return Hits(
            tuple(row[0] for row in rows),
            self._cube.total(ask.mark, ask.filters),
            "none",
            self._cube.facets(ask.mark, ask.filters) if ask.facets else {},
        )

    def _withdrawn(self, ask: Ask) -> Hits:
        """Search the withdrawn datasets, which no index holds, by their titles."""
        where, values = conditions(ask.filters)
        order: Order = "-updated" if ask.order == "relevance" else ask.order
        rows = self._database.connect().execute(
            "SELECT d.id, d.title_fa || ' ' || d.title_en || ' ' || d.slug"  # noqa: S608
            f" FROM dataset d WHERE {where} ORDER BY {ORDER_SQL[order]}",
            values,
        )
        ids = tuple(number for number, title in rows if _has_words(ask.query, title))
        rest = ids
        if ask.after is not None and ask.order == "relevance":
            rest = ids[int(ask.after[0]) :]
        elif ask.after is not None:
            # The last dataset of the page before may have come back meanwhile.
            after, after_values = beyond(ask.order, ask.after)
            rows = self._database.connect().execute(
                f"SELECT d.id FROM dataset d WHERE {where}{after}",  # noqa: S608
                (*values, *after_values),
            )
            later = {number for (number,) in rows}
            rest = tuple(number for number in ids if number in later)
        facets = self._cube.facets(ask.mark, ask.filters) if ask.facets else {}
        about = frozenset({"facets"}) if ask.facets else frozenset[str]()
        ranking: Ranking = "relevance" if ask.order == "relevance" else "none"
        return Hits(rest[: ask.limit + 1], len(ids), ranking, facets, about)

    def _found(self, ask: Ask, hits: Hits, q: str) -> Found:
        """Return the page that a person sees."""
        ids = hits.ids[: ask.limit]
        following = None
        if len(hits.ids) > ask.limit and (last := self._last(ids)):
            following = Cursor(
                ask.order,
                hits.ranking,
                self._next_key(ask, hits, last),
                ask.mark,
                (q, ask.filters),
            ).encode()
        nearest = None
        if ask.query.match is not None and hits.total < FEW_HITS and not ask.after:
            nearest = nearest_query(self._database.connect(), q)
        return Found(
            ids=ids,
            load=self._catalog.by_ids,
            total=hits.total,
            order=ask.order,
            ranking=hits.ranking,
            next_cursor=following,
            folded=ask.query.folded if q.strip() else "",
            facets=hits.facets,
            approximate=hits.approximate,
            did_you_mean=nearest,
        )

    def _last(self, ids: Sequence[int]) -> Dataset | None:
        """Return the last of some datasets that is still there."""
        if not ids:
            return None
        found = self._catalog.by_ids(ids[-1:]) or self._catalog.by_ids(ids)
        return found[-1] if found else None

    def _next_key(self, ask: Ask, hits: Hits, last: Dataset) -> Key:
        """Return where the page ends."""
        if ask.order != "relevance":
            return _key(ask.order, last)
        if hits.ranking == "newest":
            return (str(last.id),)
        start = int(ask.after[0]) if ask.after else 0
        return (str(start + ask.limit),)

    def _refuse_expired(self, at: Cursor | None, ask: Ask, cursor: str | None) -> None:
        """Refuse a cursor of an earlier index: its place means another dataset."""
        if at is None or ask.order != "relevance":
            return
        same = at.mark == ask.mark
        if at.ranking == "newest":  # row numbers live as long as the catalog
            same = at.mark[0] == ask.mark[0]
        if not same:
            raise RequestError(
                Reason.SEARCH_CURSOR_EXPIRED, cursor=(cursor or "")[:100]
            )

    def _known(self, keys: Sequence[str]) -> list[str]:
        """Return those of some search keys that the index has."""
        return sorted(frequencies(self._database.connect(), keys))

    def _mark(self) -> tuple[str, int]:
        """Return what the index is a state of: the catalog's epoch and last change."""
        row = self._database.connect().execute(
            "SELECT (SELECT epoch FROM feed_epoch),"
            " (SELECT COALESCE(MAX(seq), 0) FROM search_change)"
        )
        epoch, seq = row.fetchone()
        return str(epoch or ""), int(seq)

    def _engine_now(self) -> Engine:
        """Return the engine, chosen at the first query."""
        if self._engine is None:
            self._engine = self._choose()
        return self._engine

    def _choose(self) -> Engine:
        wanted = self._wanted
        if wanted == "auto":
            count = self._cube.total(self._mark(), Filters())
            many = count >= TANTIVY_DATASETS_MIN
            wanted = "tantivy" if many and _has_tantivy() else "fts5"
        plain = Fts5Engine(self._database.connect, self._cube)
        if wanted == "tantivy":
            from shahrdad.node.search.tantivy import TantivyEngine

            return TantivyEngine(self._database, self._folder, plain, self._cube)
        return plain


def _has_tantivy() -> bool:
    from importlib.util import find_spec

    return find_spec("tantivy") is not None


def _resumed(
    at: Cursor, text: str, q: str, filters: Filters, sort: Order | None
) -> tuple[str, Filters, Order]:
    """Return what a cursor's list was asked for; what is given must be the same.

    Raises:
        RequestError: CURSOR_MALFORMED.
    """
    if at.asked is None:
        return q, filters, sort or at.order
    nothing_given = not q and filters == Filters()
    if not nothing_given and (q, filters) != at.asked:
        raise RequestError(Reason.CURSOR_MALFORMED, cursor=text[:100])
    return *at.asked, sort or at.order


def _key(order: Order, dataset: Dataset) -> Key:
    """Return the key of a dataset in an order, as `search_sql.beyond` reads it."""
    if order == "-updated":
        return dataset.updated, dataset.ref
    if order == "-quality":
        return str(dataset.score), dataset.ref
    if order == "title":
        return sort_key(dataset.title_fa).hex(), dataset.ref
    return (dataset.ref,)


def _has_words(query: Query, title: str) -> bool:
    """Tell whether a title has what a query wants and nothing that it does not."""
    known = f" {key(title)} "
    return all(_any_in(known, term) for term in query.wanted) and not any(
        _any_in(known, term) for term in query.unwanted
    )


def _any_in(known: str, term: Term) -> bool:
    return any(f" {word} " in known for word in term.keys)
