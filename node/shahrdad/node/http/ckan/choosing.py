"""Which rows and columns of a table are asked for, in the words of CKAN's datastore.

Filters are equality, membership, or comparisons by name; values are read in the
column's own type. Rows come with the column `_id`, which counts them in the published
order, from 1.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shahrdad.node.http.ckan import envelope
from shahrdad.node.http.ckan.envelope import Refusal
from shahrdad.node.http.ckan.search import loads_object
from shahrdad.validators.normalise.search_key import words

ID = "_id"
COMPARISONS = {
    "lt": "less",
    "lte": "less_equal",
    "gt": "greater",
    "gte": "greater_equal",
    "eq": "equal",
}
_INTEGER_DIGITS_MAX = 18


@dataclass(frozen=True, slots=True)
class Choice:
    """What is asked of a table.

    Attributes:
        filters: What columns must have.
        wanted: Search keys by column; those of "" may stand in any.
        columns: In the order they were asked for.
        keys: (column, `ascending` or `descending`), the first one first.
        distinct: Whether equal rows are one.
    """

    filters: Mapping[str, Any]
    wanted: Mapping[str, tuple[str, ...]]
    columns: tuple[str, ...]
    keys: tuple[tuple[str, str], ...]
    distinct: bool

    @property
    def is_plain(self) -> bool:
        """Whether all rows are asked for, as they were published."""
        return not (self.filters or self.wanted or self.of_whole)

    @property
    def of_whole(self) -> bool:
        """Whether no row can be told before the last one was read."""
        return bool(self.keys) or self.distinct

    def filtered(self, table: pa.Table) -> pa.Table:
        """Return the rows that are asked for, with all columns."""
        for name, value in self.filters.items():
            table = table.filter(_mask(table[name], value))
        for name, keys in self.wanted.items():
            table = table.filter(_holding(table, name, keys))
        return table

    def arranged(self, table: pa.Table) -> pa.Table:
        """Return rows in order, with the columns that are asked for.

        Rows with equal keys keep the published order.
        """
        if self.keys:
            table = table.sort_by([*self.keys, (ID, "ascending")])
        table = table.select(self.columns)
        if self.distinct:
            table = table.group_by(self.columns, use_threads=False).aggregate([])
        return table


def numbered(
    batches: Iterator[pa.RecordBatch], schema: pa.Schema, number: int = 1
) -> Iterator[pa.Table]:
    """Yield the rows with the column `_id` before them.

    Args:
        batches: The rows.
        schema: Of them.
        number: Of the first one.
    """
    for batch in batches:
        table = pa.Table.from_batches([batch], schema)
        ids = pa.array(range(number, number + table.num_rows), pa.int64())
        number += table.num_rows
        yield table.add_column(0, ID, ids)


def window(tables: Iterator[pa.Table], start: int, rows: int) -> Iterator[pa.Table]:
    """Yield some of the rows, and read no further than the last of them.

    Args:
        tables: The rows.
        start: How many to leave out.
        rows: At most so many.
    """
    end, place = start + rows, 0
    for table in tables:
        first, last = max(start - place, 0), min(end - place, table.num_rows)
        if first < last:
            yield table.slice(first, last - first)
        place += table.num_rows
        if place >= end:
            return


def read(values: Mapping[str, Any], schema: pa.Schema) -> Choice | Refusal:
    """Return what is asked for, or why it is refused.

    Args:
        values: The parameters of a call.
        schema: Of the table, without `_id`.
    """
    kinds = {ID: pa.int64(), **{one.name: one.type for one in schema}}
    filters = _object(values.get("filters"))
    if filters is None:
        return _wrong("filters", "Not a JSON object")
    wanted = _wanted(values.get("q"))
    for name, asked in (("filters", filters), ("q", wanted)):
        unknown = [one for one in asked if one and one not in kinds]
        if unknown:
            return _unknown(name, unknown[0])
    columns = _columns(values)
    unknown = [one for one in columns if one not in kinds]
    if unknown:
        return _unknown("fields", unknown[0])
    chosen = columns or tuple(kinds)
    distinct = envelope.flag(values, "distinct")
    if distinct and (lists := [one for one in chosen if _is_list(kinds[one])]):
        return _wrong("distinct", f'field "{lists[0]}" is a list')
    keys = []
    sort = envelope.text(values, "sort")
    for clause in sort.split(",") if sort.strip() else []:
        name, _, direction = clause.strip().partition(" ")
        direction = direction.strip().lower() or "asc"
        if name not in kinds or direction not in {"asc", "desc"}:
            return _unknown("sort", name)
        if _is_list(kinds[name]):
            return _wrong("sort", f'field "{name}" is a list')
        keys.append((name, "ascending" if direction == "asc" else "descending"))
    return Choice(filters, wanted, chosen, tuple(keys), distinct)


def _wrong(name: str, sentence: str) -> Refusal:
    return Refusal("Validation Error", fields={name: [sentence]})


def _unknown(name: str, column: str) -> Refusal:
    return _wrong(name, f'field "{column[:100]}" not in table')


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind))


def _object(value: Any) -> dict[str, Any] | None:
    """Return a JSON object; None for what is none."""
    if isinstance(value, str):
        value = loads_object(value) if value.strip() else {}
    elif value is None:
        return {}
    return value if isinstance(value, dict) else None


def _wanted(q: Any) -> dict[str, tuple[str, ...]]:
    """Return the search keys by column, of a text or of a text for each column."""
    asked = _object(q) if isinstance(q, dict) or str(q).lstrip()[:1] == "{" else None
    if asked is None:
        asked = {"": envelope.text({"q": q}, "q")}
    found = {name: tuple(words(str(text))) for name, text in asked.items()}
    return {name: keys for name, keys in found.items() if keys}


def _columns(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the columns that are named, once each."""
    named = envelope.listed(values, "fields")
    if len(named) == 1:
        named = [name.strip() for name in named[0].split(",")]
    return tuple(dict.fromkeys(named))


