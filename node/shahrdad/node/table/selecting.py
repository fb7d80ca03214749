"""All rows that a query selects, in batches, for exports: no page and no total.

Without an order the rows stream in the published one. With an order they are held
together, so their number is bounded.
"""

from collections.abc import Iterator

import pyarrow as pa

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.table.limits import SORTED_ROWS_MAX
from shahrdad.node.table.query import Query
from shahrdad.node.table.reading import TableReader
from shahrdad.node.table.rows import ROW, chosen_parts, matching, top, with_keys
from shahrdad.node.table.union import UnionTable


def selected(table: TableReader, query: Query) -> Iterator[pa.Table]:
    """Yield the rows that a query selects, with the columns that it wants.

    Raises:
        RequestError: EXPORT_TOO_LARGE: too many rows to be put in order.
    """
    if isinstance(table, UnionTable):
        table = table.narrowed(query)
    parts = chosen_parts(table, query)
    names = list(dict.fromkeys([*query.fields, *(name for name, _ in query.sort)]))
    rows = matching(table, query, parts, names)
    if not query.sort:
        for batch in rows:
            yield batch.select(list(query.fields))
        return
    held: list[pa.Table] = []
    count = 0
    for batch in rows:
        count += batch.num_rows
        if count > SORTED_ROWS_MAX:
            raise RequestError(
                Reason.EXPORT_TOO_LARGE, rows=count, rows_max=SORTED_ROWS_MAX
            )
        held.append(with_keys(batch, [name for name, _ in query.sort]))
    if held:
        keys = [
            (f"{name} key", "descending" if falling else "ascending", "at_end")
            for name, falling in query.sort
        ]
        keys.append((ROW, "ascending", "at_end"))
        yield top(held, keys, count).select(list(query.fields))
