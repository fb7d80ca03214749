"""`…/rows/{resource}`: filtered, sorted, grouped rows of one version of a table.

The grammar of the query is the table portion's (`node.table.query`); here are only the
parameters that choose the version and the shape of the answer.

A query is answered in a process of its own that can be stopped
(`node.table.query_pool`), so a heavy one costs its asker a refusal and nobody else
anything. Over all cities the same grammar asks the one table of a standard.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.datasets.jalali import format_iso
from shahrdad.node.http.answers import JSON, Call, as_json
from shahrdad.node.http.cross_city import gather, union
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
    shape, asked = _asked(call)
    found = Call(call.node, call.request, {"as_of": shape["as_of"]}, call.language)
    shown = show(call.node, *find(found, withdrawn_readable=True))
    table = _table(shown, call.path["resource"])
    queries = call.request.app.state.queries
    page = queries.answer(reader(shown, table), asked)
    fields, rows = _shaped(table.fields, page.rows, shape)
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


def get_family_rows(call: Call) -> Response:
    """Answer with a page of rows of a standard, over all cities of this node.

    Raises:
        RequestError: STANDARD_UNKNOWN, and as `node.table.query.parse`.
    """
    shape, asked = _asked(call)
    found = gather(call.node, call.path["family"], as_of=shape["as_of"])
    family = found.standard.family
    body: dict[str, Any] = {"family": family, "as_of": shape["as_of"]}
    page = None
    if found.members:
        queries = call.request.app.state.queries
        page = queries.answer(union(call.node, found), asked)
    about = [dict(one) for one in found.standard.schema["fields"]]
    fields, rows = _shaped(about, page.rows, shape) if page else ([], [])
    body |= {
        "fields": fields,
        "rows": rows,
        "total": page.total if page else 0,
        "next_cursor": page.next_cursor if page else None,
        **found.document(),
    }
    headers = {}
    if page is not None and page.next_cursor is not None:
        query = [("cursor", page.next_cursor)]
        if shape["as_of"] is not None:
            query.append(("as_of", shape["as_of"]))
        address = f"{call.public.root}/v1/families/{family}/rows?{urlencode(query)}"
        headers["Link"] = f'<{address}>; rel="next"'
    return as_json(call, body, **headers)


def _asked(call: Call) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return the choices of version and shape, and the query beside them."""
    shape = {name: parameter.default for name, parameter in _SHAPES.items()}
    asked = []
    for name, text in split(call.request.scope["query_string"]):
        if name in _SHAPES:
            shape[name] = _SHAPES[name].read(text)
        else:
            asked.append((name, text))
    return shape, asked


def _table(shown: Shown, name: str) -> TableView:
    found = shown.record.table(name)
    if found is None or not found.parts:
        known = ", ".join(table.name for table in shown.record.tables)
        raise RequestError(
            Reason.RESOURCE_UNKNOWN, ref=shown.ref, resource=name[:100], known=known
        )
    return found


def _shaped(
    about: Sequence[Mapping[str, Any]], rows: Any, shape: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], list[Any]]:
    """Return the columns and the rows of an answer."""
    import pyarrow as pa

    from shahrdad.node.table.rows import json_value

    known = {field.get("name"): field for field in about}
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
        ("getRows", f"{DATASET}/rows/{{resource}}", get_rows, "Rows"),
        ("getVersionRows", f"{DATASET}/v/{{n}}/rows/{{resource}}", get_rows, "Rows"),
        ("getFamilyRows", "/v1/families/{family}/rows", get_family_rows, "FamilyRows"),
        (
            "getStandardRows",
            "/v1/standards/{family}/rows",
            get_family_rows,
            "FamilyRows",
        ),
    ]
    return [
        Operation(
            id_,
            path,
            call,
            "Rows of a version."
            if schema == "Rows"
            else "Rows of a standard over all cities.",
            tolerant=True,
            media_type=JSON,
            schema=schema,
            problems=(*gone, *refused, "cursor-invalid", "cursor-expired"),
        )
        for id_, path, call, schema in found
    ]
