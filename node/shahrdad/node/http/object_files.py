"""Objects as files: whole or one range, from the store to the reader, never in memory.

A digest in an address never changes its bytes, so the ETag is strong and caches keep
them for a year. `Repr-Digest` equals the digest of the record, and such an answer is
never coded.
"""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.http.answers import IMMUTABLE, Call, matches
from shahrdad.node.http.limits import SENT_BYTES
from shahrdad.node.store.contract import Area
from shahrdad.node.store.limits import PRESIGNED_AGE_MAX, PRESIGNED_BYTES_MIN

SANDBOX = "sandbox; default-src 'none'"
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes from `start` (inclusive) to `end` (exclusive)."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """How many bytes."""
        return self.end - self.start


def wanted_span(request: Request, size: int, etag: str) -> Span | None:
    """Return the single range that is asked for, or None for the whole.

    A list of ranges and a range that is no such text are answered whole, as RFC 9110,
    14.2, allows; so is one whose `If-Range` is another tag, a weak one, or a date.

    Raises:
        RequestError: RANGE_NOT_SATISFIABLE.
    """
    header = request.headers.get("range")
    condition = request.headers.get("if-range")
    if header is None or (condition is not None and condition.strip() != etag):
        return None
    match = _RANGE.fullmatch(header.replace(" ", ""))
    if match is None or match[0] == "bytes=-":
        return None
    if match[1] == "":
        length = int(match[2])
        span = Span(max(0, size - length), size)
    else:
        end = int(match[2]) + 1 if match[2] else size
        span = Span(int(match[1]), min(end, size))
        if match[2] and int(match[2]) < int(match[1]):
            return None
    if span.length <= 0:
        raise RequestError(
            Reason.RANGE_NOT_SATISFIABLE, range=header[:100], size_bytes=size
        )
    return span


def repr_digest(digest: Digest) -> str:
    """Return a digest as RFC 9530 writes it."""
    return f"sha-256=:{base64.b64encode(digest.raw).decode()}:"


def disposition(ascii_name: str, name: str | None = None) -> str:
    """Return a Content-Disposition; `name` may be Persian."""
    found = f'attachment; filename="{ascii_name}"'
    return f"{found}; filename*=UTF-8''{quote(name, safe='')}" if name else found


def send_object(
    call: Call,
    area: Area,
    digest: Digest,
    media_type: str,
    *,
    cache: str = IMMUTABLE,
    headers: dict[str, str] | None = None,
) -> Response:
    """Answer with an object or a range of it.

    Raises:
        RequestError: OBJECT_UNKNOWN, RANGE_NOT_SATISFIABLE.
    """
    stat = call.node.store.stat(area, digest)
    if stat is None:
        raise RequestError(Reason.OBJECT_UNKNOWN, digest=digest.hex, area=area.value)
    etag = f'"{digest.hex}"'
    found = {
        "ETag": etag,
        "Cache-Control": cache,
        "Accept-Ranges": "bytes",
        "Repr-Digest": repr_digest(digest),
        "Content-Security-Policy": SANDBOX,
        "Cross-Origin-Resource-Policy": "cross-origin",
        **(headers or {}),
    }
    if matches(call.request.headers.get("if-none-match"), etag, weak=True):
        return Response(status_code=304, headers=found)
    span = wanted_span(call.request, stat.size, etag)
    status = 200
    if span is not None:
        status = 206
        found["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{stat.size}"
    else:
        span = Span(0, stat.size)
    found["Content-Length"] = str(span.length)
    if call.is_head:
        return Response(b"", status, headers=found, media_type=media_type)
    elsewhere = presigned(call, area, digest, stat.size)
    if elsewhere is not None:
        return elsewhere
    file = call.node.store.open(area, digest, span.start, span.length)
    return StreamingResponse(chunks(file), status, headers=found, media_type=media_type)


def presigned(call: Call, area: Area, digest: Digest, size: int) -> Response | None:
    """Send a reader of a large public object to the store itself, where so configured.

    The address is good for an hour and for this reader; nothing keeps it.
    """
    if (
        call.node.config.store.serve != "presigned"
        or area is not Area.OBJECT
        or size <= PRESIGNED_BYTES_MIN
    ):
        return None
    url = call.node.store.public_url(digest, PRESIGNED_AGE_MAX)
    if url is None:
        return None
    headers = {"Location": url, "Cache-Control": "no-store"}
    return Response(b"", 307, headers=headers)


def chunks(file: BinaryIO) -> Iterator[bytes]:
    """Yield a file in pieces and close it, also when the reader goes away."""
    with file:
        while chunk := file.read(SENT_BYTES):
            yield chunk
