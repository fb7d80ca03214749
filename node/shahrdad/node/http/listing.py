"""Which datasets a list shows, in which order: `/v1/datasets`, pages, feeds, sitemap.

The finding itself is `shahrdad.node.search.finding`, one instance an application.
"""

from dataclasses import dataclass

from shahrdad.datasets import standards
from shahrdad.datasets.alignment import themes_of
from shahrdad.datasets.jalali import format_iso
from shahrdad.node.http import quality
from shahrdad.node.http.answers import Call
from shahrdad.node.http.languages import day_of
from shahrdad.node.http.snapshot import snapshot
from shahrdad.node.search.finding import FACETS, ORDERS, Filters, Found, Order, Search

__all__ = ["FACETS", "ORDERS", "Order", "Wanted", "find_page", "search_of"]


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
    theme: tuple[str, ...] = ()
    quality: tuple[str, ...] = ()
    covers: str | None = None
    tabular: bool = False
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
            _families_of(self.theme),
            tuple(_span(grade) for grade in self.quality),
            int(format_iso(day_of(self.covers))[:4]) if self.covers else None,
            self.tabular,
        )


def _families_of(themes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the standards of themes, as DCAT has them; "" where there is none."""
    return tuple(
        family
        for family in ("", *standards.families())
        if any(theme in themes_of(family) for theme in themes)
    )


def _span(grade: str) -> tuple[int, int]:
    """Return the scores of a grade in ten-thousandths."""
    least, above = quality.scores(grade)
    return round(least * 10_000), round(above * 10_000)


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
    # The end of a page is told by what its last dataset was when the page was read.
    with snapshot(call.node):
        return search_of(call).find(
            wanted.q, wanted.filters, wanted.order, cursor, limit, facets
        )
