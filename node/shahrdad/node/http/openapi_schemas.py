"""JSON Schemas of the answers of `/v1`, for OpenAPI."""

from typing import Any

TEXT: dict[str, Any] = {"type": "string"}
COUNT: dict[str, Any] = {"type": ["integer", "null"], "minimum": 0}
TIME: dict[str, Any] = {"type": "string", "format": "date-time"}
BOTH: dict[str, Any] = {
    "type": "object",
    "properties": {"fa": TEXT, "en": TEXT},
    "required": ["fa", "en"],
}
ANY_OBJECT: dict[str, Any] = {"type": "object"}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: dict[str, Any], *optional: str) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required}


def _page(item: dict[str, Any], **more: Any) -> dict[str, Any]:
    properties = {
        "items": {"type": "array", "items": item},
        "total": {"type": "integer", "minimum": 0},
        "next_cursor": {"type": ["string", "null"]},
    }
    return _object({**properties, **more}, *more)


SCHEMAS: dict[str, Any] = {
    "Problem": _object(
        {
            "type": {"type": "string", "pattern": "^urn:shahrdad:problem:"},
            "title": TEXT,
            "status": {"type": "integer"},
            "detail": TEXT,
            "messages": BOTH,
            "errors": {
                "type": "array",
                "items": _object(
                    {"reason": {"type": "string", "pattern": "^[A-Z_]+$"}}
                ),
            },
            "help": TEXT,
            "request_id": TEXT,
        }
    ),
    "Verdict": _object(
        {
            "results": {"type": "array", "items": ANY_OBJECT},
            "holds": {"type": "boolean"},
            "is_proof": {"const": False},
            "note": BOTH,
            "offline": TEXT,
        }
    ),
    "Version": _object(
        {
            "number": {"type": "integer", "minimum": 1},
            "index": {"type": "integer", "minimum": 0},
            "time": TIME,
            "digest": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            "approval": {"type": ["string", "null"]},
            "note": {"type": ["object", "null"]},
            "change": {"type": ["object", "null"]},
        }
    ),
    "Resource": _object(
        {
            "name": TEXT,
            "uid": TEXT,
            "rows": COUNT,
            "columns": COUNT,
            "bytes": COUNT,
            "sha256": {"type": ["string", "null"]},
            "url": {"type": ["string", "null"]},
            "formats": ANY_OBJECT,
            "original": {"type": ["object", "null"]},
            "parts": {"type": "array", "items": ANY_OBJECT},
        },
        "parts",
    ),
    "Dataset": _object(
        {
            "ref": {"type": "string", "pattern": "^[a-z0-9-]+/[a-z0-9-]+$"},
            "uid": {"type": "string", "format": "uuid"},
            "name": TEXT,
            "city": ANY_OBJECT,
            "title": BOTH,
            "description": BOTH,
            "keywords": ANY_OBJECT,
            "family": {"type": ["object", "null"]},
            "license": ANY_OBJECT,
            "period": {"type": ["object", "null"]},
            "version": _ref("Version"),
            "first_published": {"type": ["string", "null"]},
            "next_expected": {"type": ["string", "null"]},
            "late_days": COUNT,
            "quality": ANY_OBJECT,
            "verification": _object(
                {
                    "state": {"enum": ["signed", "confirmed", "stale", "quarantined"]},
                    "cosignatures": COUNT,
                    "newest_cosignature": {"type": ["string", "null"]},
                    "log_status": {"type": ["string", "null"]},
                }
            ),
            "resources": {"type": "array", "items": _ref("Resource")},
            "held": {"type": "boolean"},
            "links": ANY_OBJECT,
        }
    ),
    "DatasetPage": _page(
        _ref("Dataset"),
        folded=TEXT,
        ranking={"enum": ["none", "relevance", "newest"]},
        approximate={"type": "array", "items": {"enum": ["total", "facets"]}},
        did_you_mean={"type": ["string", "null"]},
        facets=ANY_OBJECT,
    ),
    "SuggestionPage": _page(
        _object({"kind": TEXT, "name": TEXT, "title": ANY_OBJECT, "url": TEXT})
    ),
    "Rows": _object(
        {
            "ref": TEXT,
            "resource": TEXT,
            "version": {"type": "integer", "minimum": 1},
            "digest": TEXT,
            "fields": {"type": "array", "items": ANY_OBJECT},
            "rows": {"type": "array"},
            "total": {"type": "integer", "minimum": 0},
            "next_cursor": {"type": ["string", "null"]},
        }
    ),
    "FamilyRows": _object(
        {
            "family": TEXT,
            "as_of": {"type": ["string", "null"]},
            "fields": {"type": "array", "items": ANY_OBJECT},
            "rows": {"type": "array"},
            "total": {"type": "integer", "minimum": 0},
            "next_cursor": {"type": ["string", "null"]},
            "inputs": {"type": "array", "items": ANY_OBJECT},
            "inputs_digest": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            "excluded": {"type": "array", "items": ANY_OBJECT},
            "missing": {"type": "array", "items": TEXT},
        }
    ),
    "Analysis": _page(
        ANY_OBJECT,
        name=TEXT,
        fields={"type": "array", "items": ANY_OBJECT},
        inputs={"type": "array", "items": ANY_OBJECT},
        inputs_digest={"type": "string", "pattern": "^[0-9a-f]{64}$"},
        excluded={"type": "array", "items": ANY_OBJECT},
        missing={"type": "array", "items": TEXT},
    ),
    "VersionPage": _page(_ref("Version")),
    "Page": _page(ANY_OBJECT),
    "Change": _object(
        {
            "seq": {"type": "integer", "minimum": 1},
            "ref": TEXT,
            "op": {"enum": ["put", "delete", "redact"]},
            "version": COUNT,
            "index": {"type": "integer", "minimum": 0},
            "time": TIME,
            "digest": {"type": ["string", "null"]},
            "reason": {"type": ["string", "null"]},
        }
    ),
    "ChangePage": _object(
        {"items": {"type": "array", "items": _ref("Change")}, "next_cursor": TEXT}
    ),
    "Service": _object(
        {
            "node": ANY_OBJECT,
            "origin": TEXT,
            "software": ANY_OBJECT,
            "links": ANY_OBJECT,
        }
    ),
    "Family": _object(
        {"id": TEXT, "version": TEXT, "title": BOTH, "schema": ANY_OBJECT}
    ),
    "City": _object({"slug": TEXT, "name": BOTH, "datasets": {"type": "integer"}}),
    "Federation": _object(
        {
            "origin": TEXT,
            "logs": {"type": "array", "items": ANY_OBJECT},
            "peers": {"type": "array", "items": ANY_OBJECT},
        }
    ),
}
