"""A CKAN portal that misbehaves as asked: the other side of the bridge.

It keeps a database and a search index that can drift apart, serves the actions that the
bridge uses, and does what its knobs say: it changes while it is read, fails, refuses
ranges, ignores sorting, answers with wrong types. Every request is written down.
"""

import json
import re
import threading
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2

NAME = re.compile(r"[a-z0-9_-]{2,100}")
TAG = re.compile(r"[\w \-.]{2,100}")
BEYOND = re.compile(r'id:\{"([^"]*)" TO \*\]')
URL = "https://portal.example"


@dataclass
class Reply:
    """An HTTP answer."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class File:
    """A file of the portal."""

    content: bytes
    status: int = 200
    location: str = ""
    etags: bool = True


@dataclass
class Portal:
    """The portal; every member is a knob.

    Attributes:
        database: Packages by identifier, deleted ones too, by `state`.
        index: What the search shows; follows the database while `indexing`.
        rows_max: The most packages on a page.
        ranges: `honoured`, `refused` or `ignored`.
        sorted: Whether `sort` is honoured; else the order is that of insertion.
        meddle: Called before each search, to change the portal while it is read.
        broken: Before each call: an answer to give instead, or None.
        token: What a writer has to send.
        sysadmin: Whether writers may choose identifiers.
    """

    database: dict[str, dict[str, Any]] = field(default_factory=dict)
    index: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, File] = field(default_factory=dict)
    indexing: bool = True
    rows_max: int = 1000
    ranges: str = "honoured"
    sorted: bool = True
    listing: bool = True
    meddle: Callable[[int], None] = lambda _: None
    broken: Callable[[str, dict[str, Any]], Reply | None] = lambda *_: None
    token: str = "let me in"
    sysadmin: bool = False
    searches: int = 0
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    made: int = 0
    writer: bool = False  # whether the last request came with the token

    # --- what a test does to it

    def put(self, number: str, **members: Any) -> None:
        """Write a package as the portal's staff would."""
        old = self.database.get(number, {})
        package = {
            "id": number,
            "name": f"dataset-{number}",
            "title": f"Dataset {number}",
            "notes": "",
            "license_id": "cc-by",
            "state": "active",
            "type": "dataset",
            "private": False,
            "tags": [],
            "extras": [],
            "resources": [],
            "metadata_modified": f"2026-01-01T00:00:00.{len(self.requests):06}",
            **old,
            **members,
        }
        self.database[number] = package
        self.reindex(number)

    def delete(self, number: str) -> None:
        """Delete a package, as CKAN does: it stays, with another state."""
        self.database[number]["state"] = "deleted"
        self.reindex(number)

    def purge(self, number: str) -> None:
        """Remove a package for good."""
        self.database.pop(number)
        self.reindex(number)

    def reindex(self, number: str | None = None) -> None:
        """Bring the index up to the database, for one package or all."""
        if number is None:
            self.index = {}
            for one in list(self.database):
                self.reindex(one)
            return
        if not self.indexing:
            return
        package = self.database.get(number)
        if package is not None and package["state"] == "active":
            self.index[number] = deepcopy(package)
        else:
            self.index.pop(number, None)

    @property
    def active(self) -> dict[str, dict[str, Any]]:
        """The packages that are public, by identifier."""
        return {k: v for k, v in self.database.items() if v["state"] == "active"}

    # --- HTTP

    def answer(
        self, method: str, url: str, headers: dict[str, str], body: bytes
    ) -> Reply:
        """Answer a request."""
        parts = urlsplit(url)
        match = re.fullmatch(r"/api(?:/3)?/action/([a-z_]+)", parts.path)
        if match is None:
            return self._file(url, headers)
        values: dict[str, Any] = dict(parse_qsl(parts.query, keep_blank_values=True))
        if method == "POST" and body:
            values |= json.loads(body)
        action = match.group(1)
        self.requests.append((action, values))
        reply = self.broken(action, values)
        if reply is not None:
            return reply
        handler = getattr(self, f"_{action}", None)
        if handler is None:
            return Reply(400, b'"Bad request - Action name not known"')
        self.writer = headers.get("authorization") == self.token
        if action.endswith(("_create", "_patch", "_update", "_delete")):
            if not self.writer:
                return failure(403, "Authorization Error", "Access denied")
            if method != "POST":
                return failure(400, "Validation Error", "POST only")
        found = handler(values)
        return found if isinstance(found, Reply) else success(found)

    def _file(self, url: str, headers: dict[str, str]) -> Reply:
        self.requests.append(("GET", {"url": url, **headers}))
        file = self.files.get(url)
        if file is None:
            return Reply(404, b"not here")
        if file.status != 200:
            moved = {"location": file.location} if file.location else {}
            return Reply(file.status, b"", moved)
        etag = f'"{sha256(file.content).hexdigest()[:16]}"'
        if file.etags and headers.get("if-none-match") == etag:
            return Reply(304, b"")
        kind = {"content-type": "text/csv"}
        return Reply(200, file.content, kind | ({"etag": etag} if file.etags else {}))

    # --- reading

    def _package_search(self, values: dict[str, Any]) -> Any:
        self.searches += 1
        self.meddle(self.searches)
        found = list(self.index.values())
        beyond = BEYOND.search(str(values.get("fq", "")))
        if beyond and self.ranges == "refused":
            return failure(400, "Search Query Error", "no ranges here")
        if self.sorted and values.get("sort") == "id asc":
            found = sorted(found, key=lambda one: str(one["id"]))
        count = len(found)
        if beyond and self.ranges == "honoured":
            found = [one for one in found if one["id"] > beyond.group(1)]
            count = len(found)
        start, rows = int(values.get("start", 0)), int(values.get("rows", 10))
        page = found[start : start + min(rows, self.rows_max)]
        return {"count": count, "results": page, "facets": {}, "sort": "id asc"}

    def _package_show(self, values: dict[str, Any]) -> Any:
        package = self._find(values.get("id"))
        if package is None:
            return failure(404, "Not Found Error", "Not found")
        if package["state"] != "active" and not self.writer:
            return failure(403, "Authorization Error", "Access denied")
        return package

    def _package_list(self, _: dict[str, Any]) -> Any:
        if not self.listing:
            return Reply(400, b'"Bad request - Action name not known"')
        return [one["name"] for one in self.active.values()]

    def _find(self, wanted: Any) -> dict[str, Any] | None:
        for package in self.database.values():
            if wanted == package["id"]:
                return package
        for package in self.database.values():
            if wanted == package["name"]:
                return package
        return None

    # --- writing

    def _package_create(self, values: dict[str, Any]) -> Any:
        if any(one["name"] == values.get("name") for one in self.database.values()):
            return failure(409, "Validation Error", "That URL is already in use.")
        if "id" in values and not self.sysadmin:
            return failure(403, "Authorization Error", "Cannot set package ID")
        self.made += 1
        number = str(values.get("id") or f"{self.made:08}-made-by-the-portal")
        return self._stored({**values, "id": number})

    def _package_patch(self, values: dict[str, Any]) -> Any:
        package = self._find(values.get("id"))
        if package is None:
            return failure(404, "Not Found Error", "Not found")
        return self._stored({**package, **values, "id": package["id"]})

    def _package_delete(self, values: dict[str, Any]) -> Any:
        package = self._find(values.get("id"))
        if package is None:
            return failure(404, "Not Found Error", "Not found")
        self.delete(package["id"])
        return None

    def _resource_create(self, values: dict[str, Any]) -> Any:
        package = self._find(values.get("package_id"))
        if package is None:
            return failure(404, "Not Found Error", "Not found")
        self.made += 1
        resource = {"id": f"resource-{self.made}", "state": "active", **values}
        package["resources"].append(resource)
        self.reindex(package["id"])
        return resource

    def _resource_patch(self, values: dict[str, Any]) -> Any:
        for package in self.database.values():
            for resource in package["resources"]:
                if resource["id"] == values.get("id"):
                    resource.update(values)
                    self.reindex(package["id"])
                    return resource
        return failure(404, "Not Found Error", "Not found")

    def _resource_delete(self, values: dict[str, Any]) -> Any:
        for package in self.database.values():
            kept = [one for one in package["resources"] if one["id"] != values["id"]]
            if len(kept) != len(package["resources"]):
                package["resources"] = kept
                self.reindex(package["id"])
                return None
        return failure(404, "Not Found Error", "Not found")

    def _stored(self, values: dict[str, Any]) -> Any:
        """Store a package if CKAN's validators would let it pass."""
        if not NAME.fullmatch(str(values.get("name"))):
            return failure(409, "Validation Error", "name")
        for tag in values.get("tags", []):
            name = tag["name"]
            marks = any(unicodedata.combining(c) for c in name)
            if not TAG.fullmatch(name) or marks:
                return failure(409, "Validation Error", f"tag {name}")
        for resource in values.get("resources", []):
            if "id" not in resource:
                self.made += 1
                resource["id"] = f"resource-{self.made}"
        self.put(values["id"], **{"state": "active", **values})
        return self.database[values["id"]]


