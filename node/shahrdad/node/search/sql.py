"""Filters and orders of dataset lists as SQL, for lists with and without a query."""

from shahrdad.node.search.terms import FACETS, Filters, Key, Order

ORDER_SQL: dict[Order, str] = {
    "ref": "d.ref",
    "-updated": "d.updated DESC, d.ref DESC",
    "title": "d.sort_fa, d.ref",
}


def conditions(filters: Filters) -> tuple[str, list[str | int]]:
    """Return the condition on `dataset d` that filters stand for, and its values."""
    # The sign keeps SQLite from choosing an index on state, which nearly all share:
    # it would sort all datasets instead of walking the order's own index.
    found, values = ["+d.state = ?"], [filters.state]
    more: list[str | int] = [*values]
    for facet in FACETS:
        chosen = filters.chosen(facet)
        if chosen:
            found.append(f"d.{facet} IN ({','.join('?' * len(chosen))})")
            more.extend(chosen)
    if filters.updated_after is not None:
        found.append("d.updated > ?")
        more.append(filters.updated_after)
    return " AND ".join(found), more


def beyond(order: Order, after: Key | None) -> tuple[str, list[str | bytes]]:
    """Return the condition of what comes after a key, and its values."""
    if after is None:
        return "", []
    if order == "-updated":
        return " AND (d.updated, d.ref) < (?, ?)", [*after]
    if order == "title":
        return " AND (d.sort_fa, d.ref) > (?, ?)", [bytes.fromhex(after[0]), after[1]]
    return " AND d.ref > ?", [after[0]]
