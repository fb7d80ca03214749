"""The addresses of the Delta Sharing door, and its form of errors.

Any bearer token is accepted, and none is needed: the data is open. The profile carries
one because clients refuse a profile without it.
"""

from collections.abc import Callable, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shahrdad.datasets.errors import Reason, RequestError, ShahrdadError
from shahrdad.federation.verify.digest import Digest
from shahrdad.node import sent_json
from shahrdad.node.http import limits
from shahrdad.node.http.answers import Call, answer, as_json, dump
from shahrdad.node.http.delta import shares, snapshots
from shahrdad.node.http.delta.predicates import from_json, from_sql
from shahrdad.node.http.delta.shares import Name
from shahrdad.node.http.languages import preferred
from shahrdad.node.http.operations import Operation
from shahrdad.node.http.parameters import Parameter
from shahrdad.node.http.problems import status_of
from shahrdad.node.http.view import NodeView
from shahrdad.node.store.limits import PRESIGNED_AGE_MAX

BASE = "/delta-sharing"
TABLE = f"{BASE}/shares/{{share}}/schemas/{{schema}}/tables/{{table}}"
NDJSON = "application/x-ndjson; charset=utf-8"
PROFILE_NAME = "profile.share"
PAGED = (
    Parameter(
        "maxResults",
        "integer",
        "The most items of a page.",
        maximum=limits.ITEMS_MAX,
        default=limits.ITEMS_MAX,
    ),
    Parameter("pageToken", "text", "Where the page before ended: its `nextPageToken`."),
)
_SINCE = Parameter("startingTimestamp", "moment", "The first version since then.")
_CODES = {404: "RESOURCE_DOES_NOT_EXIST", 410: "RESOURCE_DOES_NOT_EXIST"}


def get_profile(call: Call) -> Response:
    """Answer with the file that clients are given."""
    profile = {
        "shareCredentialsVersion": 1,
        "endpoint": f"{call.public.root}{BASE}/",
        "bearerToken": "public",
    }
    return as_json(call, profile)


def list_shares(call: Call) -> Response:
    """Answer with the shares."""
    names = shares.shares(call.node)
    found, token = _page(names, call)
    return _items(call, [{"name": name, "id": name} for name in found], token)


def get_share(call: Call) -> Response:
    """Answer with one share."""
    name = shares.check_share(call.node, call.path["share"])
    return as_json(call, {"share": {"name": name, "id": name}})


def list_schemas(call: Call) -> Response:
    """Answer with the schemas of a share."""
    share = call.path["share"].lower()
    found, token = _page(shares.schemas(call.node, share), call)
    return _items(call, [{"name": name, "share": share} for name in found], token)


def list_tables(call: Call) -> Response:
    """Answer with the tables of a schema, or of a whole share."""
    names, token = shares.tables(
        call.node,
        call.path["share"],
        call.path.get("schema"),
        call.values["pageToken"] or "",
        call.values["maxResults"] or limits.ITEMS_MAX,
    )
    return _items(call, [name.document() for name in names], token)


def get_version(call: Call) -> Response:
    """Answer with a table's version, in the header alone."""
    since = call.values["startingTimestamp"]
    if since is not None:
        version = snapshots.first_since(call.node, _name(call), since)
    else:
        version = _snapshot(call).version
    return answer(call, b"", NDJSON, _headers(version))


def get_metadata(call: Call) -> Response:
    """Answer with a table's columns.

    Raises:
        RequestError: SHARING_UNSUPPORTED: another response format is insisted on.
    """
    _check_format(call)
    found = _snapshot(call)
    return _lines(call, [snapshots.PROTOCOL, found.metadata()], found.version)


async def query_table(call: Call) -> Response:
    """Answer with the files of a table."""
    body = await _body(call.request)
    return await run_in_threadpool(_query, call, body)


def get_changes(call: Call) -> Response:
    """Refuse the feed of changed rows: versions are whole tables here.

    Raises:
        RequestError: SHARING_UNSUPPORTED.
    """
    raise RequestError(Reason.SHARING_UNSUPPORTED, feature="change data feed")


def _query(call: Call, body: Mapping[str, Any]) -> Response:
    _check_format(call)
    for name in ("startingVersion", "endingVersion"):
        if body.get(name) is not None:
            raise RequestError(Reason.SHARING_UNSUPPORTED, feature=name)
    version = _whole(body, "version")
    text = body.get("timestamp")
    moment = None if text is None else _MOMENT.read(str(text))
    found = _snapshot(call, version, moment)
    hints = [
        from_json(body.get("jsonPredicateHints")),
        from_sql(body.get("predicateHints")),
    ]
    lines = [snapshots.PROTOCOL, found.metadata()]
    lines += found.files(hints, _whole(body, "limitHint"), _presigned(call))
    return _lines(call, lines, found.version)  # as a POST, kept by nobody


def _presigned(call: Call) -> Callable[[Digest], str | None]:
    """Return what asks the store for an address, where so configured."""

    def address(digest: Digest) -> str | None:
        if call.node.config.store.serve != "presigned":
            return None
        return call.node.store.public_url(digest, PRESIGNED_AGE_MAX)

    return address


