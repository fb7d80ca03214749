"""Filters and orders of dataset lists as SQL, for lists with and without a query."""

from shahrdad.node.search.terms import FACETS, Filters, Key, Order

ORDER_SQL: dict[Order, str] = {
    "ref": "d.ref",
    "-updated": "d.updated DESC, d.ref DESC",
    "title": "d.sort_fa, d.ref",
    "-quality": "d.score DESC, d.ref DESC",
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
    beside, others = uncounted(filters)
    return " AND ".join(found) + beside, [*more, *others]


def uncounted(filters: Filters) -> tuple[str, list[str | int]]:
    """Return the condition of the filters that are no facet's, and its values."""
    found: list[str] = []
    values: list[str | int] = []
    if filters.updated_after is not None:
        found.append("d.updated > ?")
        values.append(filters.updated_after)
    if filters.families:
        marks = ",".join("?" * len(filters.families))
        found.append(f"COALESCE(d.family, '') IN ({marks})")
        values += filters.families
    if filters.scores:
        spans = " OR ".join("d.score >= ? AND d.score < ?" for _ in filters.scores)
        found.append(f"({spans})")
        values += [bound for span in filters.scores for bound in span]
    if filters.covers is not None:
        found.append("d.fiscal_year = ?")
        values.append(filters.covers)
    if filters.tabular:
        found.append("EXISTS (SELECT 1 FROM card_resource r WHERE r.dataset = d.id)")
    return "".join(f" AND {one}" for one in found), values


def beyond(order: Order, after: Key | None) -> tuple[str, list[str | bytes | int]]:
    """Return the condition of what comes after a key, and its values."""
    if after is None:
        return "", []
    if order == "-updated":
        return " AND (d.updated, d.ref) < (?, ?)", [*after]
    if order == "-quality":
        return " AND (d.score, d.ref) < (?, ?)", [int(after[0]), after[1]]
    if order == "title":
        return " AND (d.sort_fa, d.ref) > (?, ?)", [bytes.fromhex(after[0]), after[1]]
    return " AND d.ref > ?", [after[0]]
