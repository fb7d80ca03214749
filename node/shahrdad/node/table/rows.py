"""Answering a rows query: filter, sort, one page; the same page whenever it is asked.

Rows are numbered in the published order, which settles ties, so that paging neither
repeats nor hides a row. Only the columns that decide are read from all parts; the
columns of the answer are read for the rows of the page.

Memory is bounded by a batch and the best rows so far, time by whoever runs this: the
node runs it in a process that it can stop (storage 6).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.table.filters import combined, rank_text
from shahrdad.node.table.limits import BATCH_ROWS, FILES_MAX
from shahrdad.node.table.parquet import Part
from shahrdad.node.table.query import Position, Query, make_cursor, malformed
from shahrdad.node.table.reading import TableReader

ROW = "_row"
TOP_ROWS = 8_192  # sorted at a time


@dataclass(frozen=True, slots=True)
class Page:
    """One page of an answer.

    Attributes:
        rows: The rows, with the columns that were asked for.
        total: The rows of the whole answer.
        next_cursor: Asks for the page after; None at the end.
    """

    rows: pa.Table
    total: int
    next_cursor: str | None


def identity(table: TableReader) -> str:
    """Return what a cursor's row numbers belong to."""
    digests = sha256(b"".join(part.digest.raw for part in table.parts))
    return digests.hexdigest()[:16]


def select(table: TableReader, query: Query) -> Page:
    """Return a page of rows.

    Raises:
        RequestError: CURSOR_EXPIRED: the cursor belongs to another version;
            QUERY_TOO_EXPENSIVE: too many files.
    """
    check_position(table, query)
    parts = chosen_parts(table, query)
    if query.sort:
        numbers, values, total = sorted_numbers(table, query, parts)
    else:
        numbers, total = first_numbers(table, query, parts)
        values = [()] * len(numbers)
    more = len(numbers) > query.limit
    numbers, values = numbers[: query.limit], values[: query.limit]
    cursor = None
    if more and numbers:
        position = Position(identity(table), values[-1], numbers[-1], total)
        cursor = make_cursor(query, position)
    return Page(take_rows(table, numbers, query.fields), total, cursor)


def check_position(table: TableReader, query: Query) -> None:
    """Refuse a cursor of another version: its row numbers mean other rows."""
    if query.position is not None and query.position.table != identity(table):
        raise RequestError(Reason.CURSOR_EXPIRED, cursor=query.position.table)


def chosen_parts(table: TableReader, query: Query) -> dict[Part, int]:
    """Return the parts that can hold matching rows, with their first rows' numbers.

    Raises:
        RequestError: QUERY_TOO_EXPENSIVE.
    """
    low: list[Any] = []
    high: list[Any] = []
    bounds = {
        one.column: (json_value(one.low), json_value(one.high))
        for one in query.filters
        if one.low is not None and one.high is not None
    }
    for name in table.key_columns():
        if name not in bounds:
            break
        low.append(bounds[name][0])
        high.append(bounds[name][1])
        if low[-1] != high[-1]:
            break
    wanted = set(table.choose(low, high)) if low else set(table.parts)
    if len(wanted) > FILES_MAX:
        raise too_expensive(FILES_MAX, "files")
    starts = np.cumsum([0, *(part.rows for part in table.parts)]).tolist()
    return {
        part: start
        for part, start in zip(table.parts, starts, strict=False)
        if part in wanted
    }


def too_expensive(bound: int, unit: str) -> RequestError:
    """Return the error for a query above a bound."""
    return RequestError(Reason.QUERY_TOO_EXPENSIVE, bound=bound, unit=unit)


