"""What a table's columns hold: nulls, different values, extremes, sums, frequencies.

One column at a time, in memory; sums of whole numbers never wrap.

>>> import pyarrow as pa
>>> column_stats("a", pa.chunked_array([[1, 1, None]]))["top"]
[{'value': 1, 'count': 2}]
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shahrdad.node.table.reading import TableReader
from shahrdad.node.table.rows import json_value, sortable

BINS = 20
TOP = 20


def table_stats(table: TableReader) -> list[dict[str, Any]]:
    """Return the statistics of every column, in their order."""
    found = []
    for name in table.schema.names:
        chunks = [table.read(part, [name]) for part in table.parts]
        found.append(column_stats(name, pa.concat_tables(chunks)[name]))
    return found


def column_stats(name: str, column: pa.ChunkedArray) -> dict[str, Any]:
    """Return the statistics of one column; what means nothing for its type is null."""
    kind = column.type
    rows, nulls = len(column), column.null_count
    about: dict[str, Any] = {"name": name, "rows": rows, "nulls": nulls}
    about |= {"distinct": None, "min": None, "max": None, "sum": None}
    about |= {"histogram": None, "top": []}
    if pa.types.is_list(kind):
        return about
    counts = pc.value_counts(column.drop_null().combine_chunks())
    about["distinct"] = len(counts)
    if not len(counts):
        return about
    values, numbers = counts.field("values"), counts.field("counts")
    order = pc.sort_indices(
        pa.table({"count": numbers, "key": sortable(pa.chunked_array([values]))}),
        sort_keys=[("count", "descending"), ("key", "ascending")],
    )
    about["top"] = [
        {"value": json_value(values[place].as_py()), "count": numbers[place].as_py()}
        for place in order[:TOP].to_pylist()
    ]
    if pa.types.is_string(kind) or pa.types.is_boolean(kind):
        return about
    ends = pc.min_max(column).as_py()
    about["min"], about["max"] = json_value(ends["min"]), json_value(ends["max"])
    if not (pa.types.is_date(kind) or pa.types.is_timestamp(kind)):
        about["sum"] = total(column)
    about["histogram"] = histogram(column)
    return about


def total(column: pa.ChunkedArray) -> Any:
    """Return an exact sum: whole numbers as an integer, decimals as text."""
    if pa.types.is_floating(column.type):
        return pc.sum(column).as_py()
    exact = pc.sum(column.cast(pa.decimal256(76, getattr(column.type, "scale", 0))))
    found = exact.as_py()
    return int(found) if pa.types.is_integer(column.type) else json_value(found)


def histogram(column: pa.ChunkedArray) -> dict[str, Any] | None:
    """Return how many values lie in each of some equal spans; days count from 1970."""
    kind = column.type
    if pa.types.is_date(kind):
        column = column.cast(pa.int32())
    elif pa.types.is_timestamp(kind):
        column = column.cast(pa.int64())
    numbers = column.drop_null().cast(pa.float64(), safe=False).to_numpy()
    finite = numbers[np.isfinite(numbers)]
    if not len(finite):
        return None
    low, high = finite.min(), finite.max()
    # Numbers that are large and near each other have no floats between to part them.
    if np.unique(np.linspace(low, high, BINS + 1)).size <= BINS:
        return {"edges": [float(low), float(high)], "counts": [len(finite)]}
    counts, edges = np.histogram(finite, BINS)
    return {"edges": edges.tolist(), "counts": counts.tolist()}