def success(result: Any) -> Reply:
    """Return CKAN's envelope of a result."""
    body = {"help": "", "success": True, "result": result}
    kind = {"content-type": "application/json;charset=utf-8"}
    return Reply(200, json.dumps(body).encode(), kind)


def failure(status: int, kind: str, message: str) -> Reply:
    """Return CKAN's envelope of an error."""
    error = {"__type": kind, "message": message}
    return Reply(status, json.dumps({"success": False, "error": error}).encode())


class PortalDialler:
    """A dialler whose connections end in the portal, without a network."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal

    def http_client(self, seconds: float = 60.0) -> httpx2.Client:
        """Return a client of the portal."""

        def answer(request: httpx2.Request) -> httpx2.Response:
            headers = {name.lower(): text for name, text in request.headers.items()}
            reply = self._portal.answer(
                request.method, str(request.url), headers, request.read()
            )
            if reply.status == 0:
                raise httpx2.ReadTimeout("slow", request=request)
            return httpx2.Response(
                reply.status, content=reply.body, headers=reply.headers
            )

        return httpx2.Client(transport=httpx2.MockTransport(answer), timeout=seconds)


@contextmanager
def serve(portal: Portal) -> Iterator[str]:
    """Serve a portal on loopback, and give its address."""

    class Handler(BaseHTTPRequestHandler):
        """Hands requests to the portal."""

        def do_GET(self) -> None:
            """Answer a GET."""
            self._answer(b"")

        def do_POST(self) -> None:
            """Answer a POST."""
            self._answer(self.rfile.read(int(self.headers.get("content-length", 0))))

        def _answer(self, body: bytes) -> None:
            headers = {name.lower(): text for name, text in self.headers.items()}
            url = f"{URL}{self.path}"
            reply = portal.answer(self.command, url, headers, body)
            self.send_response(reply.status)
            for name, text in reply.headers.items():
                self.send_header(name, text)
            self.send_header("content-length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