def _mask(column: pa.ChunkedArray, wanted: Any) -> pa.ChunkedArray:
    """Return where a column has what is wanted; null never does, unless asked."""
    if isinstance(wanted, dict):
        found = None
        for name, bound in wanted.items():
            compare = COMPARISONS.get(name)
            value = _value(column.type, bound)
            part = _nothing(column)
            if compare is not None and value is not None:
                part = pc.call_function(compare, [column, value])
            found = part if found is None else pc.call_function("and", [found, part])
        return pc.fill_null(found, False) if found is not None else _nothing(column)
    several = wanted if isinstance(wanted, list) else [wanted]
    mask = _nothing(column)
    for one in several:
        if one is None:
            mask = pc.call_function("or", [mask, pc.call_function("is_null", [column])])
            continue
        value = _value(column.type, one)
        if value is not None:
            mask = pc.call_function(
                "or",
                [mask, pc.fill_null(pc.call_function("equal", [column, value]), False)],
            )
    return mask


def _nothing(column: pa.ChunkedArray) -> pa.Array:
    return pa.array([False] * len(column), pa.bool_())  # also of no rows at all


def _value(kind: pa.DataType, value: Any) -> pa.Scalar | None:
    """Return a value in a column's type, or None when it is no such value."""
    if pa.types.is_list(kind):
        return None
    try:
        if pa.types.is_string(kind):
            return pa.scalar(str(value), kind)
        if pa.types.is_boolean(kind):
            return pa.scalar(str(value).lower() in {"true", "t", "1"}, kind)
        return pa.scalar(str(value)).cast(kind)
    except (pa.ArrowException, OverflowError):
        return None


def _holding(table: pa.Table, name: str, keys: Sequence[str]) -> pa.Array:
    """Return where a row has all the keys, by the fold of our search.

    Args:
        table: Some rows.
        name: Of the column they must stand in; "" for any, each in one of its own.
        keys: At least one.
    """
    found = np.zeros((len(keys), table.num_rows), np.bool_)
    for column in [name] if name else table.column_names:
        if column != ID or name == ID:
            found |= _having(table[column].combine_chunks(), keys)
    return pa.array(found.all(axis=0))


def _having(column: pa.Array, keys: Sequence[str]) -> Any:
    """Return where a column has each of some keys: keys × rows.

    A value that many rows have is read once. Numbers are found as a whole.
    """
    found = np.zeros((len(keys), len(column)), np.bool_)
    if pa.types.is_integer(column.type):
        for place, key in enumerate(keys):
            if key.isascii() and key.isdigit() and len(key) <= _INTEGER_DIGITS_MAX:
                same = pc.call_function("equal", [column, int(key)])
                found[place] = pc.fill_null(same, False).to_numpy(zero_copy_only=False)
    elif pa.types.is_string(column.type):
        coded = column.dictionary_encode()
        texts = [set(words(text)) for text in coded.dictionary.to_pylist()]
        places = pc.fill_null(coded.indices, len(texts)).to_numpy(zero_copy_only=False)
        for place, key in enumerate(keys):
            having = np.array([*(key in text for text in texts), False], np.bool_)
            found[place] = having[places]
    return found
