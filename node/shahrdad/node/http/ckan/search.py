"""`package_search`: filters, facets, order, pages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shahrdad.node import sent_json
from shahrdad.node.config import Config
from shahrdad.node.http.ckan import dictionaries, envelope
from shahrdad.node.http.ckan.envelope import Refusal, Written
from shahrdad.node.http.ckan.query import Query, QuerySyntaxError, parse
from shahrdad.node.http.ckan.selection import Condition
from shahrdad.node.http.ckan.shelf import Reading, order_of

ROWS_DEFAULT = 10
ROWS_MAX = 1_000
FACETS_MAX = 20  # asked for at once


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a search asks for; `order` is SQL, `sort` as it was asked."""

    rows: int
    start: int
    queries: tuple[Query, ...]
    sort: str
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
    texts = [envelope.text(values, "q"), *envelope.listed(values, "fq")]
    texts += envelope.listed(values, "fq_list")
    try:
        queries = tuple(parse(text) for text in texts if text)
    except QuerySyntaxError as error:
        return Refusal("Search Query Error", f"Search Query is invalid: {error}")
    sort = envelope.text(values, "sort") or "id asc"
    order = order_of(sort)
    if order is None:
        return Refusal("Search Query Error", f"Invalid sort: {sort[:100]}")
    return Wanted(min(rows, ROWS_MAX), start, queries, sort, order)


def search(
    reading: Reading, config: Config, values: Mapping[str, Any]
) -> Written | Refusal:
    """Return the result of a search."""
    asked = wanted(values)
    if isinstance(asked, Refusal):
        return asked
    condition = reading.condition(asked.queries)
    counts = _facets(reading, config, condition, values)
    about = {
        "count": reading.count(condition),
        "sort": asked.sort,
        "facets": {
            name: {item["name"]: item["count"] for item in items["items"]}
            for name, items in counts.items()
        },
        "search_facets": counts,
    }
    results = reading.page(condition, asked.order, asked.start, asked.rows)
    return Written(about, "results", results, reading.finish)


def _facets(
    reading: Reading, config: Config, condition: Condition, values: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    limit = envelope.whole(values, "facet.limit", 50)
    found: dict[str, dict[str, Any]] = {}
    for name in envelope.listed(values, "facet.field")[:FACETS_MAX]:
        counts = reading.facet(name, condition)
        ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        found[name] = {
            "title": name,
            "items": [
                {
                    "name": value,
                    "display_name": _title(name, value, config),
                    "count": count,
                }
                for value, count in (ranked[:limit] if limit else ranked)
            ],
        }
    return found


def _title(facet: str, value: str, config: Config) -> str:
    """Return what people call a value of a facet."""
    if facet == "organization":
        return str(dictionaries.organization(config, value)["title"])
    return dictionaries.group_title(value) if facet == "groups" else value


def autocomplete(
    choices: Sequence[tuple[str, str]], values: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """Return (name, title) of choices whose name or title has the asked letters."""
    folded = letters(values).casefold()
    return [
        (name, title)
        for name, title in choices
        if folded in name.casefold() or folded in title.casefold()
    ][: suggestions(values)]


def letters(values: Mapping[str, Any]) -> str:
    """Return the letters that suggestions are asked for."""
    return envelope.text(values, "q") or envelope.text(values, "query")


def suggestions(values: Mapping[str, Any]) -> int:
    """Return how many suggestions are asked for."""
    return min(envelope.whole(values, "limit", 10) or 10, ROWS_MAX)


def loads_object(text: str) -> Any:
    """Return a JSON value, or None for a text that is none."""
    try:
        return sent_json.loads(text)
    except (ValueError, RecursionError):
        return None
