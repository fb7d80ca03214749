"""`datastore_search` and `datastore_info`: a table's rows as CKAN's datastore has them.

`_id` counts rows in the published order, from 1. Filters are equality, membership, or
comparisons by name; values are read in the column's own type.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from shahrdad.datasets.errors import ShahrdadError
from shahrdad.node.http.ckan import envelope
from shahrdad.node.http.ckan.envelope import Refusal
from shahrdad.node.http.ckan.search import loads_object
from shahrdad.node.http.dataset_object import Shown
from shahrdad.node.http.exports.cells import json_value
from shahrdad.node.http.exports.making import reader
from shahrdad.node.http.record_view import TableView
from shahrdad.validators.normalise.search_key import words

LIMIT_DEFAULT = 100
LIMIT_MAX = 32_000
ROWS_MAX = 300_000  # of a table that is filtered while its reader waits
TYPES = (
    (pa.types.is_boolean, "bool"),
    (pa.types.is_integer, "int8"),
    (pa.types.is_floating, "float8"),
    (pa.types.is_decimal, "numeric"),
    (pa.types.is_date, "date"),
    (pa.types.is_timestamp, "timestamp"),
    (pa.types.is_list, "json"),
)
COMPARISONS = {
    "lt": "less",
    "lte": "less_equal",
    "gt": "greater",
    "gte": "greater_equal",
    "eq": "equal",
}


@dataclass(frozen=True, slots=True)
class Source:
    """The table that a resource identifier means."""

    shown: Shown
    table: TableView
    resource_id: str


def fields(source: Source, schema: pa.Schema) -> list[dict[str, Any]]:
    """Return the columns, `_id` first."""
    known = {field.get("name"): field for field in source.table.fields}
    found: list[dict[str, Any]] = [{"id": "_id", "type": "int"}]
    for field in schema:
        about = known.get(field.name, {})
        found.append(
            {
                "id": field.name,
                "type": _type(field.type),
                "info": {
                    "label": str(about.get("title") or field.name),
                    "notes": str(about.get("title_en") or ""),
                },
            }
        )
    return found


def _type(kind: pa.DataType) -> str:
    return next((name for test, name in TYPES if test(kind)), "text")


def search(source: Source, values: Mapping[str, Any]) -> dict[str, Any] | Refusal:
    """Return rows of a table."""
    limit = envelope.whole(values, "limit", LIMIT_DEFAULT)
    offset = envelope.whole(values, "offset", 0)
    if limit is None or offset is None:
        name = "limit" if limit is None else "offset"
        return Refusal("Validation Error", fields={name: ["Invalid integer"]})
    if (source.table.rows or 0) > ROWS_MAX:
        message = f"The table has more than {ROWS_MAX} rows; download it."
        return Refusal("Search Error", message)
    limit = min(limit, LIMIT_MAX)
    try:
        table = _numbered(source)
    except ShahrdadError as error:
        return Refusal("Search Error", str(error))
    filters = values.get("filters")
    if isinstance(filters, str):
        filters = loads_object(filters) if filters.strip() else {}
    if filters is not None and not isinstance(filters, dict):
        return Refusal("Validation Error", fields={"filters": ["Not a JSON object"]})
    for name, wanted in (filters or {}).items():
        if name not in table.column_names:
            message = f'field "{name}" not in table'
            return Refusal("Validation Error", fields={"filters": [message]})
        table = table.filter(_mask(table[name], wanted))
    q = envelope.text(values, "q")
    if q.strip():
        table = table.filter(_holding(table, q))
    chosen = _columns(values, table.column_names)
    if isinstance(chosen, Refusal):
        return chosen
    ordered = _ordered(table, envelope.text(values, "sort"))
    if isinstance(ordered, Refusal):
        return ordered
    rows = ordered.select(chosen)
    if envelope.flag(values, "distinct"):
        rows = rows.group_by(chosen, use_threads=False).aggregate([])
    total = rows.num_rows
    rows = rows.slice(offset, limit)
    shown_fields = [
        one for one in fields(source, _schema(table)) if one["id"] in chosen
    ]
    return _result(source, values, rows, shown_fields, (total, limit, offset))


def _numbered(source: Source) -> pa.Table:
    """Return the whole table with the column `_id`."""
    opened = reader(source.shown, source.table)
    table = pa.Table.from_batches(list(opened.batches()), opened.schema)
    numbers = pa.array(range(1, table.num_rows + 1), pa.int64())
    return table.add_column(0, "_id", numbers)


def _schema(table: pa.Table) -> pa.Schema:
    return pa.schema([field for field in table.schema if field.name != "_id"])


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
    return pa.array([False] * len(column))


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


def _holding(table: pa.Table, q: str) -> pa.Array:
    """Return where some text of a row has all the words, by the fold of our search."""
    wanted = words(q)
    texts = [
        table[field.name].to_pylist()
        for field in table.schema
        if pa.types.is_string(field.type)
    ]
    found = []
    for row in range(table.num_rows):
        keys = {key for column in texts if column[row] for key in words(column[row])}
        found.append(all(one in keys for one in wanted))
    return pa.array(found, pa.bool_())


def _columns(values: Mapping[str, Any], known: Sequence[str]) -> list[str] | Refusal:
    wanted = envelope.listed(values, "fields")
    if len(wanted) == 1:
        wanted = [name.strip() for name in wanted[0].split(",")]
    if not wanted:
        return list(known)
    unknown = [name for name in wanted if name not in known]
    if unknown:
        message = f'field "{unknown[0]}" not in table'
        return Refusal("Validation Error", fields={"fields": [message]})
    return wanted


def _ordered(table: pa.Table, sort: str) -> pa.Table | Refusal:
    """Return the table in order; rows with equal keys keep the published order."""
    keys = []
    for clause in sort.split(",") if sort.strip() else []:
        name, _, direction = clause.strip().partition(" ")
        direction = direction.strip().lower() or "asc"
        if name not in table.column_names or direction not in {"asc", "desc"}:
            message = f'field "{name}" not in table'
            return Refusal("Validation Error", fields={"sort": [message]})
        keys.append((name, "ascending" if direction == "asc" else "descending"))
    if not keys:
        return table
    return table.sort_by([*keys, ("_id", "ascending")])


def _result(
    source: Source,
    values: Mapping[str, Any],
    rows: pa.Table,
    shown_fields: list[dict[str, Any]],
    counts: tuple[int, int, int],
) -> dict[str, Any]:
    total, limit, offset = counts
    form = envelope.text(values, "records_format", "objects")
    start = f"/api/3/action/datastore_search?resource_id={source.resource_id}"
    result: dict[str, Any] = {
        "resource_id": source.resource_id,
        "fields": shown_fields,
        "records": _records(rows, form),
        "records_format": form,
        "limit": limit,
        "offset": offset,
        "_links": {
            "start": f"{start}&limit={limit}",
            "next": f"{start}&limit={limit}&offset={offset + limit}",
        },
        "total_was_estimated": False,
    }
    if envelope.flag(values, "include_total", True):
        result["total"] = total
    return result


def _records(rows: pa.Table, form: str) -> Any:
    """Return rows as objects, lists, CSV or TSV text."""
    objects = [
        {name: json_value(value) for name, value in row.items()}
        for row in rows.to_pylist()
    ]
    if form == "lists":
        return [list(row.values()) for row in objects]
    if form in {"csv", "tsv"}:
        out = io.StringIO()
        writer = csv.writer(
            out, delimiter="," if form == "csv" else "\t", lineterminator="\n"
        )
        writer.writerows(list(row.values()) for row in objects)
        return out.getvalue()
    return objects


def info(source: Source) -> dict[str, Any] | Refusal:
    """Return the columns of a table and how many rows it has."""
    try:
        schema = reader(source.shown, source.table).schema
    except ShahrdadError as error:
        return Refusal("Search Error", str(error))
    columns = fields(source, schema)
    return {
        "meta": {
            "id": source.resource_id,
            "count": source.table.rows,
            "table_type": "base table",
        },
        "schema": {one["id"]: one["type"] for one in columns[1:]},
        "fields": columns[1:],
    }
