"""Aggregates of the rows query (interfaces 4.2): exact sums, nulls that are not zeros.

Sums of whole numbers are decimals of 38 digits and never wrap. Beside each sum stands
how many values went into it. Rows with `is_subtotal` are left out unless asked for:
totals among the rows would count everything twice.
"""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from shahrdad.node.table.limits import DISTINCT_VALUES_MAX, GROUPS_MAX
from shahrdad.node.table.query import Position, Query, make_cursor
from shahrdad.node.table.reading import TableReader
from shahrdad.node.table.rows import (
    ROW,
    Page,
    check_position,
    chosen_parts,
    identity,
    matching,
    select,
    too_expensive,
    with_keys,
)

SUBTOTAL = "is_subtotal"
COMPACT_ROWS = 4 * GROUPS_MAX  # partial results that are merged at a time
MERGE = {"sum": "sum", "count": "sum", "min": "min", "max": "max"}


def aggregate(table: TableReader, query: Query) -> Page:
    """Return a page of groups.

    Returns:
        One row a group: the group's columns, then `column__function` as asked; beside a
        sum or an average stands `column__count`. Sorted as asked, else by the group.

    Raises:
        RequestError: QUERY_TOO_EXPENSIVE: too many groups, or too many different
            values to count; CURSOR_EXPIRED.
    """
    check_position(table, query)
    groups = merged(table, query)
    rows = finished(groups, query)
    ordered = rows.take(order_of(rows, query))
    start = 0 if query.position is None else query.position.row
    page = ordered.slice(start, query.limit)
    end = start + page.num_rows
    cursor = None
    if page.num_rows and end < ordered.num_rows:
        position = Position(identity(table), (), end, ordered.num_rows)
        cursor = make_cursor(query, position)
    return Page(page, ordered.num_rows, cursor)


def merged(table: TableReader, query: Query) -> pa.Table:
    """Return partial results of all batches, one row a group."""
    columns = list(dict.fromkeys([*query.groups, *(c for c, _ in query.aggregates)]))
    leave_out = SUBTOTAL in table.schema.names and not query.subtotals
    if leave_out:
        columns = list(dict.fromkeys([*columns, SUBTOTAL]))
    needs = needed(query)
    parts: list[pa.Table] = []
    held = 0
    distinct = {c: Distinct(c, query.groups) for c, f in needs if f == "countdistinct"}
    for rows in matching(table, query, chosen_parts(table, query), columns):
        kept = rows
        if leave_out:
            total = pc.fill_null(rows[SUBTOTAL], False)
            kept = rows.filter(pc.invert(total))
        for one in distinct.values():
            one.add(kept)
        parts.append(partial(kept, query.groups, needs))
        held += parts[-1].num_rows
        if held > COMPACT_ROWS:
            parts = [compact(parts, query.groups, needs)]
            held = parts[0].num_rows
    schema = table.schema
    empty = pa.schema([schema.field(name) for name in columns]).empty_table()
    parts.append(partial(empty, query.groups, needs))
    result = compact(parts, query.groups, needs)
    for one in distinct.values():
        result = one.join(result)
    return result


def needed(query: Query) -> list[tuple[str, str]]:
    """Return what is computed: sums and averages need both a sum and a count."""
    needs: list[tuple[str, str]] = []
    for column, function in query.aggregates:
        both = ("sum", "count") if function in ("sum", "avg") else (function,)
        needs += [(column, one) for one in both]
    return list(dict.fromkeys(needs))


def partial(
    rows: pa.Table, groups: Sequence[str], needs: Sequence[tuple[str, str]]
) -> pa.Table:
    """Return the results of some rows, one row a group."""
    columns = {name: rows[name] for name in groups}
    work: list[tuple[str, str]] = []
    for column, function in needs:
        if function == "countdistinct":
            continue
        name = f"{column}__{function}"
        columns[name] = as_input(rows[column], function)
        work.append((name, MERGE[function]))
    # A column of ones, so that a query without aggregates has groups too.
    columns[ROW] = pa.chunked_array([pa.array([1] * rows.num_rows, pa.int64())])
    return grouped(pa.table(columns), groups, [*work, (ROW, "sum")])


def as_input(column: pa.ChunkedArray, function: str) -> pa.ChunkedArray:
    """Return a column as a function needs it: whole numbers wide, counts as 0 or 1."""
    if function == "count":
        return pc.is_valid(column).cast(pa.int64())
    kind = column.type
    if function == "sum" and pa.types.is_integer(kind):
        return column.cast(pa.decimal128(38, 0))
    if function == "sum" and pa.types.is_decimal(kind):
        return column.cast(pa.decimal128(38, kind.scale))
    return column


