"""The write side in OpenAPI: made from the same declarations that the router uses."""

import re
from typing import Any

from shahrdad.node.accounts.roles import SCOPE_OF
from shahrdad.node.http.write.writing import Takes, Writing

_VARIABLE = re.compile(r"{(\w+)(?::\w+)?}")
SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "session": {"type": "apiKey", "in": "cookie", "name": "__Host-session"},
}
_BODIES: dict[Takes, str] = {
    "json": "application/json",
    "file": "application/octet-stream",
    "chunk": "application/offset+octet-stream",
}
_DONE = {"PUT": "201", "POST": "200", "DELETE": "204", "PATCH": "200", "HEAD": "200"}
_REFUSED = {
    "400": "unknown-parameter, bad-parameter, malformed-json",
    "401": "unauthenticated",
    "403": "forbidden, four-eyes, scope-missing, csrf",
    "404": "not-found",
    "409": "conflict, state",
    "413": "too-large",
    "422": "bad-value, invalid-data",
    "429": "rate-limited",
    "503": "not-ready, store-unavailable",
}


def add_writings(document: dict[str, Any], writings: list[Writing]) -> dict[str, Any]:
    """Add the write side to an OpenAPI document, and return it."""
    paths = document["paths"]
    for one in writings:
        path = _VARIABLE.sub(r"{\1}", one.path)
        paths.setdefault(path, {})[one.method.lower()] = _operation(one)
    document["components"]["securitySchemes"] = SECURITY
    return document


def _operation(one: Writing) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": one.id,
        "summary": one.summary,
        "tags": ["write"],
        "parameters": [
            *(_path_parameter(name) for name in _VARIABLE.findall(one.path)),
            *(
                {
                    "name": parameter.name,
                    "in": "query",
                    "required": False,
                    "description": parameter.description,
                    "schema": parameter.schema(),
                }
                for parameter in one.parameters
            ),
            *_headers(one),
        ],
        "responses": _responses(one),
    }
    if one.right is not None:
        found["security"] = [{"bearer": []}, {"session": []}]
        scope = SCOPE_OF[one.right]
        if scope is not None:
            found["description"] = f"A token needs the scope `{scope}`."
    if one.takes != "nothing":
        media = _BODIES[one.takes]
        schema: dict[str, Any] = {"type": "object"} if one.takes == "json" else {}
        found["requestBody"] = {
            "required": True,
            "content": {media: {"schema": schema}},
        }
    return found


def _headers(one: Writing) -> list[dict[str, Any]]:
    """Return the headers that a caller of this address may or must send."""
    names = []
    if one.method == "POST" and not one.secret and one.takes != "file":
        names.append(("Idempotency-Key", False))
    if one.revised:
        names.append(("If-Match", True))
    if one.deferrable:
        names.append(("Prefer", False))
    return [
        {"name": name, "in": "header", "required": must, "schema": {"type": "string"}}
        for name, must in names
    ]


def _path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _responses(one: Writing) -> dict[str, Any]:
    problem = {"$ref": "#/components/schemas/Problem"}
    content = {"application/problem+json": {"schema": problem}}
    done = _DONE.get(one.method, "200")
    refused = {
        status: {"description": kinds, "content": content}
        for status, kinds in _REFUSED.items()
    }
    if one.revised:
        refused["412"] = {"description": "changed-meanwhile", "content": content}
        refused["428"] = {"description": "if-match-required", "content": content}
    good = {done: {"description": one.summary}}
    if one.deferrable:
        good["202"] = {"description": "Queued: the job of Location has the answer."}
    return {**good, **refused}
