"""`…/rows/{resource}`: filtered, sorted, grouped rows of one version of a table.

The grammar of the query is the table portion's (`node.table.query`); here are only the
parameters that choose the version and the shape of the answer.

BUG(http): a query runs in a thread of this process and is bounded by its own limits of
rows and files, not by two seconds of CPU. A worker process that can be stopped
(storage 6) would bound it; until then a heavy query holds one thread.
"""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.datasets.jalali import format_iso
from shahrdad.node.http.answers import JSON, Call, as_json
from shahrdad.node.http.dataset_api import DATASET, find
from shahrdad.node.http.dataset_object import Shown, show
from shahrdad.node.http.exports.making import reader
from shahrdad.node.http.operations import Operation
from shahrdad.node.http.parameters import AS_OF, Parameter, split
from shahrdad.node.http.record_view import TableView

SHAPES = (
    AS_OF,
    Parameter("shape", "choice", "", choices=("objects", "lists"), default="objects"),
    Parameter("int64", "choice", "", choices=("number", "string"), default="number"),
    Parameter("calendar", "choice", "", choices=("gregorian", "jalali")),
)
_SHAPES = {parameter.name: parameter for parameter in SHAPES}


def get_rows(call: Call) -> Response:
    """Answer with a page of rows.

    Raises:
        RequestError: as `dataset_api.find` and `node.table.query.parse`.
    """
    from shahrdad.node.table.grouping import answer
    from shahrdad.node.table.query import parse

    pairs = split(call.request.scope["query_string"])
    shape = {name: parameter.default for name, parameter in _SHAPES.items()}
    asked = []
    for name, text in pairs:
        if name in _SHAPES:
            shape[name] = _SHAPES[name].read(text)
        else:
            asked.append((name, text))
    found = Call(call.node, call.request, {"as_of": shape["as_of"]}, call.language)
    shown = show(call.node, *find(found, withdrawn_readable=True))
    table = _table(shown, call.path["resource"])
    opened = reader(shown, table)
    query = parse(asked, opened.schema)
    page = answer(opened, query)
    fields, rows = _shaped(table, page.rows, shape)
    body = {
        "ref": shown.ref,
        "resource": table.name,
        "version": shown.version.n,
        "digest": shown.version.digest.hex,
        "fields": fields,
        "rows": rows,
        "total": page.total,
        "next_cursor": page.next_cursor,
    }
    location = call.public.api(shown.ref, shown.version.n, f"rows/{table.name}")
    headers = {"Content-Location": location}
    if page.next_cursor is not None:
        headers["Link"] = f'<{location}?cursor={page.next_cursor}>; rel="next"'
    return as_json(call, body, **headers)


def _table(shown: Shown, name: str) -> TableView:
    found = shown.record.table(name)
    if found is None or not found.parts:
        known = ", ".join(table.name for table in shown.record.tables)
        raise RequestError(
            Reason.RESOURCE_UNKNOWN, ref=shown.ref, resource=name[:100], known=known
        )
    return found


def _shaped(
    table: TableView, rows: Any, shape: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], list[Any]]:
    """Return the columns and the rows of an answer."""
    import pyarrow as pa

    from shahrdad.node.table.rows import json_value

    known = {field.get("name"): field for field in table.fields}
    names = rows.schema.names
    wide = {
        field.name
        for field in rows.schema
        if pa.types.is_int64(field.type) and shape["int64"] == "string"
    }
    days = {
        field.name
        for field in rows.schema
        if pa.types.is_date(field.type) and shape["calendar"] == "jalali"
    }
    fields = [_field(one, known.get(one.name, {})) for one in rows.schema]
    fields += [{"name": f"{name}__jalali", "type": "string"} for name in sorted(days)]
    found: list[Any] = []
    for row in rows.to_pylist():
        values = {name: json_value(row[name]) for name in names}
        for name in wide:
            values[name] = None if row[name] is None else str(row[name])
        for name in sorted(days):
            values[f"{name}__jalali"] = row[name] and format_iso(row[name])
        found.append(list(values.values()) if shape["shape"] == "lists" else values)
    return fields, found


def _field(field: Any, about: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is said of a column."""
    metadata = field.metadata or {}
    unit = metadata.get(b"unit")
    return {
        "name": field.name,
        "type": about.get("type") or str(field.type),
        "title": {
            "fa": str(about.get("title") or field.name),
            "en": str(about.get("title_en") or field.name),
        },
        "unit": unit.decode() if unit else None,
    }


def operations() -> list[Operation]:
    """Return the two operations on rows."""
    gone = ("not-found", "withdrawn", "redacted")
    refused = ("unknown-field", "unknown-operator", "bad-value", "query-too-expensive")
    found = [
        ("getRows", f"{DATASET}/rows/{{resource}}", "Rows of the newest version."),
        (
            "getVersionRows",
            f"{DATASET}/v/{{n}}/rows/{{resource}}",
            "Rows of one version.",
        ),
    ]
    return [
        Operation(
            id_,
            path,
            get_rows,
            summary,
            tolerant=True,
            media_type=JSON,
            schema="Rows",
            problems=(*gone, *refused, "cursor-invalid", "cursor-expired"),
        )
        for id_, path, summary in found
    ]
