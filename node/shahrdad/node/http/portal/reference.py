"""`/api/reference`: every address of the API with its parameters, without a script.

It is the OpenAPI definition as people read it, so it cannot say something else.
"""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from shahrdad.datasets.errors import Language
from shahrdad.node.http.answers import Call
from shahrdad.node.http.rendering import page

# The first part of a path that begins so puts an operation into a group.
GROUPS = (
    ("datasets", ("/v1/datasets", "/d/", "/objects", "/v1/objects")),
    ("cities", ("/v1/cities", "/v1/families", "/v1/standards", "/v1/analyses",
                "/v1/reports")),
    ("search", ("/v1/search", "/v1/suggest", "/feeds", "/v1/changes", "/sitemap")),
    ("trust", ("/v1/verify", "/v1/federation", "/v1/log", "/mirror", "/v1/receipts")),
    ("writing", ("/v1/drafts", "/v1/uploads", "/v1/jobs", "/v1/sessions",
                 "/v1/accounts", "/v1/tokens", "/v1/members")),
)  # fmt: skip
OTHERS = "others"


def show(call: Call, language: Language) -> Response:
    """Show the operations by what they are about."""
    definition = definition_of(call)
    groups: dict[str, list[dict[str, Any]]] = {name: [] for name, _ in GROUPS}
    groups[OTHERS] = []
    for path, item in definition["paths"].items():
        for method, operation in item.items():
            groups[group_of(path)].append(view(method, path, operation))
    return page(
        call,
        "portal/reference.html",
        language,
        groups={name: found for name, found in groups.items() if found},
        total=sum(map(len, groups.values())),
    )


def definition_of(call: Call) -> dict[str, Any]:
    """Return the OpenAPI definition of what the application answers."""
    # The list of all operations names this module's page, too.
    from shahrdad.node.http.app import api_operations
    from shahrdad.node.http.openapi import document
    from shahrdad.node.http.write.openapi import add_writings
    from shahrdad.node.http.write.routes import writings

    return add_writings(document(api_operations(), call.public.root), writings())


def group_of(path: str) -> str:
    """Return the group of a path."""
    return next(
        (name for name, begins in GROUPS if path.startswith(begins)),
        OTHERS,
    )


def view(method: str, path: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    """Return an operation as the template shows it."""
    return {
        "id": operation["operationId"],
        "method": method.upper(),
        "path": path,
        "summary": operation.get("summary") or "",
        "parameters": [
            (
                one["name"],
                kind_of(one.get("schema") or {}),
                one.get("description") or "",
            )
            for one in operation.get("parameters") or []
        ],
    }


def kind_of(schema: Mapping[str, Any]) -> str:
    """Return the type of a parameter in few words.

    >>> kind_of({"type": "array", "items": {"enum": ["a", "b"]}})
    'a | b, …'
    """
    if "items" in schema:
        return f"{kind_of(schema['items'])}, …"
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    return str(schema.get("format") or schema.get("type") or "")
