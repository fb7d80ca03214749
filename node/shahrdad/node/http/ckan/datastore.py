"""`datastore_search` and `datastore_info`: a table's rows as CKAN's datastore has them.

What is asked of the rows is `choosing`'s matter.
"""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pyarrow as pa

from shahrdad.datasets.errors import ShahrdadError
from shahrdad.node.http.answers import dump
from shahrdad.node.http.ckan import choosing, envelope
from shahrdad.node.http.ckan.choosing import ID, Choice
from shahrdad.node.http.ckan.envelope import Refusal
from shahrdad.node.http.dataset_object import Shown
from shahrdad.node.http.exports.cells import json_value
from shahrdad.node.http.exports.making import reader
from shahrdad.node.http.record_view import TableView

if TYPE_CHECKING:
    from shahrdad.node.table.reading import TableReader

LIMIT_DEFAULT = 100
LIMIT_MAX = 32_000
ROWS_MAX = 300_000  # of a table that is filtered while its reader waits
ASKED = frozenset(
    {"resource_id", "filters", "q", "fields", "sort", "distinct", "records_format"}
    | {"include_total"}
)
TYPES = (
    (pa.types.is_boolean, "bool"),
    (pa.types.is_integer, "int8"),
    (pa.types.is_floating, "float8"),
    (pa.types.is_decimal, "numeric"),
    (pa.types.is_date, "date"),
    (pa.types.is_timestamp, "timestamp"),
    (pa.types.is_list, "json"),
)


@dataclass(frozen=True, slots=True)
class Source:
    """The table that a resource identifier means."""

    shown: Shown
    table: TableView
    resource_id: str


def fields(source: Source, schema: pa.Schema) -> list[dict[str, Any]]:
    """Return the columns, `_id` first."""
    known = {field.get("name"): field for field in source.table.fields}
    found: list[dict[str, Any]] = [{"id": ID, "type": "int"}]
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


def search(
    source: Source, values: Mapping[str, Any], path: str
) -> dict[str, Any] | Refusal:
    """Return rows of a table.

    Args:
        source: The table.
        values: What is asked.
        path: Where it was asked, for the links to other pages.
    """
    limit = envelope.whole(values, "limit", LIMIT_DEFAULT)
    offset = envelope.whole(values, "offset", 0)
    if limit is None or offset is None:
        name = "limit" if limit is None else "offset"
        return Refusal("Validation Error", fields={name: ["Invalid integer"]})
    limit = min(limit, LIMIT_MAX)
    try:
        opened = reader(source.shown, source.table)
        choice = choosing.read(values, opened.schema)
        if isinstance(choice, Refusal):
            return choice
        if choice.is_plain:
            total, rows = opened.rows, _page(choice, opened, offset, limit)
        elif opened.rows > ROWS_MAX:
            message = f"The table has more than {ROWS_MAX} rows; download it."
            return Refusal("Search Error", message)
        else:
            found = whole(choice, opened)
            total, rows = found.num_rows, found.slice(offset, limit)
    except ShahrdadError as error:
        return Refusal("Search Error", str(error))
    columns = chosen(source, opened.schema, choice)
    result = _result(source, values, rows, columns, (total, limit, offset))
    return {**result, "_links": _links(values, path, limit, offset)}


def whole(choice: Choice, opened: "TableReader") -> pa.Table:
    """Return all rows of a table that are asked for, in order."""
    parts = choosing.numbered(opened.batches(), opened.schema)
    found = (choice.filtered(part) for part in parts)
    return choice.arranged(pa.concat_tables([_no_rows(opened), *found]))


def _page(choice: Choice, opened: "TableReader", offset: int, limit: int) -> pa.Table:
    """Return some rows as they were published; parts before them are not read."""
    before, parts = 0, list(opened.parts)
    while parts and before + parts[0].rows <= offset:
        before += parts.pop(0).rows
    batches = opened.batches(parts=parts)
    rows = choosing.numbered(batches, opened.schema, before + 1)
    found = choosing.window(rows, offset - before, limit)
    return choice.arranged(pa.concat_tables([_no_rows(opened), *found]))


def _no_rows(opened: "TableReader") -> pa.Table:
    """Return the columns of a table, without rows."""
    return opened.schema.insert(0, pa.field(ID, pa.int64())).empty_table()


def chosen(source: Source, schema: pa.Schema, choice: Choice) -> list[dict[str, Any]]:
    """Return the columns that are asked for, in the order of the question."""
    known = {one["id"]: one for one in fields(source, schema)}
    return [known[name] for name in choice.columns]


def _result(
    source: Source,
    values: Mapping[str, Any],
    rows: pa.Table,
    shown_fields: list[dict[str, Any]],
    counts: tuple[int, int, int],
) -> dict[str, Any]:
    total, limit, offset = counts
    form = envelope.text(values, "records_format", "objects")
    result: dict[str, Any] = {
        "resource_id": source.resource_id,
        "fields": shown_fields,
        "records": _records(rows, form),
        "records_format": form,
        "limit": limit,
        "offset": offset,
        "total_was_estimated": False,
    }
    if envelope.flag(values, "include_total", True):
        result["total"] = total
    return result


def _links(
    values: Mapping[str, Any], path: str, limit: int, offset: int
) -> dict[str, str]:
    """Return where the first page and the next one are, of all that was asked."""
    asked = [
        (name, value if isinstance(value, str) else dump(value).decode())
        for name, value in values.items()
        if name in ASKED and value is not None
    ]
    start = f"{path}?{urlencode([*asked, ('limit', limit)])}"
    return {"start": start, "next": f"{start}&offset={offset + limit}"}


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
