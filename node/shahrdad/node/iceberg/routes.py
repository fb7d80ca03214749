"""`/iceberg/v1`, the catalog, and `/lake`, a façade like S3 over the objects.

The catalog says which addresses it has, and there are none to write with: writers
refuse themselves, and whoever insists gets 405 with an Iceberg error. The façade
answers GET and HEAD of what a published version of that very table names; it never
lists, ignores signatures, and answers everything else with S3's own error.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shahrdad.datasets.errors import RequestError, ShahrdadError
from shahrdad.node.http.answers import Call, dump
from shahrdad.node.http.object_files import send_object, wanted_span
from shahrdad.node.http.operations import Operation
from shahrdad.node.http.problems import status_of
from shahrdad.node.http.view import NodeView
from shahrdad.node.iceberg.lake import BUCKET, Lake, LakeTable
from shahrdad.node.iceberg.tables import Tables
from shahrdad.node.store.contract import Area

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
ENDPOINTS = (
    "GET /v1/{prefix}/namespaces",
    "GET /v1/{prefix}/namespaces/{namespace}",
    "HEAD /v1/{prefix}/namespaces/{namespace}",
    "GET /v1/{prefix}/namespaces/{namespace}/tables",
    "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "HEAD /v1/{prefix}/namespaces/{namespace}/tables/{table}",
)
PARQUET = "application/vnd.apache.parquet"
IMMUTABLE = "public, max-age=31536000, immutable"


def routes(node: NodeView) -> list[Route]:
    """Return the routes of both, which answer errors in their own shapes.

    Without the extra `iceberg` there are none.
    """
    if find_spec("pyiceberg") is None:
        return []
    tables = Tables(Lake(node.catalog), node.store)
    catalog = Operation(
        "icebergCatalog",
        "/iceberg/v1/{path:path}",
        lambda call: _catalog(call, tables),
        "The Iceberg REST catalog.",
        methods=METHODS,
        tolerant=True,
    )
    lake = Operation(
        "lakeFile",
        f"/{BUCKET}/{{path:path}}",
        lambda call: _lake(call, tables),
        "A file of a table, as S3 would give it.",
        methods=METHODS,
        tolerant=True,
    )
    return [catalog.route(node, _iceberg_fault), lake.route(node, _s3_fault)]


def _catalog(call: Call, tables: Tables) -> Response:
    """Answer as an Iceberg REST catalog."""
    if call.request.method not in {"GET", "HEAD"}:
        return _iceberg_error(
            405, "UnsupportedOperationException", "This catalog is read only."
        )
    try:
        return _catalog_answer(call, tables, _words(call.path["path"]))
    except KeyError as error:
        of_table = len(_words(call.path["path"])) > 3
        kind = "NoSuchTableException" if of_table else "NoSuchNamespaceException"
        return _iceberg_error(404, kind, f"Not found: {error.args[0]}")


def _catalog_answer(call: Call, tables: Tables, words: list[str]) -> Response:
    """Answer one address of the catalog.

    Raises:
        KeyError: There is no such address, namespace or table.
    """
    match words:
        case ["config"]:
            body: dict[str, Any] = {
                "defaults": {},
                "overrides": {},
                "endpoints": list(ENDPOINTS),
            }
        case ["namespaces"]:
            nested = call.request.query_params.get("parent")
            names = [] if nested else tables.lake.namespaces()
            body = {"namespaces": [[name] for name in names], "next-page-token": None}
        case ["namespaces", name]:
            tables.lake.tables(name)
            body = {"namespace": [name], "properties": {}}
        case ["namespaces", name, "tables"]:
            found = tables.lake.tables(name)
            body = {
                "identifiers": [{"namespace": [name], "name": one} for one in found],
                "next-page-token": None,
            }
        case ["namespaces", namespace, "tables", name]:
            return _load(call, tables, tables.lake.table(namespace, name))
        case _:
            raise KeyError("/".join(words))
    return _fresh(call, dump(body))


def _fresh(call: Call, body: bytes) -> Response:
    """Answer with JSON that may change; HEAD only says that it is there."""
    if call.is_head:
        return Response(status_code=204)
    headers = {"Cache-Control": "no-cache"}
    return Response(body, media_type="application/json", headers=headers)


def _load(call: Call, tables: Tables, table: LakeTable) -> Response:
    """Answer with a table: its metadata, and how to read its files from this node."""
    built = tables.built(table)
    config = {
        "s3.endpoint": call.node.config.public_url,
        "s3.path-style-access": "true",
        "s3.region": "us-east-1",
        "s3.access-key-id": "public",
        "s3.secret-access-key": "public",
        "client.region": "us-east-1",
    }
    # The metadata goes in as the bytes that the metadata file has.
    body = b'{"metadata-location":%s,"metadata":%s,"config":%s}' % (
        dump(built.location),
        built.metadata,
        dump(config),
    )
    return _fresh(call, body)


def _lake(call: Call, tables: Tables) -> Response:
    """Answer with a file of a table."""
    words = _words(call.path["path"])
    if call.request.method not in {"GET", "HEAD"} or len(words) < 4:
        return _s3_error(
            403, "AccessDenied", "This store is read only and never lists."
        )
    namespace, name, kind, *rest = words
    try:
        table = tables.lake.table(namespace, name)
        if kind == "data":
            return _data(call, table, "/".join(("data", *rest)))
        content = tables.file(table, "/".join((kind, *rest)))
        if kind != "metadata" or content is None:
            raise KeyError(call.path["path"])
    except KeyError:
        return _s3_error(404, "NoSuchKey", "No published version has this file.")
    return _bytes(call, content)


def _data(call: Call, table: LakeTable, path: str) -> Response:
    """Answer with a Parquet object that a version of the table names.

    Raises:
        KeyError: No version does.
    """
    file = table.file(path)
    if file is None:
        raise KeyError(path)
    return send_object(call, Area.OBJECT, file.digest, PARQUET)


def _bytes(call: Call, content: bytes) -> Response:
    """Answer with a metadata file or a range of it."""
    import hashlib

    etag = f'"{hashlib.sha256(content).hexdigest()}"'
    headers = {"ETag": etag, "Cache-Control": IMMUTABLE, "Accept-Ranges": "bytes"}
    span = wanted_span(call.request, len(content), etag)
    status = 200
    if span is not None:
        status = 206
        headers["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{len(content)}"
        content = content[span.start : span.end]
    headers["Content-Length"] = str(len(content))
    body = b"" if call.is_head else content
    return Response(
        body, status, headers=headers, media_type="application/octet-stream"
    )


def _words(path: str) -> list[str]:
    return [word for word in path.split("/") if word]


def _iceberg_fault(node: NodeView, request: Request, error: ShahrdadError) -> Response:
    """Answer with an error as Iceberg's clients read it."""
    return _iceberg_error(status_of(error), str(error.reason), error.text("en"))


def _iceberg_error(status: int, kind: str, message: str) -> Response:
    body: Mapping[str, Any] = {
        "error": {"message": message, "type": kind, "code": status}
    }
    headers = {"Allow": "GET, HEAD"} if status == 405 else {}
    return Response(dump(body), status, media_type="application/json", headers=headers)


def _s3_fault(node: NodeView, request: Request, error: ShahrdadError) -> Response:
    """Answer with an error as S3's clients read it."""
    status = status_of(error)
    code = "InternalError" if status >= 500 else "NoSuchKey"
    if isinstance(error, RequestError) and status == 416:
        code = "InvalidRange"
    return _s3_error(status, code, error.text("en"))


def _s3_error(status: int, code: str, message: str) -> Response:
    from xml.sax.saxutils import escape

    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    )
    return Response(body, status, media_type="application/xml")