def grouped(
    table: pa.Table, groups: Sequence[str], work: Sequence[tuple[str, str]]
) -> pa.Table:
    """Group and aggregate; the results keep their columns' names."""
    result = table.group_by(list(groups), use_threads=False).aggregate(list(work))
    names = [name for name, _ in work]
    ordered = [*groups, *(f"{name}_{function}" for name, function in work)]
    renamed = result.select(ordered).rename_columns([*groups, *names])
    if renamed.num_rows > GROUPS_MAX:
        raise too_expensive(GROUPS_MAX, "groups")
    return renamed


def compact(
    parts: list[pa.Table], groups: Sequence[str], needs: Sequence[tuple[str, str]]
) -> pa.Table:
    """Merge partial results."""
    work = [
        (f"{column}__{function}", MERGE[function])
        for column, function in needs
        if function != "countdistinct"
    ]
    return grouped(pa.concat_tables(parts), groups, [*work, (ROW, "sum")])


class Distinct:
    """The different values of a column in each group.

    Args:
        column: Whose values.
        groups: The group's columns.
    """

    def __init__(self, column: str, groups: Sequence[str]) -> None:
        self._column = column
        self._groups = list(groups)
        self._seen: list[pa.Table] = []
        self._held = 0

    def add(self, rows: pa.Table) -> None:
        """Take the values of some rows."""
        value = f"{self._column}__value"
        table = pa.table(
            [*(rows[name] for name in self._groups), rows[self._column]],
            [*self._groups, value],
        )
        keys = [*self._groups, value]
        pairs = table.filter(pc.is_valid(table[value])).group_by(keys).aggregate([])
        self._seen.append(pairs)
        self._held += pairs.num_rows
        if self._held > DISTINCT_VALUES_MAX:
            merged = pa.concat_tables(self._seen).group_by(keys).aggregate([])
            self._seen, self._held = [merged], merged.num_rows
            if self._held > DISTINCT_VALUES_MAX:
                raise too_expensive(DISTINCT_VALUES_MAX, "different values")

    def join(self, groups: pa.Table) -> pa.Table:
        """Return the groups with the count beside them; 0 where there was no value."""
        counts: dict[tuple[Any, ...], int] = {}
        if self._seen:
            value = f"{self._column}__value"
            every = pa.concat_tables(self._seen)
            pairs = every.group_by([*self._groups, value]).aggregate([])
            for row in zip(*(pairs[n].to_pylist() for n in self._groups), strict=True):
                counts[row] = counts.get(row, 0) + 1
            if not self._groups:
                counts[()] = pairs.num_rows
        names = zip(*(groups[name].to_pylist() for name in self._groups), strict=True)
        keys = list(names) if self._groups else [()] * groups.num_rows
        found = pa.array([counts.get(key, 0) for key in keys], pa.int64())
        return groups.append_column(f"{self._column}__countdistinct", found)


def finished(groups: pa.Table, query: Query) -> pa.Table:
    """Return the columns that were asked for, averages made of sums and counts."""
    columns: dict[str, pa.ChunkedArray] = {name: groups[name] for name in query.groups}
    for column, function in query.aggregates:
        count: pa.ChunkedArray | None = None
        if function in ("sum", "avg", "count"):
            # The one group of no rows has no counts yet.
            count = pc.fill_null(groups[f"{column}__count"], 0)
        if function == "avg":
            total = groups[f"{column}__sum"].cast(pa.float64())
            columns[f"{column}__avg"] = pc.if_else(
                pc.equal(count, 0),
                pa.scalar(None, pa.float64()),
                pc.divide(total, pc.max_element_wise(count, 1).cast(pa.float64())),
            )
        elif function != "count":
            columns[f"{column}__{function}"] = groups[f"{column}__{function}"]
        if count is not None:
            columns[f"{column}__count"] = count
    return pa.table(columns)


def order_of(rows: pa.Table, query: Query) -> pa.Array:
    """Return the order of the groups: as asked, then by the group itself."""
    asked = [
        (name, falling) for name, falling in query.sort if name in rows.schema.names
    ]
    names = {name for name, _ in asked}
    asked += [(name, False) for name in query.groups if name not in names]
    if not asked or rows.num_rows == 0:
        return pa.array(range(rows.num_rows), pa.uint64())
    ranked = with_keys(rows, [name for name, _ in asked])
    keys = [
        (f"{name} key", "descending" if falling else "ascending", "at_end")
        for name, falling in asked
    ]
    return pc.sort_indices(ranked, sort_keys=keys)


def answer(table: TableReader, query: Query) -> Page:
    """Return groups for a grouped query, rows for another."""
    return aggregate(table, query) if query.grouped else select(table, query)