_MOMENT = Parameter("timestamp", "moment", "A moment.")


def _whole(body: Mapping[str, Any], name: str) -> int | None:
    """Return a member that is a whole number of at least 0, or None where it is absent.

    Raises:
        RequestError: PARAMETER_VALUE.
    """
    value = body.get(name)
    if value is None or (type(value) is int and 0 <= value < 2**53):
        return value
    raise RequestError(
        Reason.PARAMETER_VALUE, parameter=name, value=str(value)[:100], expected=">= 0"
    )


async def _body(request: Request) -> Mapping[str, Any]:
    """Return the JSON object that was sent; nothing sent is an empty one.

    Raises:
        RequestError: TOO_LARGE, MALFORMED.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > limits.BODY_BYTES_MAX:
            raise RequestError(
                Reason.TOO_LARGE,
                size_bytes=len(body),
                size_bytes_max=limits.BODY_BYTES_MAX,
            )
    try:
        found = sent_json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise _no_object(body) from error
    if not isinstance(found, dict):
        raise _no_object(body)
    return found


def _no_object(body: bytes) -> RequestError:
    return RequestError(
        Reason.PARAMETER_VALUE,
        parameter="body",
        value=body[:100].decode("utf-8", "replace"),
        expected="a JSON object",
    )


def _check_format(call: Call) -> None:
    """Refuse a reader that takes the format delta alone."""
    asked = call.request.headers.get("delta-sharing-capabilities", "").lower()
    for part in asked.split(";"):
        name, _, values = part.strip().partition("=")
        if name == "responseformat" and "parquet" not in values.split(","):
            raise RequestError(Reason.SHARING_UNSUPPORTED, feature=part.strip()[:100])


def _name(call: Call) -> Name:
    return Name(call.path["share"], call.path["schema"], call.path["table"])


def _snapshot(
    call: Call, version: int | None = None, moment: str | None = None
) -> snapshots.Snapshot:
    schemas = call.request.app.state.schemas
    return snapshots.snapshot(call.node, schemas, _name(call), version, moment)


def _headers(version: int) -> dict[str, str]:
    return {
        "Delta-Table-Version": str(version),
        "Delta-Sharing-Capabilities": "responseformat=parquet",
    }


def _lines(call: Call, lines: list[dict[str, Any]], version: int) -> Response:
    body = b"".join(dump(line) + b"\n" for line in lines)
    if call.request.method == "POST":
        headers = {**_headers(version), "Cache-Control": "no-store"}
        return Response(body, 200, headers=headers, media_type=NDJSON)
    return answer(call, body, NDJSON, _headers(version))


def _page(names: list[str], call: Call) -> tuple[list[str], str]:
    """Return a page of sorted names, and where the next one begins."""
    limit = call.values["maxResults"] or limits.ITEMS_MAX
    after = call.values["pageToken"]
    start = names.index(after) + 1 if after in names else 0
    found = names[start : start + limit]
    return found, found[-1] if start + limit < len(names) else ""


def _items(call: Call, items: list[dict[str, str]], token: str) -> Response:
    body: dict[str, Any] = {"items": items}
    if token:
        body["nextPageToken"] = token
    return as_json(call, body)


def show_fault(node: NodeView, request: Request, error: ShahrdadError) -> Response:
    """Answer with an error as this protocol has them."""
    status = status_of(error)
    if status == 422:
        status = 400
    code = _CODES.get(status, "INTERNAL_ERROR" if status >= 500 else "INVALID_REQUEST")
    if error.reason is Reason.SHARING_UNSUPPORTED:
        code = "UNSUPPORTED"
    language = preferred(request.headers.get("accept-language"), "en")
    body = {"errorCode": code, "message": error.text(language)}
    headers = {"Cache-Control": "no-store"}
    return Response(dump(body), status, headers=headers, media_type="application/json")


def routes(node: NodeView) -> list[Route]:
    """Return the routes of the door."""
    share = f"{BASE}/shares/{{share}}"
    found = [
        ("deltaProfile", f"{BASE}/{PROFILE_NAME}", get_profile, ()),
        ("deltaShares", f"{BASE}/shares", list_shares, PAGED),
        ("deltaShare", share, get_share, ()),
        ("deltaSchemas", f"{share}/schemas", list_schemas, PAGED),
        ("deltaTables", f"{share}/schemas/{{schema}}/tables", list_tables, PAGED),
        ("deltaAllTables", f"{share}/all-tables", list_tables, PAGED),
        ("deltaVersion", f"{TABLE}/version", get_version, (_SINCE,)),
        ("deltaMetadata", f"{TABLE}/metadata", get_metadata, ()),
    ]
    operations = [
        Operation(id_, path, call, "Delta Sharing.", parameters)
        for id_, path, call, parameters in found
    ]
    operations += [
        Operation(
            "deltaQuery",
            f"{TABLE}/query",
            query_table,
            "Delta Sharing: the files of a table.",
            methods=("POST",),
            tolerant=True,
        ),
        Operation(
            "deltaChanges",
            f"{TABLE}/changes",
            get_changes,
            "Delta Sharing: not offered.",
            tolerant=True,
        ),
    ]
    return [operation.route(node, show_fault) for operation in operations]