def matching(
    table: TableReader,
    query: Query,
    parts: dict[Part, int],
    columns: Sequence[str],
    after: int = -1,
) -> Iterator[pa.Table]:
    """Yield the matching rows with their numbers, in the published order.

    Args:
        table: Whose rows.
        query: What they must be.
        parts: Where they can be.
        columns: Which columns are wanted besides `_row`.
        after: Rows up to this number are left out.
    """
    names = list(dict.fromkeys([*columns, *query.filter_columns()]))
    for part, start in parts.items():
        if start + part.rows <= after + 1:
            continue
        row = start
        for batch in batches_of(table, part, names):
            mask = combined(batch, query.filters, query.ors)
            numbers = pa.array(np.arange(row, row + batch.num_rows))
            row += batch.num_rows
            rows = pa.table([*batch.select(columns).columns, numbers], [*columns, ROW])
            if mask is not None:
                rows = rows.filter(mask)
            if after >= start:
                rows = rows.filter(pc.greater(rows[ROW], after))
            if rows.num_rows:
                yield rows


def batches_of(
    table: TableReader, part: Part, names: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """Yield a part's batches; when no column is wanted they have rows all the same."""
    if names:
        yield from table.batches(names, None, [part], BATCH_ROWS)
        return
    for start in range(0, part.rows, BATCH_ROWS):
        rows = min(BATCH_ROWS, part.rows - start)
        empty = pa.record_batch({ROW: np.arange(rows)})
        yield empty


def first_numbers(
    table: TableReader, query: Query, parts: dict[Part, int]
) -> tuple[list[int], int]:
    """Return the numbers of a page's rows and one more, and the total."""
    after = -1 if query.position is None else query.position.row
    total = None if query.position is None else query.position.total
    if total is None and not query.filters and not query.ors:
        total = table.rows
    numbers: list[int] = []
    counted = 0
    for rows in matching(table, query, parts, (), after):
        counted += rows.num_rows
        missing = query.limit + 1 - len(numbers)
        numbers += rows[ROW].slice(0, max(missing, 0)).to_pylist()
        if total is not None and len(numbers) > query.limit:
            break
    return numbers, counted if total is None else total


def sorted_numbers(
    table: TableReader, query: Query, parts: dict[Part, int]
) -> tuple[list[int], list[tuple[Any, ...]], int]:
    """Return numbers and sort values of a page's rows and one more, and the total."""
    names = [name for name, _ in query.sort]
    keys = [
        (f"{name} key", "descending" if descending else "ascending", "at_end")
        for name, descending in query.sort
    ]
    keys.append((ROW, "ascending", "at_end"))
    best: list[pa.Table] = []
    held = counted = 0
    worst: pa.Scalar | None = None  # first key of the last row that can be on the page
    for rows in matching(table, query, parts, names):
        counted += rows.num_rows
        ranked = with_keys(rows, names)
        if query.position is not None:
            ranked = ranked.filter(after_position(ranked, query))
        if worst is not None:
            ranked = ranked.filter(not_beyond(ranked, query.sort[0], worst))
        best.append(ranked)
        held += ranked.num_rows
        if held > max(TOP_ROWS, 2 * query.limit + 2):
            best = [top(best, keys, query.limit + 1)]
            held = best[0].num_rows
            if held > query.limit:
                worst = best[0][f"{query.sort[0][0]} key"][held - 1]
    total = counted if query.position is None else query.position.total
    if not best:
        return [], [], total
    page = top(best, keys, query.limit + 1)
    values = [
        tuple(json_value(value) for value in row)
        for row in zip(*(page[name].to_pylist() for name in names), strict=True)
    ]
    return page[ROW].to_pylist(), values, total


def not_beyond(
    rows: pa.Table, first: tuple[str, bool], worst: pa.Scalar
) -> pa.ChunkedArray:
    """Return which rows are not after a first sort key; nulls come last."""
    name, descending = first
    key = rows[f"{name} key"]
    if not worst.is_valid:
        return pc.is_valid(pc.is_null(key))
    test = pc.greater_equal if descending else pc.less_equal
    return pc.fill_null(test(key, worst), False)


def top(
    tables: list[pa.Table], keys: list[tuple[str, str, str]], rows: int
) -> pa.Table:
    """Return the first rows in the order of some keys."""
    table = pa.concat_tables(tables)
    return table.take(pc.sort_indices(table, sort_keys=keys).slice(0, rows))


def with_keys(rows: pa.Table, names: Sequence[str]) -> pa.Table:
    """Return rows with a column `<name> key` beside each, which sorts as people do."""
    for name in names:
        rows = rows.append_column(f"{name} key", sortable(rows[name]))
    return rows


def sortable(column: pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Return what a column is sorted by: text by the Persian alphabet, NaN as null."""
    if pa.types.is_string(column.type):
        coded = column.combine_chunks().dictionary_encode()
        texts = coded.dictionary.to_pylist()
        ranks = pa.array([rank_text(text) for text in texts], pa.binary())
        return ranks.take(coded.indices)
    if pa.types.is_floating(column.type):
        nan = pc.fill_null(pc.is_nan(column), False)
        return pc.if_else(nan, pa.scalar(None, column.type), column)
    if pa.types.is_boolean(column.type):
        return column.cast(pa.int8())
    return column


def after_position(rows: pa.Table, query: Query) -> pa.ChunkedArray:
    """Return which rows come after the cursor's row in the order of the query."""
    position = query.position
    if position is None or len(position.values) != len(query.sort):
        raise malformed("")
    tied = pc.greater(rows[ROW], position.row)
    pairs = list(zip(query.sort, position.values, strict=True))
    for (name, descending), value in reversed(pairs):
        key = rows[f"{name} key"]
        rank = rank_of(rows[name].type, value)
        if rank is None:
            beyond = pc.and_(pc.is_null(key), False)
            equal = pc.is_null(key)
        else:
            limit = pa.scalar(rank, key.type)
            test = pc.less if descending else pc.greater
            # Nulls come last in both directions.
            beyond = pc.fill_null(test(key, limit), True)
            equal = pc.fill_null(pc.equal(key, limit), False)
        tied = pc.or_(beyond, pc.and_(equal, tied))
    return tied


def rank_of(kind: pa.DataType, value: Any) -> Any:
    """Return the sort key of a cursor's value; one that does not fit is refused."""
    if value is None:
        return None
    try:
        if pa.types.is_string(kind):
            return rank_text(str(value))
        if pa.types.is_boolean(kind):
            return int(bool(value))
        if pa.types.is_decimal(kind):
            return Decimal(str(value))
        if pa.types.is_date(kind):
            return date.fromisoformat(str(value))
        if pa.types.is_timestamp(kind):
            return datetime.fromisoformat(str(value))
        if pa.types.is_floating(kind):
            return float(value)
        return pa.scalar(int(value), pa.int64()).as_py()
    except (ArithmeticError, ValueError, TypeError, pa.ArrowException) as error:
        raise malformed(str(value)) from error


def json_value(value: Any) -> Any:
    """Return a cell as a cursor holds it."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, float) and value != value:
        return None  # sorted as null
    return value


def take_rows(
    table: TableReader, numbers: Sequence[int], fields: Sequence[str]
) -> pa.Table:
    """Return some rows by their numbers, in the order of the numbers given."""
    schema = pa.schema([table.schema.field(name) for name in fields])
    starts = np.cumsum([0, *(part.rows for part in table.parts)])
    wanted = np.asarray(numbers, dtype=np.int64)
    places = np.searchsorted(starts, wanted, side="right") - 1
    found: list[pa.Table] = []
    order: list[np.ndarray] = []
    for place in np.unique(places):
        here = np.flatnonzero(places == place)
        part = table.parts[int(place)]
        rows = table.read(part, fields)
        found.append(rows.take(pa.array(wanted[here] - starts[place])))
        order.append(here)
    if not found:
        return schema.empty_table()
    back = np.argsort(np.concatenate(order))
    return pa.concat_tables(found).take(pa.array(back)).replace_schema_metadata(None)
