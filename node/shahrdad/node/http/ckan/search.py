"""`package_search`: filters, facets, order, pages."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shahrdad.datasets.alphabet import sort_key
from shahrdad.node.http.ckan import envelope
from shahrdad.node.http.ckan.envelope import Refusal
from shahrdad.node.http.ckan.packages import Package
from shahrdad.node.http.ckan.query import QuerySyntaxError, parse

ROWS_DEFAULT = 10
ROWS_MAX = 1_000
SORTS = {
    "id": "id",
    "name": "name",
    "title": "title",
    "title_string": "title",
    "metadata_created": "metadata_created",
    "metadata_modified": "metadata_modified",
    "score": "id",
    "views_recent": "id",
}
FACETS = {
    "organization": "organization",
    "groups": "groups",
    "tags": "tags",
    "res_format": "res_format",
    "license_id": "license_id",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a search asks for."""

    rows: int
    start: int
    queries: tuple[str, ...]
    order: str


def wanted(values: Mapping[str, Any]) -> Wanted | Refusal:
    """Return what a search asks for, or why it is refused."""
    rows = envelope.whole(values, "rows", ROWS_DEFAULT)
    if "rows" not in values and "limit" in values:
        rows = envelope.whole(values, "limit", ROWS_DEFAULT)
    start = envelope.whole(values, "start", 0)
    if rows is None or start is None:
        name = "rows" if rows is None else "start"
        return Refusal("Validation Error", fields={name: ["Invalid integer"]})
    queries = [envelope.text(values, "q"), *envelope.listed(values, "fq")]
    queries += envelope.listed(values, "fq_list")
    order = envelope.text(values, "sort") or "id asc"
    asked = tuple(query for query in queries if query)
    return Wanted(min(rows, ROWS_MAX), start, asked, order)


def search(
    packages: Sequence[Package], values: Mapping[str, Any]
) -> dict[str, Any] | Refusal:
    """Return the result of a search over these packages."""
    asked = wanted(values)
    if isinstance(asked, Refusal):
        return asked
    start, rows, order = asked.start, asked.rows, asked.order
    try:
        tests = [parse(query) for query in asked.queries]
    except QuerySyntaxError as error:
        return Refusal("Search Query Error", f"Search Query is invalid: {error}")
    ordered = _sorted(packages, order)
    if ordered is None:
        return Refusal("Search Query Error", f"Invalid sort: {order[:100]}")
    found = [one for one in ordered if all(test(one.indexed) for test in tests)]
    counts = _facets(found, values)
    return {
        "count": len(found),
        "results": [one.dictionary for one in found[start : start + rows]],
        "sort": order,
        "facets": {
            name: {item["name"]: item["count"] for item in items["items"]}
            for name, items in counts.items()
        },
        "search_facets": counts,
    }


def _sorted(packages: Sequence[Package], order: str) -> list[Package] | None:
    """Return packages in order; the identifier ends it, so pages never overlap."""
    found = sorted(packages, key=lambda one: str(one.dictionary["id"]))
    for clause in reversed(order.split(",")):
        name, _, direction = clause.strip().partition(" ")
        direction = direction.strip().lower() or "asc"
        if name not in SORTS or direction not in {"asc", "desc"}:
            return None
        field = SORTS[name]
        if name in {"score", "views_recent"}:
            continue

        def key(one: Package, field: str = field) -> Any:
            value = str(one.dictionary[field])
            return sort_key(value) if field == "title" else value.encode()

        found.sort(key=key, reverse=direction == "desc")
    return found


def _facets(
    found: Sequence[Package], values: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    names = envelope.listed(values, "facet.field")
    limit = envelope.whole(values, "facet.limit", 50)
    counts: dict[str, dict[str, Any]] = {}
    for name in names:
        field = FACETS.get(name, name)
        totals: Counter[str] = Counter()
        titles: dict[str, str] = {}
        for one in found:
            totals.update(set(one.indexed.fields.get(field, ())))
            if name == "organization":
                city = one.dictionary["organization"]
                titles[city["name"]] = city["title"]
            elif name == "groups":
                titles |= {g["name"]: g["title"] for g in one.dictionary["groups"]}
        ranked = sorted(totals.items(), key=lambda pair: (-pair[1], pair[0]))
        counts[name] = {
            "title": name,
            "items": [
                {
                    "name": value,
                    "display_name": titles.get(value, value),
                    "count": count,
                }
                for value, count in (ranked[:limit] if limit else ranked)
            ],
        }
    return counts


def autocomplete(
    choices: Sequence[tuple[str, str]], values: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """Return (name, title) of choices whose name or title has the asked letters."""
    q = envelope.text(values, "q") or envelope.text(values, "query")
    limit = envelope.whole(values, "limit", 10) or 10
    folded = q.casefold()
    return [
        (name, title)
        for name, title in choices
        if folded in name.casefold() or folded in title.casefold()
    ][: min(limit, ROWS_MAX)]


def loads_object(text: str) -> Any:
    """Return a JSON value, or None for a text that is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
