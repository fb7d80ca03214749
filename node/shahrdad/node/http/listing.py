"""Which datasets a list shows, in which order: `/v1/datasets`, pages, feeds, sitemap.

The finding itself is `shahrdad.node.search.finding`, one instance an application.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from shahrdad.node.catalog import Dataset
from shahrdad.node.http.answers import Call
from shahrdad.node.limits import PAGE_MAX
from shahrdad.node.search.finding import FACETS, ORDERS, Filters, Found, Order, Search

__all__ = ["FACETS", "ORDERS", "Order", "Wanted", "every", "find_page", "search_of"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list is asked for; an empty filter lets everything through."""

    q: str = ""
    city: tuple[str, ...] = ()
    family: tuple[str, ...] = ()
    license: tuple[str, ...] = ()
    fiscal_year: tuple[int, ...] = ()
    updated_after: str | None = None
    withdrawn: bool = False
    order: Order | None = None

    @property
    def filters(self) -> Filters:
        """The part that is not the query."""
        return Filters(
            self.city,
            self.family,
            self.license,
            self.fiscal_year,
            self.updated_after,
            self.withdrawn,
        )


def search_of(call: Call) -> Search:
    """Return the search of the application that answers."""
    search: Search = call.request.app.state.search
    return search


def find_page(
    call: Call,
    wanted: Wanted,
    *,
    cursor: str | None = None,
    limit: int = 1,
    facets: bool = False,
) -> Found:
    """Return a page of the datasets that are asked for.

    Raises:
        RequestError: CURSOR_MALFORMED, SEARCH_CURSOR_EXPIRED.
    """
    return search_of(call).find(
        wanted.q, wanted.filters, wanted.order, cursor, limit, facets
    )


def every(call: Call, wanted: Wanted) -> Iterator[Dataset]:
    """Yield all datasets that are asked for, page by page.

    Raises:
        RequestError: SEARCH_CURSOR_EXPIRED: the index changed meanwhile.
    """
    cursor = None
    while True:
        page = find_page(call, wanted, cursor=cursor, limit=PAGE_MAX)
        yield from page.datasets
        cursor = page.next_cursor
        if cursor is None:
            return
