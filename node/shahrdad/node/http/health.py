"""`/healthz`, `/readyz`, `/version`: for supervisors; nothing is cached."""

import platform
import sqlite3
from typing import Any

from starlette.responses import Response

from shahrdad.datasets.errors import ShahrdadError
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.http import holdings
from shahrdad.node.http.answers import JSON, Call, dump
from shahrdad.node.http.operations import Operation
from shahrdad.node.http.release import PROTOCOL, release
from shahrdad.node.store.contract import Area

_PROBE = Digest(bytes(32))


def get_health(call: Call) -> Response:
    """Answer that the process lives; touches nothing."""
    return _fresh(call, {"status": "ok"})


def get_ready(call: Call) -> Response:
    """Answer whether database and object store do, and not while the node stops.

    A node that stops says so without a look at either: it answers at once.
    """
    if call.request.app.state.stopping.is_set():
        return _fresh(call, {"status": "stopping", "parts": {}}, 503)
    parts: dict[str, str] = {}
    try:
        holdings.answers(call.node.database.connect())
        parts["database"] = "ok"
    except sqlite3.Error as error:
        parts["database"] = type(error).__name__
    try:
        call.node.store.stat(Area.OBJECT, _PROBE)
        parts["store"] = "ok"
    except ShahrdadError as error:
        parts["store"] = error.reason.value
    ready = set(parts.values()) == {"ok"}
    body = {"status": "ready" if ready else "not-ready", "parts": parts}
    return _fresh(call, body, 200 if ready else 503)


def get_version(call: Call) -> Response:
    """Answer with the versions of software, protocol and schema."""
    connection = call.node.database.connect()
    (schema,) = connection.execute("PRAGMA user_version").fetchone()
    body = {
        "software": "shahrdad",
        "version": release(),
        "protocol": PROTOCOL,
        "schema": schema,
        "python": platform.python_version(),
    }
    return _fresh(call, body)


def _fresh(call: Call, body: Any, status: int = 200) -> Response:
    headers = {"Cache-Control": "no-store"}
    if status == 503:
        headers["Retry-After"] = "5"
    content = dump(body)
    headers["Content-Length"] = str(len(content))
    return Response(
        b"" if call.is_head else content, status, headers=headers, media_type=JSON
    )


def operations() -> list[Operation]:
    """Return the three operations."""
    return [
        Operation("getHealth", "/healthz", get_health, "Whether the process lives."),
        Operation("getReady", "/readyz", get_ready, "Whether the node can answer."),
        Operation("getVersion", "/version", get_version, "The versions."),
    ]
