"""OpenAPI 3.1 of `/v1`, made from the same declarations that the router uses."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from starlette.responses import Response

from shahrdad.node.http.answers import JSON, Call, as_json
from shahrdad.node.http.openapi_schemas import SCHEMAS
from shahrdad.node.http.operations import Operation
from shahrdad.node.http.problem_types import STATUS
from shahrdad.node.http.release import release

ALWAYS = ("bad-parameter", "uri-too-long", "not-ready")
_VARIABLE = re.compile(r"{(\w+)(?::\w+)?}")
_INTEGERS = frozenset({"n", "number"})


def document(operations: Sequence[Operation], root: str) -> dict[str, Any]:
    """Return the definition of these operations.

    Args:
        operations: Those of `/v1`, of files and of health.
        root: The node's public address.
    """
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        path = _VARIABLE.sub(r"{\1}", operation.path)
        item = paths.setdefault(path, {})
        for method in operation.methods:
            item[method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Shahrdad",
            "version": release(),
            "summary": "Verifiable open data of cities.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": root}],
        "paths": paths,
        "components": {"schemas": SCHEMAS},
    }


def _operation(operation: Operation) -> dict[str, Any]:
    variables = _VARIABLE.findall(operation.path)
    found: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary or operation.id,
        "parameters": [
            *(_path_parameter(name) for name in variables),
            *(_query_parameter(parameter) for parameter in operation.parameters),
        ],
        "responses": _responses(operation),
    }
    if operation.body is not None:
        content = {JSON: {"schema": operation.body}}
        found["requestBody"] = {"required": True, "content": content}
    return found


def _path_parameter(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    if name in _INTEGERS:
        schema = {"type": "integer", "minimum": 0}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameter(parameter: Any) -> dict[str, Any]:
    found = {
        "name": parameter.name,
        "in": "query",
        "required": False,
        "description": parameter.description or parameter.name,
        "schema": parameter.schema(),
    }
    if parameter.repeated:
        found |= {"style": "form", "explode": True}
    if parameter.example:
        example: Any = parameter.example
        found["example"] = [example] if parameter.repeated else example
    return found


def _responses(operation: Operation) -> dict[str, Any]:
    media = operation.media_type.partition(";")[0]
    schema: dict[str, Any] = {}
    if operation.schema:
        schema = {"$ref": f"#/components/schemas/{operation.schema}"}
    found: dict[str, Any] = {
        "200": {
            "description": operation.summary or "ok",
            "content": {media: {"schema": schema}},
        },
        "304": {"description": "Unchanged."},
    }
    if operation.redirect:
        found[str(operation.redirect)] = {"description": "Leads elsewhere."}
    kinds: dict[int, list[str]] = {}
    for kind in dict.fromkeys((*ALWAYS, "unknown-parameter", *operation.problems)):
        kinds.setdefault(STATUS[kind], []).append(kind)
    problem = {"$ref": "#/components/schemas/Problem"}
    for status, names in sorted(kinds.items()):
        found[str(status)] = {
            "description": ", ".join(names),
            "content": {"application/problem+json": {"schema": problem}},
        }
    return found


def operation(every: Callable[[], list[Operation]]) -> Operation:
    """Return the operation that answers with the definition, itself included."""

    def get_openapi(call: Call) -> Response:
        from shahrdad.node.http.write.openapi import add_writings
        from shahrdad.node.http.write.routes import writings

        tree = document(every(), call.public.root)
        return as_json(call, add_writings(tree, writings()))

    return Operation(
        "getOpenApi", "/v1/openapi.json", get_openapi, "This definition.", problems=()
    )
