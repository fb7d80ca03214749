"""Which datasets a list shows, in which order: `/v1/datasets`, pages, feeds, CKAN.

Repeated values of a filter are alternatives; different filters all hold. The counts of
a facet leave its own filter out, so that a person sees what else there is.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from shahrdad.datasets.alphabet import sort_key
from shahrdad.node.catalog import Dataset
from shahrdad.node.http import holdings
from shahrdad.node.http.view import NodeView

Order = Literal["ref", "relevance", "-updated", "title"]
ORDERS = ("ref", "relevance", "-updated", "title")
FACETS = ("city", "family", "license", "fiscal_year")


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


@dataclass(frozen=True, slots=True)
class Found:
    """The datasets of a list, in order; a page begins after a key."""

    datasets: Sequence[Dataset]
    order: Order
    key: Callable[[Dataset], tuple[Any, ...]]
    folded: str = ""
    facets: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def find(node: NodeView, wanted: Wanted) -> Found:
    """Return the datasets that are asked for."""
    scores, folded = _scores(node, wanted.q)
    everything = [
        dataset
        for dataset in node.catalog.list(withdrawn=wanted.withdrawn)
        if (dataset.state == "withdrawn") == wanted.withdrawn
        and (scores is None or dataset.ref in scores)
        and (wanted.updated_after is None or dataset.updated > wanted.updated_after)
    ]
    datasets = [item for item in everything if _matches(item, wanted, FACETS)]
    order: Order = wanted.order or ("ref" if scores is None else "relevance")
    key = _key(order, scores or {})
    return Found(
        datasets=sorted(datasets, key=key),
        order=order,
        key=key,
        folded=folded,
        facets=_facets(everything, wanted),
    )


def _scores(node: NodeView, q: str) -> tuple[dict[str, float] | None, str]:
    """Return the score of each hit and how the query was read; None without a query."""
    if not q.strip():
        return None, ""
    from shahrdad.node.search_index import read_query

    query = read_query(q)
    if query.match is None:
        return {}, query.folded
    hits = holdings.search(node.database.connect(), query.match)
    return dict(hits), query.folded


def _matches(dataset: Dataset, wanted: Wanted, facets: Sequence[str]) -> bool:
    return all(
        not getattr(wanted, facet) or getattr(dataset, facet) in getattr(wanted, facet)
        for facet in facets
    )


def _facets(datasets: Sequence[Dataset], wanted: Wanted) -> dict[str, dict[str, int]]:
    """Return how many datasets each value of each facet has."""
    found = {}
    for facet in FACETS:
        others = [name for name in FACETS if name != facet]
        values = Counter(
            getattr(dataset, facet)
            for dataset in datasets
            if _matches(dataset, wanted, others)
        )
        values.pop(None, None)
        found[facet] = {
            str(value): count
            for value, count in sorted(
                values.items(), key=lambda pair: (-pair[1], str(pair[0]))
            )
        }
    return found


def _key(
    order: Order, scores: Mapping[str, float]
) -> Callable[[Dataset], tuple[Any, ...]]:
    """Return the key of an order; the reference ends it, so it is total."""
    if order == "-updated":
        return lambda dataset: (_reversed(dataset.updated), dataset.ref)
    if order == "title":
        return lambda dataset: (sort_key(dataset.title_fa).hex(), dataset.ref)
    if order == "relevance":
        return lambda dataset: (float(scores.get(dataset.ref, 0.0)), dataset.ref)
    return lambda dataset: (dataset.ref,)


def _reversed(time: str) -> str:
    """Return a text that sorts against the order of times."""
    return "".join(chr(0x7E - ord(letter) + 0x20) for letter in time)
