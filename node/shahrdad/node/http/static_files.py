"""`/static/…`: style and fonts, under addresses that name their content.

The tag in the address is the digest of the whole folder, so a new release has new
addresses and caches keep the old ones for ever. Each coding has its own strong ETag and
`Vary` stands on every status.
"""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from starlette.responses import Response

from shahrdad.node.http.answers import IMMUTABLE, Call, accepts_gzip, matches
from shahrdad.node.http.operations import Operation, address_unknown

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".woff2": "font/woff2",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
# What every page needs comes in one request: a phone far away pays for each.
JOINED = {"pages.css": ("style.css", "portal.css")}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file of the folder, plain and compressed (None where that does not pay)."""

    media_type: str
    plain: bytes
    packed: bytes | None


@cache
def folder() -> tuple[str, Mapping[str, StaticFile]]:
    """Return the folder's tag and its files."""
    found: dict[str, StaticFile] = {}
    sha256 = hashlib.sha256()
    static = files("shahrdad.node.http").joinpath("static")
    inside = [
        path
        for part in (static, static.joinpath("portal"), static.joinpath("vendor"))
        for path in part.iterdir()
    ]
    for path in sorted(inside, key=lambda one: one.name):
        suffix = "." + path.name.rpartition(".")[2]
        if suffix not in MEDIA_TYPES:
            continue
        plain = path.read_bytes()
        sha256.update(path.name.encode() + b"\0" + plain)
        packed = None
        if suffix != ".woff2":
            packed = gzip.compress(plain, 9, mtime=0)
        found[path.name] = StaticFile(MEDIA_TYPES[suffix], plain, packed)
    for name, parts in JOINED.items():
        plain = b"\n".join(found[part].plain for part in parts)
        packed = gzip.compress(plain, 9, mtime=0)
        found[name] = StaticFile(MEDIA_TYPES[".css"], plain, packed)
    return sha256.hexdigest()[:16], found


def static_address(name: str) -> str:
    """Return the address of a static file."""
    tag, found = folder()
    if name not in found:
        raise KeyError(name)
    return f"/static/{tag}/{name}"


def get_static(call: Call) -> Response:
    """Answer with a static file."""
    tag, found = folder()
    file = found.get(call.path["file"])
    if file is None or call.path["tag"] != tag:
        raise address_unknown(call.request)
    packed = file.packed is not None and accepts_gzip(call.request)
    body = file.packed if packed and file.packed is not None else file.plain
    etag = f'"{hashlib.sha256(body).hexdigest()}"'
    headers = {
        "ETag": etag,
        "Cache-Control": IMMUTABLE,
        "Vary": "Accept-Encoding",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if matches(call.request.headers.get("if-none-match"), etag, weak=True):
        return Response(status_code=304, headers=headers)
    if packed:
        headers["Content-Encoding"] = "gzip"
    headers["Content-Length"] = str(len(body))
    return Response(
        b"" if call.is_head else body, headers=headers, media_type=file.media_type
    )


def operation() -> Operation:
    """Return the one operation."""
    return Operation(
        "getStatic", "/static/{tag}/{file}", get_static, "A static file.", tolerant=True
    )
