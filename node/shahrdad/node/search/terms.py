"""What a search is asked and what an engine answers: the words both engines share.

An engine finds by text. Everything else (lists without a query, cursors, suggestions)
is the same for all engines and lies in `search`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from shahrdad.node.search.index import Query

Order = Literal["ref", "relevance", "-updated", "title", "-quality"]
Ranking = Literal["none", "relevance", "newest"]
ORDERS: tuple[Order, ...] = ("ref", "relevance", "-updated", "title", "-quality")
FACETS = ("city", "family", "license", "fiscal_year")
Key = tuple[str, ...]  # where a page ended, in the order's own terms
Counts = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Filters:
    """What else a dataset must be; an empty filter lets everything through.

    Values of one filter are alternatives; different filters all hold.

    Attributes:
        families: Those of a theme; "" stands for datasets without a standard.
        scores: Spans of quality in ten-thousandths, from one to below the other.
        covers: A Jalali year.
        tabular: Only what can be downloaded as a table.
    """

    city: tuple[str, ...] = ()
    family: tuple[str, ...] = ()
    license: tuple[str, ...] = ()
    fiscal_year: tuple[int, ...] = ()
    updated_after: str | None = None
    withdrawn: bool = False
    families: tuple[str, ...] = ()
    scores: tuple[tuple[int, int], ...] = ()
    covers: int | None = None
    tabular: bool = False

    @property
    def is_counted(self) -> bool:
        """Whether facets alone are asked for, whose counts lie ready."""
        more = (self.updated_after, self.families, self.scores, self.covers)
        return not any(more) and not self.tabular

    @property
    def is_tallied(self) -> bool:
        """Whether the catalog's tally counts them: it has standards and years."""
        return not (self.updated_after or self.scores or self.tabular)

    @property
    def state(self) -> str:
        """The state that is asked for."""
        return "withdrawn" if self.withdrawn else "live"

    def chosen(self, facet: str) -> tuple[str | int, ...]:
        """Return the values of a facet's filter."""
        values: tuple[str | int, ...] = getattr(self, facet)
        return values


@dataclass(frozen=True, slots=True)
class Ask:
    """A page of hits that an engine is asked for.

    Attributes:
        after: Where the page before ended: a dataset's row number for `newest`, a
            place in the ranked list for `relevance`, else the order's key.
        ranking: What the page before was ranked by; None = the first page.
        page_of: Which page of the index's life; equal marks have equal ranked lists.
    """

    query: Query
    filters: Filters
    order: Order
    limit: int
    facets: bool = False
    after: Key | None = None
    ranking: Ranking | None = None
    mark: tuple[str, int] = ("", 0)


@dataclass(frozen=True, slots=True)
class Hits:
    """What an engine found.

    Attributes:
        ids: Row numbers of datasets, in order; at most one more than the limit, so that
            the asker knows whether there is a next page.
        total: Of all pages.
        approximate: Which of "total" and "facets" are only about right.
    """

    ids: tuple[int, ...]
    total: int
    ranking: Ranking
    facets: Counts = field(default_factory=dict)
    approximate: frozenset[str] = frozenset()


class Engine(Protocol):
    """A full-text index over the live datasets.

    Follows: what it answers with is the catalog as it was when it was asked.
    Concurrent: may be asked from several threads.
    """

    def page(self, ask: Ask) -> Hits:
        """Return a page of what matches the query and passes the filters."""
        ...
